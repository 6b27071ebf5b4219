"""The page that `parity.py` writes. Covers: wording and tables only; nothing is run or decided here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from machine import section, share
from parity_causes import EXPLANATIONS, GLOBAL_LIMIT, Cause

from harness.metrics.pass_at_k import mean_interval
from harness.types import Status

if TYPE_CHECKING:
    from parity import Parity, Pass, Program

_NAMES = {1: "1 passed", 0: "0 wrong", -1: "-1 raised or timed out", -2: "-2 did not load"}


def page(parity: Parity) -> str:
    """The whole report, as Markdown."""
    parts = [
        "# Parity with the APPS reference grader",
        "The same programs, graded by this project's runner (profile `apps`) and by the released"
        " grader of APPS (Python 3.11, 11 s for a whole program)."
        " Intervals are 95 % bootstrap intervals over programs.",
        _agreement(parity.programs),
        _causes(parity.programs),
        _listing(parity.programs),
        _tests(parity.programs),
        _profiles(parity),
        _speed(parity),
        section("RLTF_DATA=DIR make parity", parity.passes[0].runner, parity.data),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def _differing(programs: Sequence[Program]) -> list[Program]:
    return [each for each in programs if each.pair.reference_passed != each.pair.passed]


def _share(flags: Sequence[bool]) -> str:
    interval = mean_interval([float(flag) for flag in flags])
    return share(sum(flags), len(flags), interval.low, interval.high)


def _agreement(programs: Sequence[Program]) -> str:
    counts = Counter((each.pair.reference_passed, each.pair.passed) for each in programs)
    agreeing = [each.pair.reference_passed == each.pair.passed for each in programs]
    differing = _differing(programs)
    explained = sum(None not in each.causes.values() and each.confirmed is not False for each in differing)
    lines = [
        "## Verdicts of programs",
        "",
        f"- As counted: {_share(agreeing)} agree.",
        f"- Of the {len(differing)} that differ, {explained} have a cause below;"
        f" {len(differing) - explained} do not.",
        "",
        _table(
            ["", "ours: passed", "ours: failed"],
            [
                [f"reference: {name}", counts[theirs, True], counts[theirs, False]]
                for theirs, name in ((True, "passed"), (False, "failed"))
            ],
        ),
        "",
        "By source of the program:",
        "",
        _table(
            ["source", "agreement", "reference passes", "we pass"],
            [
                [
                    source,
                    _share([each.pair.reference_passed == each.pair.passed for each in of]),
                    sum(each.pair.reference_passed for each in of),
                    sum(each.pair.passed for each in of),
                ]
                for source in sorted({each.source for each in programs})
                for of in [[each for each in programs if each.source == source]]
            ],
        ),
    ]
    return "\n".join(lines)


def _causes(programs: Sequence[Program]) -> str:
    rows = []
    for cause in Cause:
        having = [each for each in programs if cause in each.causes.values()]
        verdicts = [each for each in having if each.pair.reference_passed != each.pair.passed]
        if having:
            example = (verdicts or having)[0]
            cells = [f"**{cause}**. {EXPLANATIONS[cause]}", len(verdicts), len(having) - len(verdicts)]
            rows.append([*cells, f"{example.task_id}: {_evidence(example)}"])
    unexplained = [each for each in programs if None in each.causes.values() or each.confirmed is False]
    header = ["cause", "verdict differs", "only tests differ", "shown on"]
    lines = [
        "## Causes",
        "",
        "Decided by rules in `studies/parity_causes.py`, then confirmed: the program was rewritten as the"
        " reference runs it (in a function, `exit` and `quit` None, `__name__` not `__main__`), graded again"
        " by this runner, and had to get the reference's result on every test. Programs over the reference's"
        " limit of 11 s are confirmed by their CPU time.",
        "",
        _table(header, rows),
        "",
        f"UNEXPLAINED: {len(unexplained)}"
        + "".join(f"\n- {each.task_id}: {_evidence(each)}" for each in unexplained),
    ]
    return "\n".join(lines)


def _evidence(program: Program) -> str:
    pair = program.pair
    text = f"reference {_theirs(program)}; ours {_ours(program)}"
    if pair.error is not None:
        text += f", {pair.error.type}: {pair.error.message}, line {pair.error.line}"
    if pair.reference == GLOBAL_LIMIT:
        return text + f"; {pair.cpu_seconds:.1f} s of CPU for {len(pair.ours)} tests"
    if program.confirmed is not None:
        text += "; in the reference's form: " + ("its results" if program.confirmed else "OTHER RESULTS")
    return text


def _theirs(program: Program) -> str:
    reference = program.pair.reference
    if isinstance(reference, str):
        return f"`{reference}`"
    return ", ".join(f"{count} × {value}" for value, count in sorted(Counter(reference).items()))


def _ours(program: Program) -> str:
    return ", ".join(f"{count} × {value}" for value, count in sorted(Counter(program.pair.ours).items()))


def _listing(programs: Sequence[Program]) -> str:
    rows = [
        [each.task_id, each.source, ", ".join(sorted(map(str, set(each.causes.values())))), _evidence(each)]
        for each in _differing(programs)
    ]
    return "## Every program whose verdict differs\n\n" + _table(
        ["problem", "source", "cause", "evidence"], rows
    )


def _tests(programs: Sequence[Program]) -> str:
    comparable = [each for each in programs if each.pair.comparable]
    counts = Counter(test for each in comparable for test in each.pair.tests)
    agree = sum(n for (theirs, ours), n in counts.items() if (theirs == 1) == (ours is Status.PASSED))
    total = sum(counts.values())
    columns = [status for status in Status if any(ours is status for _, ours in counts)]
    rows = [
        [_NAMES[theirs], *[counts[theirs, ours] for ours in columns]]
        for theirs in _NAMES
        if any(each == theirs for each, _ in counts)
    ]
    return "\n".join(
        [
            "## Single tests",
            "",
            f"{len(comparable)} of {len(programs)} programs have one result per test on both sides (not those"
            f" that the reference stopped after 11 s or could not load). On {agree:,} of their {total:,}"
            f" tests both graders say passed, or both failed: {100 * agree / total:.2f} %.",
            "",
            _table(["reference \\ ours", *columns], rows),
        ]
    )


def _profiles(parity: Parity) -> str:
    rows = [
        [
            each.task_id,
            each.source,
            "strict" if each.outcome.passed("strict") else "apps",
            why or "UNEXPLAINED",
        ]
        for each, why in parity.profiles
    ]
    only = Counter(row[2] for row in rows)
    note = (
        f"One execution, judged under both: {only['apps']} of {len(parity.programs)} programs pass under"
        f" `apps` only, {only['strict']} under `strict` only. Why, on the first test that differs:"
    )
    header = ["problem", "source", "passes under", "why"]
    return f"## `strict` beside `apps`\n\n{note}\n\n" + _table(header, rows)


def _pass_row(parity: Parity, done: Pass) -> list[str]:
    limits = ["`--limit-program 11`"] * (done.limits.program_cpu_seconds is not None)
    limits += ["`--first-failure`"] * done.limits.stop_at_first_failure
    run = sum(test.statuses["apps"] is not Status.NOT_RUN for each in done.outcomes for test in each.tests)
    pairs = zip(parity.programs, done.outcomes, strict=True)
    agreeing = [program.pair.reference_passed == outcome.passed("apps") for program, outcome in pairs]
    return [
        " ".join(limits) or "of an evaluation",
        f"{done.seconds:.1f}",
        f"{sum(outcome.cpu_seconds for outcome in done.outcomes):.0f}",
        f"{run:,}",
        f"{run / done.seconds:.0f}",
        _share(agreeing),
    ]


def _speed(parity: Parity) -> str:
    cpu = sorted((each.pair.cpu_seconds for each in parity.programs), reverse=True)
    rates = parity.rates
    ratio = rates.runner / rates.interpreter, rates.runner / rates.preamble
    return "\n".join(
        [
            "## Time",
            "",
            f"The whole set under both profiles, {parity.passes[0].runner['workers']} workers:",
            "",
            _table(
                ["limits", "seconds", "programs' CPU seconds", "tests run", "tests per second", "agreement"],
                [_pass_row(parity, each) for each in parity.passes],
            ),
            "",
            "The reference had a limit of 11 s for a whole program, as the second row and the third have. The"
            " third stops at the first failure: the verdicts are the second's, pass ratios are not known.",
            "",
            f"- Of the first row's CPU seconds the slowest program takes {cpu[0]:.0f}, the ten slowest"
            f" {sum(cpu[:10]):.0f}, the other {len(cpu) - 10} {sum(cpu[10:]):.0f}.",
            f"- Peak memory of the host process (VmHWM): {parity.peak_mib:.0f} MiB.",
            "",
            "One new interpreter per test, as the peers do it, can't be measured on these programs, which are"
            f" untrusted. Measured on the project's own instead: {rates.programs} solutions of `mini`,"
            f" {rates.tests} tests, median of {rates.rounds} rounds, the same processors, in turn:",
            "",
            _table(
                ["way", "tests per second", "rltf is ×"],
                [
                    ["rltf, every layer on", f"{rates.runner:,.0f}", ""],
                    [
                        "a new interpreter per test, no isolation",
                        f"{rates.interpreter:,.0f}",
                        f"{ratio[0]:.1f}",
                    ],
                    [
                        "the same with the imports that APPS promises",
                        f"{rates.preamble:,.0f}",
                        f"{ratio[1]:.1f}",
                    ],
                ],
            ),
        ]
    )
