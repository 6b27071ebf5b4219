"""`make parity`: our verdicts beside those of the APPS reference grader, program by program.

    RLTF_DATA=DIR python studies/parity.py [--workers N] [--every N] [--out FILE]

Grades `$RLTF_DATA/parity/apps_reference_verdicts.jsonl.gz` under both profiles, with the limits of an
evaluation and with the reference's for a whole program, and writes `results/reports/parity.md`: times,
agreement as counted, and every disagreement under a named cause (`parity_causes.py`). A cause counts only if
it is confirmed: the program, rewritten as the reference runs it, must then get the reference's results from
our runner. Exit status 1 if one stays unexplained.
Not covered: the reference grader itself, which is not run here.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import peak_mib
from outputs import Outputs
from parity_causes import (
    GLOBAL_LIMIT,
    GLOBAL_LIMIT_SECONDS,
    Cause,
    Pair,
    differences,
    explain,
    reference_form,
)
from parity_report import page
from peers import Rates, measure
from profile_causes import ProfileCause, why_profiles_differ

from harness import Benchmark, Job, Limits, Outcome, Runner, load_benchmark

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "results" / "reports" / "parity.md"
DATA = Path("parity", "apps_reference_verdicts.jsonl.gz")


@dataclass(frozen=True)
class Program:
    """One program of the parity set with both graders' results."""

    task_id: str
    source: str
    outcome: Outcome
    pair: Pair
    causes: Mapping[tuple[int | str, Any], Cause | None]
    confirmed: bool | None = None
    """Whether the reference's form of it got the reference's results; None where nothing differs."""


@dataclass(frozen=True)
class Pass:
    """The set graded once."""

    limits: Limits
    outcomes: Sequence[Outcome]
    seconds: float
    """Wall time; starting the runner is left out."""
    runner: Mapping[str, Any]
    """`Runner.describe()`."""


@dataclass(frozen=True)
class Parity:
    """Everything that the report says."""

    programs: Sequence[Program]
    profiles: Sequence[tuple[Program, ProfileCause | None]]
    """The programs that pass under one profile only, and why."""
    passes: Sequence[Pass]
    """The whole set, once for each of `WAYS`."""
    peak_mib: float
    rates: Rates
    data: str


WAYS = (
    Limits(costly_tests_after_failure=None),
    Limits(program_cpu_seconds=GLOBAL_LIMIT_SECONDS, costly_tests_after_failure=None),
    Limits(
        program_cpu_seconds=GLOBAL_LIMIT_SECONDS, stop_at_first_failure=True, costly_tests_after_failure=None
    ),
)
"""An evaluation's limits; with the reference's for all tests of a program together; for the verdict only."""


def main() -> int:
    """Measure, write, and say whether everything is explained."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth program")
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    if not os.environ.get("RLTF_DATA"):
        parser.error("set RLTF_DATA to the folder with the data; the parity set is not on the hub")
    benchmark = load_benchmark("apps", split="test")
    rows = read_rows(Path(os.environ["RLTF_DATA"]) / DATA)[:: args.every]
    parity = compare(rows, benchmark, args.workers)
    args.out.write_text(page(parity), encoding="utf-8")
    seconds = ", ".join(f"{each.seconds:.1f}" for each in parity.passes)
    print(f"{args.out} written: {len(rows)} programs in {seconds} s")
    unexplained = [each for each in parity.programs if not explained(each)]
    unexplained += [each for each, why in parity.profiles if why is None]
    for each in unexplained:
        print(f"UNEXPLAINED {each.task_id} ({each.source}): {each.pair.reference} {each.pair.ours}"[:500])
    return 1 if unexplained else 0


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The set's rows: `problem_id`, `source`, `code`, `reference`."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def explained(program: Program) -> bool:
    """Whether every difference has a cause, and no cause was refuted."""
    return None not in program.causes.values() and program.confirmed is not False


def compare(rows: Sequence[Mapping[str, Any]], benchmark: Benchmark, workers: int) -> Parity:
    """Grade all rows, explain the differences, confirm the explanations."""
    problems = benchmark.by_id()
    ids = [f"apps/test/{row['problem_id']}" for row in rows]
    jobs = [
        Job(id_, n, row["code"], problems[id_]) for n, (id_, row) in enumerate(zip(ids, rows, strict=True))
    ]
    passes = [_grade(jobs, workers, limits) for limits in WAYS]
    programs = [_program(id_, *each) for id_, *each in zip(ids, rows, passes[0].outcomes, strict=True)]
    return Parity(
        programs=_confirm(programs, benchmark, workers),
        profiles=_profiles(programs, benchmark),
        passes=passes,
        peak_mib=peak_mib(),
        rates=measure(workers),
        data=f"{DATA.name} ({len(rows)} programs), apps test hash {benchmark.dataset_hash[:16]}",
    )


def _grade(jobs: Sequence[Job], workers: int, limits: Limits) -> Pass:
    """Grade all jobs; outcomes in their order."""
    with Runner(workers, limits) as runner:
        started = time.perf_counter()
        outcomes = {outcome.sample_id: outcome for outcome in runner.run(jobs)}
        seconds = time.perf_counter() - started
        return Pass(limits, [outcomes[job.sample_id] for job in jobs], seconds, runner.describe())


def _program(task_id: str, row: Mapping[str, Any], outcome: Outcome) -> Program:
    if outcome.infrastructure_error:
        raise RuntimeError(f"{task_id}: {outcome.infrastructure_error}; nothing can be said of this run")
    ours = [test.statuses["apps"] for test in outcome.tests]
    reference = row["reference"]
    if not isinstance(reference, str):
        reference = [int(each) for each in reference]
    pair = Pair(row["code"], reference, ours, outcome.error, outcome.cpu_seconds)
    return Program(task_id, row["source"], outcome, pair, explain(pair))


def _confirm(programs: Sequence[Program], benchmark: Benchmark, workers: int) -> list[Program]:
    """Run the reference's form of every program that differs, and hold it against the reference.

    A program over the reference's whole limit is its own evidence: its CPU seconds.
    """
    problems = benchmark.by_id()
    jobs = [
        Job(each.task_id, number, reference_form(each.pair.code), problems[each.task_id])
        for number, each in enumerate(programs)
        if each.causes and each.pair.reference != GLOBAL_LIMIT
    ]
    # The reference goes on after a time-out, so its form is run with that too.
    with Runner(
        workers, limits=Limits(stop_at_first_timeout=False, costly_tests_after_failure=None)
    ) as runner:
        forms = {outcome.sample_id: outcome for outcome in runner.run(jobs)}
    return [
        _confirmed(each, forms[number]) if number in forms else each for number, each in enumerate(programs)
    ]


def _confirmed(program: Program, form: Outcome) -> Program:
    ours = [test.statuses["apps"] for test in form.tests]
    pair = Pair(program.pair.code, program.pair.reference, ours, form.error, form.cpu_seconds)
    same = not differences(pair)
    return Program(program.task_id, program.source, program.outcome, program.pair, program.causes, same)


def _profiles(programs: Sequence[Program], benchmark: Benchmark) -> list[tuple[Program, ProfileCause | None]]:
    """Ask every program that passes under one profile only what it gave on the first test that differs."""
    problems = benchmark.by_id()
    found = []
    with Outputs() as asked:
        for program in programs:
            outcome = program.outcome
            if outcome.passed("strict") == outcome.passed("apps"):
                continue
            first = next(n for n, t in enumerate(outcome.tests) if len(set(t.statuses.values())) > 1)
            given = asked.of(program.pair.code, problems[program.task_id].suite, [first])
            why = why_profiles_differ(outcome.tests[first], *given[0][1:]) if given else None
            found.append((program, why))
    return found


if __name__ == "__main__":
    sys.exit(main())
