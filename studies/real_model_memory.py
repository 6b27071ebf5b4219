"""`make real-model-memory`: the memory of `rltf train` on a real model, 60 steps of LoRA.

    RLTF_DATA=DIR python studies/real_model_memory.py [MODEL.gguf] [--steps N] [--out FILE]

RLTF on a few MBPP problems with small micro-batches and short programs, so that a step takes a few seconds;
programs are sampled anew every fifth step, and a checkpoint is written every twentieth. The memory of the
process that samples and learns, and of its graders, is looked at four times a second. Without MODEL it is
that of `make real-model`. Exit status 1 if the medians of the first and the last third differ by more than a
twentieth. Does not cover: what is learned.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.runner import Runner
from studies import machine
from studies.learning_runs import train_seconds
from studies.memory import watch
from studies.real_data_report import memory_said, read_rows
from studies.real_model_files import begun, fetched, model_parser

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "results" / "reports" / "real-model-memory.md"
IDS = "601-606"
SETTINGS = (
    "lora_rank=8", "per_device_train_batch_size=2", "max_prompt_tokens=256", "max_new_tokens=32",
    "samples_per_problem=4", "buffer_size=16", "buffer_fill=8", "refresh_every=5", "refresh_size=8",
    "save_steps=20", "save_total_limit=1", "use_cpu=true",
)  # fmt: skip


def main() -> int:
    """Train, watch, write the report."""
    parser = model_parser(__doc__, REPORT)
    parser.add_argument("--steps", type=int, default=60)
    args = parser.parse_args()
    if not os.environ.get("RLTF_DATA"):
        parser.error("set RLTF_DATA to the folder with the data")
    model = (args.model or fetched()).resolve()
    command = [
        "rltf", "train", "--model", model.name, "--benchmark", "mbpp", "--ids", IDS,
        "--steps", str(args.steps), "--eval-size", "1", "--no-cache", "--set", *SETTINGS,
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        run = Path(name, "run")
        process = begun([*command, "--out", str(run)], model.parent)
        samples = watch(process, run)
        if process.wait():
            raise SystemExit(f"rltf train ended with {process.returncode}")
        rows = read_rows(run)
        said, held = memory_said(samples, len(rows))
        took = train_seconds(run) / len(rows)
    with Runner(workers=1) as runner:
        about = dict(runner.describe())
    parts = [
        f"# Memory of {len(rows)} steps of LoRA on a real model",
        f"{model.stem}, unpacked to float32: {said}. {took:.1f} s a step, on average.",
        f"**{_verdict(held)}**",
        f"```sh\n{' '.join(command)}\n```",
        machine.section(
            "make real-model-memory", about, f"mbpp train, problems {IDS.replace('-', ' to ')}"
        ).strip(),
    ]
    args.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"{said}\n{args.out} written")
    return 0 if held else 1


def _verdict(held: bool | None) -> str:
    return {True: "It does not grow.", False: "It grows.", None: "Too quick to be measured."}[held]


if __name__ == "__main__":
    sys.exit(main())
