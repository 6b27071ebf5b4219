"""The marks of a grader, by section, as data and as Markdown.

Does not cover: asking it (`targets`, `protocols`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from harness.conformance.case import Case
from harness.conformance.targets import NoAnswerError, Target


@dataclass(frozen=True, slots=True)
class Mark:
    """What a grader said of one case."""

    section: str
    name: str
    required: bool
    said: bool | None
    """`None`: nothing, or it could not be asked."""
    asked: bool = True
    """False where the protocol has no way for this case; it counts for nothing."""
    instead: str = ""
    """What came in place of a verdict."""

    @property
    def right(self) -> bool:
        """Whether it said what it must; to say nothing is wrong."""
        return self.said is self.required


def examine(target: Target, cases: Iterable[Case], told: Callable[[Mark], None] | None = None) -> list[Mark]:
    """Play all cases, in order."""
    marks = []
    for case in cases:
        mark = _mark(target, case)
        marks.append(mark)
        if told is not None:
            told(mark)
    return marks


def _mark(target: Target, case: Case) -> Mark:
    try:
        said = target.verdict(case)
    except NoAnswerError as error:
        return Mark(case.section, case.name, case.right, None, instead=str(error))
    return Mark(case.section, case.name, case.right, said, asked=said is not None)


def all_right(marks: Iterable[Mark]) -> bool:
    """Whether something was asked, and every verdict was the required one."""
    asked = [mark for mark in marks if mark.asked]
    return bool(asked) and all(mark.right for mark in asked)


def as_data(grader: str, marks: list[Mark]) -> dict[str, Any]:
    """For `--json`."""
    return {
        "grader": grader,
        "all_right": all_right(marks),
        "sections": [
            {"section": section, "right": sum(m.right for m in asked), "asked": len(asked)}
            for section, asked in _sections(marks)
        ],
        "cases": [asdict(mark) | {"right": mark.right} for mark in marks],
    }


def as_markdown(grader: str, marks: list[Mark]) -> str:
    """The score sheet."""
    rows = ["| section | right | asked |", "|---|--:|--:|"]
    total = [mark for mark in marks if mark.asked]
    for section, asked in _sections(marks):
        rows.append(f"| {section} | {sum(mark.right for mark in asked)} | {len(asked)} |")
    rows.append(f"| **all** | **{sum(mark.right for mark in total)}** | **{len(total)}** |")
    faults = [_fault(mark) for mark in total if not mark.right]
    text = f"# {grader}\n\n" + "\n".join(rows) + "\n"
    skipped = len(marks) - len(total)
    if skipped:
        text += f"\n{skipped} cases have no way in this protocol.\n"
    if faults:
        text += "\n| section | program | must be | was |\n|---|---|---|---|\n" + "\n".join(faults) + "\n"
    return text


def _sections(marks: list[Mark]) -> list[tuple[str, list[Mark]]]:
    names = dict.fromkeys(mark.section for mark in marks)
    return [(name, [mark for mark in marks if mark.section == name and mark.asked]) for name in names]


def _fault(mark: Mark) -> str:
    said = _word(mark.said) if mark.said is not None else f"no answer ({mark.instead})"
    cells = (mark.section, mark.name, _word(mark.required), said)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _word(verdict: bool) -> str:
    return "right" if verdict else "wrong"


def _cell(text: str) -> str:
    """Text of a grader's in a table."""
    return " ".join(text.split()).replace("|", "\\|")[:160]
