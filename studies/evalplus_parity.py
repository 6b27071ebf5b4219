"""`make evalplus-parity`: our verdicts and times on MBPP+ beside those of EvalPlus itself, on wrong programs.

    RLTF_DATA=DIR python studies/evalplus_parity.py --evalplus PYTHON [--rounds N] [--workers N] [--out FILE]

PYTHON is an interpreter of a venv of its own with `evalplus` in it. Each round has one program for each of
the 378 tasks of v0.2.0 (`evalplus_mutants.py`). Programs that time out here are kept out of the timed rounds,
in which both graders judge the same programs, one after the other, and are compared apart. A second time is
without the programs that use more than `DEAR` CPU seconds: two processes are as slow as the slowest of those,
whoever grades. The report is written after every round. EvalPlus is run on this project's own programs only:
it isolates nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalplus_mutants import mutant
from evalplus_parity_report import DEAR, cause, page
from rates import cpu_seconds

from benchmarks.evalplus import LIMITS, PROFILES
from harness import Job, Outcome, Problem, Runner, load_benchmark
from harness.types import Status

REPORT = Path(__file__).parents[1] / "results" / "reports" / "evalplus-parity.md"
DATA = Path("mbpp", "MbppPlus-v0.2.0.jsonl.gz")
FILLER = "(\n"
"""EvalPlus wants a program for every task; where a round has none, both graders get this one."""
LIMIT, WIDE_LIMIT = 4, 60
"""Seconds for an input: EvalPlus' own (its repository at 26d6d00), and what no program here should reach."""
_EVALUATE = "from evalplus.evaluate import evaluate; evaluate('mbpp', {path!r}, parallel={workers}, {rest})"
_WARM = (
    "from evalplus.evaluate import *; "
    "get_groundtruth(get_mbpp_plus(), get_mbpp_plus_hash(), MBPP_OUTPUT_NOT_NONE_TASKS)"
)


@dataclass
class Program:
    """One program with the verdicts of both graders: of base inputs, and of base and added inputs."""

    task_id: str
    kind: str
    code: str
    ours: tuple[bool, bool] = (False, False)
    statuses: tuple[str, str] = ("", "")
    cpu_seconds: float = 0.0
    theirs: tuple[bool, bool] | None = None
    wide: tuple[bool, bool] | None = None
    """EvalPlus' verdicts with `WIDE_LIMIT`, where they differ from ours."""

    @property
    def timed_out(self) -> bool:
        """Whether it did here."""
        return Status.TIMED_OUT in self.statuses


@dataclass
class Times:
    """Of one grader over the timed rounds."""

    wall: list[float] = field(default_factory=list)
    """Seconds from the first program to the last verdict, for each round."""
    cpu: list[float] = field(default_factory=list)
    """Seconds of all its processes, of EvalPlus from their start."""
    programs: list[float] = field(default_factory=list)
    """CPU seconds of the programs alone; not known of EvalPlus."""


@dataclass
class Parity:
    """Everything that the report says."""

    programs: list[Program] = field(default_factory=list)
    ours: Times = field(default_factory=Times)
    theirs: Times = field(default_factory=Times)
    ours_cheap: Times = field(default_factory=Times)
    theirs_cheap: Times = field(default_factory=Times)
    runner: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""
    version: str = ""


def main() -> int:
    """Measure round by round; exit status 1 if a difference has no cause."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--evalplus", required=True, metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=6, help="of 378 programs each")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    if not os.environ.get("RLTF_DATA"):
        parser.error(f"set RLTF_DATA to the folder that has {DATA}")
    peer = Peer(args.evalplus, Path(os.environ["RLTF_DATA"]) / DATA, args.workers)
    benchmark = load_benchmark("mbpp-plus")
    problems = benchmark.problems
    for problem in problems:
        problem.suite  # noqa: B018 - made before anything is timed, as EvalPlus' expected outputs are
    parity = Parity(data=f"{DATA.name}, hash {benchmark.dataset_hash[:16]}", version=peer.version())
    for number in range(args.rounds):
        programs = [_program(problem, number) for problem in problems]
        _round(parity, programs, problems, peer, args.workers)
        args.out.write_text(page(parity), encoding="utf-8")
        print(f"round {number + 1} of {args.rounds}: {args.out} written", flush=True)
    return 1 if any(unexplained(each) for each in parity.programs) else 0


def unexplained(program: Program) -> bool:
    """Whether verdicts differ for no cause that the report names."""
    return program.theirs != program.ours and cause(program) is None


def _program(problem: Problem, number: int) -> Program:
    (reference,) = problem.load_solutions()
    made = mutant(reference, problem.suite.entry_point or "", f"{problem.task_id}/{number}")
    return Program(problem.task_id, made.kind, made.code)


def _round(
    parity: Parity, programs: Sequence[Program], problems: Sequence[Problem], peer: Peer, workers: int
) -> None:
    ours = Times()
    _judge(programs, problems, workers, ours, parity)
    timed = [each for each in programs if not each.timed_out]
    apart = [each for each in programs if each.timed_out]
    cheap = [each for each in timed if each.cpu_seconds <= DEAR]
    # In turn, the first one alternating, so that a machine that is busy for a while is so for both.
    graders = [
        lambda: _judge(_filled(timed, problems), problems, workers, parity.ours, parity),
        lambda: peer.judge(_filled(timed, problems), LIMIT, parity.theirs),
        lambda: _judge(_filled(cheap, problems), problems, workers, parity.ours_cheap, parity),
        lambda: peer.judge(_filled(cheap, problems), LIMIT, parity.theirs_cheap),
    ]
    for grade in graders if len(parity.ours.wall) % 2 else reversed(graders):
        grade()
    if apart:
        peer.judge(_filled(apart, problems), LIMIT, Times())
    if differing := [each for each in programs if each.theirs != each.ours]:
        again = [Program(each.task_id, each.kind, each.code) for each in differing]
        peer.judge(_filled(again, problems), WIDE_LIMIT, Times())
        for each, other in zip(differing, again, strict=True):
            each.wide = other.theirs
    parity.programs += programs


def _filled(programs: Sequence[Program], problems: Sequence[Problem]) -> list[Program]:
    by_task = {each.task_id: each for each in programs}
    return [by_task.get(each.task_id) or Program(each.task_id, "filler", FILLER) for each in problems]


def _judge(
    programs: Sequence[Program], problems: Sequence[Problem], workers: int, times: Times, parity: Parity
) -> None:
    by_task = {problem.task_id: problem for problem in problems}
    jobs = [Job(each.task_id, n, each.code, by_task[each.task_id]) for n, each in enumerate(programs)]
    with Runner(workers, LIMITS, profiles=PROFILES) as runner:
        before, started = cpu_seconds(), time.perf_counter()
        outcomes: dict[Any, Outcome] = {outcome.sample_id: outcome for outcome in runner.run(jobs)}
        times.wall.append(time.perf_counter() - started)
        times.cpu.append(cpu_seconds() - before)
        parity.runner = runner.describe()
    times.programs.append(sum(outcome.cpu_seconds or 0.0 for outcome in outcomes.values()))
    for number, program in enumerate(programs):
        outcome = outcomes[number]
        if outcome.infrastructure_error:
            raise RuntimeError(f"{program.task_id}: {outcome.infrastructure_error}")
        names = ("evalplus-base", "evalplus")
        program.statuses = (str(outcome.verdicts[names[0]]), str(outcome.verdicts[names[1]]))
        program.ours = (outcome.passed(names[0]), outcome.passed(names[1]))
        program.cpu_seconds = outcome.cpu_seconds or 0.0


class Peer:
    """EvalPlus, in an interpreter of its own."""

    def __init__(self, python: str, data: Path, workers: int) -> None:
        self._python, self._workers = python, workers
        self._environment = os.environ | {"MBPP_OVERRIDE_PATH": str(data), "PYTHONUNBUFFERED": "1"}
        subprocess.run([python, "-c", _WARM], env=self._environment, check=True)

    def version(self) -> str:
        """Of the package, and of its Python."""
        ask = "import sys, evalplus; print(evalplus.__version__, 'on Python', sys.version.split()[0])"
        found = subprocess.run([self._python, "-c", ask], capture_output=True, text=True, check=True)
        return found.stdout.strip()

    def judge(self, programs: Sequence[Program], limit: float, times: Times) -> None:
        """Fill in its verdicts; one program for each task."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "samples.jsonl")
            rows = [{"task_id": _their_id(each.task_id), "solution": each.code} for each in programs]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            self._run(path, limit, times)
            found = json.loads(Path(folder, "samples_eval_results.json").read_text(encoding="utf-8"))
        for program in programs:
            (row,) = found["eval"][_their_id(program.task_id)]
            base = row["base_status"] == "pass"
            program.theirs = (base, base and row["plus_status"] == "pass")

    def _run(self, path: Path, limit: float, times: Times) -> None:
        code = _EVALUATE.format(path=str(path), workers=self._workers, rest=f"min_time_limit={limit}")
        before, started, ended = cpu_seconds(), 0.0, 0.0
        with subprocess.Popen(
            [self._python, "-c", code], env=self._environment, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            # Not its whole run: loading comes before, and after it a thread that sleeps for up to 20 s.
            for line in process.stdout or ():
                if line.startswith("Reading samples"):
                    started = time.perf_counter()
                elif "base tests" in line:
                    ended = time.perf_counter()
        if process.returncode or not ended:
            raise RuntimeError(f"EvalPlus ended with exit status {process.returncode}: {code}")
        times.wall.append(ended - started)
        times.cpu.append(cpu_seconds() - before)


def _their_id(task_id: str) -> str:
    return task_id.replace("mbpp-plus/", "Mbpp/")


if __name__ == "__main__":
    sys.exit(main())
