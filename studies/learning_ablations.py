"""The paper's ablations (Tables 4, 5 and 7) in small: what is trained, and the report.

Does not cover: running a training (`learning_runs`), or the demo (`learning`), whose runs are the first row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from rltf.presets import MINI
from studies.learning_runs import BENCHMARK, HELD_OUT, half_interval, interval, made, score, train_all

_OFFLINE = ("refresh_every=1000000", "buffer_fill=4096", "buffer_size=4096")
"""Programs of the start alone, of 512 problems, never refreshed; a third of what online runs are given."""
_FINE = ("fine=true",)
_ALL = (*_FINE, "adaptive=true")
"""The paper's values of both; the coarse rewards are the preset's."""
_PAPER = (
    *_ALL,
    *("failure=-0.3", "error=-0.6", "syntax_error=-1.0", "baseline=group_mean"),
    "learning_rate=3e-4",  # at the preset's 1e-3 the share of programs that pass falls within 15 steps
)
DEMO = "online-coarse"
"""The demo itself, at temperature 1.0."""
ABLATIONS: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    # name: what it is, options, the paper's pass@1 on APPS (percent) with its table
    "online-all": ("online, coarse + fine + adaptive", _ALL, "1.45 (Tables 4, 5)"),
    "online-fine": ("online, coarse + fine", _FINE, "1.41 (Table 5)"),
    DEMO: ("online, coarse (the demo), temperature 1.0", (), "1.37 (Tables 4, 5)"),
    "paper-rewards": (
        "online, all rewards the paper's, group mean",
        _PAPER,
        "1.45 (Tables 4, 5)",
    ),
    "offline-all": ("offline, coarse + fine + adaptive", (*_OFFLINE, *_ALL), "1.34 (Table 4)"),
    "offline-fine": ("offline, coarse + fine", (*_OFFLINE, *_FINE), "none"),
    "offline-coarse": ("offline, coarse", _OFFLINE, "1.29 (Table 4)"),
    "temperature-0.2": ("online, coarse, temperature 0.2", ("temperatures=[0.2]",), "1.34 (Table 7)"),
    "temperature-0.6": ("online, coarse, temperature 0.6", ("temperatures=[0.6]",), "none transcribed"),
}

PAPER_SAYS: Mapping[str, tuple[tuple[str, str], ...]] = {
    # table: pairs of which the paper's pass@1 on APPS is higher for the first
    "Table 4, online above offline": (("online-all", "offline-all"), (DEMO, "offline-coarse")),
    "Table 5, each term adds": (("online-all", "online-fine"), ("online-fine", DEMO)),
    "Table 7, temperature 1.0 above 0.2": ((DEMO, "temperature-0.2"),),
}


def ablations(runs: Path, seeds: Sequence[int], extra: Sequence[str], at_once: int) -> str:
    """Run what has not been run, and say what came of it: the report.

    Args:
        runs: Folder of the trainings; the demo's are in it or are made.
        seeds: Of each row.
        extra: Further options of every training: none, or `--steps` and their number.
        at_once: Trainings beside each other.
    """
    starts = {seed: runs / f"rltf-{seed}" for seed in seeds}
    train_all([(out, ["--seed", str(seed), *extra]) for seed, out in starts.items()], at_once)
    folder = {(name, seed): runs / f"{name}-{seed}" for name in ABLATIONS for seed in seeds}
    folder |= {(DEMO, seed): starts[seed] for seed in seeds}
    train_all([(folder[row], _ablated(starts, *row, extra)) for row in folder if row[0] != DEMO], at_once)
    scores = {name: [score(folder[name, seed]) for seed in seeds] for name in ABLATIONS}
    start = [score(starts[seed], "before") for seed in seeds]
    steps = extra[1] if extra else MINI["max_steps"]
    lines = [
        "# The paper's ablations on mini",
        "",
        f"pass@1 in percent on the {HELD_OUT} held-out problems of {BENCHMARK}, as in mini-rltf.md; {steps}"
        f" steps of RL, {len(seeds)} seeds, each with the same supervised start for all rows. Coarse rewards"
        " are the demo's, not the paper's: 1 for what passes, 0 for all else, no baseline; fine and"
        " adaptive have the paper's values.",
        "",
        _row("what", [f"seed {seed}" for seed in seeds], "gain over the start | paper, APPS pass@1"),
        "|---|" + "---|" * (len(seeds) + 2),
        _row("supervised start", [f"{each:.1f}" for each in start], "| 1.30 (Table 5)"),
    ]
    for name, (what, _, paper) in ABLATIONS.items():
        gains = [after - before for before, after in zip(start, scores[name], strict=True)]
        lines.append(_row(what, [f"{each:.1f}" for each in scores[name]], f"{interval(gains)} | {paper}"))
    return "\n".join([*lines, "", *comparisons(scores), "", made("make learning")])


def _ablated(starts: Mapping[int, Path], name: str, seed: int, extra: Sequence[str]) -> list[str]:
    """Options of one row's training from the start that the demo's run of this seed made."""
    warm = str(starts[seed] / "warm-start" / "model")
    options = ABLATIONS[name][1]
    return ["--model", warm, "--seed", str(seed), *extra, "--set", *options]


def comparisons(scores: Mapping[str, Sequence[float]]) -> list[str]:
    """A line for each of the paper's tables: what of it is found here, from the numbers alone."""
    lines = ["Beside the paper (differences of the same seeds, points, 95 % interval):", ""]
    for table, pairs in PAPER_SAYS.items():
        found = [_comparison(scores, better, worse) for better, worse in pairs]
        lines.append(f"- {table}: {'; '.join(found)}.")
    return lines


def _comparison(scores: Mapping[str, Sequence[float]], better: str, worse: str) -> str:
    """Whether the first is above the second here, as it is in the paper."""
    differences = [one - other for one, other in zip(scores[better], scores[worse], strict=True)]
    return f"{better} over {worse} {interval(differences)}, {_verdict(differences)}"


def _verdict(differences: Sequence[float]) -> str:
    """In words, whether differences that are positive in the paper are so here."""
    half = half_interval(differences)
    if abs(mean(differences)) <= half:
        direction = "same" if mean(differences) > 0 else "other"
        return f"not settled ({direction} direction on average, but the interval holds 0)"
    return "as in the paper" if mean(differences) > 0 else "against the paper"


def _row(first: str, middle: Sequence[str], last: str) -> str:
    return f"| {first} | {' | '.join(middle)} | {last} |"
