"""The tables of one run, which console, `report.md` and `report.html` all show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from harness.report.columns import Measured, groups_of, score_columns
from harness.report.table import ABSENT, Align, Table
from harness.report.warnings import lost_samples
from harness.run_store.finished_run import generation
from harness.run_store.manifest import Manifest, Session
from harness.run_store.metrics_file import GroupMetrics, Metrics
from harness.types import Status

NOTHING: Measured = {}
_EXCEPTIONS = 12
"""Exception types that get a row of their own."""


def about_run(metrics: Metrics) -> str:
    """What was graded, and how to read its numbers."""
    benchmark, counts = metrics["benchmark"], metrics["counts"]
    return (
        f"{counts['samples']:,} programs for {counts['scored_problems']:,} of {counts['problems']:,}"
        f" problems, benchmark version {benchmark['version']}. strict is the measure for new numbers; apps"
        " compares as the released APPS grader does, for published numbers. One execution is judged under"
        " both. Intervals are 95 % bootstrap intervals over problems."
    )


def all_tables(metrics: Metrics, measured: Measured = NOTHING) -> list[Table]:
    """Every table of a run, in reading order; empty ones are left out.

    Args:
        metrics: Content of `metrics.json`.
        measured: `measured` of `manifest.json`.
    """
    tables = [scores(metrics, measured), verdicts(metrics), exceptions(metrics), completions(metrics)]
    return [table for table in tables if table.rows]


def scores(metrics: Metrics, measured: Measured = NOTHING) -> Table:
    """The columns of `harness.report.columns`, per difficulty and overall, by profile."""
    columns = score_columns([metrics])
    rows = [
        [name, profile, *(column.cell(group) for column in columns)]
        for name, groups in groups_of(metrics, measured)
        for profile, group in groups.items()
    ]
    header = ["difficulty", "profile", *(column.title for column in columns)]
    align: list[Align] = ["left", "left", *(column.align for column in columns)]
    return Table("Scores in %, with 95 % intervals", header, align, rows)


def verdicts(metrics: Metrics) -> Table:
    """How the samples ended."""
    return _breakdown(metrics, "verdicts", "Verdicts", list(Status))


def exceptions(metrics: Metrics) -> Table:
    """What the runtime errors were, the most frequent first."""
    totals: dict[str, int] = {}
    for profile in metrics["profiles"].values():
        for name, count in profile["overall"]["runtime_errors"].items():
            totals[name] = max(totals.get(name, 0), count)
    names = sorted(totals, key=lambda name: (-totals[name], name))
    table = _breakdown(metrics, "runtime_errors", "Runtime errors by exception", names[:_EXCEPTIONS])
    if len(names) > _EXCEPTIONS:
        groups = [profile["overall"] for profile in metrics["profiles"].values()]
        rest = [sum(group["runtime_errors"].get(name, 0) for name in names[_EXCEPTIONS:]) for group in groups]
        row = [f"{len(names) - _EXCEPTIONS} further types", *_counted(rest, groups)]
        return replace(table, rows=[*table.rows, row])
    return table


def completions(metrics: Metrics) -> Table:
    """What extraction and limits did to the completions; no rows where the run records nothing of it."""
    rows = [
        [name, f"{count:,}", f"{of:,}", f"{100 * count / of:.1f} %"] for name, count, of in shares(metrics)
    ]
    return Table(
        "From answers to programs", ["", "number", "of", "share"], ["left", "right", "right", "right"], rows
    )


def shares(metrics: Metrics) -> list[tuple[str, int, int]]:
    """What the run records of its completions: name, number, and of how many (see `metrics.completions`)."""
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


def remarks(metrics: Metrics) -> list[str]:
    """What is in no number, or matters for reading them; one sentence each."""
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
    numbers: Mapping[str, Any] = counts
    found = [text.format(f"{numbers[name]:,}") for name, text in sentences.items() if numbers.get(name)]
    found += metrics.get("notices", [])
    found += lost_samples(metrics)
    # Not the order of the file: metrics.json is sorted by key.
    apart = {name: metrics["disagreements"].get(f"only_{name}", 0) for name in metrics["profiles"]}
    if len(apart) > 1:
        parts = ", ".join(f"{count:,} pass under {name} only" for name, count in apart.items())
        total = sum(apart.values())
        found.append(f"The profiles disagree on {total:,} of {counts['samples']:,} programs: {parts}.")
    return found


def provenance(manifest: Manifest) -> Table:
    """Everything that the numbers depend on."""
    identity = manifest["identity"]
    session: Session = manifest["sessions"][-1] if manifest["sessions"] else {}
    runner = session.get("runner", {})
    facts = {
        "programs": f"{manifest['programs']} ({identity['programs']})",
        "data": f"{manifest['data_source']}, hash {identity['benchmark']['dataset_hash']}",
        "profiles": _pairs(identity["profiles"]),
        "limits": _pairs(identity["limits"]),
        "seed of the bootstrap": str(manifest.get("seed", "")),
        "commit": session.get("commit") or "",
        "versions": _pairs(session.get("versions", {})),
        "hardware": _pairs(session.get("hardware", {})),
        "runner": _pairs({name: value for name, value in runner.items() if name not in identity}),
    }
    rows = [[name, value] for name, value in facts.items() if value]
    return Table("How to get these numbers again", ["", "value"], ["left", "long"], rows)


def sampling(manifest: Manifest) -> Table:
    """How the programs were sampled, as the manifest records it; no rows where it does not."""
    rows = [
        [name.replace("_", " "), _pairs(value) if isinstance(value, Mapping) else str(value)]
        for name, value in generation(manifest).items()
        if value not in (None, {}, [])
    ]
    return Table("How the programs were sampled", ["", "value"], ["left", "long"], rows)


def _pairs(values: Mapping[str, Any]) -> str:
    """`cpu_seconds 4.0, workers 2, isolation (landlock on, seccomp on)`."""
    return ", ".join(f"{name} {_fact(value)}" for name, value in values.items() if value is not None)


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({_pairs(value)})"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _breakdown(
    metrics: Metrics, key: Literal["verdicts", "runtime_errors"], title: str, names: Sequence[str]
) -> Table:
    groups = {profile: content["overall"] for profile, content in metrics["profiles"].items()}
    rows = []
    for name in names:
        counts = [group[key].get(name, 0) for group in groups.values()]
        if any(counts):
            rows.append(
                [name.replace("_", " ") if key == "verdicts" else name, *_counted(counts, groups.values())]
            )
    header = ["", *(cell for profile in groups for cell in (profile, "of samples"))]
    align: list[Align] = ["right" if name else "left" for name in header]
    return Table(title, header, align, rows)


def _counted(counts: Iterable[int], groups: Iterable[GroupMetrics]) -> Iterator[str]:
    """Each number, and its share of the group's samples."""
    for count, group in zip(counts, groups, strict=True):
        yield from (f"{count:,}", f"{100 * count / group['samples']:.1f} %" if group["samples"] else ABSENT)
