"""A prompt: its text in pieces, and the name, version and hash of the format that made it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby

from harness.errors import InputError
from harness.extraction import ANYTHING, Wanted, versioned
from harness.prompts.examples import EXAMPLES
from harness.types import Piece, Problem, PromptFormat


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model gets for one problem; what a chat template makes of it is in `sent`."""

    task_id: str
    pieces: tuple[Piece, ...]
    """In order; `fit` may shorten those with `cut` set, and keeps the others or refuses the prompt."""
    format: PromptFormat
    """Also says where answers stop and how a program is read out of one."""
    shortened: bool = False
    """Cut to fit a context."""
    wanted: Wanted = ANYTHING
    """What the program in an answer must be."""
    sent: str | None = field(default=None, compare=False)
    """The very text that the model reads, where its chat template wrote that; None for `text` itself, and
    for models behind servers, whose templates are not known here."""

    @property
    def text(self) -> str:
        """In the format's words: what a base model reads; several messages have blank lines between them."""
        return "\n\n".join(text for _, text in self.messages)

    @property
    def messages(self) -> tuple[tuple[str, str], ...]:
        """Role and text of each message, for a chat model: pieces of one role in a row are one message."""
        by_role = groupby(self.pieces, key=lambda piece: piece.role)
        return tuple((role, "".join(piece.text for piece in pieces)) for role, pieces in by_role)

    @property
    def name(self) -> str:
        """The format's name."""
        return self.format.name

    @property
    def version(self) -> str:
        """The format's version."""
        return self.format.version

    @property
    def hash(self) -> str:
        """The format's hash; equal for all prompts of a run."""
        return format_hash(self.format)


def make_prompt(prompt_format: PromptFormat, problem: Problem) -> Prompt:
    """Put `problem` in the words of `prompt_format`.

    Raises:
        InputError: If the format cannot put problems of this kind.
        DatasetError: If the format needs data that is not there.
    """
    kind = problem.suite.kind
    if kind not in prompt_format.kinds:
        raise InputError(
            f"{problem.task_id}: prompt format {prompt_format.name!r} is for problems with"
            f" {' or '.join(prompt_format.kinds)} tests, and this one has {kind} tests; use the format 'chat'"
        )
    return Prompt(
        problem.task_id, tuple(prompt_format.build(problem)), prompt_format, wanted=Wanted.of(problem)
    )


def format_hash(prompt_format: PromptFormat) -> str:
    """Hex SHA-256 of all that the format decides: name, version, stop, extraction, and fixed problems in it.

    The problems are made up (`harness.prompts.examples`), so the hash is the same for any selection of a
    benchmark; worked examples that a format takes from the data are in it.
    """
    shown = [
        [_hashed(piece) for piece in prompt_format.build(example)]
        for example in EXAMPLES
        if example.suite.kind in prompt_format.kinds
    ]
    decided = {
        "name": prompt_format.name,
        "version": prompt_format.version,
        "stop": prompt_format.stop,
        "extraction": prompt_format.extraction
        if isinstance(prompt_format.extraction, str)
        else versioned(prompt_format.extraction),
        "in_program": prompt_format.in_program,
        "chat": prompt_format.chat,
        "shown": shown,
    }
    return sha256(json.dumps(decided, sort_keys=True).encode()).hexdigest()


def _hashed(piece: Piece) -> list[object]:
    said: list[object] = [piece.text, piece.cut]
    return said if piece.role == "user" else [*said, piece.role]
