"""`make eval-peers`: from a model's name to pass@k, `rltf eval` beside the plain loop of the peers.

    python studies/eval_peers.py [--problems N] [--samples N] [--new-tokens N] [--rounds N] [--out FILE]

The same tiny model (random weights), the same MBPP problems, prompts, sampling settings and processors, in
turn and in one run; each way is a process of its own, timed from its start to its end, imports included:

- rltf: the command as users give it, no cache;
- peers: one problem at a time, `generate(num_return_sequences=n)`, all of them, and then a
  `multiprocessing.Manager` and a process for each program, as human-eval's checker and its offspring do.

Nobody's programs are run outside the sandbox: where the peers would run the model's, their checkers run as
many copies of a trusted three-assert program. A time-out, which costs them seconds, is not among those, so
that the peers come off better than they are. Never a test: nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import manager_rate
from machine import section

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "results" / "reports" / "eval-peers.md"
SAMPLING = {"temperature": 0.8, "top_p": 0.95}


def main() -> None:
    """Measure, print, write the report."""
    args = _parser().parse_args()
    if args.loop is not None:
        print(json.dumps(loop(args.loop, args)))
        return
    if "RLTF_DATA" not in os.environ:
        sys.exit("eval_peers.py reads MBPP from $RLTF_DATA; set it to the folder of the data")
    with TemporaryDirectory() as folder:
        model = _model(Path(folder))
        rows = []
        for number in range(args.rounds):
            rows.append(_round(args, model, Path(folder), number))
            print(rows[-1], flush=True)
    page = report(rows, args)
    args.out.write_text(page, encoding="utf-8")
    print(f"\n{page}\nwritten to {args.out}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=100)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=REPORT)
    parser.add_argument("--loop", type=Path, help=argparse.SUPPRESS)  # be the peers, with this model
    return parser


def _model(folder: Path) -> Path:
    sys.path.insert(0, str(ROOT / "tests"))
    from checkpoints import make_checkpoint

    return make_checkpoint("gpt2", folder / "model")


def _round(args: argparse.Namespace, model: Path, folder: Path, number: int) -> dict[str, float]:
    """Seconds of both ways, in alternating order."""
    ways = {
        "rltf": lambda: _rltf(args, model, folder / f"run-{number}"),
        "peers": lambda: _peers(args, model),
    }
    found: dict[str, float] = {}
    for name in ways if number % 2 == 0 else reversed(ways):
        found |= ways[name]()
    return found


def _rltf(args: argparse.Namespace, model: Path, folder: Path) -> dict[str, float]:
    command = [
        *("-m", "rltf", "eval", str(model), "--benchmark", "mbpp", "--split", "test"),
        *("--ids", f"11-{10 + args.problems}", "--n", str(args.samples), "--no-cache"),
        *("--max-new-tokens", str(args.new_tokens), "--out", str(folder)),
        *("--temperature", str(SAMPLING["temperature"]), "--top-p", str(SAMPLING["top_p"])),
    ]
    seconds, _ = _timed(command)
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    _session.update(json.loads((folder / "manifest.json").read_text())["sessions"][0])
    assert len(rows) == args.problems * args.samples
    return {"rltf": seconds, "rltf tokens": sum(row["tokens"] for row in rows)}


_session: dict[str, Any] = {}
"""Who graded and on what, from the manifest."""


def _peers(args: argparse.Namespace, model: Path) -> dict[str, float]:
    settings = [
        f"--{name}={getattr(args, name.replace('-', '_'))}" for name in ("problems", "samples", "new-tokens")
    ]
    seconds, text = _timed([__file__, "--loop", str(model), *settings])
    return {"peers": seconds, **json.loads(text.splitlines()[-1])}


def _timed(command: Sequence[str]) -> tuple[float, str]:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return time.perf_counter() - started, done.stdout


def loop(model: Path, args: argparse.Namespace) -> dict[str, float]:
    """The peers' way: a problem at a time, and grading at the end; seconds of its parts."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from harness.prompts import find_format, make_prompt
    from harness.registry import load_benchmark

    benchmark = load_benchmark("mbpp", split="test", ids=[f"11-{10 + args.problems}"])
    form = find_format(benchmark)
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForCausalLM.from_pretrained(model).eval()
    started = time.perf_counter()
    tokens, programs = 0, []
    for problem in benchmark.problems:
        encoded = tokenizer(make_prompt(form, problem).text, return_tensors="pt")
        with torch.inference_mode():
            found = network.generate(
                **encoded,
                do_sample=True,
                top_k=0,
                **SAMPLING,
                num_return_sequences=args.samples,
                max_new_tokens=args.new_tokens,
                pad_token_id=tokenizer.eos_token_id,
            )
        answers = found[:, encoded.input_ids.shape[1] :]
        tokens += int((answers != tokenizer.eos_token_id).sum())
        programs += tokenizer.batch_decode(answers, skip_special_tokens=True)
    generated = time.perf_counter()
    workers = len(os.sched_getaffinity(0))
    manager_rate(workers, len(programs) // workers)
    graded = time.perf_counter()
    return {"generating": generated - started, "grading": graded - generated, "peers tokens": tokens}


def report(rows: Sequence[dict[str, float]], args: argparse.Namespace) -> str:
    """The page that is committed."""
    median = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    ratios = sorted(row["peers"] / row["rltf"] for row in rows)
    count = args.problems * args.samples
    command = "make eval-peers" + (f" ARGS='{' '.join(sys.argv[1:])}'" if sys.argv[1:] else "")
    lines = [
        "# From a model's name to pass@k, beside the plain loop of the peers",
        "",
        f"{args.problems} MBPP problems, {args.samples} samples each, up to {args.new_tokens} new tokens at T"
        f" {SAMPLING['temperature']}, top-p {SAMPLING['top_p']}; a GPT-2 of two layers with random weights;"
        f" {len(rows)} round{'s' * (len(rows) > 1)}, both ways in turn in each. Wall time from the"
        " start of the process to its end: imports, loading, sampling, grading, and for rltf its reports.",
        "",
        "| way | seconds (median) | samples/s |",
        "|---|---:|---:|",
        f"| rltf eval | {median['rltf']:.1f} | {count / median['rltf']:.1f} |",
        "| peers: `generate(num_return_sequences)`, then a process for each program |"
        f" {median['peers']:.1f} | {count / median['peers']:.1f} |",
        f"| of that: generating | {median['generating']:.1f} | |",
        f"| of that: grading | {median['grading']:.1f} | |",
        "",
        f"**rltf eval is {statistics.median(ratios):.1f} times as fast** (median of the rounds' ratios, which"
        f" range from {ratios[0]:.1f} to {ratios[-1]:.1f}). Tokens sampled:"
        f" rltf {median['rltf tokens']:,.0f}, peers {median['peers tokens']:,.0f}.",
        "",
        "The peers' checkers ran a trusted, quick program in place of each of the model's; see the script.",
        "",
    ]
    return "\n".join(lines) + "\n" + section(command, _session["runner"], "MBPP test", _session)


if __name__ == "__main__":
    main()
