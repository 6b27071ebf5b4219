"""One model on one server: what is there, one question at a time, and errors that say what to do.

Covers: the server's list of models, both addresses for completions, retries (the client library's), and
learning which fields the server takes. Does not cover: which questions are asked, and how many at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from harness.errors import InputError
from harness.generate.server_answer import Answer, read_answer
from harness.generate.server_errors import refused, server_words, unreadable
from harness.generate.server_fields import Dialect
from harness.generate.types import Decoding

_LIST_SECONDS = 60.0
"""Enough for any server to say which models it has."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request, whatever words the server wants it in."""

    task_id: str
    """For messages."""
    text: str
    chat: bool
    """To the chat address, as the message of a user."""
    decoding: Decoding
    stop: Sequence[str] = ()
    seed: int = 0


class ServerModel:
    """A model as a server calls it; see `ServerSampler` for the arguments."""

    def __init__(self, base_url: str, model: str, *, key: str, timeout: float, retries: int) -> None:
        self.url = _with_version(base_url)
        self.shown_url = _without_secrets(self.url)
        self.model = model
        self._options: dict[str, Any] = {"base_url": self.url, "api_key": key}
        self._timeout = timeout
        self._retries = retries
        self._dialect = Dialect()
        self._listed: list[dict[str, Any]] | None = None
        self._seen: dict[str, set[str]] = {}

    def listed(self) -> Sequence[Mapping[str, Any]]:
        """What the server says it serves, asked once; empty where it does not say.

        Raises:
            InputError: If the server is away or refuses the key.
        """
        if self._listed is None:
            self._listed = self._list()
        return self._listed

    def measured(self) -> dict[str, Any]:
        """What answers have said so far, as plain JSON values; empty before the first."""
        seen = {name: sorted(values) for name, values in sorted(self._seen.items())}
        return seen and {**seen, **self._dialect.describe()}

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Any]:
        """A client of the library, to be handed to `ask`."""
        import openai  # noqa: PLC0415 - a second to import, and optional

        async with openai.AsyncOpenAI(
            **self._options, max_retries=self._retries, timeout=self._timeout
        ) as client:
            yield client

    async def ask(self, client: Any, question: Question) -> Answer:
        """The server's answer.

        Raises:
            InputError: If there is none, retries included.
        """
        import openai  # noqa: PLC0415 - a second to import, and optional

        try:
            return await self._negotiate(client, question)
        except openai.APIError as error:
            raise self._refused(error, f"the request for {question.task_id}") from None

    async def find(self, client: Any, question: Question) -> None:
        """Ask for one token before all else: whether the server has the model, and which fields it takes.

        A model that is not listed may be served nevertheless. It gets no retries: `transformers serve`
        answers 500 for a model that it cannot find, and who mistyped a name should not wait for the last.

        Raises:
            InputError: If the server does not have the model, or would cut its answers.
        """
        import openai  # noqa: PLC0415 - a second to import, and optional

        listed = any(each["id"] == self.model for each in self.listed())
        token = replace(question, decoding=replace(question.decoding, max_new_tokens=1))
        try:
            asked = client if listed else client.with_options(max_retries=0)
            answer = await self._negotiate(asked, token)
        except openai.APIError as error:
            # Busy, or still loading: what retries are for, so that the requests themselves can find out.
            if not listed and getattr(error, "status_code", None) in (429, 503):
                return
            raise self._refused(error, f"the request for {question.task_id}") from None
        # `transformers serve` 5.23 takes off an answer as many tokens as the prompt has, whether or not the
        # model repeats the prompt: right for a decoder, silently wrong where there is an encoder.
        if self._dialect.generation_config and not answer.tokens:
            raise InputError(
                f"{self.shown_url} cuts the answers of {self.model!r}, as transformers serve does with"
                " encoder-decoder models; sample from the checkpoint itself, without --base-url"
            )

    async def _negotiate(self, client: Any, question: Question) -> Answer:
        """What the server refuses by name is left out, from then on."""
        import openai  # noqa: PLC0415 - a second to import, and optional

        while True:
            spoken = self._dialect
            fields = spoken.fields(question.decoding, question.stop, question.seed)
            try:
                return await self._send(client, question, fields)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if self._dialect is spoken:  # otherwise another request has learnt it meanwhile
                    narrower = spoken.without_refused(server_words(error), question.decoding)
                    if narrower is None:
                        raise
                    self._dialect = narrower

    async def _send(self, client: Any, question: Question, fields: Mapping[str, Any]) -> Answer:
        if question.chat:
            raw = await client.chat.completions.with_raw_response.create(
                model=self.model, messages=[{"role": "user", "content": question.text}], extra_body=fields
            )
        else:
            raw = await client.completions.with_raw_response.create(
                model=self.model, prompt=question.text, extra_body=fields
            )
        body = raw.http_response.text
        answer = read_answer(body, chat=question.chat)
        if answer is None:
            raise unreadable(body, self.shown_url, task_id=question.task_id)
        self._note("endpoint", "chat/completions" if question.chat else "completions")
        self._note("model", answer.model)
        self._note("system_fingerprint", answer.system_fingerprint)
        return answer

    def _list(self) -> list[dict[str, Any]]:
        import openai  # noqa: PLC0415 - a second to import, and optional

        try:
            # One retry only: a user who mistyped an address should not wait for the eighth.
            with openai.OpenAI(
                **self._options, max_retries=1, timeout=min(_LIST_SECONDS, self._timeout)
            ) as client:
                answer = client.models.with_raw_response.list().http_response.json()
            return [each for each in answer["data"] if isinstance(each.get("id"), str)]
        except (openai.APIConnectionError, openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise self._refused(error, "the request for its models", served=[]) from None
        # Not every server lists its models; `transformers serve` answers 500 without a hub cache.
        except (openai.APIError, ValueError, TypeError, KeyError, AttributeError):
            return []

    def _note(self, name: str, value: str | None) -> None:
        if value:
            self._seen.setdefault(name, set()).add(value)

    def _refused(self, error: Exception, what: str, served: Sequence[str] | None = None) -> InputError:
        known = [each["id"] for each in self.listed()] if served is None else served
        return refused(error, self.shown_url, self.model, what=what, served=known)


def _with_version(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InputError(f"{url!r} is not the address of a server; write it as http://localhost:8000/v1")
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") or "/v1"))


def _without_secrets(url: str) -> str:
    """Without user, password and query, which may hold keys: for manifests and messages."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
