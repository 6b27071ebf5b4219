"""`make real-data`: RLTF on real data, with a small model of CodeT5's shape and CodeT5's own tokenizer.

    python studies/real_data.py [--steps N] [--long-steps N] [--eval-size N] [--seed N] [--keep DIR]

A T5 with the fields of CodeT5's config, but narrow and of few layers, first learns a few solutions of APPS
train by heart (`rltf train --method sft`), so that what it samples is a mixture of right, wrong and broken
programs. Then `rltf train --preset paper` with a small buffer makes its steps thrice: undisturbed, killed
with -9 at a random moment and resumed, and longer, for the memory. Reads `$RLTF_DATA`; each training is a
process of its own on one thread. Exit status 1 if the resumed run differs, a scope is not seen or the
trainer's memory grows by more than a twentieth.
Does not cover: whether such a model gets better (`make learning`).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import load_benchmark
from harness.models.hf.loading import load_tokenizer
from rltf.run import checkpoints
from studies.kills import all_gone, descendants
from studies.memory import Sample, steps_logged, watch
from studies.real_data_report import Found, page, read_rows

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "results" / "reports" / "real-data.md"
CODET5 = "tokenizers/codet5-base"
CONFIG = "config.codeRL-finetuned.json"
SMALL = {"d_model": 128, "d_ff": 512, "num_heads": 2, "num_layers": 2, "num_decoder_layers": 2}
"""In place of CodeT5-large's 1024, 4096, 16, 24 and 24."""
NOT_OF_THE_SHAPE = ("_name_or_path", "architectures", "torch_dtype", "transformers_version")

PROBLEMS = ("656", "1392", "3187", "3831", "3929", "4280")
"""Two that read stdin and four that are called, two of these mostly solved by recursion: those of APPS train
with short statements whose first solutions are short, so that little training has them learnt by heart."""
# Some of the solutions are longer than 40 tokens, and are cut off: what is blamed as a whole for it.
_COMMON = ("max_prompt_tokens=256", "max_new_tokens=40", "solutions_per_problem=2", "use_cpu=true")
TEACHING = (
    *_COMMON, "per_device_train_batch_size=6", "learning_rate=1e-2", "lr_scheduler_type=cosine",
    "warmup_steps=10", "logging_steps=10", "save_steps=100000",
)  # fmt: skip
SAVE_STEPS = 5
TRAINING = (
    # The paper's rate, 2e-6 after 500 steps of warm-up, would hardly move a weight in 20 steps.
    *_COMMON, "learning_rate=2e-5", "warmup_steps=0", "gradient_accumulation_steps=2", "buffer_size=64",
    "buffer_fill=48", "refresh_every=4", "refresh_size=32", "samples_per_problem=8",
    # Half of the programs at the paper's temperature; at the other, such a model recites.
    "temperatures=[0.3,1.0]", f"save_steps={SAVE_STEPS}", "save_total_limit=2",
)  # fmt: skip


def main() -> int:
    """Train, kill, resume, watch, compare; write the report."""
    args = _arguments()
    dice = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        found = measure(folder, args, dice)
        text, held = page(found, data=_data(), command=_command())
    args.out.write_text(text, encoding="utf-8")
    print(f"\n{text}\n{args.out}")
    return 0 if held else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--teaching-steps", type=int, default=250, help="of the supervised stage")
    parser.add_argument("--steps", type=int, default=20, help="of RLTF")
    parser.add_argument("--long-steps", type=int, default=60, help="of the longer run; 0 for none")
    parser.add_argument("--eval-size", type=int, default=20, help="problems of APPS test and of MBPP")
    parser.add_argument("--seed", type=int, default=0, help="of the moment of the kill")
    parser.add_argument(
        "--keep",
        type=Path,
        help="folder for the runs, which are else deleted; a supervised stage in it is read",
    )
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    if "RLTF_DATA" not in os.environ:
        parser.error("set RLTF_DATA to the folder with the data; CodeT5's tokenizer is read from there")
    return args


def measure(folder: Path, args: argparse.Namespace, dice: random.Random) -> Found:
    """All trainings, one after the other."""
    parameters = make_codet5(folder / "start")
    teach = ["--model", str(folder / "start"), "--method", "sft", "--steps", str(args.teaching_steps)]
    if not (folder / "taught" / "comparison.json").exists():
        _train(folder / "taught", [*teach, "--eval", "mbpp", "--eval-size", "1"], TEACHING)

    started = time.monotonic()
    common = ["--model", str(folder / "taught" / "model"), "--preset", "paper"]
    evaluation = ["--eval", "apps", "mbpp", "--eval-size", str(args.eval_size)]
    options = [*common, "--steps", str(args.steps), *evaluation]
    straight, killed, longer = (folder / name for name in ("straight", "killed", "longer"))
    memory = _train(straight, options, TRAINING)
    left_over = _train_and_kill(
        killed, options, dice.randrange(SAVE_STEPS + 1, args.steps - 1), dice.random()
    )
    killed_at, resumed_from = steps_logged(killed), _steps_of_newest(killed)
    _train(killed, [*options, "--resume"], TRAINING)
    longer_memory: Sequence[Sample] = ()
    if args.long_steps:
        long_options = [*common, "--steps", str(args.long_steps), "--eval", "mbpp", "--eval-size", "1"]
        longer_memory = _train(longer, long_options, TRAINING)
    return Found(
        parameters=parameters,
        taught=[row["loss"] for row in read_rows(folder / "taught")],
        straight=straight,
        memory=memory,
        killed=killed,
        killed_at=killed_at,
        resumed_from=resumed_from,
        left_over=left_over,
        longer=longer if args.long_steps else None,
        longer_memory=longer_memory,
        elapsed=time.monotonic() - started,
    )


def make_codet5(folder: Path) -> int:
    """Write an untrained checkpoint of CodeT5's shape with its tokenizer; returns the number of weights."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    source = Path(os.environ["RLTF_DATA"], CODET5)
    fields = json.loads((source / CONFIG).read_bytes())
    kept = {name: value for name, value in fields.items() if name not in NOT_OF_THE_SHAPE}
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(T5Config(**kept | SMALL))
    model.save_pretrained(folder)
    load_tokenizer(str(source)).save_pretrained(folder)
    return sum(each.numel() for each in model.parameters())


# --- running -------------------------------------------------------------------------------------


def _train(out: Path, options: Sequence[str], settings: Sequence[str]) -> list[Sample]:
    """One training to its end; returns its memory."""
    process = _start(out, options, settings)
    samples = watch(process, out, until=lambda: False)
    if process.wait():
        tail = "\n".join(out.with_suffix(".log").read_text().splitlines()[-20:])
        raise SystemExit(f"rltf train ended with {process.returncode}:\n{tail}")
    return samples


def _train_and_kill(out: Path, options: Sequence[str], step: int, delay: float) -> bool:
    """Kill a training so many seconds after a step; returns whether a process below it stays."""
    process = _start(out, options, TRAINING)
    # By step: the same seconds after the start are sometimes within the last evaluation.
    watch(process, out, until=lambda: steps_logged(out) >= step, every=0.1)
    time.sleep(delay)
    family = descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    if process.wait() != -signal.SIGKILL:
        raise SystemExit("the training ended before it was killed; choose another --seed")
    return not all_gone(family)


def _start(out: Path, options: Sequence[str], settings: Sequence[str]) -> subprocess.Popen[bytes]:
    print("training", out.name, flush=True)
    command = [sys.executable, "-m", "rltf", "train", "--out", str(out), *options]
    command += ["--benchmark", "apps", "--ids", *PROBLEMS, "--workers", "1", "--no-cache"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with out.with_suffix(".log").open("ab") as log:
        return subprocess.Popen([*command, "--set", *settings], stdout=log, stderr=log, env=env, cwd=ROOT)


def _steps_of_newest(run: Path) -> int:
    newest = checkpoints.newest(run)
    return 0 if newest is None else checkpoints.steps_of(newest)


def _command() -> str:
    return "make real-data" + (f" ARGS='{' '.join(sys.argv[1:])}'" if sys.argv[1:] else "")


def _data() -> str:
    found = load_benchmark("apps", split="train", ids=PROBLEMS)
    return f"apps train, problems {', '.join(PROBLEMS)}, hash {found.dataset_hash[:16]}; CodeT5's tokenizer"


if __name__ == "__main__":
    sys.exit(main())
