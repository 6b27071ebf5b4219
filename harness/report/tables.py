"""The tables of one run as plain text cells, so that console and `report.md` cannot say different things."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.metrics.lost_samples import said_of_lost
from harness.metrics.summary import from_easy_to_hard
from harness.run_store.finished_run import generation
from harness.run_store.manifest import Manifest
from harness.types import Status

_EXCEPTIONS = 12
"""Exception types that get a row of their own."""


TEXT_COLUMNS = frozenset(
    {"", "difficulty", "profile", "problem", "sample", "verdict", "known cause"}
    | {"system", "base model", "benchmark", "critic sampling", "source", "setting", "metric", "subset", "run"}
    | {"status", "why, or what to know", "outcome", "change", "which", "value"}
)
"""Columns that are set to the left; the others are numbers."""


@dataclass(frozen=True)
class Table:
    """A titled table."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def about_run(metrics: Mapping[str, Any]) -> str:
    """What was graded, and how to read its numbers."""
    benchmark, counts = metrics["benchmark"], metrics["counts"]
    return (
        f"{counts['samples']:,} programs for {counts['scored_problems']:,} of {counts['problems']:,}"
        f" problems, benchmark version {benchmark['version']}. strict is the measure for new numbers; apps"
        " compares as the released APPS grader does, for published numbers. One execution is judged under"
        " both. Intervals are 95 % bootstrap intervals over problems."
    )


def all_tables(metrics: Mapping[str, Any]) -> list[Table]:
    """Every table of a run, in reading order; empty ones are left out."""
    tables = [scores(metrics), verdicts(metrics), exceptions(metrics), completions(metrics)]
    return [table for table in tables if table.rows]


def scores(metrics: Mapping[str, Any]) -> Table:
    """pass@k and hendrycks' averages with 95 % intervals, per difficulty and overall, by profile."""
    columns = {f"pass@{k}": f"pass@{k}" for k in metrics["k"]}
    counts = metrics["counts"]
    if counts["samples"] != counts["scored_problems"]:  # with one sample each it would repeat pass@1
        columns["strict_accuracy"] = "all tests of all samples"
    columns["test_case_average"] = "tests passed"
    rows = [
        [name, profile, f"{group['problems']:,}", f"{group['samples']:,}"]
        + [percent(group[column]) for column in columns]
        for name, groups in _groups(metrics)
        for profile, group in groups.items()
    ]
    header = ["difficulty", "profile", "problems", "samples", *columns.values()]
    return Table("Scores in %, with 95 % intervals", header, rows)


def verdicts(metrics: Mapping[str, Any]) -> Table:
    """How the samples ended."""
    return _breakdown(metrics, "verdicts", "Verdicts", list(Status))


def exceptions(metrics: Mapping[str, Any]) -> Table:
    """What the runtime errors were, the most frequent first."""
    totals: dict[str, int] = {}
    for profile in metrics["profiles"].values():
        for name, count in profile["overall"]["runtime_errors"].items():
            totals[name] = max(totals.get(name, 0), count)
    names = sorted(totals, key=lambda name: (-totals[name], name))
    table = _breakdown(metrics, "runtime_errors", "Runtime errors by exception", names[:_EXCEPTIONS])
    if len(names) > _EXCEPTIONS:
        rest = [
            str(sum(profile["overall"]["runtime_errors"].get(name, 0) for name in names[_EXCEPTIONS:]))
            for profile in metrics["profiles"].values()
        ]
        row = [f"{len(names) - _EXCEPTIONS} further types", *(cell for count in rest for cell in (count, ""))]
        return Table(table.title, table.header, [*table.rows, row])
    return table


def completions(metrics: Mapping[str, Any]) -> Table:
    """What became of the model's answers on their way to programs; no rows where the run records none."""
    rows = [
        [name, f"{count:,}", f"{of:,}", f"{100 * count / of:.1f} %"] for name, count, of in shares(metrics)
    ]
    return Table("From answers to programs", ["", "number", "of", "share"], rows)


def shares(metrics: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """What the run records of the answers (`harness.metrics.completions`): name, number, and of how many."""
    answers, prompts, found = metrics.get("answers", {}), metrics.get("prompts", {}), []
    if changed := answers.get("changed"):
        found.append(("changed by extraction", changed["count"], changed["of"]))
    if finish := answers.get("finish"):
        found.append(("cut at the length limit", finish["counts"].get("length", 0), finish["of"]))
        others = {name: count for name, count in finish["counts"].items() if name not in ("stop", "length")}
        found += [(f"ended by: {name}", count, finish["of"]) for name, count in sorted(others.items())]
    if prompts.get("of"):
        found.append(("prompts shortened to fit", prompts["shortened"], prompts["of"]))
    return found


def remarks(metrics: Mapping[str, Any]) -> list[str]:
    """What is not in the numbers, or should be known beside them; one sentence each."""
    counts = metrics["counts"]
    sentences = {
        "missing_problems": "{} problems had no program and count as failed.",
        "unscorable_problems": "{} problems have no tests: unscorable, in no number above.",
        "problems_left_out": "{} problems have no program (or reference solution): in no number above.",
        "skipped_samples": "{} programs are for none of the selected problems, and were left out.",
        "infrastructure_errors": "{} PROGRAMS COULD NOT BE GRADED: the grader failed, not they. They are in"
        " no number above; run the same command again to try them once more.",
        "lost_programs": "{} programs cost the grader its processes whenever they ran, and count as failed;"
        " run the same command again to try them once more.",
        "cut_short": "{} programs had failed and were slow, so not all of their tests were run: their"
        " averages of passed tests may be lower than with all of them, their verdicts and pass@k are not"
        " (--all-tests runs them).",
        "problems_lost_to_infrastructure": "{} problems are left without any graded program by that.",
    }
    found = [text.format(f"{counts[name]:,}") for name, text in sentences.items() if counts.get(name)]
    found += metrics.get("notices", [])
    found += said_of_lost(metrics, percent)
    apart = {name.removeprefix("only_"): count for name, count in metrics["disagreements"].items()}
    if len(apart) > 1:
        parts = ", ".join(f"{count:,} pass under {name} only" for name, count in apart.items())
        total = sum(apart.values())
        found.append(f"The profiles disagree on {total:,} of {counts['samples']:,} programs: {parts}.")
    return found


def provenance(manifest: Manifest) -> Table:
    """Everything that the numbers depend on."""
    identity = manifest["identity"]
    session = manifest["sessions"][-1] if manifest["sessions"] else {}
    facts = {
        "programs": f"{manifest['programs']} ({identity['programs']})",
        "data": f"{manifest['data_source']}, hash {identity['benchmark']['dataset_hash']}",
        "profiles": _pairs(identity["profiles"]),
        "limits": _pairs(identity["limits"]),
        "seed of the bootstrap": str(manifest["seed"]),
        "commit": str(session.get("commit")),
        "versions": _pairs(session.get("versions", {})),
        "hardware": _pairs(session.get("hardware", {})),
        "runner": json.dumps(session.get("runner", {}), sort_keys=True),
    }
    rows = [[name, value] for name, value in facts.items() if value]
    return Table("How to get these numbers again", ["", "value"], rows)


def sampling(manifest: Manifest) -> Table:
    """How the programs were sampled, as the manifest records it; no rows where it does not."""
    rows = [
        [name.replace("_", " "), _pairs(value) if isinstance(value, Mapping) else str(value)]
        for name, value in generation(manifest).items()
        if value not in (None, {}, [])
    ]
    return Table("How the programs were sampled", ["", "value"], rows)


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)


def percent(interval: Mapping[str, Any] | None) -> str:
    """A share with its interval, in per cent."""
    if interval is None:
        return "undefined"
    value, low, high = (100 * interval[name] for name in ("value", "low", "high"))
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _groups(metrics: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    profiles = metrics["profiles"]
    # Not the order of the file: metrics.json is sorted by key.
    names = {name for profile in profiles.values() for name in profile["difficulties"]}
    for name in from_easy_to_hard(names):
        yield name, {profile: profiles[profile]["difficulties"][name] for profile in profiles}
    yield "all", {profile: profiles[profile]["overall"] for profile in profiles}


def _breakdown(metrics: Mapping[str, Any], key: str, title: str, names: Sequence[str]) -> Table:
    groups = {profile: content["overall"] for profile, content in metrics["profiles"].items()}
    rows = []
    for name in names:
        counts = [group[key].get(name, 0) for group in groups.values()]
        if any(counts):
            shares = [100 * c / group["samples"] for c, group in zip(counts, groups.values(), strict=True)]
            cells = [(f"{c:,}", f"{share:.1f} %") for c, share in zip(counts, shares, strict=True)]
            rows.append([str(name), *(cell for pair in cells for cell in pair)])
    return Table(title, ["", *(cell for profile in groups for cell in (profile, "of samples"))], rows)
