"""verl: `compute_score`, for `reward.custom_reward_function.path=pkg://harness.integrations.verl`.

    reward:
      custom_reward_function:
        path: pkg://harness.integrations.verl
        name: compute_score
        reward_kwargs: {reward: pass_ratio, workers: 2}

Workers: give each of verl's `reward.num_workers` processes its share of the processors, or all of them the
`url` of one `rltf serve`. verl has no value for "no reward": after three tries such a sample has score 0
and `infra_error` 1, by which it can be filtered, and a warning says why. Imports nothing of verl's; the keys
are the same in every sample, as verl wants.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from harness.integrations.options import scorer_of

_OF_VERL = frozenset({"reward_router_address", "reward_model_tokenizer"})
"""Arguments of its reward loop (verl 0.9.1), for models that judge."""
_FLAGS = ("passed", "timed_out", "runtime_error", "syntax_error", "no_program")
"""Verdicts that become metrics."""


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    *,
    benchmark: str | None = None,
    split: str | None = None,
    reward: str = "passed",
    profile: str = "strict",
    extraction: str = "chat",
    workers: int | None = None,
    cpu_seconds: float | None = None,
    url: str | None = None,
    **others: Any,
) -> dict[str, float]:
    """The score of one response, and what becomes metrics.

    Args:
        data_source: Named in warnings.
        solution_str: The response.
        ground_truth: Tests, or a task id of `benchmark`.
        extra_info: Its `split` and `index`, as verl's data sets have them, name the row in warnings.
        benchmark: As of `harness.integrations.scoring.Scorer`, like all that follow.
        split: See there.
        reward: See there.
        profile: See there.
        extraction: See there.
        workers: See there.
        cpu_seconds: CPU limit of each test and of loading.
        url: See there.
        others: What verl passes besides; anything else is named in a warning.
    """
    if unknown := sorted(others.keys() - _OF_VERL):
        warnings.warn(
            f"compute_score knows no {', '.join(unknown)}: a misspelt reward_kwargs has no effect",
            RuntimeWarning,
            stacklevel=2,
        )
    scorer = scorer_of(
        benchmark=benchmark, split=split, reward=reward, profile=profile, extraction=extraction,
        workers=workers, cpu_seconds=cpu_seconds, url=url,
    )  # fmt: skip
    (scored,) = scorer.score_all([(solution_str, ground_truth)])
    if scored.reward is None:
        row = _row(data_source, ground_truth, extra_info or {})
        warnings.warn(f"score 0 and infra_error 1 for {row}: {scored.cause}", RuntimeWarning, stacklevel=2)
    verdict = scored.verdict(scorer.profile)
    flags = {name: float(verdict == name) for name in _FLAGS}
    return {
        "score": scored.reward or 0.0,
        "pass_ratio": scored.outcome.pass_ratio(scorer.profile) if scored.outcome is not None else 0.0,
        **flags,
        "infra_error": float(scored.reward is None),
    }


def _row(data_source: str, ground_truth: Any, extra_info: Mapping[str, Any]) -> str:
    """A row by its place in the data set, or by the beginning of its ground truth."""
    place = [str(extra_info[name]) for name in ("split", "index") if extra_info.get(name) is not None]
    return (
        f"{data_source} {' '.join(place)}" if place else f"{data_source}, ground truth {ground_truth!r:.60}"
    )
