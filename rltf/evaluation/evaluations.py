"""Evaluations of a training run: before, in between and after, each an ordinary run folder of `rltf eval`.

Covers: which model, benchmark and settings each has, and evaluating every so many steps. Does not cover:
sampling and grading (`harness.evaluate.evaluation`), comparing (`rltf.evaluation.comparison_report`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from harness.evaluate.evaluation import Plan, evaluate
from harness.evaluate.generation import GenerationPlan
from harness.models.distributed import current_processes
from harness.models.hf.sampler import LocalSampler
from harness.models.presets import Settings
from harness.models.prompt_choice import format_of_model
from harness.prompts import formats_of
from harness.report.sampling_progress import SamplingProgress
from harness.runner import Runner
from harness.runner.cache_key import grading_versions
from harness.types import Benchmark, PromptFormat
from rltf.trainer import RLTFTrainer


@dataclass(frozen=True)
class Evaluations:
    """Evaluates the model in memory, as it is when asked."""

    folder: Path
    benchmarks: Sequence[Benchmark]
    settings: Settings
    runner: Runner
    """Running."""
    model_name: str
    progress: Callable[[], SamplingProgress]
    """Makes one for each evaluation."""
    command: str = ""
    prompt_format: str | None = None
    """What the model is trained with; benchmarks that have no such format are asked as suits the model."""
    page: bool = True
    """Whether each has a page with its programs, of up to 16 MiB."""

    def run(self, model: Any, tokenizer: Any, when: str) -> dict[str, dict[str, Any]]:
        """Evaluate under `folder/<when>/<benchmark>`, or continue; the metrics by benchmark.

        Empty in the processes of a launch that only help.
        """
        settings = self.settings
        sampler = LocalSampler(
            model,
            tokenizer,
            source_tokens=settings.source_tokens,
            truncation=settings.truncation,
            description={"name": self.model_name, "training": when},
        )
        found = {}
        for benchmark in self.benchmarks:
            prompt_format = self._format(benchmark, model, tokenizer)
            plan = Plan(
                benchmark=benchmark,
                programs=GenerationPlan(
                    f"{self.model_name} {when}",
                    sampler,
                    prompt_format,
                    settings.decoding,
                    settings.n,
                    settings.record,
                ),
                limits=self.runner.limits,
                **grading_versions(self.runner.profiles),
                command=self.command,
                page=self.page,
            )
            metrics = evaluate(
                plan,
                self.folder / when / benchmark.name,
                lambda: nullcontext(self.runner),
                self.progress(),
                processes=current_processes(),
            )
            if metrics:
                found[benchmark.name] = metrics
        return found

    def _format(self, benchmark: Benchmark, model: Any, tokenizer: Any) -> PromptFormat:
        asked = self.settings.format or self.prompt_format
        # A format of the training's own is for benchmarks that have it; one of a paper's is for all.
        if asked == self.prompt_format and asked not in formats_of(benchmark):
            asked = None
        return format_of_model(benchmark, model, tokenizer, name=asked)

    def first(self, count: int) -> Evaluations:
        """The same on the first `count` problems of each benchmark, without pages: there may be hundreds."""
        some = [replace(b, problems=b.problems[:count]) for b in self.benchmarks]
        return replace(self, benchmarks=some, page=False)


class EvaluateEvery(TrainerCallback):
    """Evaluates every so many steps; pass@1 goes into the log as `eval/<benchmark>/pass@1`."""

    def __init__(self, evaluations: Evaluations, every: int, profile: str, trainer: RLTFTrainer) -> None:
        """
        Args:
            evaluations: What to run.
            every: Optimiser steps.
            profile: Whose pass@1 is logged.
            trainer: That this is a callback of.
        """
        self._evaluations = evaluations
        self._every = every
        self._profile = profile
        self._trainer = trainer

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        processing_class: Any = None,
        **_: Any,
    ) -> None:
        """Evaluate if it is time; the last step is evaluated after training, on all problems."""
        if state.global_step % self._every or state.global_step >= state.max_steps:
            return
        self._trainer.wait_idle()  # one grader for rewards and evaluations
        meter = self._trainer.meter
        with meter.seconds("evaluating"):
            found = self._evaluations.run(model, processing_class, f"step-{state.global_step:06d}")
        for name, metrics in found.items():
            meter.mean(f"eval/{name}/pass@1", _pass_at_1(metrics, self._profile))


def _pass_at_1(metrics: Mapping[str, Any], profile: str) -> float:
    score = metrics["profiles"][profile]["overall"]["pass@1"]
    return float(score["value"]) if score else 0.0
