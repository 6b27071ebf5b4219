"""What `make real-data` found, as a page: from the logs and folders of its runs.

Covers: counts of what was sampled, equality of two runs, seconds, memory, evaluation. Does not cover: making
the runs (`real_data.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.runner import Runner
from rltf.rewards.feedback import Category, Scope
from studies import machine
from studies.learning_runs import metrics, outside_the_model, seconds, train_seconds
from studies.memory import Sample, growth

MOST_GROWTH = 1.05
"""Of the trainer's memory, last third over first, above which a run is said to grow."""
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """All that the page is made of."""

    parameters: int
    taught: Sequence[float]
    """Supervised losses before RLTF, in the order of the log."""
    straight: Path
    memory: Sequence[Sample]
    killed: Path
    killed_at: int
    """Steps that the log had when the process was killed."""
    resumed_from: int
    left_over: bool
    """Whether a process of the killed run stayed."""
    longer: Path | None
    longer_memory: Sequence[Sample]
    elapsed: float
    """Seconds of all runs after the supervised one."""


# --- reading -------------------------------------------------------------------------------------


def read_rows(run: Path) -> list[Row]:
    """The lines of the run's log that are steps."""
    return [row for row in metrics(run) if "loss" in row]


def counts(rows: Iterable[Row], names: Iterable[str]) -> dict[str, int]:
    """Programs sampled over the run, by what follows `sampled/` in the log; `programs` is their number."""
    refreshes = [row for row in rows if "sampled/programs" in row]
    found = {"programs": round(sum(row["sampled/programs"] for row in refreshes))}
    for name in names:
        found[name] = round(
            sum(row.get(f"sampled/{name}", 0.0) * row["sampled/programs"] for row in refreshes)
        )
    return found


def subtypes(rows: Iterable[Row]) -> dict[str, int]:
    """Programs by sub-type, the most frequent first."""
    kept = list(rows)
    front = "sampled/"
    names = {name.removeprefix(front) for row in kept for name in row if name.startswith(front + "subtype/")}
    found = counts(kept, names)
    order = sorted(names, key=lambda name: (-found[name], name))
    return {name.removeprefix("subtype/"): found[name] for name in order}


def unequal_steps(one: Iterable[Row], other: Iterable[Row]) -> list[int]:
    """Steps of which anything but the time is different, or which one of the logs lacks."""
    both = [{row["step"]: _timeless(row) for row in rows} for rows in (one, other)]
    return [step for step in sorted({*both[0], *both[1]}) if both[0].get(step) != both[1].get(step)]


def _timeless(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not name.startswith("seconds/")}


def _digest(run: Path, start: str = "model") -> str:
    return sha256((run / start / "model.safetensors").read_bytes()).hexdigest()


# --- the page ------------------------------------------------------------------------------------


def page(found: Found, *, data: str, command: str) -> tuple[str, bool]:
    """The report, and whether everything held that has to."""
    rows = read_rows(found.straight)
    long_rows = read_rows(found.longer) if found.longer else []
    table: list[tuple[str, str, bool | None]] = [
        ("model", _model(found), None),
        (f"runs {len(rows)} steps", *_ran(found, rows)),
        ("killed with -9, resumed", *_resumed(found)),
        ("every scope of feedback seen", *_all_seen(rows, "scope/", Scope)),
        ("categories seen", _all_seen(rows, "", Category)[0], None),
        ("no growth of memory", *memory_said(found.memory, len(rows))),
    ]
    if found.longer:
        longer = memory_said(found.longer_memory, len(long_rows))
        table.append((f"no growth over {len(long_rows)} steps", *longer))
    table += [
        ("evaluates", *_evaluated(found.straight)),
        ("seconds of the steps", _time(found.straight), None),
    ]
    with Runner(workers=1) as runner:
        about = dict(runner.describe())
    parts = [
        "# RLTF on real data",
        "A small T5 of CodeT5's shape with CodeT5's tokenizer, `rltf train --preset paper` on APPS train with"
        " a small buffer, a higher rate and two temperatures (`TRAINING` in the script). It was taught a few"
        " solutions before, so these numbers say that the parts work together, and nothing of what RLTF"
        " gains.",
        _table(["what", "found", "holds"], [(what, said, _said(held)) for what, said, held in table]),
        "## Programs sampled in training",
        *(_sampled(each) for each in (rows, long_rows) if each),
        f"The runs after the supervised one took {found.elapsed / 60:.0f} minutes.",
        machine.section(command, about, data).strip(),
    ]
    return "\n\n".join(parts) + "\n", all(held is not False for *_, held in table)


def _said(held: bool | None) -> str:
    return {True: "yes", False: "**NO**", None: ""}[held]


def _table(head: Sequence[str], body: Iterable[Sequence[object]]) -> str:
    lines = [" | ".join(map(str, row)) for row in [head, ["---"] * len(head), *body]]
    return "\n".join(f"| {line} |" for line in lines)


def _model(found: Found) -> str:
    return (
        f"{found.parameters / 1e6:.1f} million weights, 32,100 tokens; supervised first, loss"
        f" {found.taught[0]:.2f} -> {found.taught[-1]:.2f}"
    )


def _ran(found: Found, rows: Sequence[Row]) -> tuple[str, bool]:
    start = _digest(found.straight.parent, "taught/model")
    moved = _digest(found.straight) != start
    said = f"exit status 0, a loss for each; weights {'moved' if moved else 'did not move'}"
    whole = [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    return (
        f"{said}; loss {rows[0]['loss']:.3f} in the first, {rows[-1]['loss']:.3f} in the last",
        moved and whole,
    )


def _resumed(found: Found) -> tuple[str, bool]:
    weights = _digest(found.straight) == _digest(found.killed)
    unequal = unequal_steps(read_rows(found.straight), read_rows(found.killed))
    scores = _comparison(found.straight) == _comparison(found.killed)
    said = [
        f"killed after step {found.killed_at}, went on from step {found.resumed_from}",
        f"`model.safetensors` {'the same bytes' if weights else 'DIFFERS'}",
        f"log of all steps, without seconds, {f'DIFFERS in {unequal}' if unequal else 'the same'}",
        f"`comparison.json` {'the same' if scores else 'DIFFERS'}",
        "processes left over" if found.left_over else "no process left over",
    ]
    return "; ".join(said), weights and scores and not unequal and not found.left_over


def _all_seen(rows: Sequence[Row], front: str, names: Iterable[str]) -> tuple[str, bool]:
    listed = list(names)
    seen = counts(rows, [front + name for name in listed])
    parts = [f"{name} {_part(seen[front + name], seen['programs'])}" for name in listed]
    return f"of {seen['programs']} programs: {', '.join(parts)}", all(seen[front + name] for name in listed)


def _part(count: int, of: int) -> str:
    return f"{count} ({100 * count / of:.1f} %)"


def memory_said(samples: Sequence[Sample], steps: int) -> tuple[str, bool | None]:
    """What a run of `steps` steps held, and whether it did not grow; `None` if it was too quick to say."""
    trainer, graders = growth(samples, steps), growth(samples, steps, "graders")
    if trainer is None or graders is None:
        return "too quick to be measured", None
    return (
        f"trainer, median of the first third of the steps {trainer.first:.0f} MiB, of the last"
        f" {trainer.last:.0f} MiB, peak {trainer.peak:.0f} MiB; all processes of the graders together"
        f" {graders.first:.0f} and {graders.last:.0f} MiB ({trainer.samples} looks)",
        trainer.last <= MOST_GROWTH * trainer.first,
    )


def _comparison(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "comparison.json").read_bytes())
    return content


def _evaluated(run: Path) -> tuple[str, bool]:
    said = []
    content = _comparison(run)
    for name, each in content.items():
        problems = json.loads((run / "eval" / "after" / name / "metrics.json").read_bytes())["counts"][
            "problems"
        ]
        before, after = (_points(each[when]["pass@1"]) for when in ("before", "after"))
        difference = _points(each["difference"]["pass@1"])
        said.append(f"{name}, {problems} problems, pass@1 {before} -> {after}, difference {difference}")
    return "; ".join(said), {"apps", "mbpp"} <= content.keys()


def _points(score: Mapping[str, float]) -> str:
    value, low, high = (100 * score[each] for each in ("value", "low", "high"))
    return f"{value:.1f} % [{low:.1f}, {high:.1f}]"


def _time(run: Path) -> str:
    took = seconds(read_rows(run))
    parts = [f"{name} {took.get(name, 0.0):.1f}" for name in ("sampling", "grading", "learning", "batching")]
    outside = 100 * outside_the_model(run)
    return f"{train_seconds(run):.1f}, of them {', '.join(parts)}; {outside:.0f} % not in the model"


def _sampled(rows: Sequence[Row]) -> str:
    body = [[name, count] for name, count in subtypes(rows).items()]
    scopes = _all_seen(rows, "scope/", Scope)[0]
    return f"In {len(rows)} steps; scopes {scopes}.\n\n{_table(['category.sub-type', 'programs'], body)}"
