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
from typing import Any

from harness.integrations.options import scorer_of
from harness.types import Outcome

_OF_VERL = frozenset({"reward_router_address", "reward_model_tokenizer"})
"""Arguments of its reward loop (verl 0.9.1), for models that judge."""


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: dict[str, Any] | None = None,
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
        extra_info: Not looked at.
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
        warnings.warn(
            f"score 0 and infra_error 1 for {data_source}: {scored.cause}", RuntimeWarning, stacklevel=2
        )
    outcome = scored.outcome
    graded = outcome is not None and scored.reward is not None
    status = outcome.verdicts[profile].value if outcome is not None and graded else ""
    return {
        "score": scored.reward or 0.0,
        "passed": float(status == "passed"),
        "pass_ratio": _ratio(outcome, profile) if graded else 0.0,
        "timed_out": float(status == "timed_out"),
        "runtime_error": float(status == "runtime_error"),
        "syntax_error": float(status == "syntax_error"),
        "infra_error": float(scored.reward is None),
    }


def _ratio(outcome: Outcome | None, profile: str) -> float:
    return outcome.pass_ratio(profile) if outcome is not None else 0.0
