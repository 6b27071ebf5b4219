"""What `methods` trains: for each method its seeds, its options and the few settings that it is tuned over.

Covers: options of `rltf train` beside preset `mini`. Does not cover: running (`methods_runs`), what the
report says (`methods_report`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TUNING_SEEDS = (101, 102, 103)
STEPS = 24
TUNING_STEPS = STEPS // 2
REFRESH_EVERY = 2
A_REFRESH = 256
BUDGET = STEPS // REFRESH_EVERY * A_REFRESH
"""Programs that a run may have graded while it trains, greedy ones and a critic's included."""
PER_PROBLEM = 8
"""Samples of a problem, as in preset `mini`."""

START = (
    # The warm start of preset `mini` (`rltf.presets.WARM_STARTS`).
    *("learning_rate=3e-3", "lr_scheduler_type=cosine", "per_device_train_batch_size=16"),
    *("save_steps=200", "logging_steps=50"),
)
START_STEPS = 200
CONTROL_STEPS = 300
"""Supervised steps of 16 solutions: by CPU seconds about a run of a method without a critic."""

COMMON = (
    f"refresh_every={REFRESH_EVERY}",
    "warmup_steps=4",  # of 24 steps; the preset's 10 are of 100
    "sampler=inline",  # programs of the weights that learn from them; beside training saves nothing here
    "save_steps=8",
    "logging_steps=1",
)
_HIGH, _LOW = "learning_rate=1e-3", "learning_rate=3e-4"
_RATES = {"rate 1e-3": (_HIGH,), "rate 3e-4": (_LOW,)}


@dataclass(frozen=True)
class Method:
    """One row of the comparison."""

    settings: Mapping[str, tuple[str, ...]]
    """By name the options that it is tuned over."""
    seeds: int = 3
    options: tuple[str, ...] = ()
    """Of all its runs."""


def _refreshed(programs: int) -> tuple[str, ...]:
    return (f"buffer_fill={programs}", f"refresh_size={programs}", f"buffer_size={A_REFRESH}")


def offline(programs: int) -> tuple[str, ...]:
    """`programs` sampled once, from the start, with a greedy one for each problem among them."""
    sampled = programs // (PER_PROBLEM + 1) * PER_PROBLEM
    return ("refresh_every=none", f"buffer_fill={sampled}", f"buffer_size={sampled}")


_ONLINE_CODERL = _refreshed(A_REFRESH // (PER_PROBLEM + 1) * PER_PROBLEM)
METHODS: Mapping[str, Method] = {
    "rltf": Method(_RATES, seeds=5),
    "grpo": Method(_RATES, seeds=5),
    "coderl": Method(
        {
            "offline, rate 1e-3": (_HIGH,),
            "offline, rate 3e-4": (_LOW,),
            "online, rate 3e-4": (_LOW, f"refresh_every={REFRESH_EVERY}", *_ONLINE_CODERL),
        },
        seeds=5,
        # The released rate, 2e-5, is for a model of 770M. One pass: two take longer than the rest of a run.
        options=("critic_learning_rate=1e-3", "critic_batch_size=32", "critic_epochs=1"),
    ),
    "ppo": Method(_RATES, seeds=5),
    "rloo": Method(_RATES),
    "dr_grpo": Method(_RATES),
    # What it draws in place of degenerate groups counts: it gets half as many prompts a refresh.
    "dapo": Method(_RATES, options=_refreshed(A_REFRESH // 2)),
    "gspo": Method(_RATES | {"rate 1e-3, clip 0.03": (_HIGH, "clip_low=0.03", "clip_high=0.03")}),
}


def options_of(method: str, setting: str, steps: int) -> list[str]:
    """What `--set` is given for a run of so many steps."""
    row = METHODS[method]
    chosen = row.settings[setting]
    budget = steps * A_REFRESH // REFRESH_EVERY
    collection = offline(budget) if method == "coderl" and setting.startswith("offline") else ()
    return [*COMMON, *row.options, *collection, *chosen]
