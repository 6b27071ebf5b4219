"""A run as the Hub's files: `model-index` of a model card, `.eval_results/*.yaml`, a data set of samples.

The fields are those of huggingface_hub's own records (`EvalResult`, `EvalResultEntry`), which write them; the
Hub's specification is https://huggingface.co/docs/hub/eval-results. Values are in per cent.
Does not cover: sending (`harness.publish.hub`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.publish.results import ended, hub_dataset, results, setting
from harness.run_store.finished_run import Run
from harness.run_store.rows import graded_samples
from harness.text import printable

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCard

_TASK = "text-generation"
_SOURCE = "rltf-harness"


def yaml_path(run: Run) -> str:
    """Where a run's `.eval_results` file goes in the model's repository."""
    return f".eval_results/{_plain(run.benchmark)}-{_plain(run.metrics['benchmark']['split'])}.yaml"


def yaml_text(run: Run, task_id: str | None = None) -> str:
    """The `.eval_results` file: pass@1 under the first profile, or the smallest k that there is.

    Args:
        run: On a benchmark whose data set on the Hub is known.
        task_id: As the data set's `eval.yaml` names the task; `None` for the data set's configuration.

    Raises:
        InputError: If the benchmark's data set is not known, or the run has no score.
    """
    EvalResultEntry, to_yaml = _entries()
    import yaml  # noqa: PLC0415 - comes with huggingface_hub

    dataset, scores = hub_dataset(run.benchmark), results(run)
    if dataset is None:
        raise InputError(
            f"{run.benchmark} is no data set of the Hub that is known here, so it has no result file"
        )
    if not scores:
        raise InputError(f"{run.path} has no pass@k to publish")
    first = scores[0]
    facts = ", ".join(f"{name} {value}" for name, value in setting(run).items())
    entry = EvalResultEntry(
        dataset_id=dataset.id,
        task_id=task_id or dataset.config,
        value=first.percent,
        date=ended(run),
        notes=f"{first.metric} in %, profile {first.profile}, {first.interval}; {facts}; {_SOURCE}",
    )
    return str(yaml.safe_dump(to_yaml([entry]), sort_keys=False, allow_unicode=True))


def model_index(run: Run) -> list[EvalResult]:
    """Every pass@k of a run as entries of `model-index`."""
    from huggingface_hub import EvalResult  # noqa: PLC0415 - only to publish

    about, dataset = run.metrics["benchmark"], hub_dataset(run.benchmark)
    return [
        EvalResult(
            task_type=_TASK,
            dataset_type=dataset.id if dataset else run.benchmark,
            dataset_name=dataset.name if dataset else run.benchmark,
            dataset_config=dataset.config if dataset else None,
            dataset_split=about["split"],
            metric_type=each.metric,
            metric_name=f"{each.metric} ({each.profile}, %)",
            metric_value=each.percent,
            metric_config=each.profile,
            metric_args=setting(run) | {"low": each.low, "high": each.high},
            verified=False,
        )
        for each in results(run)
    ]


def with_results(text: str | None, name: str, found: Sequence[EvalResult]) -> ModelCard:
    """A model card with these results; those of the same data set, split and metric are replaced.

    Args:
        text: Of the card that there is; `None` where there is none.
        name: Of the model.
        found: The results.
    """
    from huggingface_hub import ModelCard  # noqa: PLC0415 - only to publish

    card = ModelCard(text or f"---\n{{}}\n---\n\n# {name}\n")
    data: Any = card.data
    kept = [each for each in data.eval_results or [] if not any(_same(each, new) for new in found)]
    data.eval_results = [*kept, *found]
    data.model_name = data.model_name or name
    return card


def sample_rows(run: Run) -> Iterator[bytes]:
    """The samples of a run as lines of JSON: what the model wrote, and how it did.

    A program that was put together from a benchmark's code and a completion goes out as the completion
    alone, and an error without its message, which may quote a test.
    """
    for row, outcome_of in graded_samples(run.path):
        outcome = outcome_of()
        wrote = "completion" if isinstance(row.get("completion"), str) else "code"
        line: dict[str, Any] = {
            "task_id": row["task_id"],
            "sample_id": str(row["sample_id"]),
            wrote: row[wrote],
            "verdicts": {profile: str(status) for profile, status in outcome.verdicts.items()},
            "tests_passed": {profile: outcome.pass_ratio(profile) for profile in outcome.verdicts},
            "error": outcome.error.type if outcome.error else None,
            "error_line": outcome.error.line if outcome.error else None,
        }
        line |= {name: row[name] for name in ("finish", "tokens") if row.get(name) is not None}
        yield json.dumps(line, allow_nan=False).encode() + b"\n"


def samples_card(run: Run, model: str) -> str:
    """The README.md of the data set of samples."""
    from huggingface_hub import DatasetCard, DatasetCardData  # noqa: PLC0415 - only to publish

    about = run.metrics["benchmark"]
    dataset = hub_dataset(run.benchmark)
    scores = "\n".join(f"- {r.metric} ({r.profile}): {r.percent:.2f} %, {r.interval}" for r in results(run))
    data = DatasetCardData(
        tags=["code", _SOURCE], configs=[{"config_name": "default", "data_files": "samples.jsonl"}]
    )
    text = (
        f"# Samples of {printable(model)} on {dataset.name if dataset else printable(run.benchmark)}\n\n"
        f"Programs of {printable(model)} for {printable(run.benchmark)} ({printable(about['split'])}), with"
        " their verdicts. Problems and tests are not part of this data set; the ids lead to them.\n\n"
        f"{scores}\n\n"
        f"Sampled with: {', '.join(f'{name} {value}' for name, value in setting(run).items())}.\n"
    )
    return str(DatasetCard(f"---\n{data.to_yaml()}\n---\n\n{text}").content)


def _same(one: EvalResult, other: EvalResult) -> bool:
    names = ("task_type", "dataset_type", "dataset_config", "dataset_split", "metric_type", "metric_config")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _entries() -> Any:
    try:
        from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml  # noqa: PLC0415
    except ImportError:
        raise InputError(
            "huggingface_hub is too old to write result files; pip install -U 'rltf-harness[hub]'"
        ) from None
    return EvalResultEntry, eval_result_entries_to_yaml


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in name)[:80] or "run"
