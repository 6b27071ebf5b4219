"""`rltf prompt`: exactly what a model gets for one problem, byte for byte.

Covers: every prompt format, shortened to a number of tokens where a tokenizer or a model is named, and what a
model's chat template makes of it. Does not cover: the limit of a model's context.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.options import BENCHMARK_HELP, add_json, print_json
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.prompts import Prompt
    from harness.types import Benchmark, PromptFormat

_EPILOG = """\
Each benchmark has formats of its own; --format with an unknown name lists them, the default first. The README
of the benchmark says where each comes from.

Nothing is added to the prompt, no line end either; -v says on stderr which format it is.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `prompt` to the sub-commands."""
    parser = commands.add_parser(
        "prompt",
        help="print what a model gets for one problem",
        description="Print exactly what a model gets for one problem.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--benchmark", required=True, metavar="NAME", help=BENCHMARK_HELP)
    parser.add_argument("--id", required=True, metavar="ID", help="of the problem: 11, mbpp/11, apps/test/65")
    parser.add_argument(
        "--format", metavar="NAME", help="prompt format (default: as rltf eval, without --model the first)"
    )
    parser.add_argument(
        "--model", metavar="NAME", help="as it reads the prompt, chat template included: hub id or folder"
    )
    parser.add_argument("--adapter", metavar="NAME", help="PEFT adapter over the model: hub id or folder")
    parser.add_argument(
        "--gguf-file", metavar="NAME", help="the file with the model, where there are several"
    )
    parser.add_argument(
        "--chat", choices=("auto", "on", "off"), default="auto", help="with --model: as for rltf eval"
    )
    parser.add_argument("--split", help="split of the benchmark (default: its own default)")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="benchmark data (default: $RLTF_DATA, or the hub)"
    )
    parser.add_argument(
        "--tokenizer",
        type=Path,
        metavar="PATH",
        help="local tokenizer.json, or a folder with one, to count tokens with",
    )
    parser.add_argument(
        "--max-prompt-tokens",
        type=int,
        metavar="N",
        help="shorten to this many tokens, special ones included",
    )
    parser.add_argument(
        "--truncation",
        choices=("end", "middle", "reference"),
        default="end",
        help="what a prompt that is too long loses: the end or the middle of the statement, or, as in the"
        " reference code, the prompt's own end (default: end)",
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="say format, version, hash and size on stderr"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, _command: Sequence[str]) -> int:
    """Print the prompt; returns the exit status."""
    if args.model is not None:
        prompt, tokens = _as_read(args)
    else:
        prompt, tokens = _as_written(args)
    if args.verbose:
        sys.stderr.write(_about(prompt, tokens))
    if args.json:
        print_json(_data(prompt))
        return 0
    # Bytes: a text stream would turn line ends into the platform's.
    sys.stdout.flush()
    text = prompt.text if prompt.sent is None else prompt.sent
    sys.stdout.buffer.write(text.encode(errors="surrogatepass"))
    sys.stdout.buffer.flush()
    return 0


def _data(prompt: Prompt) -> dict[str, Any]:
    return {
        "task_id": prompt.task_id,
        "format": prompt.name,
        "version": prompt.version,
        "sha256": prompt.hash,
        "messages": [{"role": role, "content": text} for role, text in prompt.messages],
        "text": prompt.text if prompt.sent is None else prompt.sent,
        "shortened": prompt.shortened,
        "stop": list(prompt.format.stop),
    }


def _as_written(args: argparse.Namespace) -> tuple[Prompt, str]:
    """In the format's words, whatever the model."""
    from harness.prompts import find_format, make_prompt  # noqa: PLC0415 - only when a command runs

    if (args.tokenizer is None) != (args.max_prompt_tokens is None):
        raise InputError("--tokenizer and --max-prompt-tokens go together: tokens are counted by a tokenizer")
    for name in ("adapter", "gguf_file"):
        if getattr(args, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} is for a model: pass --model too, or leave it out")
    benchmark = _benchmark(args)
    prompt = make_prompt(
        find_format(benchmark, args.format or ("chat" if args.chat == "on" else None)), benchmark.problems[0]
    )
    return (prompt, "") if args.tokenizer is None else _fitted(prompt, args)


def _as_read(args: argparse.Namespace) -> tuple[Prompt, str]:
    """As the model named reads it."""
    if args.tokenizer is not None:
        raise InputError("--model has a tokenizer of its own; leave --tokenizer out")
    try:
        from harness.models.hf.prompt_reader import load_reader  # noqa: PLC0415 - imports torch
    except ImportError as error:
        raise InputError(
            f"--model needs torch and transformers ({error}); pip install 'rltf-harness[models]'"
        ) from None
    from harness.models.prompt_choice import format_for, named_format  # noqa: PLC0415 - the same
    from harness.models.prompt_encoder import ContextWindow, PromptEncoder  # noqa: PLC0415 - the same
    from harness.prompts import make_prompt  # noqa: PLC0415 - only when a command runs

    benchmark = _benchmark(args)
    asked = named_format(benchmark, name=args.format, chat=args.chat)
    reader = load_reader(args.model, adapter=args.adapter, gguf_file=args.gguf_file)
    asked = asked or format_for(benchmark, reader, Path(args.model))
    prompting = PromptEncoder(
        reader.tokenizer,
        ContextWindow(None, shared=not reader.seq2seq),
        chat=args.chat,
        truncation=args.truncation,
        source_tokens=args.max_prompt_tokens,
    )
    read = prompting.encode(make_prompt(asked.form, benchmark.problems[0]), 1)
    shortened = ", shortened" if read.prompt.shortened else ""
    return read.prompt, f"tokens {len(read.ids)}{shortened}\nrltf: {asked.line()}"


def _benchmark(args: argparse.Namespace) -> Benchmark:
    from harness.registry import load_benchmark  # noqa: PLC0415 - only when a command runs

    benchmark = load_benchmark(args.benchmark, split=args.split, data_dir=args.data, ids=[args.id])
    if len(benchmark) != 1:
        raise InputError(f"--id {args.id} names {len(benchmark)} problems; one prompt is printed at a time")
    return benchmark


def _fitted(prompt: Prompt, args: argparse.Namespace) -> tuple[Prompt, str]:
    from harness.prompts import fit  # noqa: PLC0415 - only when asked for
    from harness.prompts.tokenizer import load_tokenizer  # noqa: PLC0415 - the same

    encode, decode = load_tokenizer(args.tokenizer)
    before = len(encode(prompt.text))
    fitted = fit(prompt, args.max_prompt_tokens, encode, decode, truncation=args.truncation)
    after = len(encode(fitted.text))
    return fitted, f"tokens {after}" + (f", shortened from {before}" if fitted.shortened else "")


def _about(prompt: Prompt, tokens: str) -> str:
    lines = [
        f"problem {prompt.task_id}",
        f"format {prompt.name} version {prompt.version} sha256 {prompt.hash}",
        f"from {prompt.format.source}",
        f"stop {', '.join(map(repr, prompt.format.stop)) or 'at the end token alone'}",
        f"extraction {_rule_name(prompt.format)}"
        + (", the prompt is part of the program" if prompt.format.in_program else ""),
        *([tokens] if tokens else []),
    ]
    return "".join(f"rltf: {line}\n" for line in lines)


def _rule_name(form: PromptFormat) -> str:
    return form.extraction if isinstance(form.extraction, str) else form.extraction.name
