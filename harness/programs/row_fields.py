"""Which field of a row is the model's program: said by the row, or asked for; never guessed.

Covers: the fields that result files of this field of research carry. A row that holds a dataset's own
solution beside a model's gives the model's, or is refused with the fields named; `--field` decides.
Does not cover: what stands in the field (`harness.programs.formats`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

PROGRAM_FIELDS = (
    "code",
    "codes",
    "code_list",
    "solution",
    "completion",
    "completions",
    "completion_list",
    "generation",
    "generations",
    "generated_code",
    "source_codes",
    "implementations",
    "filtered_resps",
    "resps",
    "response",
    "responses",
    "output",
    "outputs",
    "output_list",
    "prediction",
    "predictions",
    "answer",
    "raw_solution",
)
"""Fields that may hold what a model wrote."""

COMPLETION_FIELDS = ("completion", "completions")
"""Of these, those that hold what follows a prompt, where the problem has one that is code."""

REFERENCE_FIELDS = (
    "canonical_solution",
    "reference",
    "references",
    "reference_solution",
    "reference_code",
    "ground_truth",
    "gold",
    "target",
    "solutions",
    "doc",
)
"""Fields that hold the dataset's own solution in every format that has them: never graded unasked."""

_DATASET_MARKS = ("test_list", "challenge_test_list", "test_setup_code", "test_imports")
"""MBPP's own columns: the `code` beside them is MBPP's reference solution."""

_TAKEN_FROM: Mapping[str, tuple[str, ...]] = {
    "code_list": ("output_list",),
    "filtered_resps": ("resps",),
    "solution": ("raw_solution", "implementations"),
    "source_codes": ("responses",),
    "completion": ("completion_list",),
}
"""A program's field, and the fields of the answers or attempts that it was taken from: LiveCodeBench,
lm-eval, BigCodeBench and Reflexion, MapCoder, AgentCoder."""


_EITHER = ("code", "codes", "solution", "answer", "output")
"""Fields that hold a model's program in some files and a dataset's solution in others."""

_NO_PROGRAM = re.compile(
    "prompt|question|text|instruct|descri|input|message|test|starter|declar|signature|example|doc|feedback"
    "|error|log|trace|raw|full|entry|comment",
    re.I,
)
"""In the names of fields whose Python is not a program to be graded."""

_OF_PROGRAMS = re.compile(r"^(?:async +)?(?:def|class) +(\w+)|^.*\b(input|stdin|print)\b", re.M)
"""What two programs for the same problem have in common: what they define, or that they read and write."""


class NoProgramField(ValueError):
    """No field of the row is sure to be the model's program; the message names the fields and the way out."""


def program_field(row: Mapping[str, Any], wanted: str | None = None) -> str:
    """Name of the field that holds the model's program, or programs.

    Args:
        row: As read.
        wanted: The user's word on it.

    Raises:
        NoProgramField: If there is none, or more than one that may be it.
    """
    if wanted is not None:
        if wanted not in row:
            raise NoProgramField(
                f"no field {wanted!r}: keys are {key_list(row)}; name one of them with --field"
            )
        return wanted
    found = [name for name in PROGRAM_FIELDS if name in row]
    if "code" in found and any(mark in row for mark in _DATASET_MARKS):
        if len(found) == 1:
            raise NoProgramField(
                "'code' beside the columns of the dataset is the dataset's own solution; pass --field code if"
                " a model wrote it, or write 'gold' in place of the file to grade the references"
            )
        found.remove("code")
    found = _programs_alone(row, found)
    if not found:
        raise NoProgramField(_none(row))
    if len(found) > 1 and any(row[name] != row[found[0]] for name in found):
        raise NoProgramField(_ambiguous(found))
    if found[0] in _EITHER:
        other = _other_program(row, found[0])
        if other is not None:
            raise NoProgramField(_ambiguous([found[0], other]))
    return found[0]


def _ambiguous(names: list[str]) -> str:
    return (
        f"ambiguous: {' and '.join(map(repr, names))} may be the model's program, and they differ; name the"
        f" one with --field, as in --field {names[-1]}"
    )


def _other_program(row: Mapping[str, Any], chosen: str) -> str | None:
    """A field of a name that is not known and holds another program for the same problem."""
    program = _text(row[chosen])
    marks = _marks(program)
    for name, value in row.items():
        if (
            not isinstance(name, str)
            or name in (*PROGRAM_FIELDS, *REFERENCE_FIELDS)
            or _NO_PROGRAM.search(name)
        ):
            continue
        text = _text(value)
        taken = program.strip() in text or text.strip() in program  # an answer, and the program in it
        if not taken and marks & _marks(text):
            return name
    return None


def _text(value: Any) -> str:
    """A program, or the first of a list."""
    while isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, str) else ""


def _marks(program: str) -> set[str]:
    return {mark for pair in _OF_PROGRAMS.findall(program[:1_000_000]) for mark in pair if mark}


def _programs_alone(row: Mapping[str, Any], found: list[str]) -> list[str]:
    """Without the answers that another field's programs were taken from, as the format says."""
    taken = {raw for name in found for raw in _TAKEN_FROM.get(name, ())}
    if isinstance(row.get("changed"), bool) and "code" in found:
        taken.add("completion")  # our own samples.jsonl: the answer that `code` was read out of
    return [name for name in found if name not in taken]


def _none(row: Mapping[str, Any]) -> str:
    own = [name for name in REFERENCE_FIELDS if name in row]
    if own:
        return (
            f"no program of a model: {own[0]!r} is the dataset's own solution (keys are {key_list(row)});"
            " name the model's field with --field"
        )
    return f"no program: keys are {key_list(row)}, none of code, solution, completion or their like"


def key_list(row: Mapping[str, Any]) -> str:
    """The row's keys for a message, shortened."""
    names = [repr(str(name)[:40]) for name in row]
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "") if names else "missing"
