"""`rltf eval`: sample programs from a model and grade them, from a model's name to pass@k.

Covers: the arguments, the default folder, what is shown. The work is `harness.evaluate.evaluation`.
Does not cover: programs that were made elsewhere (`rltf score`), comparing runs (`rltf report`).

Importing this costs nothing: the parser is built for every `rltf --help`.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.options import (
    ENDINGS,
    add_json,
    add_metrics,
    add_report_to,
    add_running,
    add_selection,
    cache_of,
    check_report_to,
    default_folder,
    grading_options,
    limits_of,
    positive_float,
    positive_int,
    runner_start,
    selected,
)
from harness.commands.score import show_metrics
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.evaluate.generation import GenerationPlan
    from harness.models.base import Sampler
    from harness.models.presets import Settings
    from harness.models.prompt_choice import Asked
    from harness.models.unanswered import LossySampler
    from harness.types import Benchmark

_SETTINGS = (
    "n", "temperature", "top_p", "top_k", "max_new_tokens", "source_tokens", "truncation", "format",
)  # fmt: skip
"""Options that a preset may set."""
_LOCAL = ("revision", "dtype", "device", "adapter", "trust_remote_code", "batch_size", "gguf_file")
_SERVER = ("api_model", "concurrency", "request_timeout", "tokenizer")

_EPILOG = (
    """\
Without --preset, one sample is greedy; several are drawn at temperature 0.8, top-p 0.95. Presets set what
their papers say, and any option given beside one goes over it; the manifest records both:
  rltf-apps, rltf-apps-codegen, rltf-mbpp, coderl-apps, austin-mbpp

The run folder holds what `rltf score` writes, and prompts.jsonl; samples.jsonl also holds the completions. A
run that was interrupted, or killed, goes on when the same command is given again. A larger --n adds the
samples that are missing. Another model, prompt, decoding or limit is refused, with the field that differs.

Several processes share the sampling, one grades:
  accelerate launch --multi_gpu --num_processes 8 -m rltf eval MODEL --benchmark apps --preset rltf-apps

"""
    + ENDINGS
)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `eval` to the sub-commands."""
    parser = commands.add_parser(
        "eval",
        help="sample programs from a model and grade them",
        description="Sample programs from a model and grade them: from a model's name to pass@k.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "model", metavar="MODEL", help="hub id, folder or .gguf file; with --base-url just a name"
    )
    add_selection(parser)
    _add_prompting(parser)
    _add_decoding(parser)
    _add_local(parser)
    _add_server(parser)
    add_running(parser)
    add_metrics(parser)
    add_report_to(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def _add_prompting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        metavar="NAME",
        help="prompt format (default: 'chat' for a chat model, else the benchmark's first)",
    )
    parser.add_argument(
        "--chat",
        choices=("auto", "on", "off"),
        default="auto",
        help="ask as a chat model, through its own template: if the token that closes an answer there is one"
        " of the model's end tokens (auto), always (on), never (off)",
    )
    parser.add_argument(
        "--max-prompt-tokens",
        dest="source_tokens",
        type=int,
        metavar="N",
        help="shorten prompts to this many tokens; 0: no limit",
    )
    parser.add_argument(
        "--truncation",
        choices=("end", "middle", "reference"),
        help="what a prompt that is too long loses: the end or the middle of the statement, or, as in the"
        " reference code, the prompt's own end (default: end)",
    )


def _add_decoding(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", metavar="NAME", help="settings of a paper, see below")
    parser.add_argument("--n", type=positive_int, metavar="N", help="samples of each problem (default: 1)")
    parser.add_argument("--temperature", type=positive_float, metavar="T")
    parser.add_argument("--top-p", type=positive_float, metavar="P", help="nucleus; 1 keeps all tokens")
    parser.add_argument(
        "--top-k", type=int, metavar="K", help="only the K likeliest tokens (default: 0, which keeps all)"
    )
    parser.add_argument("--greedy", action="store_true", help="the likeliest token each time; one sample")
    parser.add_argument(
        "--max-new-tokens", type=positive_int, metavar="N", help="of an answer (default: 512)"
    )
    parser.add_argument(
        "--stop", nargs="+", default=[], metavar="TEXT", help="end answers there, besides the format's own"
    )
    parser.add_argument("--seed", type=int, default=0, help="of sampling (default: 0)")


def _add_local(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--revision", help="branch, tag or commit of a hub id")
    parser.add_argument(
        "--dtype", metavar="NAME", help="float32, bfloat16 or float16 (default: float32 on a CPU)"
    )
    parser.add_argument(
        "--device", metavar="NAME", help="cpu, cuda, cuda:1, … (default: a GPU if there is one)"
    )
    parser.add_argument("--adapter", metavar="NAME", help="PEFT adapter over the model: hub id or folder")
    parser.add_argument(
        "--gguf-file", metavar="NAME", help="the file of a folder or hub id that is the model"
    )
    parser.add_argument(
        "--trust-remote-code", action="store_true", default=None, help="run code that the model brings along"
    )
    parser.add_argument(
        "--batch-size", type=positive_int, metavar="N", help="most samples at once (default: what fits)"
    )


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base-url", metavar="URL", help="sample from an OpenAI-compatible server: http://localhost:8000/v1"
    )
    parser.add_argument("--api-model", metavar="NAME", help="as the server calls it (default: MODEL)")
    parser.add_argument(
        "--concurrency", type=positive_int, metavar="N", help="requests under way at once (default: 16)"
    )
    parser.add_argument(
        "--request-timeout",
        type=positive_float,
        metavar="SECONDS",
        help="for one answer of a server (default: 600)",
    )
    parser.add_argument(
        "--tokenizer",
        type=Path,
        metavar="PATH",
        help="of a server's model, to count --max-prompt-tokens with",
    )


def run(args: argparse.Namespace, command: Sequence[str]) -> int:
    """Run the command; returns the exit status."""
    from harness.commands.places import check_places  # noqa: PLC0415 - nothing heavy before a command runs
    from harness.evaluate.evaluation import Plan, evaluate  # noqa: PLC0415 - the same
    from harness.models.distributed import current_processes  # noqa: PLC0415 - the same
    from harness.report.sampling_progress import sampling_progress_on  # noqa: PLC0415 - the same
    from harness.run_store.run_folder import has_samples  # noqa: PLC0415 - the same

    processes = current_processes()  # before a model is loaded: it says on which GPU
    check_report_to(args)
    benchmark = selected(args)
    sampling, asked = _sampling(args, benchmark)
    if processes.leads:
        _say(asked)
    folder = args.out or default_folder(
        benchmark, sampling.label, (*sampling.identity().values(), limits_of(args, benchmark))
    )
    plan = Plan(
        benchmark=benchmark,
        programs=sampling,
        **grading_options(args, benchmark),
        command=shlex.join(["rltf", *command]),
    )
    progress = sampling_progress_on(sys.stderr)
    if not has_samples(folder, sampling.n):
        if processes.leads:
            check_places(folder, cache_of(args), args.ray)
        sampling.load()  # what is wrong with the weights is said before a folder is made
    try:
        metrics = evaluate(plan, folder, runner_start(args, benchmark), progress, processes=processes)
    except KeyboardInterrupt:
        sys.stderr.write(
            f"\ninterrupted; what was sampled and graded is kept in {folder}: run the same command to go on\n"
        )
        return 130
    return show_metrics(metrics, folder, args) if metrics else 0


def _say(asked: Asked) -> None:
    sys.stderr.write(f"rltf: {asked.line()}\n")
    if asked.warning is not None:
        warnings.warn(asked.warning, stacklevel=2)


def _sampling(args: argparse.Namespace, benchmark: Benchmark) -> tuple[GenerationPlan, Asked]:
    """All that needs no model is checked before one is loaded."""
    from harness.evaluate.generation import GenerationPlan  # noqa: PLC0415 - the same
    from harness.models.presets import settings  # noqa: PLC0415 - nothing heavy before a command runs
    from harness.models.prompt_choice import format_for, named_format  # noqa: PLC0415 - nothing heavy at import

    chosen = settings(
        args.preset, _given(args, _SETTINGS), greedy=args.greedy, seed=args.seed, stop=args.stop
    )
    if args.k and max(args.k) > chosen.n:
        raise InputError(
            f"pass@{max(args.k)} needs {max(args.k)} samples of every problem; pass --n {max(args.k)}"
        )
    asked = named_format(benchmark, name=chosen.format, preset=args.preset, chat=args.chat)
    sampler: LossySampler = _server(args, chosen) if args.base_url else _local(args, chosen)
    if asked is None:
        asked = format_for(benchmark, sampler, None if args.base_url else Path(args.model))
    record = chosen.record | asked.record()
    plan = GenerationPlan(args.model, sampler, asked.form, chosen.decoding, chosen.n, record)
    return plan, asked


def _given(args: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}


def _local(args: argparse.Namespace, chosen: Settings) -> Sampler:
    _refuse(_given(args, _SERVER), "is for a server: pass --base-url too, or leave it out")
    try:
        from harness.models.hf.deferred import DeferredSampler  # noqa: PLC0415 - imports torch
    except ImportError as error:
        raise InputError(
            f"sampling from a checkpoint needs torch and transformers ({error});"
            " pip install 'rltf-harness[models]', or name a server with --base-url"
        ) from None
    return DeferredSampler(
        args.model,
        **_given(args, _LOCAL),
        chat=args.chat,
        truncation=chosen.truncation,
        source_tokens=chosen.source_tokens,
    )


def _server(args: argparse.Namespace, chosen: Settings) -> LossySampler:
    from harness.models.api.sampler import ServerSampler  # noqa: PLC0415 - nothing heavy before a command runs

    _refuse(_given(args, _LOCAL), "is for a local checkpoint: a server has chosen it already")
    given = _given(args, _SERVER)
    return ServerSampler(
        args.base_url,
        given.pop("api_model", args.model),
        timeout=given.pop("request_timeout", 600.0),
        **given,
        chat=args.chat,
        truncation=chosen.truncation,
        source_tokens=chosen.source_tokens,
    )


def _refuse(given: dict[str, Any], why: str) -> None:
    if given:
        raise InputError(f"--{next(iter(given)).replace('_', '-')} {why}")
