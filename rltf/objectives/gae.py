"""What PPO computes from tensors: rewards with a KL penalty, advantages, whitening, the value loss.

Pure functions; B sequences, T positions, `targets` `[B, T]` bool: tokens of the completions, side by side in
each row. Everything is 0 where there is no target. Sources: PPO (arXiv:1707.06347), GAE (arXiv:1506.02438),
the adaptive coefficient (arXiv:1909.08593, section 2.2) and their use in PPOCoder (arXiv:2301.13816).
Does not cover: where the numbers come from, the clipped ratio (`rltf.objectives.surrogate`), or what losses
are divided by (`rltf.objectives.ppo`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Whitening = Literal["step", "sequence", "none"]
_SMALLEST_VARIANCE = 1e-8
"""Added to the variance; as the released code has it."""
_LARGEST_CHANGE = 0.2
"""Of the coefficient's relative error, to both sides."""


def token_rewards(final: Tensor, divergence: Tensor, targets: Tensor, beta: float) -> Tensor:
    """`[B, T]`: -beta times the divergence at every target, and the program's reward at its last one.

    Args:
        final: `[B]`, of whole programs.
        divergence: `[B, T]`: log of policy over reference for the sampled tokens.
        targets: `[B, T]`.
        beta: Weight of the divergence.
    """
    behind = targets.flip(1).cumsum(1).flip(1)
    last = targets & (behind == 1)
    return -beta * divergence * targets + final[:, None] * last


def advantages(rewards: Tensor, values: Tensor, targets: Tensor, *, gamma: float, lam: float) -> Tensor:
    """`[B, T]`: generalised advantage estimates; nothing is earned behind the last target.

    Args:
        rewards: `[B, T]`.
        values: `[B, T]`, estimated before each token is written.
        targets: `[B, T]`.
        gamma: Discount of a token's time.
        lam: Weight of longer estimates: 0 for one step, 1 for the return less the value.
    """
    values = values * targets
    found = values.new_zeros(values.shape)
    later, after = values.new_zeros(len(values)), values.new_zeros(len(values))
    for place in range(values.shape[1] - 1, -1, -1):
        surprise = rewards[:, place] + gamma * after - values[:, place]
        later = (surprise + gamma * lam * later) * targets[:, place]
        after = values[:, place]
        found[:, place] = later
    return found


def whitened(values: Tensor, targets: Tensor, over: Whitening = "step") -> Tensor:
    """`[B, T]`: less their mean, over their standard deviation (n - 1), of all targets or of each row's."""
    if over == "none":
        return values * targets
    axes = (0, 1) if over == "step" else (1,)
    count = targets.sum(axes, keepdim=True)
    mean = (values * targets).sum(axes, keepdim=True) / count.clamp(min=1)
    centred = (values - mean) * targets
    variance = centred.square().sum(axes, keepdim=True) / (count - 1).clamp(min=1)
    found: Tensor = centred * (variance + _SMALLEST_VARIANCE).rsqrt()
    return found


def clipped_value_error(values: Tensor, old: Tensor, returns: Tensor, clip: float) -> Tensor:
    """`[B, T]`: half the greater squared error of the value, and of the value held near the old one."""
    held = old + (values - old).clamp(-clip, clip)
    return (values - returns).square().maximum((held - returns).square()) / 2


def adapted(beta: float, divergence: float, *, target: float, horizon: float, programs: int) -> float:
    """The next coefficient: higher if programs are further from the reference than `target`, else lower.

    Args:
        beta: Before.
        divergence: Mean over programs of the sum over their tokens, in nats.
        target: What it is to be, above 0.
        horizon: Programs in which a fifth too much changes it by a fifth; 0 leaves it as it is.
        programs: That `divergence` is of.
    """
    if not horizon:
        return beta
    error = max(-_LARGEST_CHANGE, min(divergence / target - 1, _LARGEST_CHANGE))
    return beta * (1 + error * programs / horizon)
