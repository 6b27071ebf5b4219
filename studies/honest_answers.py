"""`make honest-answers`: how far the costliest honest comparison is from the budget of comparisons.

    RLTF_DATA=DIR python studies/honest_answers.py [--out FILE]

Each expected answer of APPS, both splits, is compared with an honest answer that is equal but not the same
text: an output with a blank behind each line, a value as the program's process encodes it. Timed is what the
grader does under `harness.runner.comparison_budget`: decoding, and comparing under both profiles; the least
of three, since the machine interrupts. Wrong answers are not timed: the tests of hostile data bound those.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from machine import section

from harness import Runner, load_benchmark
from harness.compare import PROFILES, is_wrapped, real_positions
from harness.runner import comparison_budget as budget
from harness.runner.child_report import fields_of, value_of
from harness.runner.sandbox.values import encode
from harness.types import Benchmark, CallTest, Problem, StdinTest

REPORT = Path(__file__).resolve().parents[1] / "results" / "reports" / "honest-answers.md"
SETS = (("apps", "test"), ("apps", "train"))
MOST_ROWS = 5


class Cost(NamedTuple):
    """What one comparison took."""

    share: float
    """Of its budget."""
    seconds: float
    size: int
    """Bytes of the answer."""
    task_id: str


def main() -> None:
    """Compare, and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    rows, hashes = [], []
    for name, split in SETS:
        benchmark = load_benchmark(name, split=split)
        costs = sorted(costs_of(benchmark), reverse=True)
        hashes.append(f"{name} {split} hash {benchmark.dataset_hash[:16]}")
        rows += [
            f"| {name} {split} | {len(costs):,} | {cost.task_id} | {cost.size:,} |"
            f" {1000 * cost.seconds:.1f} | {1 / cost.share:,.0f} |"
            for cost in costs[:MOST_ROWS]
        ]
    with Runner(workers=1) as runner:
        about = section("RLTF_DATA=DIR make honest-answers", runner.describe(), "; ".join(hashes))
    args.out.write_text(page(rows, about), encoding="utf-8")
    print(f"{args.out} written")


def costs_of(benchmark: Benchmark) -> Iterator[Cost]:
    """The cost of each test's honest answer."""
    for problem in benchmark.problems:
        for work, size in answers(problem):
            seconds = min(_timed(work, problem) for _ in range(3))
            allowed = budget.SECONDS + size / (1 << 20) * budget.SECONDS_A_MIB
            yield Cost(seconds / allowed, seconds, size, problem.task_id)


def _timed(work: Callable[[], bool], problem: Problem) -> float:
    started = time.process_time()
    right = work()
    seconds = time.process_time() - started
    if not right:
        raise SystemExit(f"{problem.task_id}: an honest answer was not taken")
    return seconds


def answers(problem: Problem) -> Iterator[tuple[Callable[[], bool], int]]:
    """What the grader does with an honest answer to each test, and the answer's bytes."""
    tests = problem.suite.tests()
    outputs = [test.output for test in tests if isinstance(test, StdinTest)]
    reals = real_positions(outputs)
    for output in outputs:
        said = "".join(f"{line} \n" for line in output.rstrip("\n").split("\n"))
        yield lambda output=output, said=said: _same_output(said.encode(), output, reals), len(said)
    values = [test.expected for test in tests if isinstance(test, CallTest)]
    wrapped = is_wrapped(values)
    for value in values:
        record = json.dumps({"kind": "value", "value": encode(value)}).encode()
        yield lambda value=value, record=record: _same_value(record, value, wrapped), len(record)


def _same_output(said: bytes, expected: str, reals: object) -> bool:
    output = said.decode("utf-8", errors="surrogateescape")
    found = [profile.stdout_matches(output, expected, reals=reals) for profile in PROFILES.values()]
    return any(found)


def _same_value(record: bytes, expected: object, wrapped: bool) -> bool:
    value = value_of(fields_of(record).get("value"))
    matches = [profile.value_matches for profile in PROFILES.values()]
    under_strict, under_apps = (match(value, expected, wrapped=wrapped) for match in matches)
    return under_strict or under_apps


def page(rows: list[str], about: str) -> str:
    """The report."""
    lines = [
        "# The costliest honest comparisons",
        "",
        "Right answers that are not the expected text, compared as the grader does under both profiles; the"
        f" budget of a comparison is {budget.SECONDS:g} CPU seconds, and {budget.SECONDS_A_MIB:g} for each"
        " MiB of the answer.",
        "",
        "| set | comparisons | costliest | bytes | CPU ms | budget is × |",
        "|---|---:|---|---:|---:|---:|",
        *rows,
        "",
        about.strip(),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
