"""Training a critic for some steps inside another run, and asking it, in batches.

Touches no random state and leaves no gradient: it may run in a thread beside the policy's training. A new
optimiser each time, so that a checkpoint needs the critic's weights alone. The models train without dropout.
Does not cover: training one from files (`rltf.critic_training`), which transformers' Trainer does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.func import functional_call
from torch.nn.utils import clip_grad_norm_

from rltf.critic.model import Critic, LabelledProgram
from rltf.critic.values import class_loss
from rltf.rollout.shuffle import batches_by_length, shuffled

WEIGHT_DECAY = 0.05
"""CodeRL's scripts/train_critic.sh."""
_LARGEST_NORM = 1.0
_JUDGED_AT_ONCE = 32


def fit(
    critic: Critic,
    programs: Sequence[LabelledProgram],
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    key: str,
) -> float:
    """Train `critic` in place, pass after pass over the programs; the mean loss of its steps.

    Args:
        critic: Its parameters stay as they are marked: those that require no gradient are trained too.
        programs: With their classes; at least one.
        steps: Of the optimiser.
        batch_size: Programs in a step.
        learning_rate: Constant.
        key: The order depends on it and on their number alone.
    """
    # The same storage as the critic's own parameters, but leaves of their own: whoever looks at the
    # parameters meanwhile, as the policy's optimiser does, sees neither gradients nor a mark.
    leaves = {name: each.detach().requires_grad_() for name, each in critic.named_parameters()}
    optimizer = torch.optim.AdamW(list(leaves.values()), lr=learning_rate, weight_decay=WEIGHT_DECAY)
    losses = []
    for chosen in _batches(programs, steps, batch_size, key):
        batch = critic.collate(chosen)
        with torch.enable_grad():
            logits = functional_call(critic, leaves, (batch,))
            loss = class_loss(critic.class_logits(logits, batch), batch["labels"])
            loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(leaves.values(), _LARGEST_NORM)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
    return float(torch.stack(losses).mean())


def judged(critic: Critic, programs: Sequence[LabelledProgram]) -> tuple[list[tuple[float, ...]], list[int]]:
    """`Critic.judge` of any number of programs, those of like length together; in the order given."""
    values: list[tuple[float, ...]] = [()] * len(programs)
    predicted = [0] * len(programs)
    for places in batches_by_length([len(each.program) for each in programs], _JUDGED_AT_ONCE):
        found = critic.judge([programs[i] for i in places])
        for place, row, guess in zip(places, *found, strict=True):
            values[place], predicted[place] = row, guess
    return values, predicted


def _batches(
    programs: Sequence[LabelledProgram], steps: int, size: int, key: str
) -> Iterator[list[LabelledProgram]]:
    turn, left = 0, shuffled(len(programs), f"{key} 0")
    for _ in range(steps):
        if not left:
            turn += 1
            left = shuffled(len(programs), f"{key} {turn}")
        yield [programs[i] for i in left[:size]]
        left = left[size:]
