"""`make sampling-speed MODEL=FILE.gguf`: sampling beside other ways to sample the same model.

    RLTF_DATA=DIR python studies/sampling_speed.py MODEL.gguf [--llama PYTHON] [--problems N] [--samples N]
        [--new-tokens N] [--rounds N] [--out FILE]

One float32 model, the same MBPP prompts as token ids, the same decoding, processors and run. In turn:

- ours: `LocalSampler.load` and `complete`, as `rltf eval` calls them; the others have the model as the
  library loads it, without our packed weights (`harness.models.hf.packed_products`);
- the plain loop: a prompt at a time, `generate(num_return_sequences=N)`; with `--plain-every K` each K-th
  prompt, since how many there are changes nothing in its rate;
- `generate` at its best: 64 rows at a time, padded on the left, sorted by length;
- llama.cpp, with `--llama PYTHON`, an interpreter that has `xllamacpp` (its server with continuous batching,
  as a wheel): a GGUF in F32 is written from the same tensors, a key-value cache in F32, all prompts at once.

Useful tokens are counted, the end token included: what `generate` computes behind a row's end is not. A
matrix product of two square matrices, by the faster of torch's two libraries, gives the machine's
rate. That samples do not depend on the batch is
looked at here, too: all are made again with another number of rows. Never a test: nothing passes or fails.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from studies.real_model_files import widened

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "results" / "reports" / "sampling-speed.md"
DECODING = {"temperature": 0.8, "top_p": 0.95}
ROWS = 64
"""Of `generate` at its best."""


def main() -> None:
    """Measure, print, write the report."""
    args = _parser().parse_args()
    if not os.environ.get("RLTF_DATA"):
        sys.exit("sampling_speed.py reads MBPP from $RLTF_DATA; set it to the folder of the data")
    ways, facts = _ways(args)
    rounds = json.loads(args.kept.read_text()) if args.kept and args.kept.exists() else []
    for number in range(len(rounds), args.rounds):
        names = list(ways) if number % 2 == 0 else list(reversed(ways))
        rounds.append({name: _timed(ways[name]) for name in names} | {"matrix": {"rate": matrix_rate()}})
        print(json.dumps(rounds[-1]), flush=True)
        if args.kept:
            args.kept.write_text(json.dumps(rounds))
    facts["matrix"] = median(each["matrix"]["rate"] for each in rounds)
    _look(facts, max(1, args.problems // 4), args.samples)
    args.out.write_text(report(rounds, facts, args), encoding="utf-8")
    print(f"{args.out} written")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--llama", type=Path, help="an interpreter that has xllamacpp")
    parser.add_argument("--problems", type=int, default=32)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--new-tokens", type=int, default=256)
    parser.add_argument("--plain-every", type=int, default=1, help="give the plain loop each so manieth")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--kept", type=Path, help="keeps the rounds, and goes on with them")
    parser.add_argument("--out", type=Path, default=REPORT)
    return parser


def _look(facts: dict[str, Any], problems: int, samples: int) -> None:
    """Where the time goes, and whether samples are the same with a third of the rows at a time."""
    facts["profile"] = profile(lambda: facts["ours"](part=problems))
    facts["rows"] = max(1, problems * samples // 3)
    facts["ours"](part=problems, batch_size=facts["rows"])
    first, again = facts["samples"][-2:]
    facts["all"], facts["same"] = len(again), len(set(first) & set(again))


def _timed(way: Callable[[], Any]) -> dict[str, float]:
    """A way's useful tokens and seconds; it may give both, where it has something to leave out."""
    started = time.perf_counter()
    found = way()
    if isinstance(found, dict):
        return found
    return {"tokens": found, "seconds": round(time.perf_counter() - started, 2)}


def _ways(args: argparse.Namespace) -> tuple[dict[str, Callable[[], Any]], dict[str, Any]]:
    """What is timed, each giving its useful tokens; and facts for the page."""
    from harness.models import Decoding, Request
    from harness.models.hf.loading import load
    from harness.models.hf.sampler import LocalSampler
    from harness.prompts import find_format, make_prompt
    from harness.registry import load_benchmark

    sampler = LocalSampler.load(str(args.model), dtype="float32", device="cpu")
    benchmark = load_benchmark("mbpp", split="test", ids=[f"11-{10 + args.problems}"])
    chat = sampler.chat_choice().chat
    form = find_format(benchmark, "chat" if chat else None)
    samples = tuple(range(args.samples))
    requests = [Request(make_prompt(form, problem), samples) for problem in benchmark.problems]
    decoding = Decoding(**DECODING, max_new_tokens=args.new_tokens)
    prompts = [list(sampler._prompting.encode(each.prompt, args.new_tokens).ids) for each in requests]
    packed, ends = sampler._model, sampler._ends
    model = load(str(args.model), dtype="float32", device="cpu").model.eval()

    def ours(part: int | None = None, **options: Any) -> int:
        again = LocalSampler(packed, sampler._tokenizer, **options)
        done = list(again.complete(requests[:part], decoding))
        facts["samples"].append([(each.task_id, each.sample_id, each.text) for each in done])
        facts["measured"] = again.describe()["measured"]
        return sum(each.tokens for each in done)

    def plain() -> int:
        some = prompts[:: args.plain_every]
        return sum(generated(model, [prompt], ends, args.samples, args.new_tokens) for prompt in some)

    def best() -> int:
        rows = sorted((prompt for prompt in prompts for _ in samples), key=len, reverse=True)
        parts = [rows[first : first + ROWS] for first in range(0, len(rows), ROWS)]
        return sum(generated(model, part, ends, 1, args.new_tokens) for part in parts)

    facts: dict[str, Any] = {
        "samples": [],
        "parameters": sum(each.numel() for each in model.parameters()),
        "prompt": sum(map(len, prompts)) / len(prompts),
        "ours": ours,
    }
    ways: dict[str, Callable[[], Any]] = {"ours": ours, "plain": plain, "best": best}
    if args.llama:
        ways["llama"] = lambda: llama(args, prompts)
    return ways, facts


def generated(
    model: Any, prompts: Sequence[Sequence[int]], ends: frozenset[int], samples: int, new_tokens: int
) -> int:
    """Useful tokens of one call of `generate`."""
    import torch

    longest, pad = max(map(len, prompts)), min(ends)
    ids = torch.tensor([[pad] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    with torch.inference_mode():
        found = model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=True,
            top_k=0,
            **DECODING,
            num_return_sequences=samples,
            max_new_tokens=new_tokens,
            eos_token_id=sorted(ends),
            pad_token_id=pad,
        )[:, longest:]
    return sum(useful(row, ends) for row in found.tolist())


def useful(tokens: Sequence[int], ends: frozenset[int]) -> int:
    """Up to the first end token, and it."""
    return next((place + 1 for place, token in enumerate(tokens) if token in ends), len(tokens))


def llama(args: argparse.Namespace, prompts: Sequence[Sequence[int]]) -> dict[str, float]:
    """Useful tokens by llama.cpp, and its seconds without loading."""
    with TemporaryDirectory() as folder:
        asked = Path(folder, "asked.json")
        model = Path(folder, "model-f32.gguf")
        widened(args.model, model)
        rows = [list(prompt) for prompt in prompts for _ in range(args.samples)]
        asked.write_text(json.dumps({"rows": rows, "new": args.new_tokens, **DECODING}), encoding="utf-8")
        script = Path(__file__).with_name("sampling_llama.py")
        command = [str(args.llama), str(script), str(model), str(asked)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    [line] = [each for each in done.stdout.splitlines() if each.startswith(b"{")]
    found: dict[str, float] = json.loads(line)
    return found


def matrix_rate() -> float:
    """GFLOP/s of float32 products of 2048 x 2048 on all processors: the median of five, by the faster way."""
    import torch

    from harness.models.hf.packed_products import pack_products

    given = torch.randn(2048, 2048)
    layer = torch.nn.Linear(2048, 2048, bias=False)
    rates = []
    for prepare in (lambda: None, lambda: pack_products(layer)):
        prepare()
        taken = []
        with torch.no_grad():
            for _ in range(6):
                started = time.perf_counter()
                layer(given)
                taken.append(time.perf_counter() - started)
        rates.append(2 * 2048**3 / median(taken[1:]) / 1e9)
    return max(rates)


NAMES = {
    "ours": "ours, `LocalSampler.complete`",
    "best": f"`generate`, {ROWS} rows, left padding, sorted by length",
    "plain": "the plain loop, `generate(num_return_sequences=N)`, a prompt at a time",
    "llama": "llama.cpp's server, F32, continuous batching, 64 slots",
}


def report(rounds: Sequence[dict[str, dict[str, float]]], facts: dict[str, Any], args: Any) -> str:
    """The page that is committed."""
    rates = {
        name: median(each[name]["tokens"] / each[name]["seconds"] for each in rounds)
        for name in NAMES
        if name in rounds[0]
    }
    work = 2 * facts["parameters"] / 1e9
    rows = [
        f"| {NAMES[name]} | {median(each[name]['tokens'] for each in rounds):,.0f} |"
        f" {median(each[name]['seconds'] for each in rounds):.1f} | {rates[name]:.1f} |"
        f" {rates['ours'] / rates[name]:.1f} | {100 * work * rates[name] / facts['matrix']:.0f} % |"
        for name in rates
    ]
    measured = facts["measured"]
    llama = "--llama PYTHON " if args.llama else ""
    command = (
        f"make sampling-speed MODEL={args.model.name} ARGS='{llama}--problems {args.problems}"
        f" --samples {args.samples} --new-tokens {args.new_tokens} --plain-every {args.plain_every}"
        f" --rounds {args.rounds}'"
    )
    return "\n".join(
        [
            "# Sampling, beside other ways to sample the same model",
            "",
            f"{args.model.stem}, dequantised to float32, {facts['parameters'] / 1e6:.0f} million parameters;"
            f" {args.problems} MBPP prompts of {facts['prompt']:.0f} tokens on average, {args.samples}"
            f" samples each, up to {args.new_tokens} new tokens at T {DECODING['temperature']}, top-p"
            f" {DECODING['top_p']}; {len(rounds)} round{'s' * (len(rounds) > 1)}, all ways in each.",
            "",
            "| way | useful tokens | seconds | tokens/s | ours is times as fast | of the matrix peak |",
            "|---|---:|---:|---:|---:|---:|",
            *rows,
            "",
            f"The peak is {facts['matrix']:.0f} GFLOP/s, that of a product of 2048 x 2048 matrices in float32"
            " on all processors, by the faster of MKL and oneDNN; a token counts"
            f" {work:.2f} GFLOP, two for each parameter, and neither"
            " attention nor the prompts count. Each way draws its own noise, so that texts, and the numbers"
            " of tokens, differ. Useful tokens end with a row's end token.",
            "",
            f"The first quarter of the prompts again: of {measured['steps']:,} tokens"
            f" {measured['made_again']:,} were made again from their own text (largest difference seen"
            f" {measured['largest_difference']:.1e}, tolerance {measured['tolerance']:.1e} of the largest"
            f" logit). With {facts['rows']} rows at a time and with {facts['all']}, {facts['same']:,} of"
            f" {facts['all']:,} samples are the same, byte for byte.",
            *facts["profile"],
            "",
            "## How this was measured",
            "",
            f"`{command}`; {_machine()}.",
            "",
        ]
    )


def _machine() -> str:
    import torch

    from harness.run_store import environment

    known = environment.describe()
    parts = [*known["hardware"].items(), *known["versions"].items(), ("torch", torch.__version__)]
    return f"commit {known['commit']}; " + ", ".join(f"{name} {value}" for name, value in dict(parts).items())


def profile(way: Callable[[], int]) -> list[str]:
    """Where the time of our way goes, by torch's operations."""
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        way()
    events = sorted(seen.key_averages(), key=lambda each: -each.self_cpu_time_total)
    whole = sum(each.self_cpu_time_total for each in events)
    shares = [(each.key, 100 * each.self_cpu_time_total / whole) for each in events]
    return [
        "",
        "Where the time of torch's operations goes, the first quarter of the prompts:",
        "",
        "| operation | share |",
        "|---|---:|",
        *(f"| `{name}` | {share:.0f} % |" for name, share in shares if share >= 1.5),
    ]


if __name__ == "__main__":
    main()
