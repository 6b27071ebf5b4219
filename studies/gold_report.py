"""The page that `gold.py` writes, and the words for a bad problem. Nothing is run or decided here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from gold_classes import Failure, Fault, classify
from gold_grading import MOST_SOLUTIONS, Examined, Graded
from gold_rulings import BAD_PROBLEM, Ruling, judge_problem
from machine import section

from harness.types import Status

_MARKUP = str.maketrans({"|": "\\|", "`": "'", "\n": " "})


def page(runs: Sequence[tuple[str, Graded, Sequence[Examined]]]) -> str:
    """The whole report, as Markdown."""
    parts = [
        "# The benchmarks' own solutions",
        "The first reference solution of every problem that has one, under both profiles; intervals are 95 %"
        " bootstrap intervals over problems. A failure is the fault of one solution, of the problem, or of"
        f" the grader; to tell them apart, up to {MOST_SOLUTIONS} solutions of each such problem were"
        " graded.",
        _overview(runs),
    ]
    for name, graded, examined in runs:
        if examined:
            parts += [_difficulties(name, graded), _faults(examined), _rulings(examined), _listing(examined)]
    sessions = runs[-1][1].manifest["sessions"]
    commits = dict.fromkeys(str(each["commit"]) for each in sessions)
    session = {**sessions[-1], "commit": ", then ".join(commits)}
    data = "; ".join(f"{name} hash {graded.benchmark.dataset_hash[:16]}" for name, graded, _ in runs)
    parts.append(section("RLTF_DATA=DIR make gold", session["runner"], data, session))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def _overview(runs: Sequence[tuple[str, Graded, Sequence[Examined]]]) -> str:
    rows = []
    for name, graded, _ in runs:
        counts = graded.metrics["counts"]
        for profile, found in graded.metrics["profiles"].items():
            passed = found["overall"]["verdicts"].get(Status.PASSED, 0)
            cells = [
                _interval(found["overall"]),
                counts["unscorable_problems"],
                counts["infrastructure_errors"],
            ]
            rows.append([name, profile, f"{passed:,} of {found['overall']['samples']:,}", *cells])
    header = ["set", "profile", "passed", "%", "no tests", "infrastructure errors"]
    return _table(header, rows)


def _interval(row: dict[str, dict[str, float]]) -> str:
    found = row["pass@1"]
    return f"{100 * found['value']:.2f} [{100 * found['low']:.2f}, {100 * found['high']:.2f}]"


def _difficulties(name: str, graded: Graded) -> str:
    rows = []
    for profile, found in graded.metrics["profiles"].items():
        for difficulty, row in [*found["difficulties"].items(), ("all", found["overall"])]:
            passed = row["verdicts"].get(Status.PASSED, 0)
            failed = ", ".join(f"{n} {status}" for status, n in sorted(row["verdicts"].items()) if n)
            rows.append([difficulty, profile, passed, row["samples"] - passed, _interval(row), failed])
    header = ["difficulty", "profile", "pass", "fail", "%", "verdicts"]
    return f"## {name}: by difficulty\n\n" + _table(header, rows)


def _faults(examined: Sequence[Examined]) -> str:
    counts: Counter[tuple[Fault | None, str]] = Counter()
    for each in examined:
        for profile in ("strict", "apps"):
            counts[classify(each.first), profile] += not each.first.outcome.passed(profile)
    examples = defaultdict(list)
    for each in examined:
        examples[classify(each.first)].append(each.first.task_id.rpartition("/")[2])
    rows = [
        [_name(fault), fault or "", counts[fault, "strict"], counts[fault, "apps"], ", ".join(ids[:5])]
        for fault, ids in sorted(examples.items(), key=lambda item: -len(item[1]))
    ]
    header = ["fault", "what is wrong with the first solution", "fails strict", "fails apps", "such as"]
    return "### Faults of first solutions\n\n" + _table(header, rows)


def _rule(each: Examined) -> Ruling:
    return judge_problem(each.failures, each.passed, each.repaired)


def _rulings(examined: Sequence[Examined]) -> str:
    strict = [each for each in examined if not each.first.outcome.passed("strict")]
    counts = Counter(_rule(each) for each in strict)
    rows = [
        [_name(ruling), ruling, counts[ruling], "problem" if ruling in BAD_PROBLEM else "solutions"]
        for ruling in Ruling
        if counts[ruling]
    ]
    bad = sum(counts[ruling] for ruling in BAD_PROBLEM)
    return (
        f"### Whose fault it is, under `strict`\n\n{len(strict)} first solutions fail; {bad} of their"
        " problems are bad and stand in `ERRATA.toml`.\n\n"
        + _table(["ruling", "what its solutions say of the problem", "problems", "at fault"], rows)
    )


def _listing(examined: Sequence[Examined]) -> str:
    rows = [
        [
            each.first.task_id,
            *(each.first.outcome.verdicts[profile] for profile in ("strict", "apps")),
            f"{_passed(each.first)} of {len(each.first.outcome.tests)}",
            _name(classify(each.first)),
            _name(_rule(each)) if each.failures else "",
            f"{each.passed}+{each.repaired} of {each.solutions}",
            _error(each.first),
        ]
        for each in examined
    ]
    header = ["problem", "strict", "apps", "tests", "fault of the first", "ruling", "pass", "error"]
    note = (
        "`tests`: passed by the first solution under strict. `pass`: solutions that pass under strict as they"
        " stand, and in the form in which the reference runs them, of those graded."
    )
    return f"### Every failure\n\n{note}\n\n" + _table(header, rows)


def _name(member: Fault | Ruling | None) -> str:
    return member.name.lower() if member is not None else "UNCLASSIFIED"


def _passed(failure: Failure) -> int:
    return sum(test.statuses["strict"] is Status.PASSED for test in failure.outcome.tests)


def _error(failure: Failure) -> str:
    error = failure.outcome.error
    if error is None or failure.status is Status.WRONG_ANSWER:
        return ""
    # A path in a message is a path of this machine.
    message = error.message.partition(" (/")[0].translate(_MARKUP)[:70]
    return f"{error.type}: {message}, line {error.line}"


def cause(each: Examined) -> str:
    """One line for `ERRATA.toml`; no quotation marks in it."""
    ruling = str(_rule(each)).replace('"', "'").replace("`", "'")
    return f"{ruling} ({each.passed} of {each.solutions} solutions pass as they stand)"
