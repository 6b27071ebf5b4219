"""What the comparison of methods says: its tables, the runs that went wrong, and a reading of the numbers.

Does not cover: the trainings (`methods_runs`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from rltf.presets import EVALUATIONS, MINI
from studies.learning_runs import BENCHMARK, HELD_OUT, half_interval, interval, made, train_seconds
from studies.methods_runs import Run
from studies.methods_settings import (
    A_REFRESH,
    BUDGET,
    CONTROL_STEPS,
    METHODS,
    PER_PROBLEM,
    START_STEPS,
    STEPS,
)

BASE = "rltf"
"""The method that the others are compared with."""
SUPERVISED = "supervised"
"""The control's name in the tables."""
_LOST = 0.5
"""A run that ends below this share of what its start could do has collapsed."""


@dataclass(frozen=True)
class Found:
    """All that was run."""

    tuned: Mapping[str, Mapping[str, Sequence[float]]]
    """By method and setting, pass@1 on the tuning seeds."""
    chosen: Mapping[str, str]
    """By method the setting of its runs."""
    tuning_seeds: Sequence[int]
    runs: Mapping[str, Mapping[int, Run]]
    """By method and seed, those that are done."""
    controls: Mapping[int, Run]
    """Supervised training from the same starts."""


def report(found: Found) -> str:
    """Markdown."""
    return "\n".join(
        [
            "# The methods on mini, from one start and for one budget of programs",
            "",
            *_setting(found),
            "",
            "## What they gain",
            "",
            *_gains(found),
            "",
            *_reading(found),
            "",
            "## Each run",
            "",
            *_each_run(found),
            "",
            "## Alarms and collapsed runs",
            "",
            *_alarmed(found),
            "",
            "## Tuning",
            "",
            *_tuning(found),
            "",
            made("make methods"),
        ]
    )


def paired(runs: Mapping[int, float], others: Mapping[int, float]) -> list[float]:
    """Differences of the seeds that both have, in their order."""
    return [runs[seed] - others[seed] for seed in sorted(runs.keys() & others.keys())]


def raised(rows: Sequence[Mapping[str, float]]) -> dict[str, list[int]]:
    """By alarm of a training's log the steps at which it was raised."""
    found: dict[str, list[int]] = {}
    for row in rows:
        for name in row:
            if name.startswith("alarm/"):
                found.setdefault(name.removeprefix("alarm/"), []).append(int(row["step"]))
    return found


def has_collapsed(before: float, after: float) -> bool:
    """Whether training lost half or more of what the start could do."""
    return after <= _LOST * before


def _setting(found: Found) -> list[str]:
    sampling = EVALUATIONS["mini"]
    return [
        f"pass@1 in percent on the {HELD_OUT} held-out problems of {BENCHMARK} ({sampling['n']} samples each,"
        f" temperature {sampling['temperature']}), profile strict. No behaviour of theirs is trained on.",
        "",
        f"- Start: of each seed one small model, trained for {START_STEPS} steps on the {MINI['sl_problems']}"
        f" of {MINI['train_problems']} training problems that have solutions. All methods begin with it.",
        f"- Budget: {BUDGET:,} graded programs and {STEPS} steps a run, in refreshes of {A_REFRESH}. CodeRL's"
        " greedy programs are among them, and its critic learns from no others; programs that DAPO draws in"
        " place of degenerate groups are among them, so it gets half as many prompts a refresh, and its total"
        " is what came of it.",
        f"- A step has 64 programs and 16 solutions, sampled {PER_PROBLEM} to a problem at temperature 1 by"
        " the weights that learn (CodeRL offline: by the start). Rewards are the methods' defaults:"
        " 1 for a program that passes and 0 for others with rltf, as preset mini has it; the share of tests"
        " passed with the GRPO family; +1, -0.3, -0.6, -1 by class with CodeRL and PPO. PPO is without the"
        " matches of syntax tree and data flow.",
        f"- Supervised training: from the same starts, {CONTROL_STEPS} steps of 16 of the same solutions,"
        " meant to take as long as a method without a critic: the table has the CPU seconds of each.",
        f"- Seeds of tuning: {', '.join(map(str, found.tuning_seeds))}. They have starts of their own and"
        " the same held-out problems.",
    ]


# --- tables --------------------------------------------------------------------------------------


def _gains(found: Found) -> list[str]:
    control = _scores(found.controls)
    base = _scores(found.runs.get(BASE, {}))
    lines = [
        "Means over seeds, differences of the same seed, 95 % intervals by Student's t.",
        "",
        "| method | setting | seeds | start | pass@1 | gain over the start | over supervised training"
        f" | over {BASE} | graded programs | CPU seconds of a run | wall seconds of training |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    rows = [(each, found.chosen[each], found.runs[each]) for each in found.chosen]
    for name, setting, runs in [*rows, (SUPERVISED, f"{CONTROL_STEPS} steps", found.controls)]:
        if not runs:
            lines.append(f"| {name} | {setting} | 0 | not run | | | | | | | |")
            continue
        own, start = _scores(runs), _scores(runs, "before")
        above_control = "" if name == SUPERVISED else interval(paired(own, control))
        above_base = "" if name == BASE else interval(paired(own, base))
        graded = "0" if name == SUPERVISED else _span([each.graded() for each in runs.values()])
        lines.append(
            f"| {name} | {setting} | {len(runs)} | {mean(start.values()):.1f} | {mean(own.values()):.1f}"
            f" | {interval(paired(own, start))} | {above_control} | {above_base} | {graded}"
            f" | {_span([each.cpu_seconds() for each in runs.values()])}"
            f" | {_span([train_seconds(each.out) for each in runs.values()])} |"
        )
    return lines


def _each_run(found: Found) -> list[str]:
    seeds = sorted({seed for runs in found.runs.values() for seed in runs} | found.controls.keys())
    lines = [
        f"| seed | start | {' | '.join(found.chosen)} | {SUPERVISED} |",
        "|---|" + "---|" * (2 + len(found.chosen)),
    ]
    for seed in seeds:
        columns = [*(found.runs[each].get(seed) for each in found.chosen), found.controls.get(seed)]
        before = next(each for each in columns if each is not None).score("before")
        cells = ["" if each is None else f"{each.score():.1f}" for each in columns]
        lines.append(f"| {seed} | {before:.1f} | {' | '.join(cells)} |")
    return lines


def _alarmed(found: Found) -> list[str]:
    lines = [
        "An alarm compares a refresh with the first of its run (docs/methods.md); a run has collapsed if it"
        " ends with half of its start's pass@1 or less.",
        "",
        "| method | seed | alarms, refreshes with it | pass@1 before | after | collapsed |",
        "|---|---|---|---|---|---|",
    ]
    header = len(lines)
    for method, runs in found.runs.items():
        for seed, run in sorted(runs.items()):
            alarms = raised(run.rows())
            before, after = run.score("before"), run.score()
            if alarms or has_collapsed(before, after):
                said = ", ".join(f"{name} ({len(steps)})" for name, steps in alarms.items()) or "none"
                collapsed = "yes" if has_collapsed(before, after) else "no"
                lines.append(f"| {method} | {seed} | {said} | {before:.1f} | {after:.1f} | {collapsed} |")
    return lines if len(lines) > header else ["No run raised an alarm, and none collapsed."]


def _tuning(found: Found) -> list[str]:
    lines = [
        "Half of the budget, 2 samples of each held-out problem; the best mean is taken.",
        "",
        "| method | setting | pass@1 by seed | mean | taken |",
        "|---|---|---|---|---|",
    ]
    for method, settings in found.tuned.items():
        for setting, scores in settings.items():
            cells = ", ".join(f"{each:.1f}" for each in scores)
            taken = "yes" if found.chosen[method] == setting else ""
            lines.append(f"| {method} | {setting} | {cells} | {mean(scores):.1f} | {taken} |")
    return lines


# --- reading -------------------------------------------------------------------------------------


def _reading(found: Found) -> list[str]:
    """What the table says, in words that follow from its numbers."""
    control, base = _scores(found.controls), _scores(found.runs.get(BASE, {}))
    done = {name: _scores(runs) for name, runs in found.runs.items() if runs}
    start = {name: _scores(found.runs[name], "before") for name in done}
    words = [
        ("Above the start", {name: paired(own, start[name]) for name, own in done.items()}),
        ("Above supervised training", {name: paired(own, control) for name, own in done.items()}),
        (f"Above {BASE}", {name: paired(own, base) for name, own in done.items() if name != BASE}),
    ]
    lines = [f"- {said}: {verdicts(differences)}." for said, differences in words]
    missing = [
        f"{name} {len(found.runs.get(name, {}))} of {METHODS[name].seeds}"
        for name in found.tuned
        if len(found.runs.get(name, {})) < METHODS[name].seeds
    ]
    return [*lines, *([f"- Not all seeds were run: {', '.join(missing)}."] if missing else [])]


def verdicts(differences: Mapping[str, Sequence[float]]) -> str:
    """Which methods' intervals are above 0, below it, or hold it."""
    kinds: dict[str, list[str]] = {"yes": [], "no, below": [], "not settled": []}
    for name, values in differences.items():
        kinds[_kind(values)].append(name)
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names)


def _kind(values: Sequence[float]) -> str:
    if len(values) < 2 or abs(mean(values)) <= half_interval(values):
        return "not settled"
    return "yes" if mean(values) > 0 else "no, below"


def _scores(runs: Mapping[int, Run], when: str = "after") -> dict[int, float]:
    return {seed: run.score(when) for seed, run in runs.items()}


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):,.0f}", f"{max(values):,.0f}"
    return low if low == high else f"{low} to {high}"
