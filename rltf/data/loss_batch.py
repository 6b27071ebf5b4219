"""From a micro-batch as the model reads it to what an objective's loss sees of it.

Does not cover: padding (`rltf.data.batch`), or the loss (`rltf.objectives`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from rltf.objectives.accumulation import Normalizers
from rltf.objectives.base import Batch, RolloutBatch
from rltf.objectives.losses import is_target
from rltf.rollout.records import Rollout, TokenCredit


def rollout_rows(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a model reads of the RL rows of a micro-batch, their labels, and where these begin."""
    names = ("input_ids", "attention_mask", "labels")
    return {name: inputs[name][inputs["supervised"] :] for name in names} | {"first": inputs["first"]}


def loss_batch(
    inputs: Mapping[str, Any],
    over: Normalizers,
    *,
    causal: bool,
    reference_log_probs: Tensor | None = None,
    hidden: Tensor | None = None,
) -> Batch:
    """A micro-batch in the alignment of `rltf.objectives.losses.token_log_probs`.

    Args:
        inputs: As `rltf.data.batch.collate` makes them, on the model's device.
        over: What the sums are divided by.
        causal: Position t predicts label t+1.
        reference_log_probs: Of the RL rows, if the objective needs them.
        hidden: `[B, T, D]`, the policy's last states at all rows' positions, if the objective needs them.
    """
    labels, supervised = inputs["labels"], inputs["supervised"]
    if supervised == len(labels):
        return Batch(supervised, over.supervised, None)
    first = int(causal)
    if hidden is not None:
        hidden = hidden[supervised:, :-1] if causal else hidden[supervised:]
    rollouts = RolloutBatch(
        targets=is_target(labels[supervised:], causal=causal),
        old_log_probs=inputs["old_log_probs"][supervised:, first:],
        values={name: each[supervised:] for name, each in inputs["values"].items()},
        weights={name: each[supervised:, first:] for name, each in inputs["weights"].items()},
        normalizer=over.rl,
        reference_log_probs=reference_log_probs,
        hidden=hidden,
    )
    return Batch(supervised, over.supervised, rollouts)


def with_scores(
    chunks: Iterable[tuple[Sequence[Rollout], Mapping[str, Any]]],
    scores: Iterable[Mapping[str, Tensor]],
    *,
    causal: bool,
) -> list[Rollout]:
    """Rollouts whose credit has `scores` for weights.

    Args:
        chunks: Rollouts, and what `rltf.data.batch.collate` made of them.
        scores: Of each chunk, by term of the credit: `[B, T]`, in the alignment of the loss.
        causal: Position t predicts label t+1.
    """
    return [
        rollout
        for (rollouts, inputs), found in zip(chunks, scores, strict=True)
        for rollout in _scored(rollouts, found, is_target(inputs["labels"], causal=causal))
    ]


def _scored(rollouts: Sequence[Rollout], scores: Mapping[str, Tensor], targets: Tensor) -> Iterator[Rollout]:
    weights = {name: each.cpu() for name, each in scores.items()}
    for row, rollout in enumerate(rollouts):
        credit = {
            name: TokenCredit(rollout.credit[name].value, tuple(each[row][targets[row]].tolist()))
            for name, each in weights.items()
        }
        yield replace(rollout, credit={**rollout.credit, **credit})
