"""Does RLTF teach anything? The demo over several seeds, and the paper's ablations, at the scale of a CPU.

    python tests/perf/learning.py                      the demo, 5 seeds, and supervised training for as long
    python tests/perf/learning.py --ablations          the paper's Tables 4, 5 and 7 in small, 3 seeds

Each training is a process of its own: `rltf train --preset mini`. What was done before is read, not done
again: delete the folder to measure anew. Two trainings run beside each other, with one thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from harness.runner import Runner
from rltf.presets import EVALUATIONS, MINI
from tests.perf import machine

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "results" / "reports"
BENCHMARK = "mini-introductory"
STUDENT_T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}
"""97.5 % quantile of Student's t for a mean of so many seeds."""

_OFFLINE = ("refresh_every=1000000", "buffer_fill=4096", "buffer_size=4096")
"""Programs of the start alone, as many as the online runs see in a quarter of their way; never refreshed."""
_COARSE = ("fine=false", "adaptive=false")
_FINE = ("adaptive=false",)
ABLATIONS: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    # name: what it is, options, the paper's pass@1 on APPS (percent) with its table
    "online-all": ("online, coarse + fine + adaptive", (), "1.45 (Tables 4, 5)"),
    "online-fine": ("online, coarse + fine", _FINE, "1.41 (Table 5)"),
    "online-coarse": ("online, coarse", _COARSE, "1.37 (Tables 4, 5)"),
    "offline-all": ("offline, coarse + fine + adaptive", _OFFLINE, "1.34 (Table 4)"),
    "offline-fine": ("offline, coarse + fine", (*_OFFLINE, *_FINE), "none"),
    "offline-coarse": ("offline, coarse", (*_OFFLINE, *_COARSE), "1.29 (Table 4)"),
    "temperature-0.2": ("online, all, temperature 0.2", ("temperatures=[0.2]",), "1.34 (Table 7)"),
    "temperature-0.6": ("online, all, temperature 0.6", ("temperatures=[0.6]",), "none transcribed"),
}


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
        text = _ablations(args.runs, seeds, extra, args.at_once)
        out = args.out or REPORTS / "mini-ablations.md"
    else:
        controls = seeds if args.controls is None else seeds[: args.controls]
        text = _demo(args.runs, seeds, controls, extra, args.at_once)
        out = args.out or REPORTS / "mini-rltf.md"
    out.write_text(text, encoding="utf-8")
    print(f"\n{text}\n{out}")


# --- running -------------------------------------------------------------------------------------


def _train(out: Path, options: Sequence[str]) -> None:
    """One training, unless it has been done."""
    if (out / "comparison.json").exists():
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "rltf", "train", "--preset", "mini", "--out", str(out), "--workers", "1"]
    command += [*options, *(["--resume"] if (out / "training.json").exists() else [])]
    with out.with_suffix(".log").open("a") as log:
        print("started", out.name, flush=True)
        env = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        subprocess.run(command, stdout=log, stderr=log, env=env, cwd=ROOT, check=True)


def _all(jobs: Sequence[tuple[Path, Sequence[str]]], at_once: int) -> None:
    with ThreadPoolExecutor(at_once) as beside:
        list(beside.map(lambda job: _train(*job), jobs))


def _score(run: Path, when: str = "after") -> float:
    found = json.loads((run / "comparison.json").read_text())[BENCHMARK]
    return 100 * float(found[when]["pass@1"]["value"])


def _metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def _train_seconds(run: Path) -> float:
    return float(_metrics(run)[-1]["train_runtime"])


def _outside_the_model(run: Path) -> float:
    """Share of the training's time that is neither sampling nor learning."""
    seconds: dict[str, float] = {}
    for row in _metrics(run):
        for name, value in row.items():
            if name.startswith("seconds/"):
                seconds[name] = seconds.get(name, 0.0) + value
    inside = seconds.get("seconds/sampling", 0.0) + seconds.get("seconds/learning", 0.0)
    return 1 - inside / _train_seconds(run)


# --- the demo over seeds -------------------------------------------------------------------------


def _demo(
    runs: Path, seeds: Sequence[int], controls: Sequence[int], extra: Sequence[str], at_once: int
) -> str:
    rltf = {seed: runs / f"rltf-{seed}" for seed in seeds}
    _all([(out, ["--seed", str(seed), *extra]) for seed, out in rltf.items()], at_once)
    supervised = {seed: runs / f"supervised-{seed}" for seed in controls}
    _all([(out, _as_long(rltf[seed], seed)) for seed, out in supervised.items()], at_once)
    start = {seed: _score(rltf[seed], "before") for seed in seeds}
    gain = [_score(rltf[seed]) - start[seed] for seed in seeds]
    over = {seed: _score(rltf[seed]) - _score(supervised[seed]) for seed in controls}
    lines = [
        "# RLTF on mini, from a small model made on the spot",
        "",
        f"pass@1 in percent on the {200} held-out problems of {BENCHMARK} ({EVALUATIONS['mini']['n']} samples"
        f" each, temperature {EVALUATIONS['mini']['temperature']}), profile strict. RLTF and the supervised"
        " control start from the same warm start; the control goes on with supervised training for the wall"
        f" time that RLTF took. {MINI['sl_problems']} of {MINI['train_problems']} training problems have"
        " solutions; RLTF has the tests of all.",
        "",
        "| seed | supervised start | RLTF | gain | supervised for as long | RLTF above it | seconds of RLTF"
        " | of them not in the model |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for seed, one in zip(seeds, gain, strict=True):
        control = f"{_score(supervised[seed]):.1f} | {over[seed]:+.1f}" if seed in over else "not run |"
        lines.append(
            f"| {seed} | {start[seed]:.1f} | {_score(rltf[seed]):.1f} | {one:+.1f} | {control}"
            f" | {_train_seconds(rltf[seed]):.0f} | {100 * _outside_the_model(rltf[seed]):.0f} % |"
        )
    lines += [
        "",
        f"Mean gain over the start: {_interval(gain)} points;"
        f" over the control: {_interval(list(over.values()))} points (95 % interval, Student's t).",
        "",
        _reading(gain, list(over.values())),
        "",
        _made("make learning"),
    ]
    return "\n".join(lines)


def _reading(gain: Sequence[float], over: Sequence[float]) -> str:
    """What the table says, in words that follow from its numbers."""
    risen = sum(each > 0 for each in gain)
    above = sum(each > 0 for each in over)
    return (
        f"RLTF ends above the supervised start in {risen} of {len(gain)} seeds, above supervised training"
        f" for as long in {above} of {len(over)}. The start is an early one: supervised training has not yet"
        " memorised its solutions there, and what it gains by going on is in the control's column. Seconds"
        " were taken with two trainings, or other work, on two processors."
    )


def _as_long(rltf: Path, seed: int) -> list[str]:
    """Options of supervised training from the same start for the same wall time."""
    warm = _metrics(rltf / "warm-start")[-1]
    steps = max(1, round(_train_seconds(rltf) * float(warm["train_steps_per_second"])))
    settings = ["learning_rate=1e-3", "lr_scheduler_type=cosine", "per_device_train_batch_size=16"]
    settings += [f"save_steps={steps}", "logging_steps=100"]
    return [
        *("--model", str(rltf / "warm-start" / "model"), "--method", "sft", "--steps", str(steps)),
        *("--seed", str(seed), "--set", *settings),
    ]


# --- ablations -----------------------------------------------------------------------------------


def _ablations(runs: Path, seeds: Sequence[int], extra: Sequence[str], at_once: int) -> str:
    starts = {seed: runs / f"rltf-{seed}" for seed in seeds}
    _all([(out, ["--seed", str(seed)]) for seed, out in starts.items()], at_once)
    folder = {(name, seed): runs / f"{name}-{seed}" for name in ABLATIONS for seed in seeds}
    jobs = []
    for (name, seed), out in folder.items():
        warm = str(starts[seed] / "warm-start" / "model")
        options = ABLATIONS[name][1]
        jobs.append(
            (out, ["--model", warm, "--seed", str(seed), *extra, *(["--set", *options] if options else [])])
        )
    _all(jobs, at_once)
    lines = [
        "# The paper's ablations on mini",
        "",
        f"pass@1 in percent on the 200 held-out problems of {BENCHMARK}, as in mini-rltf.md; {len(seeds)}"
        " seeds, each with the same supervised start for all rows"
        + (f"; {extra[1]} steps of RL." if extra else "."),
        "",
        _row("what", [f"seed {seed}" for seed in seeds], "gain over the start | paper, APPS pass@1"),
        "|---|" + "---|" * (len(seeds) + 2),
        _row(
            "supervised start",
            [f"{_score(starts[seed], 'before'):.1f}" for seed in seeds],
            "| 1.30 (Table 5)",
        ),
    ]
    for name, (what, _, paper) in ABLATIONS.items():
        scores = [_score(folder[name, seed]) for seed in seeds]
        gains = [score - _score(starts[seed], "before") for seed, score in zip(seeds, scores, strict=True)]
        lines.append(_row(what, [f"{score:.1f}" for score in scores], f"{_interval(gains)} | {paper}"))
    return "\n".join([*lines, "", _made("make learning")])


def _row(first: str, middle: Sequence[str], last: str) -> str:
    return f"| {first} | {' | '.join(middle)} | {last} |"


def _interval(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:+.1f}"
    half = STUDENT_T[len(values)] * stdev(values) / len(values) ** 0.5
    return f"{mean(values):+.1f} [{mean(values) - half:+.1f}, {mean(values) + half:+.1f}]"


def _made(command: str) -> str:
    command += f" ARGS='{' '.join(sys.argv[1:])}'" if sys.argv[1:] else ""
    with Runner(workers=1) as runner:
        about = dict(runner.describe())
    return machine.section(command, about, f"{BENCHMARK}, generated; seeds as in the table")


if __name__ == "__main__":
    main()
