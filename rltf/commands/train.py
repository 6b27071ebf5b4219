"""`rltf train`: train a model from unit test feedback, then evaluate it.

Covers: the arguments, presets, what is shown. The work is `rltf.train`.
Importing this costs nothing: the parser is built for every `rltf --help`.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.options import add_cache, add_json, cache_of, positive_float, positive_int, print_json
from harness.errors import InputError
from rltf.objectives import OBJECTIVES
from rltf.presets import BENCHMARKS, EVALUATIONS, PRESETS, WARM_STARTS

if TYPE_CHECKING:
    from harness.models.presets import Settings
    from harness.types import Benchmark
    from rltf.config import RLTFConfig
    from rltf.train import Training

_MADE = tuple(WARM_STARTS)
"""Presets that bring their own model and benchmark."""

_EPILOG = """\
--preset paper follows the paper, released the code of its authors (with critic=frozen its critic, too),
coderl that of CodeRL; mini and mini-quick have a small model made for the generated benchmark mini,
warm-started and trained on a CPU, with no download.
Any option of rltf/config.py, of the method (rltf/rewards/rltf.py for rltf, rltf/objectives/ for others) and
of transformers' TrainingArguments is set by its own name, one of a term (rltf/rewards/terms.py) by both:
  --set learning_rate=1e-5 baseline=greedy temperatures=[0.6,1.0] bf16=true lora_rank=8 sampler=process
  --set 'terms={"pass_rate":1,"fine":0.5}' fine.penalty=-0.1

The run folder holds training.json, metrics.jsonl, checkpoint-N/, model/, comparison.json, report.html, and
eval/ with a run folder of `rltf eval` for each evaluation. A run that was interrupted, or killed, goes on
from its newest whole checkpoint with --resume and, on a CPU, ends with the same weights.

Several processes, each sampling its share:
  accelerate launch --num_processes 8 -m rltf train --model M --benchmark apps --preset paper --out DIR

Exit status: 0 done; 2 bad input, checkpoints are kept; 130 interrupted.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `train` to the sub-commands."""
    parser = commands.add_parser(
        "train",
        help="train a model from unit test feedback, then evaluate it",
        description="Train a code model, supervised or online from unit test feedback (RLTF), and compare its"
        " pass@k before and after.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder")
    parser.add_argument("--resume", action="store_true", help="go on with the run in DIR")
    _add_input(parser)
    _add_training(parser)
    _add_evaluation(parser)
    parser.set_defaults(run=run)


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="hub id, folder or .gguf file (default with mini presets: made on the spot)",
    )
    parser.add_argument(
        "--toy", choices=("causal", "seq2seq"), default="causal", help="kind of the model made on the spot"
    )
    parser.add_argument(
        "--benchmark",
        metavar="NAME",
        help="to train on: apps, mbpp, mini, …, jsonl:PATH, or module:function of your own",
    )
    parser.add_argument("--split", default="train", help="of it; never test (default: train)")
    parser.add_argument("--ids", nargs="+", metavar="ID", help="only these problems of it")
    parser.add_argument("--difficulty", nargs="+", metavar="NAME", help="only these difficulties of it")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="benchmark data (default: $RLTF_DATA, or the hub)"
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method",
        metavar="NAME",
        help=f"what is learned: {', '.join(OBJECTIVES)}, or module:class of your own (default: rltf)",
    )
    parser.add_argument("--preset", metavar="NAME", help=f"settings: {', '.join(PRESETS)}")
    parser.add_argument("--steps", type=positive_int, metavar="N", help="optimiser steps")
    parser.add_argument("--seed", type=int, metavar="N", help="of everything (default: 42)")
    parser.add_argument(
        "--set", nargs="+", default=[], action="extend", metavar="NAME=VALUE", help="any other option"
    )
    parser.add_argument(
        "--warm",
        nargs="+",
        action="extend",
        metavar="NAME=VALUE",
        help="a supervised stage before, with these options over the others: max_steps=300",
    )
    parser.add_argument("--report-to", nargs="+", metavar="NAME", help="tensorboard, wandb, trackio, …")
    parser.add_argument("--workers", type=positive_int, metavar="N", help="programs graded at a time")
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="a Ray cluster to grade on, or for sampler=ray: HOST:PORT, or auto"
    )
    add_cache(parser)
    add_json(parser)


def _add_evaluation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--eval", nargs="+", metavar="NAME", help="benchmarks to evaluate on (default: the one trained on)"
    )
    parser.add_argument("--eval-size", type=positive_int, metavar="N", help="only their first N problems")
    parser.add_argument("--eval-preset", metavar="NAME", help="settings of a paper, as in rltf eval")
    parser.add_argument(
        "--eval-n", type=positive_int, metavar="N", help="samples of each problem (default: 1, greedy)"
    )
    parser.add_argument("--eval-temperature", type=positive_float, metavar="T")
    parser.add_argument(
        "--eval-every", type=positive_int, metavar="N", help="evaluate on a part every N steps, too"
    )
    parser.add_argument(
        "--eval-every-on",
        type=positive_int,
        default=100,
        metavar="N",
        help="problems of each benchmark for that (default: 100)",
    )


def run(args: argparse.Namespace, command: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    try:
        # transformers says on stdout, which may be for JSON, that wandb is offline.
        with redirect_stdout(sys.stderr):
            from rltf.train import train  # noqa: PLC0415 - imports torch
    except ImportError as error:
        raise InputError(
            f"training needs torch, transformers and accelerate ({error}); pip install 'rltf-harness[models]'"
        ) from None
    try:
        content = train(_training(args, command), resume=args.resume)
    except KeyboardInterrupt:
        sys.stderr.write(f"\ninterrupted; checkpoints are kept in {args.out}: add --resume to go on\n")
        return 130
    if args.json and content:
        print_json({"folder": str(args.out), "comparison": content})
        return 0
    for name, found in content.items():
        _show(name, found)
    if content:
        sys.stdout.write(f"{args.out / 'report.html'}\n")
    return 0


def _show(name: str, found: dict[str, Any]) -> None:
    for metric, difference in found["difference"].items():
        before, after = (100 * found[when][metric]["value"] for when in ("before", "after"))
        points = [100 * difference[each] for each in ("value", "low", "high")]
        sys.stdout.write(
            f"{name} {metric} ({found['profile']}): {before:.1f} % -> {after:.1f} %,"
            f" {points[0]:+.1f} points [{points[1]:+.1f}, {points[2]:+.1f}]\n"
        )


def _training(args: argparse.Namespace, command: Sequence[str]) -> Training:
    """Everything that needs no model, checked before one is loaded."""
    from functools import partial  # noqa: PLC0415 - nothing heavy before a command runs

    from transformers.utils import logging  # noqa: PLC0415 - the same

    from harness.prompts import find_format  # noqa: PLC0415 - the same
    from harness.report.sampling_progress import sampling_progress_on  # noqa: PLC0415 - the same
    from rltf.train import Training  # noqa: PLC0415 - the same

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    made = args.preset in _MADE and args.model is None
    if args.model is None and not made:
        raise InputError(f"name a model with --model, or a preset that makes one: {', '.join(_MADE)}")
    config = _config(args, args.out, args.set)
    if config.fsdp and config.world_size == 1:
        raise InputError("fsdp cuts a model into parts for several processes; start with accelerate launch")
    warm = None
    if args.warm is not None or made:
        options = [f"{name}={value}" for name, value in WARM_STARTS.get(args.preset, {}).items()]
        settings = [*args.set, *options, *(args.warm or [])]
        warm = _config(args, args.out / "warm-start", settings, method="sft")
    _check(args, config)
    benchmark = _benchmark(args, config)
    for asked in (config.prompt_format, config.sl_prompt_format):
        find_format(benchmark, asked)
    return Training(
        out=args.out,
        config=config,
        model=args.model,
        benchmark=benchmark,
        evaluate_on=_evaluated(args, benchmark),
        settings=_settings(args, config),
        warm_start=warm,
        toy_kind=args.toy,
        evaluate_every=args.eval_every,
        evaluate_every_on=args.eval_every_on,
        cache=cache_of(args),
        command=shlex.join(["rltf", *command]),
        progress=partial(sampling_progress_on, sys.stderr),
        say=_say if config.process_index == 0 else lambda line: None,
    )


def _check(args: argparse.Namespace, config: RLTFConfig) -> None:
    """What takes a second at most, before the benchmark's data is read: names, folders, models' files."""
    from harness.commands.places import check_places  # noqa: PLC0415 - nothing heavy before a command runs
    from harness.registry import find_loader  # noqa: PLC0415 - the same
    from rltf.build import check_models  # noqa: PLC0415 - the same

    for name in (*([] if args.benchmark is None else [args.benchmark]), *(args.eval or [])):
        find_loader(name)
    if config.process_index == 0:
        check_places(args.out, cache_of(args), config.ray)
    check_models(args.model, config)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _config(args: argparse.Namespace, out: Path, settings: Sequence[str], **fixed: Any) -> RLTFConfig:
    from rltf.options.parse import make_config  # noqa: PLC0415 - nothing heavy before a command runs

    given = {
        "method": args.method,
        "max_steps": args.steps if "method" not in fixed else None,
        "seed": args.seed,
        "report_to": args.report_to,
        "graders": args.workers,
        "ray": args.ray,
    }
    return make_config(
        args.preset,
        settings,
        warm_start_of=args.method if "method" in fixed else None,
        output_dir=str(out),
        disable_tqdm=True,
        **{name: value for name, value in (given | fixed).items() if value is not None},
    )


def _benchmark(args: argparse.Namespace, config: RLTFConfig) -> Benchmark:
    from dataclasses import replace  # noqa: PLC0415 - nothing heavy before a command runs

    from harness.registry import load_benchmark  # noqa: PLC0415 - the same

    name = args.benchmark or BENCHMARKS.get(args.preset)
    if name is None:
        raise InputError("name a benchmark to train on with --benchmark")
    found = load_benchmark(
        name, split=args.split, data_dir=args.data, ids=args.ids, difficulty=args.difficulty
    )
    return replace(found, problems=found.problems[: config.train_problems])


def _evaluated(args: argparse.Namespace, benchmark: Benchmark) -> list[Benchmark]:
    from dataclasses import replace  # noqa: PLC0415 - nothing heavy before a command runs

    from harness.registry import load_benchmark  # noqa: PLC0415 - the same

    names = args.eval or [args.benchmark or benchmark.name]
    if len(set(names)) < len(names):
        raise InputError("--eval names a benchmark twice; name each once")
    found = [load_benchmark(name, data_dir=args.data) for name in names]
    return [replace(each, problems=each.problems[: args.eval_size]) for each in found]


def _settings(args: argparse.Namespace, config: RLTFConfig) -> Settings:
    """Of the evaluations: the prompt as in training, unless a paper's settings are asked for."""
    from harness.models.presets import settings  # noqa: PLC0415 - nothing heavy before a command runs

    given: dict[str, Any] = {"n": args.eval_n, "temperature": args.eval_temperature}
    given = {name: value for name, value in given.items() if value is not None}
    if args.eval_preset is None:
        given = {
            "max_new_tokens": config.max_new_tokens,
            "source_tokens": config.max_prompt_tokens,
            **({} if config.prompt_format is None else {"format": config.prompt_format}),
            **EVALUATIONS.get(args.preset, {}),
            **given,
        }
    return settings(args.eval_preset, given, seed=config.seed)
