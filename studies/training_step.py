"""`make training-step MODEL=FILE.gguf`: a step of GRPO, ours beside TRL's GRPOTrainer.

    RLTF_DATA=DIR python studies/training_step.py MODEL.gguf [--prompts N] [--new-tokens N] [--steps N]
        [--out FILE]

One float32 model, MBPP's training prompts, 4 samples of each, the same number of programs a step, the same
micro-batches, limit on new tokens, grader, processors and run. TRL's default way to sample is used
(`generate`), no vLLM. The first step of each, with what is set up in it, is left out. Sampling, grading and
learning are wall seconds; learning is what is left of the step. Each draws its own prompts and noise, so that
the programs differ, and TRL's trainer recomputes nothing of them here (one update for each generation).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "results" / "reports" / "training-step.md"
SAMPLES, ROWS = 4, 8
"""Of a prompt; of a micro-batch."""
PARTS = ("sampling", "grading", "learning", "step", "tokens")


def main() -> None:
    """Measure, print, write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--prompts", type=int, default=8, help="of a step")
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    if not os.environ.get("RLTF_DATA"):
        parser.error("set RLTF_DATA to the folder with the data")
    with TemporaryDirectory() as folder:
        found = {"ours": ours(args, folder), "TRL": theirs(args, folder)}
    for name, steps in found.items():
        print(name, steps, flush=True)
    args.out.write_text(report(found, args), encoding="utf-8")
    print(f"{args.out} written")


def _loaded(path: Path) -> Any:
    from harness.models.hf.loading import load

    return load(str(path), dtype="float32", device="cpu")


def ours(args: argparse.Namespace, folder: str) -> list[dict[str, float]]:
    """Seconds of each step but the first."""
    import json

    from harness.registry import load_benchmark
    from harness.runner import Runner
    from rltf.build import make_trainer
    from rltf.options.parse import make_config

    programs = args.prompts * SAMPLES
    # One step more: the last one has no programs sampled for another.
    settings = (
        *("method=grpo", "rl_share=1.0", f"samples_per_problem={SAMPLES}", "temperatures=1.0", "top_p=1.0"),
        *(f"max_new_tokens={args.new_tokens}", f"buffer_size={programs}", f"buffer_fill={programs}"),
        *("refresh_every=1", f"per_device_train_batch_size={ROWS}", "save_strategy=no", "unsolvable=0"),
        *(
            f"gradient_accumulation_steps={programs // ROWS}",
            "learning_rate=1e-6",
            "keep_zero_advantage=true",
        ),
    )
    loaded = _loaded(args.model)
    fixed = {"max_steps": args.steps + 1, "use_cpu": True, "disable_tqdm": True}
    config = make_config(None, settings, output_dir=folder, **fixed)
    benchmark = load_benchmark("mbpp", split="train")
    with Runner() as grader:
        trainer = make_trainer(
            loaded.model, loaded.tokenizer, config, benchmark, rewarding=benchmark.problems, grader=grader
        )
        trainer.train()
        trainer.close()
    rows = map(json.loads, Path(folder, "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return [_own(row, programs) for row in rows if "sampled/tokens" in row and "loss" in row][1:]


def _own(row: dict[str, float], programs: int) -> dict[str, float]:
    whole, sampling, grading = (row.get(f"seconds/{name}", 0.0) for name in ("total", "sampling", "grading"))
    return {
        "sampling": sampling,
        "grading": grading,
        "learning": whole - sampling - grading,
        "step": whole,
        "tokens": row["sampled/tokens"] * programs,
    }


def theirs(args: argparse.Namespace, folder: str) -> list[dict[str, float]]:
    """As `ours`, by TRL."""
    import trl
    from transformers import TrainerCallback

    from harness.integrations.trl import CodeReward, to_dataset

    loaded = _loaded(args.model)
    programs = args.prompts * SAMPLES
    steps: list[dict[str, float]] = []

    def clocked(name: str, call: Any) -> Any:
        def wrapped(*given: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return call(*given, **options)
            finally:
                steps[-1][name] = steps[-1].get(name, 0.0) + time.perf_counter() - started

        return wrapped

    class Step(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            steps.append({"step": time.perf_counter()})

        def on_step_end(self, *_: Any, **__: Any) -> None:
            now = steps[-1]
            now["step"] = time.perf_counter() - now["step"]
            now["learning"] = now["step"] - now["sampling"] - now["grading"]

        def on_log(self, *_: Any, logs: Any = None, **__: Any) -> None:
            if logs and "completions/mean_length" in logs:
                steps[-1]["tokens"] = logs["completions/mean_length"] * programs

    reward = CodeReward("mbpp", split="train")
    settings = trl.GRPOConfig(
        output_dir=folder,
        per_device_train_batch_size=ROWS,
        gradient_accumulation_steps=programs // ROWS,
        num_generations=SAMPLES,
        max_completion_length=args.new_tokens,
        max_steps=args.steps,
        temperature=1.0,
        beta=0.0,
        learning_rate=1e-6,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        logging_steps=1,
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = trl.GRPOTrainer(
        loaded.model,
        reward_funcs=reward,
        args=settings,
        train_dataset=to_dataset("mbpp", split="train", chat=True),
        processing_class=loaded.tokenizer,
        callbacks=[Step()],
    )
    trainer._generate = clocked("sampling", trainer._generate)
    trainer._calculate_rewards = clocked("grading", trainer._calculate_rewards)
    trainer.train()
    return steps[1:]


def report(found: dict[str, Sequence[dict[str, float]]], args: argparse.Namespace) -> str:
    """The page that is committed."""
    import torch
    import transformers
    import trl

    middle = {
        name: {part: median(each[part] for each in steps) for part in PARTS} for name, steps in found.items()
    }
    rows = [
        f"| {name} | {' | '.join(f'{each[part]:.1f}' for part in PARTS[:-1])} | {each['tokens']:,.0f} |"
        for name, each in middle.items()
    ]
    ratio = middle["TRL"]["step"] / middle["ours"]["step"]
    return "\n".join(
        [
            "# A step of GRPO, beside TRL's",
            "",
            f"{args.model.stem} in float32; {args.prompts * SAMPLES} programs a step, {SAMPLES} of each of"
            f" {args.prompts} MBPP prompts, up to {args.new_tokens} new tokens, micro-batches of {ROWS}, no"
            f" reference model; wall seconds, the median of {args.steps - 1} steps after the first.",
            "",
            "| trainer | sampling | grading | learning | step | tokens sampled |",
            "|---|---:|---:|---:|---:|---:|",
            *rows,
            "",
            f"**TRL's step takes {ratio:.1f} times as long.** Both are graded by the same runner, ours while"
            " the next programs are sampled, so that `grading` is what is waited for it.",
            "",
            f"`make training-step MODEL={args.model.name}`; torch {torch.__version__}, transformers"
            f" {transformers.__version__}, trl {trl.__version__}; {torch.get_num_threads()} threads,"
            f" {os.cpu_count()} processors.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
