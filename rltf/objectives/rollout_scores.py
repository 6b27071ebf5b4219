"""Log-probabilities of whole rollouts under a model that stays as it is, when they are new.

Covers: causal and seq2seq models, batches of rows of like length. Does not cover: the policy's own
log-probabilities, which the sampler gives, or those of a step's micro-batch (`rltf.trainer`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rltf.objectives.second_models import ReferencePolicy, pad_id_of
from rltf.objectives.surrogate import Estimator, divergence
from rltf.rollout.records import Rollout
from rltf.rollout.shuffle import batches_by_length

if TYPE_CHECKING:
    from torch import Tensor


class ReferenceScores:
    """How far rollouts are from the policy as it was when training began."""

    def __init__(self, model: Any, tokenizer: Any, batch_size: int) -> None:
        """
        Args:
            model: The policy before its first step, not wrapped.
            tokenizer: The policy's.
            batch_size: Rollouts in a forward pass.
        """
        self._reference = ReferencePolicy(model)
        self._pad_id = pad_id_of(tokenizer)
        self._batch_size = batch_size

    def divergences(self, rollouts: Sequence[Rollout], estimator: Estimator) -> list[float]:
        """Of each rollout, between the policy that wrote it and the start; summed over tokens, in nats."""
        import torch  # noqa: PLC0415 - importing an objective costs nothing

        lengths = [len(each.prompt_ids) + len(each.token_ids) for each in rollouts]
        found = [0.0] * len(rollouts)
        for places in batches_by_length(lengths, self._batch_size):
            for place, row in zip(places, self._log_probs([rollouts[i] for i in places]), strict=True):
                old = torch.tensor(rollouts[place].log_probs, dtype=torch.float32)
                new = row[: len(old)].to("cpu", torch.float32)
                found[place] = float(divergence(new - old, estimator).sum())
        return found

    def _log_probs(self, rollouts: Sequence[Rollout]) -> Tensor:
        import torch  # noqa: PLC0415 - the same

        with torch.no_grad():
            return self._reference(lambda model: rollout_log_probs(model, rollouts, pad_id=self._pad_id))


def rollout_log_probs(model: Any, rollouts: Sequence[Rollout], *, pad_id: int) -> Tensor:
    """Log-probability of each token of each rollout; `[B, T]`, T the most tokens, 0 behind a rollout's own.

    Args:
        model: Causal or seq2seq.
        rollouts: Of which prompt and tokens are read.
        pad_id: Fills up rows, on the right; never attended to.
    """
    import torch  # noqa: PLC0415 - the same

    from rltf.objectives.losses import IGNORE, token_log_probs  # noqa: PLC0415 - imports torch

    causal = not model.config.is_encoder_decoder
    device = next(model.parameters()).device

    def padded(rows: list[list[int]], value: int) -> Tensor:
        width = max(map(len, rows))
        return torch.tensor([row + [value] * (width - len(row)) for row in rows], device=device)

    before = [len(each.prompt_ids) if causal else 0 for each in rollouts]
    read = [[*each.prompt_ids, *(each.token_ids if causal else ())] for each in rollouts]
    labels = padded(
        [[IGNORE] * n + list(each.token_ids) for n, each in zip(before, rollouts, strict=True)], IGNORE
    )
    given = {"input_ids": padded(read, pad_id), "attention_mask": padded([[1] * len(row) for row in read], 0)}
    if not causal:
        given["decoder_input_ids"] = model.prepare_decoder_input_ids_from_labels(labels=labels)
    found = token_log_probs(model(**given).logits, labels, causal=causal)
    first = [n - causal for n in before]  # position t of a causal model predicts label t+1
    own = [row[n : n + len(each.token_ids)] for row, n, each in zip(found, first, rollouts, strict=True)]
    return torch.nn.utils.rnn.pad_sequence(own, batch_first=True)
