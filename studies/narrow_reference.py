"""What `frozen_dtype=bfloat16` does to a reference: log-probabilities of solutions beside those in float32.

    python studies/narrow_reference.py --model DIR [--benchmark NAME] [--problems N]

DIR may be a causal or seq2seq checkpoint, `warm-start/model` of a run with the preset `mini` for example.
Prints the differences at the tokens of the training problems' first solutions. Does not cover: training.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from harness.models.hf.loading import load
from harness.prompts import find_format, make_prompt
from harness.registry import load_benchmark
from rltf.data.batch import Row, Tokens, collate
from rltf.objectives.losses import IGNORE, token_log_probs
from rltf.objectives.second_models import ReferencePolicy

_AT_ONCE = 16


def main() -> int:
    """Measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--benchmark", default="mini-introductory")
    parser.add_argument("--problems", type=int, default=200)
    args = parser.parse_args()
    loaded = load(args.model, dtype="float32")
    benchmark = load_benchmark(args.benchmark, split="train")
    tokens = Tokens(loaded.model, loaded.tokenizer, max_prompt_tokens=None, max_target_tokens=512)
    form = find_format(benchmark, None)
    read = [
        tokens.solution_row(make_prompt(form, each), each.solutions[0])
        for each in benchmark.problems[: args.problems]
    ]
    apart = differences(loaded.model, tokens, [each for each in read if each is not None])
    weights = sum(each.numel() for each in loaded.model.parameters())
    print(
        f"{weights:,} weights, {len(apart):,} tokens: off by {float(apart.abs().mean()):.4f} nats on average,"
        f" {float(apart.abs().max()):.3f} at most; in sum {float(apart.mean()):+.5f} a token"
    )
    return 0


@torch.no_grad()
def differences(model: torch.nn.Module, tokens: Tokens, rows: list[Row]) -> torch.Tensor:
    """bfloat16 less float32, at each token of the rows."""
    found = []
    wide, narrow = (ReferencePolicy(model, narrow=each) for each in (False, True))
    for first in range(0, len(rows), _AT_ONCE):
        batch = collate(rows[first : first + _AT_ONCE], pad_id=tokens.pad_id, seq2seq=tokens.seq2seq)
        labels = batch["labels"].to(model.device)
        given = {name: batch[name].to(model.device) for name in ("input_ids", "attention_mask")}
        if tokens.seq2seq:
            given["decoder_input_ids"] = model.prepare_decoder_input_ids_from_labels(labels=labels)  # type: ignore[operator]
        each = [
            token_log_probs(by(lambda it, given=given: it(**given).logits), labels, causal=not tokens.seq2seq)
            for by in (wide, narrow)
        ]
        targets = (labels if tokens.seq2seq else labels[:, 1:]) != IGNORE
        found.append((each[1] - each[0])[targets].cpu())
    return torch.cat(found)


if __name__ == "__main__":
    raise SystemExit(main())
