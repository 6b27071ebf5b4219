"""The learning rate's rise in the released code: by the logarithm of the step, then constant.

Its DeepSpeed file brings the scheduler `WarmupLR` with `warmup_type` at its default, `log`, which takes the
place of the one that the script names. Does not cover: any other schedule; those are transformers'.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LambdaLR


def warmup_log(optimizer: Optimizer, warmup_steps: int) -> LambdaLR:
    """Rises to the optimiser's learning rate in `warmup_steps` steps, at least 2, and stays there."""
    from torch.optim.lr_scheduler import LambdaLR  # noqa: PLC0415 - slow to import

    return LambdaLR(optimizer, partial(share_of_rate, warmup_steps=max(2, warmup_steps)))


def share_of_rate(step: int, *, warmup_steps: int) -> float:
    """ln(step + 1) / ln(warmup_steps) during the rise, then 1; `step` counts from 0."""
    return math.log(step + 1) / math.log(warmup_steps) if step < warmup_steps else 1.0
