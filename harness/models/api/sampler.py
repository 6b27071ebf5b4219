"""Completions from any OpenAI-compatible server: vLLM, SGLang, llama.cpp, TGI, `transformers serve`, OpenAI.

Covers: base models (the completions address) and chat models (the chat address), many requests at once,
retries with growing pauses, samples that the server fails on, which are lost alone and never taken for the
model's answers, and one clear line where a server is away or refuses. One request per sample with
a seed of its own, so that a run can be resumed and extended; `n` of one request would give samples that only
exist together.

Does not cover: samples as a function of their number. Servers batch what happens to arrive together, and that
changes results in the last bits; `transformers serve` draws from one stream of numbers for all requests. Nor
what a server does to a text: `transformers serve` 5.23 gives chat answers of Qwens out without the blanks
around them and with special tokens in them, and some tokenizers lose an answer's leading blank when it is
read without its prompt. Encoder-decoder models behind that server are refused, since it cuts their answers.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from harness.errors import InputError
from harness.extraction.steps import Context, stop_strings
from harness.models.api.answer import Answer, NoAnswer
from harness.models.api.background import in_background
from harness.models.api.client import Question, ServerModel
from harness.models.api.errors import one_line
from harness.models.api.request import derived_seed
from harness.models.base import Completion, Decoding, Finish, Request
from harness.models.unanswered import Unanswered
from harness.prompts import TRUNCATIONS, Prompt, fit
from harness.prompts.tokenizer import load_tokenizer

Chat = Literal["auto", "on", "off"]
_FIRSTS = 3
"""Prompts of which one must be answered at first."""

_INDEPENDENCE = (
    "the server batches requests as they arrive and need not honour seeds, top-k or min-p: the same number"
    " may give another sample next time"
)


class ServerSampler:
    """A model behind an OpenAI-compatible server; a `LossySampler`.

    Args:
        base_url: with the version, as in `http://localhost:8000/v1`; `/v1` is added to a bare host.
        model: as the server calls it.
        api_key: `None` takes `$OPENAI_API_KEY`; local servers mostly need none.
        chat: `auto` sends what a chat format built to the chat address and everything else to the completions
            address; `on` and `off` send everything to one of them.
        concurrency: requests under way at once.
        timeout: seconds for one request, its wait in the server's queue included, and again for its answer
            to come whole.
        retries: for each request, after 408, 409, 429, 5xx and lost connections; pauses grow from 0.5 to 8 s,
            or are what the server asks for, if at most 2 minutes. 8 make about 40 s. At most 4 after a
            success without a completion: an error in its body, an aborted or a filtered answer.
        source_tokens: prompts are shortened to so many tokens, counted with `tokenizer`; a chat template
            comes on top. `None` sends prompts as they are; where the server refuses one as too long, fewer
            new tokens are asked for, and a prompt that leaves no room for any is lost.
        tokenizer: a local `tokenizer.json`, or a folder with one.
        truncation: of `harness.prompts.TRUNCATIONS`.

    Raises:
        InputError: If an argument is wrong, the package `openai` is missing, or the tokenizer cannot be read.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str | None = None,
        chat: Chat = "auto",
        concurrency: int = 16,
        timeout: float = 600.0,
        retries: int = 8,
        source_tokens: int | None = None,
        tokenizer: Path | None = None,
        truncation: str = "end",
    ) -> None:
        _check_installed()
        if chat not in ("auto", "on", "off"):
            raise InputError(f"chat must be auto, on or off, got {chat!r}")
        if truncation not in TRUNCATIONS:
            raise InputError(f"unknown truncation {truncation!r}; available: {', '.join(TRUNCATIONS)}")
        if concurrency < 1 or retries < 0 or not timeout > 0:
            raise InputError("concurrency must be at least 1, retries at least 0 and timeout positive")
        if (source_tokens is None) != (tokenizer is None):
            raise InputError(
                "to shorten prompts for a server, name both: --tokenizer and --max-prompt-tokens"
            )
        # Local servers take any key, but the client library wants one.
        key = api_key or os.environ.get("OPENAI_API_KEY") or "none"
        self._server = ServerModel(base_url, model, key=key, timeout=timeout, retries=retries)
        self._chat = chat
        self._concurrency = concurrency
        self._source_tokens = source_tokens
        self._tokenizer = None if tokenizer is None else load_tokenizer(tokenizer)
        self._truncation = truncation

    def complete(self, requests: Iterable[Request], decoding: Decoding) -> Iterator[Completion | Unanswered]:
        """See `LossySampler`. What was finished before an error is given out before it is raised."""
        asked = list(requests)
        self._server.listed()
        return in_background(lambda put: self._produce(asked, decoding, put))

    def describe(self) -> Mapping[str, Any]:
        """See `Sampler`. `measured` may change: the address, since a server started anew has another one, and
        what answers have said so far. All else decides what is sampled.

        Raises:
            InputError: If the server is away or refuses the key.
        """
        server = self._server
        entry = next((each for each in server.listed() if each["id"] == server.model), {})
        listed = {name: entry[name] for name in ("owned_by", "max_model_len") if name in entry}
        return {
            "kind": "server",
            # Behind a name that the server was given there is mostly a path or a hub id.
            "model": {"name": server.model} | ({"root": entry["root"]} if "root" in entry else {}),
            "settings": {
                "chat": self._chat,
                "truncation": self._truncation,
                "source_tokens": self._source_tokens,
            },
            "independent_of_batch": False,
            "independence": _INDEPENDENCE,
            "measured": {"base_url": server.shown_url, **listed, **server.measured()},
        }

    async def _produce(
        self, requests: Sequence[Request], decoding: Decoding, put: Callable[[Completion | Unanswered], None]
    ) -> None:
        jobs = self._jobs(requests, decoding)
        async with self._server.connect() as client:

            async def work() -> None:
                for prompt, sample_id, question in jobs:
                    answer = await self._server.ask(client, question)
                    put(_result(prompt, sample_id, question.stop, answer))

            try:
                firsts = {
                    question.task_id: question for _, _, question in self._jobs(requests[:_FIRSTS], decoding)
                }
                await self._server.find(client, firsts.values())
                async with asyncio.TaskGroup() as group:
                    for _ in range(self._concurrency):
                        group.create_task(work())
            except BaseExceptionGroup as several:
                raise several.exceptions[0] from None

    def _jobs(
        self, requests: Sequence[Request], decoding: Decoding
    ) -> Iterator[tuple[Prompt, int, Question]]:
        for request in requests:
            prompt = self._fitted(request.prompt)
            stop = tuple(dict.fromkeys(each for each in (*prompt.format.stop, *decoding.stop) if each))
            chat = prompt.format.chat if self._chat == "auto" else self._chat == "on"
            for sample_id in request.sample_ids:
                seed = derived_seed(decoding.seed, prompt.task_id, sample_id)
                asked = Question(
                    prompt.task_id, prompt.text, chat, decoding, stop, seed, messages=prompt.messages
                )
                yield prompt, sample_id, asked

    def _fitted(self, prompt: Prompt) -> Prompt:
        if self._tokenizer is None or self._source_tokens is None:
            return prompt
        encode, decode = self._tokenizer
        return fit(prompt, self._source_tokens, encode, decode, truncation=self._truncation)


def _result(
    prompt: Prompt, sample_id: int, stop: Sequence[str], answer: Answer | NoAnswer
) -> Completion | Unanswered:
    if isinstance(answer, NoAnswer):
        status = "" if answer.status is None else f"{answer.status}: "
        return Unanswered(prompt, sample_id, answer.loss, one_line(status + answer.words))
    text = stop_strings(answer.text, Context("", stop))
    # Some servers give out the stop string too, and what came with it in the same token.
    finish = answer.finish if text == answer.text else Finish.STOP
    return Completion(prompt, sample_id, text, finish, answer.tokens)


def _check_installed() -> None:
    try:
        import openai  # noqa: F401, PLC0415 - a second to import, and optional
    except ImportError:
        raise InputError(
            "a server is asked through the package openai; pip install 'rltf-harness[server]'"
        ) from None
