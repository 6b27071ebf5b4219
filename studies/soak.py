"""`make soak`: grade very many programs, a tenth of them hostile, and see that nothing wears out.

    python studies/soak.py [--programs N] [--seconds S] [--workers N] [--seed N] [--out FILE]

Programs are unlike one another, limits are 0.2 s. Said at the end: infrastructure errors, programs lost with
the grader's processes, wrong verdicts (an honest program that does not come out as it should, a hostile one
that passes), and, first quarter against last, the programs graded in a second and the memory of the host and
of the workers. Exit status 1 for an error, a lost program or a wrong verdict, for memory that grew by more
than a tenth and 8 MiB, or for a rate that fell by more than a fifth. Of the hostile ones a quarter are of
kinds that use their whole limit: with more, a run of that many would be one of waiting.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import fmean

from harness import Job, Limits, Outcome, Problem, Runner, TestSuite
from harness.run_store import environment
from harness.types import AssertTest, CallTest, Status, StdinTest, TestKind

REPORT = Path(__file__).resolve().parents[1] / "results" / "reports" / "soak.md"
LIMITS = Limits(cpu_seconds=0.2, load_cpu_seconds=0.2, wall_factor=3.0)
HOSTILE_SHARE = 0.1
SAMPLE_EVERY = 500
"""Outcomes between two looks at the memory."""
SAY_EVERY = 10_000
"""Outcomes between two lines on how far it is; a number of looks."""
MOST_GROWTH, MOST_GROWTH_MIB, LEAST_RATE = 1.1, 8, 0.8

SUM = TestSuite.pack(TestKind.STDIN, [StdinTest(f"{n} {n + 1}\n", f"{2 * n + 1}\n") for n in range(3)])
SQUARE = TestSuite.pack(TestKind.CALL, [CallTest([n], n * n) for n in range(2, 5)], entry_point="square")
ASSERTS = TestSuite.pack(TestKind.ASSERTS, [AssertTest("assert square(3) == 9")])
SUITES = {"sum": SUM, "square": SQUARE, "asserts": ASSERTS}

HONEST = {
    ("sum", True): "print(sum(map(int, input().split())))",
    ("sum", False): "print(sum(map(int, input().split())) + 1)",
    ("square", True): "def square(x):\n    return x * x",
    ("square", False): "import math\ndef square(x):\n    return math.sqrt(x)",
    ("asserts", True): "import collections\ndef square(x):\n    return x ** 2",
    ("asserts", False): "def square(x):\n    raise ValueError(x)",
}
"""By suite and whether it is right."""

HOSTILE = {
    "loop": "while True:\n    pass",
    "loop that swallows": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "flood of output": "import sys\nwhile True:\n    sys.stdout.write('x' * 65536)",
    "memory": "held = []\nwhile True:\n    held.append(bytearray(1 << 28))",
    "threads": "import _thread, time\nwhile True:\n    _thread.start_new_thread(time.sleep, (9,))",
    "exit": "import os\nos._exit(0)",
    "signal": "import os\nos.kill(os.getpid(), 9)",
    "crash": "import ctypes\nctypes.string_at(0)",
    "files": "for n in range(200):\n    open(f'f{n}', 'w').write('x' * 1000)",
    "deep folders": "import os\nfor _ in range(200):\n    os.mkdir('d')\n    os.chdir('d')",
    "fork": "import os\nwhile True:\n    os.fork()",
    "forged report": "import os\nfor fd in range(3, 64):\n    try:\n        os.write(fd, b'\\xff' * 5000)\n"
    "    except OSError:\n        pass\nos._exit(0)",
    "deep value": "def square(x):\n    value = []\n    for _ in range(100000):\n        value = [value]\n"
    "    return value",
    "costly value": "import collections\nd = collections.deque()\ndef square(x):\n    return [d] * 100000",
    "equal to all": "class All:\n    def __eq__(self, other):\n        return True\n"
    "def square(x):\n    return All()",
    "no program": "def square(x:\n",
}
LONG = ["loop", "loop that swallows", "flood of output", "memory", "threads", "fork"]
SHORT = [kind for kind in HOSTILE if kind not in LONG]
LONG_SHARE = 0.25


@dataclass
class Soak:
    """What has been seen."""

    outcomes: int = 0
    infrastructure_errors: list[str] = field(default_factory=list)
    lost: int = 0
    wrong: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    looks: list[tuple[float, int, float, float]] = field(default_factory=list)
    """Seconds, outcomes, MiB of the host, MiB of the workers together."""

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self.outcomes += 1
        kind, _, sample = str(outcome.sample_id).rpartition("/")
        verdict = outcome.verdicts["strict"]
        self.statuses[verdict] += 1
        if outcome.infrastructure_error is not None:
            self.infrastructure_errors.append(f"{kind}: {outcome.infrastructure_error}")
        elif outcome.lost:
            self.lost += 1
        elif (verdict is Status.PASSED) != (kind == "right"):
            self.wrong.append(f"{outcome.task_id}, {kind} {sample}: {verdict} {outcome.error}")

    def quarter(self, last: bool) -> tuple[float, float, float]:
        """Programs in a second, MiB of the host and of the workers, in the first or last quarter."""
        size = max(2, len(self.looks) // 4)
        part = self.looks[-size:] if last else self.looks[:size]
        (start, first, *_), (end, final, *_) = part[0], part[-1]
        rate = (final - first) / max(end - start, 1e-9)
        return rate, fmean(look[2] for look in part), fmean(look[3] for look in part)


def main() -> int:
    """Grade, write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--programs", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=1800.0, help="give no more programs after this long")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    started = time.monotonic()
    soak = Soak()
    with Runner(workers=args.workers, limits=LIMITS) as runner:
        for outcome in runner.run(jobs(args.programs, args.seed, started + args.seconds)):
            soak.add(outcome)
            if soak.outcomes % SAMPLE_EVERY == 0:
                workers = sum(resident_mib(handle.worker.pid) for handle in runner._workers)
                soak.looks.append((time.monotonic() - started, soak.outcomes, resident_mib("self"), workers))
                if soak.outcomes % SAY_EVERY == 0:
                    seconds, graded, host, _ = soak.looks[-1]
                    errors = len(soak.infrastructure_errors)
                    print(
                        f"{graded:,} programs in {seconds:,.0f} s, {errors} infrastructure errors,"
                        f" host {host:.0f} MiB, workers {workers:.0f} MiB",
                        file=sys.stderr,
                        flush=True,
                    )
        workers = runner.workers
    if len(soak.looks) < 8:
        raise SystemExit(f"too few programs to compare quarters: at least {8 * SAMPLE_EVERY} are needed")
    failures = verdict(soak)
    args.out.write_text(report(soak, failures, args.seed, workers, time.monotonic() - started))
    print(f"{args.out} written; {'; '.join(failures) or 'all held'}")
    return 1 if failures else 0


def jobs(count: int, seed: int, end: float) -> Iterator[Job]:
    """Programs by chance, each unlike the others."""
    dice = random.Random(seed)
    problems = {
        name: Problem(name, "", load_suite=lambda suite=suite: suite) for name, suite in SUITES.items()
    }
    for number in range(count):
        if time.monotonic() > end:
            return
        if dice.random() < HOSTILE_SHARE:
            kind = dice.choice(LONG if dice.random() < LONG_SHARE else SHORT)
            suite, code = dice.choice(list(SUITES)), HOSTILE[kind]
        else:
            suite, right = dice.choice(list(HONEST))
            kind, code = "right" if right else "wrong", HONEST[suite, right]
        yield Job(suite, f"{kind}/{number}", f"{code}\n# {number}\n", problems[suite])


def resident_mib(pid: int | str) -> float:
    """Resident set; 0 for a process that has just ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return int((status.partition("VmRSS:")[2].split() or ["0"])[0]) / 1024


def verdict(soak: Soak) -> list[str]:
    """What did not hold; empty if all did."""
    (rate, host, workers), (late_rate, late_host, late_workers) = (
        soak.quarter(last=False),
        soak.quarter(last=True),
    )
    grew = [
        f"memory of the {name} grew from {before:.0f} to {after:.0f} MiB"
        for name, before, after in (("host", host, late_host), ("workers", workers, late_workers))
        if after > before * MOST_GROWTH and after > before + MOST_GROWTH_MIB
    ]
    found = {
        f"{len(soak.infrastructure_errors)} infrastructure errors": soak.infrastructure_errors,
        f"{soak.lost} lost programs": soak.lost,
        f"{len(soak.wrong)} wrong verdicts": soak.wrong,
        f"the rate fell from {rate:.0f} to {late_rate:.0f} programs/s": late_rate < LEAST_RATE * rate,
    }
    return [text for text, holds in found.items() if holds] + grew


def report(soak: Soak, failures: Sequence[str], seed: int, workers: int, seconds: float) -> str:
    """The page that is committed."""
    about = environment.describe()
    first, last = soak.quarter(last=False), soak.quarter(last=True)
    lines = [
        "# Very many programs in one run",
        "",
        f"Made by `make soak` on {date.today()}, commit {about['commit']}, seed {seed}:",
        f"{soak.outcomes:,} programs, a tenth of them hostile ({len(HOSTILE)} kinds),",
        f"limits of {LIMITS.cpu_seconds:g} s, {workers} workers, {seconds:,.0f} s in all.",
        f"Did not hold: {'; '.join(failures)}." if failures else "All held.",
        "",
        "| | |",
        "|---|---:|",
        f"| infrastructure errors | {len(soak.infrastructure_errors)} |",
        f"| programs lost with the grader's processes | {soak.lost} |",
        f"| honest programs misjudged, hostile ones passed | {len(soak.wrong)} |",
        *(f"| {status} | {count:,} |" for status, count in sorted(soak.statuses.items())),
        "",
        "| | first quarter | last quarter |",
        "|---|---:|---:|",
        *(
            f"| {name} | {before:,.1f} | {after:,.1f} |"
            for name, before, after in zip(
                ("programs/s", "host, MiB", "workers together, MiB"), first, last, strict=True
            )
        ),
        "",
        *(f"- `{text}`" for text in [*soak.infrastructure_errors, *soak.wrong][:20]),
    ]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
