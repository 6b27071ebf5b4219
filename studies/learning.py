"""Does RLTF teach anything? The demo over several seeds, and the paper's ablations, at the scale of a CPU.

    python studies/learning.py                      the demo, 5 seeds, and supervised training for as long
    python studies/learning.py --ablations          the paper's Tables 4, 5 and 7 in small, 3 seeds

Each training is a process of its own: `rltf train --preset mini`. What was done before is read, not done
again: delete the folder to measure anew. Two trainings run beside each other, with one thread each. The
ablations' first row is the demo's runs of the same seeds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rltf.presets import EVALUATIONS, MINI, WARM_STARTS
from studies.learning_ablations import ablations
from studies.learning_runs import (
    BENCHMARK,
    HELD_OUT,
    ROOT,
    interval,
    made,
    metrics,
    outside_the_model,
    score,
    train_all,
    train_seconds,
)

REPORTS = ROOT / "results" / "reports"
CONTROL = ("learning_rate=1e-3", "lr_scheduler_type=cosine", "per_device_train_batch_size=16")
"""Options of supervised training after the start; its batches are the start's."""


def main() -> None:
    """Run what has not been run, and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ablations", action="store_true")
    parser.add_argument("--seeds", type=int, help="default: 5, or 3 for the ablations")
    parser.add_argument("--steps", type=int, help="of RL (default: the preset's)")
    parser.add_argument("--runs", type=Path, default=ROOT / "results" / "runs" / "learning")
    parser.add_argument(
        "--controls", type=int, help="seeds with supervised training for as long (default: all)"
    )
    parser.add_argument("--at-once", type=int, default=2, help="trainings beside each other")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    seeds = range(1, 1 + (args.seeds or (3 if args.ablations else 5)))
    extra = [] if args.steps is None else ["--steps", str(args.steps)]
    if args.ablations:
        text = ablations(args.runs, seeds, extra, args.at_once)
        out = args.out or REPORTS / "mini-ablations.md"
    else:
        controls = seeds if args.controls is None else seeds[: args.controls]
        text = _demo(args.runs, seeds, controls, extra, args.at_once)
        out = args.out or REPORTS / "mini-rltf.md"
    out.write_text(text, encoding="utf-8")
    print(f"\n{text}\n{out}")


# --- the demo over seeds -------------------------------------------------------------------------


def _demo(
    runs: Path, seeds: Sequence[int], controls: Sequence[int], extra: Sequence[str], at_once: int
) -> str:
    rltf = {seed: runs / f"rltf-{seed}" for seed in seeds}
    train_all([(out, ["--seed", str(seed), *extra]) for seed, out in rltf.items()], at_once)
    supervised = {seed: runs / f"supervised-{seed}" for seed in controls}
    train_all([(out, _as_long(rltf[seed], seed)) for seed, out in supervised.items()], at_once)
    start = {seed: score(rltf[seed], "before") for seed in seeds}
    gain = [score(rltf[seed]) - start[seed] for seed in seeds]
    over = {seed: score(rltf[seed]) - score(supervised[seed]) for seed in controls}
    lines = [
        "# RLTF on mini, from a small model made on the spot",
        "",
        *_setting(extra),
        "",
        "| seed | supervised start | RLTF | gain | supervised for as long | RLTF above it | seconds of RLTF"
        " | of them not in the model | seconds of the control |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for seed, one in zip(seeds, gain, strict=True):
        control = f"{score(supervised[seed]):.1f} | {over[seed]:+.1f}" if seed in over else "not run |"
        took = f"{train_seconds(supervised[seed]):.0f}" if seed in over else ""
        lines.append(
            f"| {seed} | {start[seed]:.1f} | {score(rltf[seed]):.1f} | {one:+.1f} | {control}"
            f" | {train_seconds(rltf[seed]):.0f} | {100 * outside_the_model(rltf[seed]):.0f} % | {took} |"
        )
    lines += [
        "",
        f"Mean gain over the start: {interval(gain)} points;"
        f" over the control: {interval(list(over.values()))} points (95 % interval, Student's t).",
        "",
        _reading(gain, list(over.values())),
        "",
        made("make learning"),
    ]
    return "\n".join(lines)


def _setting(extra: Sequence[str]) -> list[str]:
    """What was trained on what, and beside what."""
    steps = extra[1] if extra else MINI["max_steps"]
    sampling = EVALUATIONS["mini"]
    return [
        f"pass@1 in percent on the {HELD_OUT} held-out problems of {BENCHMARK} ({sampling['n']} samples each,"
        f" temperature {sampling['temperature']}), profile strict. No behaviour of theirs is trained on.",
        "",
        f"- Supervised start: {WARM_STARTS['mini']['max_steps']} steps on the {MINI['sl_problems']} of"
        f" {MINI['train_problems']} training problems that have solutions.",
        f"- RLTF: {steps} steps from there, with the tests of all {MINI['train_problems']} and the same"
        f" {MINI['sl_problems']} solutions.",
        f"- Control: supervised training from there, on the same {MINI['sl_problems']} solutions, for the"
        f" wall time that RLTF took, by the start's steps per second ({', '.join(CONTROL)}).",
    ]


def _reading(gain: Sequence[float], over: Sequence[float]) -> str:
    """What the table says, in words that follow from its numbers."""
    risen = sum(each > 0 for each in gain)
    above = sum(each > 0 for each in over)
    return (
        f"RLTF ends above the supervised start in {risen} of {len(gain)} seeds, above supervised training"
        f" for as long in {above} of {len(over)}. Seconds were taken with two trainings, or other work, on"
        " two processors."
    )


def _as_long(rltf: Path, seed: int) -> list[str]:
    """Options of supervised training from the same start for the same wall time."""
    warm = metrics(rltf / "warm-start")[-1]
    steps = max(1, round(train_seconds(rltf) * float(warm["train_steps_per_second"])))
    settings = [*CONTROL, f"save_steps={steps}", "logging_steps=100"]
    return [
        *("--model", str(rltf / "warm-start" / "model"), "--method", "sft", "--steps", str(steps)),
        *("--seed", str(seed), "--set", *settings),
    ]


if __name__ == "__main__":
    main()
