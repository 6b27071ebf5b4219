"""The losses of RLTF: supervised cross-entropy and three policy-gradient terms. Pure functions of tensors.

B sequences, T positions, V words of the vocabulary. Labels of -100 are no targets: padding, prompt.
Everything else is: the program's tokens with the end-of-sequence token. For seq2seq models logits and labels
match position by position; with `causal=True` they are those of a causal model, in which position t predicts
label t+1. Labels and spans are aligned with each other in both cases.
Does not cover: how rewards or spans are made (`rltf.rewards`, `rltf.spans`), or the critic.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from rltf.choices import check_choice
from rltf.rewards import Alpha, Reduction

IGNORE = -100
"""A label that is no target, as in `transformers`."""


def causal_shift(logits: Tensor, *aligned: Tensor) -> tuple[Tensor, ...]:
    """Line up what a causal model predicts with what it should have: position by position, T-1 of them.

    Args:
        logits: `[B, T, V]`.
        aligned: `[B, T]` each: labels, spans.

    Returns:
        `[B, T-1, V]` and `[B, T-1]` each; views, not copies.
    """
    return (logits[:, :-1], *(each[:, 1:] for each in aligned))


def token_log_probs(logits: Tensor, labels: Tensor, *, causal: bool = False) -> Tensor:
    """Log-probability of each target token; 0 where there is none.

    One sequence at a time and recomputed for the gradient, so that what is held besides the logits is the
    float32 softmax of one sequence and not of the batch.

    Args:
        logits: `[B, T, V]`, any floating type.
        labels: `[B, T]`.
        causal: Position t predicts label t+1.

    Returns:
        `[B, T]`, or `[B, T-1]` if causal; float32 (float64 for logits of that type).

    Raises:
        ValueError: If the shapes do not match.
    """
    logits, labels = _lined_up(logits, labels, causal=causal)
    rows = zip(logits.unbind(0), labels.unbind(0), strict=True)
    if not (torch.is_grad_enabled() and logits.requires_grad):
        return torch.stack([_row_log_probs(row, targets) for row, targets in rows])
    return torch.stack(
        [
            checkpoint(_row_log_probs, row, targets, use_reentrant=False, preserve_rng_state=False)
            for row, targets in rows
        ]
    )


def _row_log_probs(logits: Tensor, labels: Tensor) -> Tensor:
    return -functional.cross_entropy(_full_precision(logits), labels, reduction="none", ignore_index=IGNORE)


def _full_precision(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def _lined_up(logits: Tensor, labels: Tensor, *, causal: bool) -> tuple[Tensor, ...]:
    """Check the shapes, and shift for a causal model."""
    _check_shapes(logits, labels)
    return causal_shift(logits, labels) if causal else (logits, labels)


def _check_shapes(logits: Tensor, *aligned: Tensor) -> None:
    for each in aligned:
        if logits.shape[:2] != each.shape:
            raise ValueError(
                f"logits {tuple(logits.shape)} need labels and spans of shape {tuple(logits.shape[:2])},"
                f" got {tuple(each.shape)}"
            )


def _check_rewards(rewards: Mapping[str, Tensor], batch: int) -> None:
    unknown = rewards.keys() - {"coarse", "fine", "adaptive"}
    if unknown:
        raise ValueError(f"unknown rewards: {', '.join(sorted(unknown))}; known: coarse, fine, adaptive")
    for name, reward in rewards.items():
        # A column of rewards would broadcast, and pair every reward with every sequence.
        if reward.shape != (batch,):
            raise ValueError(f"reward {name} needs shape {(batch,)}, got {tuple(reward.shape)}")


def supervised_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    causal: bool = False,
    reduction: Reduction = "mean",
    normalizer: Tensor | float | None = None,
) -> Tensor:
    """Cross-entropy of the reference programs (the paper's L_sl, eq. 7); scalar.

    Args:
        logits: `[B, T, V]`.
        labels: `[B, T]`.
        causal: Position t predicts label t+1.
        reduction: `mean` over all target tokens; `sum` over a sequence's tokens, mean over sequences (eq. 7).
        normalizer: Divide the sum by this instead: with gradient accumulation, the number of target tokens
            (`mean`) or of sequences (`sum`) of all micro-batches.
    """
    log_probs = token_log_probs(logits, labels, causal=causal)
    targets = _targets(labels, causal=causal)
    loss: Tensor = -log_probs.sum() / _normalizer(targets, reduction, normalizer)
    return loss


def policy_gradient_terms(
    logits: Tensor,
    labels: Tensor,
    rewards: Mapping[str, Tensor],
    spans: Tensor,
    *,
    causal: bool = False,
    alpha: Alpha = "length_ratio",
    reduction: Reduction = "sum",
    normalizer: Tensor | float | None = None,
) -> dict[str, Tensor]:
    """The losses L_coarse, L_fine and L_adaptive (the paper's eq. 8 to 10), apart; their sum is the RL loss.

    For a program with reward R and target tokens w_1 … w_T: L = -R · Σ log p(w_t), over all of them for
    coarse and adaptive; -α · R_fine · Σ log p(w_t) over the span for fine.

    Args:
        logits: `[B, T, V]`.
        labels: `[B, T]`.
        rewards: `coarse`, `fine`, `adaptive`: `[B]` each, baseline already subtracted; those missing are 0.
        spans: `[B, T]` bool, the tokens that `fine` goes to; what is no target in it does not count.
        causal: Position t predicts label t+1.
        alpha: `length_ratio`: α = T/(E-S), target tokens of the sequence by target tokens in its span, so
            that a penalty weighs the same on one line as on a whole program. `one`: α = 1.
        reduction: `sum` over a sequence's tokens, mean over sequences (paper); `mean` over all target tokens
            of the batch (released), the fine term too.
        normalizer: Divide the sums by this instead, as in `supervised_loss`.

    Returns:
        Scalars by name, always all three. A sequence with an empty span adds nothing to `fine`.

    Raises:
        ValueError: If the shapes do not match, a reward has another name, or an option another value.
    """
    check_choice("alpha", alpha, Alpha)
    _check_shapes(logits, labels, spans)
    _check_rewards(rewards, len(labels))
    log_probs = token_log_probs(logits, labels, causal=causal)
    targets = _targets(labels, causal=causal)
    span = (spans[:, 1:] if causal else spans).bool() & targets
    whole = log_probs.sum(dim=1)
    part = torch.where(span, log_probs, 0.0).sum(dim=1)
    if alpha == "length_ratio":
        part = part * (targets.sum(dim=1) / span.sum(dim=1).clamp(min=1))
    over = _normalizer(targets, reduction, normalizer)
    zero = log_probs.new_zeros(len(log_probs))
    sums = {"coarse": whole, "fine": part, "adaptive": whole}
    return {name: -(rewards.get(name, zero).to(each) * each).sum() / over for name, each in sums.items()}


def entropy(logits: Tensor, labels: Tensor, *, causal: bool = False) -> Tensor:
    """Mean entropy of the predictions at target positions, in nats; scalar, for the log: no gradient.

    Args:
        logits: `[B, T, V]`.
        labels: `[B, T]`.
        causal: Position t predicts label t+1.
    """
    logits, labels = _lined_up(logits, labels, causal=causal)
    with torch.no_grad():
        total = torch.stack(
            [
                _row_entropy(row[targets != IGNORE])
                for row, targets in zip(logits.unbind(0), labels.unbind(0), strict=True)
            ]
        ).sum()
        return total / (labels != IGNORE).sum().clamp(min=1)


def _row_entropy(logits: Tensor) -> Tensor:
    log_probs = functional.log_softmax(_full_precision(logits), dim=-1)
    total: Tensor = torch.special.entr(log_probs.exp()).sum()
    return total


def _targets(labels: Tensor, *, causal: bool) -> Tensor:
    return (labels[:, 1:] if causal else labels) != IGNORE


def _normalizer(targets: Tensor, reduction: Reduction, given: Tensor | float | None) -> Tensor | float:
    check_choice("reduction", reduction, Reduction)
    if given is not None:
        return given
    if reduction == "sum":
        return float(len(targets))
    return targets.sum().clamp(min=1)
