"""All methods on mini, from the same start and for one budget of graded programs: the table of the rivals.

    python studies/methods.py

Each method is tuned first, over the few settings of `methods_settings`, on seeds that are used for nothing
else; the one with the best mean is then trained on the seeds from 1 on. What was done before is read, not
done again, and what was killed goes on: delete results/runs/methods-* to measure anew.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).parents[1]))

from studies.learning import CONTROL, REPORTS
from studies.learning_runs import ROOT
from studies.methods_report import Found, report
from studies.methods_runs import THREADS, Run, make_start, train
from studies.methods_settings import (
    CONTROL_STEPS,
    METHODS,
    STEPS,
    TUNING_SEEDS,
    TUNING_STEPS,
    options_of,
)


def main() -> None:
    """Run what has not been run, and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS), metavar="NAME")
    parser.add_argument(
        "--tuning-seeds", type=int, default=len(TUNING_SEEDS), help=f"the first so many of {TUNING_SEEDS}"
    )
    parser.add_argument("--runs", type=Path, default=ROOT / "results" / "runs")
    parser.add_argument("--only", choices=("tune", "report"), help="tune, or write of what is done")
    parser.add_argument("--out", type=Path, default=REPORTS / "mini-methods.md")
    args = parser.parse_args()
    os.environ.update(THREADS)
    args.runs.mkdir(parents=True, exist_ok=True)
    seeds = TUNING_SEEDS[: args.tuning_seeds]
    tuned = _tuned(args.runs, args.methods, seeds, train_them=args.only != "report")
    chosen = {method: choice(scores) for method, scores in tuned.items() if scores}
    for method, name in chosen.items():
        print(f"{method}: {name}, of {tuned[method]}")
    if args.only == "tune":
        return
    runs = _compared(args.runs, chosen, train_them=args.only != "report")
    text = report(Found(tuned, chosen, seeds, *runs))
    args.out.write_text(text, encoding="utf-8")
    print(f"\n{text}\n{args.out}")


def choice(scores: Mapping[str, Sequence[float]]) -> str:
    """The setting with the best mean; the first of equal ones."""
    return max(scores, key=lambda name: mean(scores[name]))


def _tuned(
    runs: Path, methods: Sequence[str], seeds: Sequence[int], *, train_them: bool
) -> dict[str, dict[str, list[float]]]:
    """By method and setting pass@1 after half of the budget, one number for each seed."""
    found: dict[str, dict[str, list[float]]] = {each: {} for each in methods}
    rows = [(method, setting) for method in methods for setting in METHODS[method].settings]
    for seed in seeds:
        folders = {row: runs / f"methods-tune-{_slug(*row)}-{seed}" for row in rows}
        start = make_start(runs, seed) if train_them else None
        for (method, setting), out in folders.items():
            run = Run(out, seed)
            if start is not None:
                settings = options_of(method, setting, TUNING_STEPS)
                options = ["--model", str(start.out / "model"), "--method", method]
                options += ["--steps", str(TUNING_STEPS), "--eval-n", "2", "--set", *settings]
                train(run, options, before=list(folders.values()))
            if run.is_done:
                found[method].setdefault(setting, []).append(run.score())
    return found


def _compared(
    runs: Path, chosen: Mapping[str, str], *, train_them: bool
) -> tuple[dict[str, dict[int, Run]], dict[int, Run]]:
    """The runs of each method, and supervised training for as long, by seed; seed by seed."""
    found: dict[str, dict[int, Run]] = {method: {} for method in chosen}
    controls: dict[int, Run] = {}
    last = max(METHODS[method].seeds for method in chosen)
    for seed in range(1, last + 1):
        rows = [method for method in chosen if METHODS[method].seeds >= seed]
        folders = {method: runs / f"methods-{method}-{seed}" for method in rows}
        control = Run(runs / f"methods-sft-{seed}", seed)
        before = [*folders.values(), control.out]
        start = make_start(runs, seed) if train_them else None
        for method, out in folders.items():
            run = Run(out, seed)
            if start is not None:
                options = ["--model", str(start.out / "model"), "--method", method, "--steps", str(STEPS)]
                train(run, [*options, "--set", *options_of(method, chosen[method], STEPS)], before=before)
            if run.is_done:
                found[method][seed] = run
        if start is not None:
            options = ["--model", str(start.out / "model"), "--method", "sft", "--steps", str(CONTROL_STEPS)]
            settings = [*CONTROL, f"save_steps={CONTROL_STEPS}", "logging_steps=100"]
            train(control, [*options, "--set", *settings], before=before)
        if control.is_done:
            controls[seed] = control
    return found, controls


def _slug(method: str, setting: str) -> str:
    return "-".join([method, *setting.replace(",", "").split()])


if __name__ == "__main__":
    main()
