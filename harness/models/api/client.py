"""One model on one server: what is there, one question at a time, and errors that say what to do.

Covers: the server's list of models, both addresses for completions, retries, learning which fields the server
takes and how many tokens it has room for, and telling a sample that it fails on from a server that fails.
Does not cover: which questions are asked, and how many at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import InputError
from harness.models.api.answer import Answer, NoAnswer, read_answer
from harness.models.api.body_limits import HEADERS, EndlessAnswerError, limited_async
from harness.models.api.context_window import fewer_new_tokens, window_of
from harness.models.api.errors import ending, ends_the_run, failure
from harness.models.api.model_list import listed_models, with_version, without_secrets
from harness.models.api.request import RequestSchema
from harness.models.base import Decoding, Finish
from harness.models.unanswered import Loss

FIRST_PAUSE = 0.5
"""Seconds before a question is asked again; each pause is twice the one before."""
_LONGEST_PAUSE = 8.0
_REPEATS = 4
"""Of a question that was answered with no completion: a filter mostly gives the same again."""
_IN_A_ROW = 5
"""Tasks without an answer, and none with one between them, after which the others are asked for once only.

Those whose answers were withheld count, too: a filter that withholds everything would cost every sample all
pauses."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request, whatever words the server wants it in."""

    task_id: str
    """For messages."""
    text: str
    chat: bool
    """To the chat address, as `messages`."""
    decoding: Decoding
    stop: Sequence[str] = ()
    seed: int = 0
    messages: Sequence[tuple[str, str]] = ()
    """Role and text of each; empty for `text` as the message of a user."""


class ServerModel:
    """A model as a server calls it; see `ServerSampler` for the arguments."""

    def __init__(self, base_url: str, model: str, *, key: str, timeout: float, retries: int) -> None:
        self.url = with_version(base_url)
        self.shown_url = without_secrets(self.url)
        self.model = model
        self._options: dict[str, Any] = {"base_url": self.url, "api_key": key}
        self._timeout = timeout
        self._retries = retries
        self._dialect = RequestSchema()
        self._listed: list[dict[str, Any]] | None = None
        self._seen: dict[str, set[str]] = {}
        self._failing: set[str] = set()
        """Tasks that the server failed on since its last answer."""
        self._withheld: set[str] = set()
        """Tasks whose answers a filter withheld since then."""
        self._first: Question | None = None
        """The question that showed the server to be well."""
        self._looking = asyncio.Lock()
        self._fewest: int | None = None
        """New tokens asked for at least, where the window had no room for more."""

    def listed(self) -> Sequence[Mapping[str, Any]]:
        """What the server says it serves, asked once; empty where it does not say.

        Raises:
            InputError: If the server is away or refuses the key.
        """
        if self._listed is None:
            self._listed = listed_models(self._options, timeout=self._timeout, shown_url=self.shown_url)
        return self._listed

    def measured(self) -> dict[str, Any]:
        """What answers have said so far, as plain JSON values; empty before the first."""
        seen = {name: sorted(values) for name, values in sorted(self._seen.items())}
        fewest = {} if self._fewest is None else {"fewest_new_tokens": self._fewest}
        return seen and {**seen, **self._dialect.describe(), **fewest}

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Any]:
        """A client of the library, to be handed to `ask`."""
        import openai  # noqa: PLC0415 - a second to import, and optional

        hooks = {"response": [limited_async(self._timeout)]}
        async with openai.AsyncOpenAI(
            **self._options,
            max_retries=self._retries,
            timeout=self._timeout,
            default_headers=HEADERS,
            http_client=openai.DefaultAsyncHttpxClient(event_hooks=hooks),
        ) as client:
            yield client

    async def ask(self, client: Any, question: Question) -> Answer | NoAnswer:
        """The server's answer, or what it gave in place of one, retries included.

        A server that fails on this sample and answers the first question as before is well: the sample is
        lost. After several tasks in a row without an answer each of the others is asked for once only.

        Raises:
            InputError: If it is the server that fails: no other sample would fare better.
        """
        patient = len(self._failing | self._withheld) < _IN_A_ROW
        found = await self._patiently(client, question, self._retries if patient else 0)
        if isinstance(found, Answer):
            self._failing.clear()
            self._withheld.clear()
        elif found.loss is Loss.FILTERED:
            self._withheld.add(question.task_id)
        elif found.loss is Loss.SERVER:
            self._failing.add(question.task_id)
            hopeless = found.kind == "slow" and len(self._failing) >= _IN_A_ROW
            if hopeless or ends_the_run(found) or await self._is_ill(client):
                raise self._ending(found, question)
        return found

    async def find(self, client: Any, questions: Iterable[Question]) -> None:
        """Ask for one token before all else: whether the server has the model, and which fields it takes.

        A model that is not listed may be served nevertheless. It gets no retries: `transformers serve`
        answers 500 for a model that it cannot find, and who mistyped a name should not wait for the last.

        Args:
            client: Of `connect`.
            questions: A few, of several tasks: one alone may be what the server cannot answer.

        Raises:
            InputError: If the server does not have the model, or would cut its answers.
        """
        listed = any(each["id"] == self.model for each in self.listed())
        first: InputError | None = None
        for question in questions:
            token = replace(question, decoding=replace(question.decoding, max_new_tokens=1))
            found = await self._patiently(client, token, self._retries if listed and not first else 0)
            if isinstance(found, Answer):
                self._check_uncut(found)
            # Busy, or still loading: what retries are for, so that the requests themselves can find out.
            elif found.loss is Loss.SERVER and (listed or found.status not in (429, 503)):
                first = first or self._ending(found, question)
                if found.kind in ("refused", "unusable") and not ends_the_run(found):
                    continue
                raise first
            self._first = token
            return
        if first is not None:
            raise first

    def _check_uncut(self, answer: Answer) -> None:
        # `transformers serve` 5.23 takes off an answer as many tokens as the prompt has, whether or not the
        # model repeats the prompt: right for a decoder, silently wrong where there is an encoder.
        if self._dialect.generation_config and not answer.tokens:
            raise InputError(
                f"{self.shown_url} cuts the answers of {self.model!r}, as transformers serve does with"
                " encoder-decoder models; sample from the checkpoint itself, without --base-url"
            )

    async def _is_ill(self, client: Any) -> bool:
        """Whether the server no longer answers the question that it answered at first."""
        if self._first is None:
            return False
        async with self._looking:
            found = await self._fitted(client.with_options(max_retries=min(self._retries, 1)), self._first)
        return isinstance(found, NoAnswer) and found.loss is Loss.SERVER

    async def _patiently(self, client: Any, question: Question, retries: int) -> Answer | NoAnswer:
        """Asked again where the library does not: after successes without a completion in them."""
        asked = client if retries == self._retries else client.with_options(max_retries=retries)
        pauses = [min(FIRST_PAUSE * 2**number, _LONGEST_PAUSE) for number in range(min(retries, _REPEATS))]
        for pause in (*pauses, None):
            found = await self._fitted(asked, question)
            if isinstance(found, Answer) or not found.again or pause is None:
                break
            await asyncio.sleep(pause)
        return found

    async def _fitted(self, client: Any, question: Question) -> Answer | NoAnswer:
        """As many new tokens as the server's window has room for: a local model's answers end there, too."""
        wanted = limit = question.decoding.max_new_tokens
        window = window_of(self.model, self.listed())
        while True:
            asked = replace(question, decoding=replace(question.decoding, max_new_tokens=limit))
            found = await self._negotiate(client, asked)
            if isinstance(found, Answer):
                break
            fewer = None
            if found.loss is Loss.TOO_LONG and found.status != 413:  # which is of bytes
                fewer = fewer_new_tokens(found.words, limit, window)
            if fewer is None:
                return found
            limit = fewer
        if limit < wanted:
            # Where the server did not say how long the prompt is, its answer does: there may be more room.
            room = min(wanted, window - found.prompt_tokens) if window and found.prompt_tokens else 0
            if found.finish is Finish.LENGTH and room > limit:
                asked = replace(question, decoding=replace(question.decoding, max_new_tokens=room))
                more = await self._negotiate(client, asked)
                found, limit = (more, room) if isinstance(more, Answer) else (found, limit)
            self._fewest = min(limit, self._fewest or limit)
        return found

    async def _negotiate(self, client: Any, question: Question) -> Answer | NoAnswer:
        """What the server refuses by name is left out, from then on."""
        while True:
            spoken = self._dialect
            fields = spoken.fields(question.decoding, question.stop, question.seed)
            found = await self._send(client, question, fields)
            if isinstance(found, Answer) or found.status not in (400, 422, 500):
                return found
            if self._dialect is spoken:  # otherwise another request has learnt it meanwhile
                narrower = spoken.without_negative(found.words, question.decoding)
                # llama-cpp-python refuses with 500, of which the words alone say little elsewhere.
                if narrower is None and found.status != 500:
                    narrower = spoken.without_refused(found.words, question.decoding)
                if narrower is None:
                    return found
                self._dialect = narrower

    async def _send(self, client: Any, question: Question, fields: Mapping[str, Any]) -> Answer | NoAnswer:
        import openai  # noqa: PLC0415 - a second to import, and optional

        api = client.chat.completions if question.chat else client.completions
        prompt: dict[str, Any] = {"prompt": question.text}
        if question.chat:
            told = question.messages or (("user", question.text),)
            prompt = {"messages": [{"role": role, "content": text} for role, text in told]}
        try:
            raw = await api.with_raw_response.create(model=self.model, **prompt, extra_body=fields)
        except (openai.APIError, EndlessAnswerError) as error:
            return failure(error)
        found = read_answer(raw.http_response.content.decode(errors="replace"), chat=question.chat)
        if isinstance(found, Answer):
            self._note("endpoint", "chat/completions" if question.chat else "completions")
            self._note("model", found.model)
            self._note("system_fingerprint", found.system_fingerprint)
        return found

    def _note(self, name: str, value: str | None) -> None:
        if value:
            self._seen.setdefault(name, set()).add(value)

    def _ending(self, found: NoAnswer, question: Question) -> InputError:
        served = [each["id"] for each in self.listed()]
        what = f"the request for {question.task_id}"
        return ending(found, self.shown_url, self.model, what=what, served=served)
