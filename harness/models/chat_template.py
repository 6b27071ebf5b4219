"""A tokenizer's chat template: what it makes of a message, and whether its model is to be asked with it.

Base models ship templates too (Qwen's do), so that there is one says nothing. A chat model has learned to end
its turn with the token that the template closes an assistant's turn with, and therefore has it among its end
tokens; a base model of that kind has another. Where both share one token (Llama 2's `</s>`) nobody can tell
from the files, and `ChatChoice.ambiguous` says so.

Covers: templates that raise, that have names, that take a message in parts, that leave it out, that know no
system message. Does not cover: the words of the messages (`harness.prompts`), templates of servers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import InputError
from harness.models.library_errors import cause

_DATE = "26 Jul 2024"
"""What the templates of Llama 3.1 and later write as today's date where they are told none and know no clock:
a run that is resumed tomorrow asks the same. Templates that read the clock, whatever they are told, still do
so."""
_MARK, _NEXT = "qzx7answer", "qzx7question"
"""Texts that no template holds."""
_OF_TURNS = re.compile(r"turn|im_end|im_start|eot|eom|\|end\||msg|message|role|user|assistant|return", re.I)
"""Names of tokens that end a turn and nothing else."""


@dataclass(frozen=True, slots=True)
class ChatChoice:
    """Whether a model is to be asked through its chat template."""

    chat: bool
    why: str
    """In words, for people."""
    ambiguous: bool = False
    """The files do not tell a chat model from a base model."""

    @property
    def manner(self) -> str:
        """`chat model` or `base model`."""
        return "chat model" if self.chat else "base model"


class Template:
    """The chat template of a tokenizer; false if there is none."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._parts = False

    def __bool__(self) -> bool:
        return bool(getattr(self._tokenizer, "chat_template", None))

    def of_user(self, text: str) -> str:
        """What the model reads when a user says `text`; see `of`."""
        return self.of((("user", text),))

    def of(self, messages: Sequence[tuple[str, str]]) -> str:
        """What the model reads when it is told these messages, up to where its answer starts.

        A system message that the template has no place for is put before what the user says.

        Args:
            messages: Role and text of each, in order.

        Raises:
            InputError: If the template refuses the messages, or what it writes does not hold them.
        """
        refused: InputError | None = None
        for told in dict.fromkeys((tuple(messages), _without_system(messages))):
            for parts in (self._parts, not self._parts):
                try:
                    written = self._written([_message(*each, parts=parts) for each in told], generation=True)
                except InputError as error:
                    refused = refused or error
                    continue
                if all(text.strip() in written for _, text in told):
                    self._parts = parts  # templates of models that see pictures want a message in parts
                    return written
        raise refused or InputError(
            "the model's chat template leaves out what the user says; use --chat off to ask it as a base"
            " model"
        )

    def closing(self, special: Iterable[int]) -> int | None:
        """The token that closes an assistant's turn: the first of the `special` ones behind an answer."""
        special = frozenset(special)
        self.of_user(_NEXT)  # finds out which kind of message it takes
        turns = [("user", _NEXT), ("assistant", _MARK), ("user", _NEXT)]
        for count in (2, 3):  # some close a turn only when another follows
            messages = [_message(*each, parts=self._parts) for each in turns[:count]]
            written = self._written(messages, generation=False)
            _, found, behind = written.rpartition(_MARK)
            if not found:
                return None
            ids = self._ids(behind.partition(_NEXT)[0])
            close = next((each for each in ids if each in special), None)
            if close is not None:
                return close
        return None

    def _written(self, messages: Sequence[Any], *, generation: bool) -> str:
        try:
            written: str = self._tokenizer.apply_chat_template(
                list(messages),
                add_generation_prompt=generation,
                tokenize=False,
                date_string=_DATE,
            )
        except Exception as error:  # a template is a program: jinja's errors, Python's, and its own
            raise InputError(
                f"the model's chat template cannot be used ({cause(error)}); use --chat off to ask it as a"
                " base model"
            ) from error
        return str(written)

    def _ids(self, text: str) -> list[int]:
        return [
            int(each) for each in self._tokenizer(text, add_special_tokens=False, verbose=False).input_ids
        ]


def choose_chat(tokenizer: Any, end_ids: Iterable[int]) -> ChatChoice:
    """Whether a model with these end tokens is to be asked through the template of `tokenizer`.

    Raises:
        InputError: If there is a template and it cannot be used: a chat model asked as a base model would
            give a number that means nothing.
    """
    template = Template(tokenizer)
    if not template:
        return ChatChoice(False, "its tokenizer has no chat template")
    ends = frozenset(end_ids)
    close = template.closing(ends | special_ids(tokenizer))
    if close is None:
        return ChatChoice(False, "its chat template closes an answer with no token of its own")
    name = token_text(tokenizer, close)
    if close not in ends:
        known = ", ".join(repr(token_text(tokenizer, each)) for each in sorted(ends)) or "none"
        return ChatChoice(
            False, f"its chat template closes an answer with {name!r}, and its end tokens are others: {known}"
        )
    shared = len(ends) == 1 and not _OF_TURNS.search(name)
    return ChatChoice(True, f"{name!r} closes an answer in its chat template and is its end token", shared)


def special_ids(tokenizer: Any) -> frozenset[int]:
    """Ids of tokens that stand for no text of their own."""
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    return frozenset(int(each) for each in [*(getattr(tokenizer, "all_special_ids", None) or []), *added])


def token_text(tokenizer: Any, token: int) -> str:
    """How a token is written; empty for one that the tokenizer does not know."""
    try:
        return str(tokenizer.convert_ids_to_tokens(token) or "")
    except (IndexError, KeyError, OverflowError, TypeError, ValueError):
        return ""


def _without_system(messages: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The messages with what the system says at the head of the first of the user's."""
    said = "\n\n".join(text for role, text in messages if role == "system")
    others = [each for each in messages if each[0] != "system"]
    if not said or not others:
        return tuple(messages)
    (role, text), *rest = others
    return ((role, f"{said}\n\n{text}"), *rest)


def _message(role: str, text: str, *, parts: bool) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}] if parts else text}
