"""`rltf critic`: train CodeRL's critic from graded programs.

Covers: the arguments and what is shown. The work is `rltf.critic_training.training`.
Importing this costs nothing: the parser is built for every `rltf --help`.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.commands.options import add_json, positive_int, print_json
from harness.errors import InputError

_EPILOG = """\
--samples takes run folders of rltf eval and rltf score, and those of rltf train, whose newest checkpoint
holds the programs of its buffer. Every option of rltf/critic_training/config.py and of transformers'
TrainingArguments is set by its own name:
  rltf eval ./sft --benchmark apps --split train --n 20 --out results/runs/collected
  rltf critic --model ./sft --benchmark apps --samples results/runs/collected --out critic \\
    --set num_train_epochs=2 critic_classes=4 references=1
  rltf train --model ./sft --benchmark apps --preset coderl --steps 2000 --out results/runs/coderl \\
    --set critic_model=critic

DIR holds the checkpoint, critic_head.safetensors and critic.json with the accuracy on problems that the
critic has not seen, by class, beside that of always saying the commonest class.

Exit status: 0 done; 2 bad input; 130 interrupted.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `critic` to the sub-commands."""
    parser = commands.add_parser(
        "critic",
        help="train CodeRL's critic from graded programs",
        description="Train a critic, which predicts from a program's beginning on how its tests will end;"
        " rltf train weighs tokens with it (--method coderl, or --set critic=frozen).",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", required=True, metavar="MODEL", help="to start from, with the policy's tokenizer"
    )
    parser.add_argument("--benchmark", required=True, metavar="NAME", help="that the programs are for")
    parser.add_argument("--split", default="train", help="of it; never test (default: train)")
    parser.add_argument("--ids", nargs="+", metavar="ID", help="only these problems of it")
    parser.add_argument("--difficulty", nargs="+", metavar="NAME", help="only these difficulties of it")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="benchmark data (default: $RLTF_DATA, or the hub)"
    )
    parser.add_argument(
        "--samples", nargs="+", type=Path, required=True, metavar="RUN", help="folders of graded programs"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the critic")
    parser.add_argument("--steps", type=positive_int, metavar="N", help="optimiser steps (default: 2 epochs)")
    parser.add_argument("--seed", type=int, metavar="N", help="of everything (default: 42)")
    parser.add_argument(
        "--set", nargs="+", default=[], action="extend", metavar="NAME=VALUE", help="any other option"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, command: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    try:
        from rltf.critic_training.config import make_critic_config  # noqa: PLC0415 - imports torch
        from rltf.critic_training.training import CriticTraining, train_critic  # noqa: PLC0415 - the same
    except ImportError as error:
        raise InputError(
            f"training needs torch, transformers and accelerate ({error}); pip install 'rltf-harness[models]'"
        ) from None
    from transformers.utils import logging  # noqa: PLC0415 - the same

    from harness.registry import load_benchmark  # noqa: PLC0415 - nothing heavy before a command runs

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    given = {"max_steps": args.steps, "seed": args.seed}
    config = make_critic_config(
        args.set,
        output_dir=str(args.out),
        disable_tqdm=True,
        **{name: value for name, value in given.items() if value is not None},
    )
    benchmark = load_benchmark(
        args.benchmark, split=args.split, data_dir=args.data, ids=args.ids, difficulty=args.difficulty
    )
    record = train_critic(
        CriticTraining(
            out=args.out,
            config=config,
            model=args.model,
            benchmark=benchmark,
            samples=args.samples,
            command=shlex.join(["rltf", *command]),
            say=_say,
        )
    )
    if args.json:
        print_json({"folder": str(args.out), "validation": record["validation"]})
        return 0
    _show(record["validation"])
    sys.stdout.write(f"{args.out}\n")
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _show(found: dict[str, Any] | None) -> None:
    if found is None:
        sys.stdout.write("no programs for validation: validation_share is 0, or too small\n")
        return
    sys.stdout.write(
        f"accuracy {100 * found['accuracy']:.1f} % of {found['programs']:,} programs; always the commonest"
        f" class: {100 * found['constant_guess']:.1f} %\n"
    )
    for name, each in found["per_class"].items():
        sys.stdout.write(f"  {name}: {100 * each['accuracy']:.1f} % of {each['programs']:,}\n")
