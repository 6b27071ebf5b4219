"""`make method-time`: where the time of a training step goes, for each method.

    python studies/method_time.py [--steps N] [--methods NAME …] [--sampler KIND] [--runs DIR] [--out FILE]

All methods start from one model, made on the spot and warm-started, with the preset `mini`: the smaller the
model, the more weighs what is outside it. Time in models is sampling, learning, and the judging of new
programs by a reference, a critic or a value head, a critic's own training included. Outside is the rest of
the step's wall time: waiting for the grader, reward terms, batches, logging. With
`sampler=inline`, the default here, nothing is done beside training, so that all of it is seen. The first
step is left out: it has the filling of the buffer, and the training of a critic. Does not cover: warm start,
checkpoints, evaluations, and what the methods learn.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from studies.learning_runs import ROOT, made, metrics, seconds, train

REPORT = ROOT / "results" / "reports" / "method-time.md"
METHODS = {
    "rltf": [],
    "grpo": ["beta=0.04"],
    "rloo": [],
    "dr_grpo": [],
    "dapo": [],
    "gspo": [],
    "coderl": [],
    "ppo": [],
}
"""Options of each; a reference wherever a method can have one."""
IN_MODELS = ("sampling", "learning", "judging", "scoring")
OUTSIDE = ("grading", "crediting", "watching", "batching")
HEADER = ("method", "seconds a step", *IN_MODELS, *OUTSIDE, "rest", "outside the models", "without grading")

_COLUMNS = (
    "`judging` is a reference or critic on new programs, `scoring` a value head and reference; `learning`"
    " the forward and backward passes and the optimiser; `grading` what is waited for it; `crediting` the"
    " reward terms; `watching` the signs of hacking; `rest` feedback, prompts, logs, Trainer's loop."
    " The share without grading is the same less that wait, which grows with what else the processors do."
)


def main() -> int:
    """Train, write the report; 1 if a method spends a tenth of its time outside the models or more."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=21, help="an odd number, for as many refreshes as pairs")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--sampler", choices=("inline", "overlapped"), default="inline")
    parser.add_argument("--runs", type=Path, help="keeps the runs, and goes on with them (default: nowhere)")
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.runs or Path(scratch)
        start = folder / "start"
        train(start, ["--steps", "1", "--method", "sft", "--eval-size", "1", "--seed", "0"])
        rows = []
        for name in args.methods:
            run = folder / f"{name}-{args.sampler}-{args.steps}"
            train(run, options(name, start / "warm-start" / "model", args))
            rows.append(row(name, run))
            print(" | ".join(rows[-1][0]), flush=True)
        args.out.write_text(report([cells for cells, _ in rows], args), encoding="utf-8")
    print(f"{args.out} written")
    return int(any(outside >= 0.1 for _, outside in rows))


def options(method: str, model: Path, args: argparse.Namespace) -> list[str]:
    """Of one training."""
    given = ["--model", str(model), "--method", method, "--steps", str(args.steps), "--seed", "0"]
    settings = [*METHODS[method], f"sampler={args.sampler}", "logging_steps=1"]
    return [*given, "--eval-size", "1", "--set", *settings]


def row(method: str, run: Path) -> tuple[list[str], float]:
    """Cells of the table, and the share outside the models."""
    lines = [each for each in metrics(run) if "loss" in each][1:]
    took, steps = seconds(lines), len(lines)
    whole = took["total"]
    inside = sum(took.get(name, 0.0) for name in IN_MODELS)
    known = sum(took.get(name, 0.0) for name in OUTSIDE)
    each = [took.get(name, 0.0) / steps for name in (*IN_MODELS, *OUTSIDE)]
    parts = [whole / steps, *each, (whole - inside - known) / steps]
    outside = 1 - inside / whole
    waiting = took.get("grading", 0.0) / whole
    shares = (outside, outside - waiting)
    return [method, *(f"{each:.3f}" for each in parts), *(f"{100 * each:.1f} %" for each in shares)], outside


def report(rows: Sequence[Sequence[str]], args: argparse.Namespace) -> str:
    """The page."""
    table = [
        f"| {' | '.join(HEADER)} |",
        f"|---|{'--:|' * (len(HEADER) - 1)}",
        *(f"| {' | '.join(cells)} |" for cells in rows),
    ]
    given = "; ".join(f"{name}: {' '.join(found)}" for name, found in METHODS.items() if found)
    return "\n".join(
        [
            "# Where the time of a step goes",
            "",
            *table,
            "",
            f"Seconds of wall time, the mean over steps 2 to {args.steps}, a refresh for every two; preset"
            f" `mini`, `sampler={args.sampler}`; {given}. {_COLUMNS} One run each, seed 0; the load in"
            f" the last five minutes was {os.getloadavg()[1]:.1f} on {os.cpu_count()} processors.",
            "",
            made("make method-time"),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
