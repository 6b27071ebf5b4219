"""The page that `evalplus_parity.py` writes. Covers: wording and tables, and which cause a difference has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalplus_mutants import EQUAL_TO_ALL
from machine import section

if TYPE_CHECKING:
    from evalplus_parity import Parity, Program, Times

DEAR = 3.0
"""CPU seconds, over all of its inputs, from which on a program is left out of the second timing."""
_CAUSES = {
    EQUAL_TO_ALL: "the program returns an object whose `==` always holds; it is wrong, as is said here",
    "wall": "EvalPlus counts wall time, and passed the limit of 4 s on this busy machine: with 60 s it says"
    " the same as is said here, where CPU time counts",
}


def cause(program: Program) -> str | None:
    """Of a difference of verdicts; None where it has none that is known."""
    if program.kind == EQUAL_TO_ALL and program.ours == (False, False):
        return _CAUSES[EQUAL_TO_ALL]
    return _CAUSES["wall"] if program.wide == program.ours else None


def page(parity: Parity) -> str:
    """The whole report, as Markdown."""
    rest = [each for each in parity.programs if not each.timed_out]
    apart = [each for each in parity.programs if each.timed_out]
    parts = [
        "# Parity with EvalPlus on MBPP+",
        f"{len(parity.programs):,} wrong programs, made from the 378 reference solutions of v0.2.0 by one"
        " change each (`studies/evalplus_mutants.py`), judged by this project's runner under `evalplus-base`"
        f" and `evalplus`, and by EvalPlus {parity.version} (4 s for an input, expected outputs warm).",
        _agreement(rest, f"Programs that do not time out here: {len(rest):,}"),
        _agreement(apart, f"Programs that time out here: {len(apart):,}"),
        _kinds(parity),
        _differences(parity),
        _speed(parity),
        section("RLTF_DATA=DIR make evalplus-parity EVALPLUS=PYTHON", parity.runner, parity.data),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _agreement(programs: list[Program], title: str) -> str:
    same = sum(each.ours == each.theirs for each in programs)
    counts = Counter((each.theirs, each.ours) for each in programs)
    lines = [f"## {title}", "", f"{same:,} of {len(programs):,} have equal verdicts, base and plus."]
    lines += ["", "| EvalPlus | here | programs |", "|---|---|---|"]
    lines += [f"| {_said(a)} | {_said(b)} | {n:,} |" for (a, b), n in sorted(counts.items(), key=str)]
    return "\n".join(lines)


def _said(verdict: tuple[bool, bool] | None) -> str:
    base, plus = verdict or (False, False)
    return "passes both" if plus else "passes base only" if base else "fails"


def _kinds(parity: Parity) -> str:
    lines = ["## By kind of change", "", "| change | programs | pass here | equal |", "|---|---|---|---|"]
    for kind in sorted({each.kind for each in parity.programs}):
        of = [each for each in parity.programs if each.kind == kind]
        passed = sum(each.ours[1] for each in of)
        same = sum(each.ours == each.theirs for each in of)
        lines.append(f"| {kind} | {len(of):,} | {passed:,} | {same:,} |")
    return "\n".join(lines)


def _differences(parity: Parity) -> str:
    tasks: dict[str, list[str]] = {}
    for each in parity.programs:
        if each.ours != each.theirs:
            why = cause(each) or "UNEXPLAINED"
            said = f"EvalPlus: {_said(each.theirs)}; here: {_said(each.ours)} ({', '.join(each.statuses)})"
            tasks.setdefault(f"{each.kind}: {said}. {why[0].upper()}{why[1:]}", []).append(each.task_id)
    lines = [f"- {len(found)} programs, {said}: {', '.join(found)}." for said, found in tasks.items()]
    return "\n".join(["## Every difference", "", *(lines or ["None."])])


def _speed(parity: Parity) -> str:
    lines = [
        "## Time",
        "",
        "The programs that do not time out here, and for each task that has none in a round one of a syntax"
        " error, judged in turn on the same machine. Wall time is from the first program to the last verdict;"
        " CPU time is of all processes, EvalPlus' from their start. What the programs themselves use is the"
        " least that any grader needs.",
        "",
        *_times(parity.ours, parity.theirs),
        "",
        f"Without the programs that use more than {DEAR:g} CPU seconds, which both graders run in one process"
        f" each ({', '.join(_dear(parity))}):",
        "",
        *_times(parity.ours_cheap, parity.theirs_cheap),
    ]
    return "\n".join(lines)


def _dear(parity: Parity) -> list[str]:
    """The tasks of those programs, with the most that one used."""
    found: dict[str, float] = {}
    for each in parity.programs:
        if each.cpu_seconds > DEAR and not each.timed_out:
            found[each.task_id] = max(each.cpu_seconds, found.get(each.task_id, 0.0))
    return [f"{task}: up to {seconds:.0f} s" for task, seconds in found.items()] or ["none"]


def _times(ours: Times, theirs: Times) -> list[str]:
    lines = [
        "| round | here, wall s | EvalPlus, wall s | share | here, CPU s | of it the programs' own |"
        " EvalPlus, CPU s | beyond the programs' own: share |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows = list(zip(ours.wall, theirs.wall, ours.cpu, ours.programs, theirs.cpu, strict=True))
    for number, row in enumerate(rows, 1):
        lines.append(_row(str(number), row))
    return [*lines, _row("all", [sum(column) for column in zip(*rows, strict=True)])]


def _row(name: str, seconds: Sequence[float]) -> str:
    ours, theirs, our_cpu, own, their_cpu = seconds
    beyond = f"{(our_cpu - own) / (their_cpu - own):.2f}"
    cells = [f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.2f}", *(f"{each:.1f}" for each in seconds[2:])]
    return f"| {' | '.join([name, *cells, beyond])} |"
