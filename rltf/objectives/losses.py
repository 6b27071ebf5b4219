"""The losses of RLTF: supervised cross-entropy and three policy-gradient terms. Pure functions of tensors.

B sequences, T positions, V words of the vocabulary. Labels of -100 are no targets: padding, prompt.
Everything else is: the program's tokens with the end-of-sequence token. For seq2seq models logits and labels
match position by position; with `causal=True` they are those of a causal model, in which position t predicts
label t+1. Labels and spans are aligned with each other in both cases. Does not cover: how rewards or spans
are made (`rltf.rewards.rltf`, `rltf.rewards.line_tokens`), or a critic's values (`rltf.critic.values`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from rltf.rewards.rltf import Alpha, FineOrder, Reduction
from rltf.validation import check_choice

IGNORE = -100
"""A label that is no target, as in `transformers`."""


def token_log_probs(logits: Tensor, labels: Tensor, *, causal: bool = False) -> Tensor:
    """Log-probability of each target token; 0 where there is none.

    Takes, besides the logits and their gradient, the float32 softmax of one sequence, not of the batch:
    beside bfloat16 logits of 62 MiB (4 x 256 x 32,100) 188 MiB, where `cross_entropy` of them in float32
    takes 376.

    Args:
        logits: `[B, T, V]`, any floating type.
        labels: `[B, T]`.
        causal: Position t predicts label t+1.

    Returns:
        `[B, T]`, or `[B, T-1]` if causal; float32 (float64 for logits of that type).

    Raises:
        ValueError: If the shapes do not match.
    """
    _check_shapes(logits, labels)
    log_probs: Tensor = _TokenLogProbs.apply(logits, _predicted(labels) if causal else labels)  # type: ignore[no-untyped-call]
    return log_probs[:, :-1] if causal else log_probs


def _predicted(labels: Tensor) -> Tensor:
    """For each position of a causal model the label that it predicts; none for the last.

    Shifting labels and not logits: a part of the logits would get its gradient in a tensor of its own.
    """
    return functional.pad(labels[:, 1:], (0, 1), value=IGNORE)


class _TokenLogProbs(torch.autograd.Function):
    """`-cross_entropy(logits, labels, reduction="none")`, sequence by sequence in both directions."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        ctx.save_for_backward(logits, labels)
        rows = zip(logits.unbind(0), labels.unbind(0), strict=True)
        return torch.stack(
            [
                -functional.cross_entropy(
                    _full_precision(row), targets, reduction="none", ignore_index=IGNORE
                )
                for row, targets in rows
            ]
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        logits, labels = ctx.saved_tensors
        gradient = gradient * (labels != IGNORE)
        result = torch.empty_like(logits)
        for row, targets, scale, out in zip(logits, labels, gradient, result, strict=True):
            # d log p(y) / d logits = onehot(y) - p
            change = torch.softmax(_full_precision(row), dim=-1).mul_(-scale[:, None])
            change.scatter_add_(1, targets.clamp(min=0)[:, None], scale[:, None])
            out.copy_(change)
        return result, None


def _full_precision(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


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
    targets = is_target(labels, causal=causal)
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
    token_weights: Tensor | None = None,
    fine_order: FineOrder = "inside",
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
        token_weights: `[B, T]`, aligned with the labels: a critic's value of each token; `None` for 1.
        fine_order: As `reward_terms` has it.

    Returns:
        Scalars by name, always all three. A sequence with an empty span adds nothing to `fine`.

    Raises:
        ValueError: If the shapes do not match, a reward has another name, or an option another value.
    """
    check_choice("alpha", alpha, Alpha)
    _check_shapes(logits, labels, spans, *([] if token_weights is None else [token_weights]))
    _check_rewards(rewards, len(labels))
    log_probs = token_log_probs(logits, labels, causal=causal)
    targets = is_target(labels, causal=causal)
    span = spans[:, 1:] if causal else spans
    if causal and token_weights is not None:
        token_weights = token_weights[:, 1:]
    over = _normalizer(targets, reduction, normalizer)
    return reward_terms(
        log_probs,
        targets,
        rewards,
        span,
        alpha=alpha,
        over=over,
        token_weights=token_weights,
        fine_order=fine_order,
    )


def reward_terms(
    log_probs: Tensor,
    targets: Tensor,
    rewards: Mapping[str, Tensor],
    span: Tensor,
    *,
    alpha: Alpha,
    over: Tensor | float,
    token_weights: Tensor | None = None,
    fine_order: FineOrder = "inside",
) -> dict[str, Tensor]:
    """`policy_gradient_terms` from log-probabilities.

    Args:
        log_probs: `[B, T]`, 0 where there is no target.
        targets: `[B, T]` bool.
        rewards: As `policy_gradient_terms` has them.
        span: `[B, T]` bool.
        alpha: As `policy_gradient_terms` has it.
        over: What the sums are divided by.
        token_weights: `[B, T]`: a critic's value q of each token, which its log-probability is multiplied
            with: a program's coarse term is -R · Σ q_t log p(w_t); `None` for 1.
        fine_order: Whether the fine term is multiplied too (`inside`: r_t = q_t (R + R_fine m_t - R_b), for m
            the span) or not (`outside`: r_t = q_t (R - R_b) + R_fine m_t).
    """
    check_choice("fine_order", fine_order, FineOrder)
    span = span.bool() & targets
    valued = log_probs if token_weights is None else log_probs * token_weights
    whole = valued.sum(dim=1)
    part = torch.where(span, valued if fine_order == "inside" else log_probs, 0.0).sum(dim=1)
    if alpha == "length_ratio":
        part = part * (targets.sum(dim=1) / span.sum(dim=1).clamp(min=1))
    zero = log_probs.new_zeros(len(log_probs))
    sums = {"coarse": whole, "fine": part, "adaptive": whole}
    return {name: -(rewards.get(name, zero).to(each) * each).sum() / over for name, each in sums.items()}


def entropy(logits: Tensor, labels: Tensor, *, causal: bool = False) -> Tensor:
    """Mean entropy of the predictions at target positions, in nats; scalar, for the log: no gradient.

    Sequence by sequence, and without waiting for the device.

    Args:
        logits: `[B, T, V]`.
        labels: `[B, T]`.
        causal: Position t predicts label t+1.
    """
    _check_shapes(logits, labels)
    wanted = (_predicted(labels) if causal else labels) != IGNORE
    with torch.no_grad():
        rows = zip(logits.unbind(0), wanted.unbind(0), strict=True)
        total = torch.stack([torch.where(mask, _entropies(row), 0.0).sum() for row, mask in rows]).sum()
        return total / wanted.sum().clamp(min=1)


def _entropies(logits: Tensor) -> Tensor:
    probabilities = torch.softmax(_full_precision(logits), dim=-1)
    found: Tensor = torch.special.entr(probabilities).sum(dim=-1)
    return found


def is_target(labels: Tensor, *, causal: bool) -> Tensor:
    """`[B, T]` bool, or `[B, T-1]` if causal: which positions have a target, as in `token_log_probs`."""
    return (labels[:, 1:] if causal else labels) != IGNORE


def _normalizer(targets: Tensor, reduction: Reduction, given: Tensor | float | None) -> Tensor | float:
    check_choice("reduction", reduction, Reduction)
    if given is not None:
        return given
    if reduction == "sum":
        return float(len(targets))
    return targets.sum().clamp(min=1)
