"""In which prompt format a model is asked, and why: what was named wins, then what the model is.

A chat model asked as a base model, or the other way round, gives a number that means nothing, so the choice
is made by the model's own files (`harness.models.chat_template`), said, and recorded. Does not cover: whether
a prompt goes through a template (`harness.models.prompt_encoder`: those of chat formats do), models behind
servers, which do not say what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.models.end_tokens import chat_choice
from harness.prompts import find_format, formats_of
from harness.prompts.record import format_hash
from harness.prompts.trained import trained_with
from harness.types import Benchmark, PromptFormat


@dataclass(frozen=True, slots=True)
class Asked:
    """How a model is asked."""

    form: PromptFormat
    why: str
    warning: str | None = None
    """What the user should know beside it."""

    def record(self) -> dict[str, Any]:
        """For the manifest; plain JSON values."""
        return {"asked": {"format": self.form.name, "as_chat_model": self.form.chat, "why": self.why}}

    def line(self) -> str:
        """For the console."""
        manner = "a chat model" if self.form.chat else "a base model"
        return f"asked as {manner}, in the format {self.form.name!r}: {self.why}"


def named_format(
    benchmark: Benchmark, *, name: str | None, preset: str | None = None, chat: str = "auto"
) -> Asked | None:
    """What was named; None if the model is to decide.

    Args:
        benchmark: whose formats there are.
        name: of a format, from the user or a preset.
        preset: of a paper; one that names no format means the benchmark's first, which is the papers' own.
        chat: `auto`, `on` or `off`.

    Raises:
        InputError: If there is no such format.
    """
    if name is not None:
        return Asked(find_format(benchmark, name), "the format was named")
    if chat == "on":
        return Asked(find_format(benchmark, "chat"), "--chat on")
    if preset is not None:
        return Asked(find_format(benchmark), f"the format of preset {preset}")
    if chat == "off":
        return Asked(find_format(benchmark), "--chat off")
    return None


def format_for(benchmark: Benchmark, sampler: Any, folder: Path | None = None) -> Asked:
    """What suits the model behind `sampler`.

    Args:
        benchmark: whose formats there are.
        sampler: a local one knows its model; one of a server does not.
        folder: the model's, where it may say what it was trained with.

    Raises:
        InputError: If the model has a chat template that cannot be used.
    """
    trained = None if folder is None else _trained(benchmark, folder)
    if trained is not None:
        return trained
    if not hasattr(sampler, "chat_choice"):
        return Asked(
            find_format(benchmark),
            "the server's completions address is used, since a server does not say whether its model is a"
            " chat model; for one, pass --chat on",
        )
    choice = sampler.chat_choice()
    form = find_format(benchmark, "chat" if choice.chat else None)
    warning = None
    if choice.ambiguous:
        warning = (
            f"the files do not tell whether this is a chat model or a base model ({choice.why}, as it may be"
            " of its base model too); it is asked as a chat model, and with --chat off as a base model"
        )
    return Asked(form, choice.why, warning)


def format_of_model(
    benchmark: Benchmark, model: Any, tokenizer: Any, *, name: str | None = None
) -> PromptFormat:
    """The format that a model in memory is trained and evaluated in: the one of that name, or what suits it.

    Raises:
        InputError: As `named_format` and `format_for`.
    """
    if name is not None:
        return find_format(benchmark, name)
    return find_format(benchmark, "chat" if chat_choice(model, tokenizer).chat else None)


def _trained(benchmark: Benchmark, folder: Path) -> Asked | None:
    noted = trained_with(folder)
    if noted is None:
        return None
    form = formats_of(benchmark).get(noted["format"])
    if form is None:
        return None  # trained on another benchmark, in a format that this one has not
    changed = None
    if noted.get("sha256") not in (None, format_hash(form)):
        changed = (
            f"the model was trained with version {noted.get('version')} of the format {form.name!r}, and is"
            f" asked with {benchmark.name}'s, version {form.version}"
        )
    return Asked(form, "it was trained with it", changed)
