"""A finished run as the result file of another tool: `rltf report --emit`.

| name | file |
|---|---|
| `evalplus` | `*_eval_results.json` of EvalPlus 0.3: each program with its base and plus status, and pass@k |
| `lm-eval` | `results_*.json` of lm-evaluation-harness 0.4: `results`, `configs`, `versions`, `n-samples` |
| `hub-yaml` | `.eval_results/*.yaml` of a model's repository on the Hub |

Does not cover: reading such files (`harness.programs`), sending them (`rltf push`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from harness.errors import InputError
from harness.publish.hub_cards import yaml_text
from harness.publish.results import Result, ended, publishable, results, setting
from harness.run_store.finished_run import Run
from harness.run_store.rows import graded_samples
from harness.types import Outcome, Status

_TASKS = {"humaneval": "HumanEval", "mbpp": "Mbpp"}
"""Beginnings of our benchmarks' names, and of EvalPlus' task ids."""
_PLUS, _BASE = "evalplus", "evalplus-base"
_NORMAL = 3.92
"""Width of a 95 % interval in standard errors, where values are normally distributed."""


def evalplus(run: Run) -> str:
    """EvalPlus' file, of a benchmark whose problems EvalPlus knows.

    `plus_status` is null on benchmarks without added tests; failing tests are not listed, since the file has
    their inputs.

    Raises:
        InputError: If EvalPlus has no such problems.
    """
    prefix = next((name for front, name in _TASKS.items() if run.benchmark.startswith(front)), None)
    if prefix is None:
        raise InputError(f"EvalPlus has HumanEval and MBPP, not {run.benchmark}; emit lm-eval or hub-yaml")
    base, plus = (_BASE, _PLUS) if _PLUS in run.profiles else (run.profiles[0], None)
    if base not in run.profiles:
        base = _PLUS
    problems: dict[str, list[dict[str, Any]]] = {}
    for row, outcome_of in graded_samples(run.path):
        outcome = outcome_of()
        task = f"{prefix}/{row['task_id'].rpartition('/')[2]}"
        problems.setdefault(task, []).append(
            {
                "task_id": task,
                "solution": row["code"],
                "base_status": _status(outcome, base),
                "plus_status": _status(outcome, plus) if plus else None,
                "base_fail_tests": [],
                "plus_fail_tests": [],
            }
        )
    scores = results(run)
    content = {
        "date": (ended(run) or "")[:16].replace("T", " "),
        "hash": run.metrics["benchmark"]["dataset_hash"],
        "eval": problems,
        "pass_at_k": {
            name: {each.metric: each.percent / 100 for each in scores if each.profile == profile}
            for name, profile in (("base", base), ("plus", plus))
            if profile
        },
    }
    return json.dumps(content) + "\n"


def lm_eval(run: Run) -> str:
    """lm-evaluation-harness' file; the profile stands where it has the filter, scores are shares.

    Its standard error is that of a normal distribution with our interval.
    """
    task, about, counts = f"rltf_{run.benchmark}", run.metrics["benchmark"], run.metrics["counts"]
    scores = results(run)
    sampled = setting(run)
    content: dict[str, Any] = {
        "results": {task: {"alias": task} | {key: value for each in scores for key, value in _entry(each)}},
        "group_subtasks": {task: []},
        "configs": {
            task: {
                "task": task,
                "dataset_path": run.benchmark,
                "test_split": about["split"],
                "output_type": "generate_until",
                "repeats": run.samples_per_problem,
                "generation_kwargs": {n: v for n, v in sampled.items() if n not in ("n", "problems")},
                "metadata": {"version": about["version"], "dataset_hash": about["dataset_hash"]},
            }
        },
        "versions": {task: about["version"]},
        "n-shot": {task: 0},
        "higher_is_better": {task: {each.metric: True for each in scores}},
        "n-samples": {task: {"original": counts["problems"], "effective": counts["scored_problems"]}},
        "config": {"model": "rltf-harness", "model_args": f"pretrained={run.manifest['programs']}"},
        "git_hash": next((s.get("commit") for s in reversed(run.manifest["sessions"])), None),
        "date": ended(run),
        "model_source": "rltf-harness",
        "model_name": run.manifest["programs"],
    }
    return json.dumps(content, indent=2) + "\n"


def _entry(score: Result) -> list[tuple[str, float]]:
    return [
        (f"{score.metric},{score.profile}", score.percent / 100),
        (f"{score.metric}_stderr,{score.profile}", (score.high - score.low) / 100 / _NORMAL),
    ]


def _status(outcome: Outcome, profile: str) -> str:
    """In EvalPlus' words."""
    words = {Status.PASSED: "pass", Status.TIMED_OUT: "timeout"}
    return words.get(outcome.verdicts[profile], "fail")


FORMATS: Mapping[str, Callable[[Run], str]] = {
    "evalplus": evalplus,
    "lm-eval": lm_eval,
    "hub-yaml": yaml_text,
}
"""By the names that `--emit` takes."""


def emitted(run: Run, name: str) -> str:
    """The file; `name` is a key of `FORMATS`.

    Raises:
        InputError: If the run is not whole, holds a benchmark's own solutions, or the format has no place for
            its benchmark.
    """
    return FORMATS[name](publishable(run))
