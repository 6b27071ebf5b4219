"""Programs that a model makes: what it is asked, and how a completion becomes a sample.

Covers: which samples are missing, prompts, extraction, the row of `samples.jsonl`. Does not cover: the model
(`harness.models`), the files (`harness.run_store.sample_files`), grading (`harness.evaluate.grading_thread`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from harness.errors import HarnessError
from harness.extraction import extract_program, versioned
from harness.models.base import Completion, Decoding, Finish, Request
from harness.models.unanswered import LossySampler, Unanswered
from harness.prompts import format_hash, make_prompt
from harness.run_store.records import Key
from harness.run_store.run_folder import Existing
from harness.run_store.sample_files import SampleFiles
from harness.types import Benchmark, PromptFormat

NOT_COMPARED = ("measured", "observed")
"""What samplers say of the sampling itself: it changes while that goes on."""
SAMPLED = "sampled from a model"
"""Stands in a run's identity where a file of programs has its fingerprint."""


@dataclass(frozen=True)
class GenerationPlan:
    """What is sampled, from which model and how: the source of programs that do not exist yet."""

    model: str
    """As the user calls it."""
    sampler: LossySampler
    prompt: PromptFormat
    decoding: Decoding
    n: int = 1
    """Samples of each problem; may grow from one session of a run to the next."""
    chosen: Mapping[str, Any] = field(default_factory=dict)
    """How it came to these settings (preset, what overrode it): recorded, not compared."""
    packages: ClassVar[Sequence[str]] = (
        "torch",
        "transformers",
        "tokenizers",
        "accelerate",
        "peft",
        "openai",
    )
    """Samples may depend on them."""

    @cached_property
    def _described(self) -> dict[str, Any]:
        # Once: a server is asked for it.
        known = self.sampler.describe()
        return {name: value for name, value in known.items() if name not in NOT_COMPARED}

    @property
    def label(self) -> str:
        """The last part of the model's name."""
        return self.model.rstrip("/").rpartition("/")[2] or "model"

    def identity(self) -> dict[str, Any]:
        """All that a sample depends on, as plain JSON values: two runs that differ in it are not mixed."""
        return {"programs": SAMPLED, "generation": self._settings()}

    def _settings(self) -> dict[str, Any]:
        decoding, form = self.decoding, self.prompt
        drawn = not decoding.greedy
        return {
            **self._described,
            "greedy": decoding.greedy,
            "temperature": decoding.temperature if drawn else None,
            "top_p": decoding.top_p if drawn else None,
            "top_k": decoding.top_k if drawn else None,
            "seed": decoding.seed if drawn else None,
            "max_new_tokens": decoding.max_new_tokens,
            "stop": list(decoding.stop),
            "prompt": f"{form.name}@{form.version}",
            "prompt_sha256": format_hash(form),
            "extraction": versioned(form.extraction),
        }

    def describe(self) -> dict[str, Any]:
        """For the manifest: the settings, the number of samples and how the settings were chosen."""
        return {**self._settings(), "n": self.n, **self.chosen}

    def stats(self) -> dict[str, Any]:
        """What the sampler measured while it was at work; nothing if it cannot be asked any more."""
        try:
            known = self.sampler.describe()
        except HarnessError:
            return {}
        return {name: known[name] for name in NOT_COMPARED if name in known}

    def load(self) -> None:
        """Have the model ready, where it is one that is loaded; its errors come here."""
        getattr(self.sampler, "load", lambda: None)()

    def write_existing(self, path: Path, benchmark: Benchmark) -> Existing | None:
        """`None`: no sample exists before the model is asked."""

    def wanted(self, benchmark: Benchmark) -> list[Key]:
        """Every sample, in the fixed order; none for a problem without tests, which says nothing of it."""
        tasks = [problem.task_id for problem in benchmark.problems if problem.suite.count]
        return [(task, number) for task in tasks for number in range(self.n)]

    def missing(self, benchmark: Benchmark, keys: Sequence[Key], files: SampleFiles) -> list[Request]:
        """What to ask the model for, so that all of `keys` are known; problems in the benchmark's order.

        Raises:
            InputError: If the prompt format does not support a problem's test kind.
        """
        wanted: dict[str, list[int]] = {}
        for task, number in keys:
            if (task, number) not in files:
                wanted.setdefault(task, []).append(int(number))
        problems = benchmark.by_id()
        return [
            Request(make_prompt(self.prompt, problems[task].loaded()), tuple(numbers))
            for task, numbers in wanted.items()
        ]

    def sample(self, requests: Sequence[Request], files: SampleFiles, sampled: Callable[[], None]) -> None:
        """Record what the model makes; `sampled` is called after every sample, and may raise."""
        if not requests:
            return
        completions = self.sampler.complete(requests, self.decoding)
        try:
            for completion in completions:
                if isinstance(completion, Unanswered):
                    files.lost.add(completion)
                else:
                    files.add(completion.prompt, self.row(completion))
                sampled()
        finally:
            # A sampler may have requests in flight, or a batch in memory. Plain iterators have no `close`.
            getattr(completions, "close", lambda: None)()

    def row(self, completion: Completion) -> dict[str, Any]:
        """A completion and the program in it; the row does not depend on its batch or the time."""
        extracted = extract_program(
            completion.text,
            completion.prompt,
            stop=self.decoding.stop,
            truncated=completion.finish is Finish.LENGTH,
        )
        return {
            "task_id": completion.task_id,
            "sample_id": completion.sample_id,
            "code": extracted.code,
            "completion": completion.text,
            "finish": str(completion.finish),
            "changed": extracted.changed,
            "tokens": completion.tokens,
        }
