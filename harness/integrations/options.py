"""Options of adapters whose trainers hand nothing over, and the scorer that they make; one in each process.

From the environment: `RLTF_BENCHMARK`, `RLTF_SPLIT`, `RLTF_DATA`, `RLTF_PROFILE`, `RLTF_REWARD`,
`RLTF_EXTRACTION`, `RLTF_WORKERS`, `RLTF_URL`.
"""

from __future__ import annotations

import os
from functools import lru_cache

from harness.errors import InfrastructureError, InputError
from harness.integrations.scoring import Scored, Scorer
from harness.types import Limits


@lru_cache(maxsize=8)
def scorer_of(
    *,
    benchmark: str | None = None,
    split: str | None = None,
    data_dir: str | None = None,
    reward: str = "passed",
    profile: str | None = "strict",
    extraction: str = "chat",
    prompt_format: str | None = None,
    workers: int | None = None,
    cpu_seconds: float | None = None,
    url: str | None = None,
) -> Scorer:
    """The scorer of this process with these options; see `Scorer`.

    Raises:
        InputError: If one is unknown.
    """
    limits = None if cpu_seconds is None else Limits(cpu_seconds=cpu_seconds, load_cpu_seconds=cpu_seconds)
    return Scorer(
        benchmark, split=split, data_dir=data_dir, reward=reward, profile=profile, extraction=extraction,
        prompt_format=prompt_format, workers=workers, limits=limits, url=url,
    )  # fmt: skip


def scorer_from_environment() -> Scorer:
    """The scorer that the environment asks for.

    Raises:
        InputError: If it asks for something unknown.
    """

    def said(name: str) -> str | None:
        return os.environ.get(f"RLTF_{name}") or None

    workers = said("WORKERS")
    if workers is not None and not workers.isdecimal():
        raise InputError(f"RLTF_WORKERS={workers!r} is not a whole number")
    return scorer_of(
        benchmark=said("BENCHMARK"),
        split=said("SPLIT"),
        reward=said("REWARD") or "passed",
        profile=said("PROFILE") or "strict",
        extraction=said("EXTRACTION") or "chat",
        workers=int(workers) if workers else None,
        url=said("URL"),
    )


def reward_or_raise(scored: Scored) -> float:
    """The reward, for a trainer that has no value for none.

    Raises:
        InfrastructureError: If there is no reward: a zero would be learned from.
    """
    if scored.reward is None:
        raise InfrastructureError(f"no reward: {scored.cause}")
    return scored.reward
