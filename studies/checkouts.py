"""`make beside`: a whole evaluation and a training beside those of another checkout: times and bytes.

    RLTF_DATA=DIR python studies/checkouts.py --beside CHECKOUT [--rounds N] [--out FILE]

- evaluation: `rltf eval` of a tiny GPT-2 on MBPP 11 to 60, four samples, as a process from start to end;
- training: `rltf train --preset mini-quick --method rltf`, 20 steps, sampling included; timed are steps 3 to
  20 as the run itself logs them, evaluation and start apart.

Both checkouts, in turn, start from the same weights. Compared are the bytes of `samples.jsonl`, of
`metrics.json` and of the trained weights. A ratio is the other's time by ours in one round; its interval is
Student's t over the rounds' logarithms. Does not cover: the runner alone (`bench.py --beside`).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from statistics import mean, median

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from checkpoints import make_checkpoint

from studies.learning_runs import half_interval, made

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "results" / "reports" / "checkouts.md"
FIRST_STEP = 3
"""The first two have the compilation of kernels and the filling of the buffer."""


def main() -> int:
    """Measure, compare, write the report; exit status 1 if bytes differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--beside", type=Path, required=True, help="the other checkout")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    checkouts = {"here": ROOT, "beside": args.beside.resolve()}
    times: dict[str, dict[str, list[float]]] = {kind: {name: [] for name in checkouts} for kind in KINDS}
    digests: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = make_checkpoint("gpt2", folder / "gpt2")
        rltf(ROOT, "train", *TRAIN, "--steps", "1", "--method", "sft", "--out", str(folder / "start"))
        start = folder / "start" / "warm-start" / "model"
        for number in range(args.rounds):
            for name in checkouts if number % 2 else reversed(checkouts):
                checkout, out = checkouts[name], folder / f"{name}-{number}"
                times["evaluation"][name].append(evaluate(checkout, model, out / "eval"))
                times["training"][name].append(train(checkout, start, out / "train"))
                for what in COMPARED:
                    digests.setdefault(what, set()).add(sha256((out / what).read_bytes()).hexdigest())
            print(" ".join(f"{kind} {ratios(found)[-1]:.3f}" for kind, found in times.items()), flush=True)
    args.out.write_text(page(times, digests, args.rounds), encoding="utf-8")
    print(f"{args.out} written")
    return int(any(len(each) > 1 for each in digests.values()))


KINDS = {"evaluation": "`rltf eval`, whole process", "training": "steps 3 to 20 of `rltf train`"}
COMPARED = ("eval/samples.jsonl", "eval/metrics.json", "train/model/model.safetensors")
EVAL = (
    *("--benchmark", "mbpp", "--split", "test", "--ids", "11-60", "--n", "4", "--no-cache"),
    *("--max-new-tokens", "64", "--temperature", "0.8", "--top-p", "0.95"),
)
TRAIN = ("--preset", "mini-quick", "--eval-size", "1", "--seed", "0")


def rltf(checkout: Path, *arguments: str) -> float:
    """Seconds that a command of a checkout takes."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "rltf", *arguments],
        cwd=checkout,
        check=False,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{checkout}: rltf {' '.join(arguments)}\n{done.stdout[-2000:]}")
    return time.perf_counter() - started


def evaluate(checkout: Path, model: Path, out: Path) -> float:
    """Seconds of one evaluation."""
    return rltf(checkout, "eval", str(model), *EVAL, "--out", str(out))


def train(checkout: Path, model: Path, out: Path) -> float:
    """Seconds of a step, the mean over those that are timed."""
    given = ["--model", str(model), "--method", "rltf", "--steps", "20", "--eval-n", "1"]
    rltf(checkout, "train", *TRAIN, *given, "--out", str(out), "--set", "sampler=inline", "logging_steps=1")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    steps = [each["seconds/total"] for each in lines if "loss" in each and each["step"] >= FIRST_STEP]
    return mean(steps)


def ratios(found: dict[str, list[float]]) -> list[float]:
    """Of each round: above 1, this checkout is the faster one."""
    return [theirs / ours for ours, theirs in zip(found["here"], found["beside"], strict=True)]


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Geometric mean and its 95 % interval."""
    logs = [math.log(each) for each in values]
    half = half_interval(logs)
    return math.exp(mean(logs)), math.exp(mean(logs) - half), math.exp(mean(logs) + half)


def page(times: dict[str, dict[str, list[float]]], digests: dict[str, set[str]], rounds: int) -> str:
    """Markdown."""
    lines = [
        "# This checkout beside another one",
        "",
        "| what | here, s, median | beside, s, median | ratio, beside / here | 95 % interval |",
        "|---|--:|--:|--:|---|",
    ]
    for kind, found in times.items():
        middle, low, high = interval(ratios(found))
        cells = [f"{median(found[name]):.3f}" for name in ("here", "beside")]
        lines.append(f"| {KINDS[kind]} | {' | '.join(cells)} | {middle:.3f} | {low:.3f} to {high:.3f} |")
    lines += ["", f"{rounds} rounds, in turn; above 1 this checkout is the faster one.", ""]
    lines += [
        f"- `{what}`: {'the same bytes in all runs of both' if len(found) == 1 else 'DIFFERENT BYTES'}"
        for what, found in digests.items()
    ]
    return "\n".join([*lines, "", made("RLTF_DATA=DIR make beside")])


if __name__ == "__main__":
    raise SystemExit(main())
