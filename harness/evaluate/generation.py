"""Programs that a model makes: what it is asked, how an answer becomes a program, and what is kept of it.

Covers: which samples are missing, prompts, extraction, `samples.jsonl` and `prompts.jsonl` while they grow.
Does not cover: the model (`harness.models`), what a server does not give (`harness.metrics.lost_samples`),
grading (`harness.evaluate.grading_thread`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.extraction import extract_program, versioned
from harness.metrics.lost_samples import LostFile
from harness.models.base import Completion, Decoding, Finish, Request
from harness.models.unanswered import LossySampler, Unanswered
from harness.prompts import Prompt, format_hash, make_prompt
from harness.run_store.journal import RowFile
from harness.run_store.records import Key
from harness.types import Benchmark, Problem, PromptFormat

NOT_COMPARED = ("measured", "observed")
"""What samplers say of the sampling itself: it changes while that goes on."""


@dataclass(frozen=True)
class Sampling:
    """What is sampled, from which model and how."""

    model: str
    """As the user calls it."""
    sampler: LossySampler
    prompt: PromptFormat
    decoding: Decoding
    n: int = 1
    """Samples of each problem; may grow from one session of a run to the next."""
    chosen: Mapping[str, Any] = field(default_factory=dict)
    """How it came to these settings (preset, what overrode it): recorded, not compared."""

    @cached_property
    def _described(self) -> dict[str, Any]:
        # Once: a server is asked for it.
        known = self.sampler.describe()
        return {name: value for name, value in known.items() if name not in NOT_COMPARED}

    @property
    def label(self) -> str:
        """The last part of the model's name."""
        return self.model.rstrip("/").rpartition("/")[2] or "model"

    def fingerprint(self) -> str:
        """A word for the kind of source; what a sample depends on is in `identity`."""
        return "sampled from a model"

    def identity(self) -> dict[str, Any]:
        """All that a sample depends on, as plain JSON values: two runs that differ in it are not mixed."""
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
        """For the manifest: the identity, the number of samples and how the settings were chosen."""
        return {**self.identity(), "n": self.n, **self.chosen}

    def noticed(self) -> dict[str, Any]:
        """What the sampler has noticed while it was at work; nothing if it cannot be asked any more."""
        try:
            known = self.sampler.describe()
        except HarnessError:
            return {}
        return {name: known[name] for name in NOT_COMPARED if name in known}

    def keys(self, benchmark: Benchmark) -> list[Key]:
        """Every sample wanted, in the fixed order. A problem without tests gets none: nothing can be said."""
        tasks = [problem.task_id for problem in benchmark.problems if problem.suite.count]
        return [(task, number) for task in tasks for number in range(self.n)]

    def missing(self, benchmark: Benchmark, keys: Sequence[Key], known: SampleFiles) -> list[Request]:
        """What to ask the model for, so that all of `keys` are known; problems in the benchmark's order.

        Raises:
            InputError: If the prompt format cannot put a problem.
        """
        wanted: dict[str, list[int]] = {}
        for task, number in keys:
            if (task, number) not in known:
                wanted.setdefault(task, []).append(int(number))
        problems = benchmark.by_id()
        return [
            Request(make_prompt(self.prompt, _loaded(problems[task])), tuple(numbers))
            for task, numbers in wanted.items()
        ]

    def programs(self, requests: Sequence[Request]) -> Generator[tuple[Prompt, dict[str, Any]] | Unanswered]:
        """The prompt as the model read it and a row of `samples.jsonl`, for each completion as it comes; and
        what was asked for and did not come."""
        completions = self.sampler.complete(requests, self.decoding)
        try:
            for completion in completions:
                if isinstance(completion, Unanswered):
                    yield completion
                else:
                    yield completion.prompt, self.row(completion)
        finally:
            # A sampler may have requests under way, or a batch in memory. Plain iterators have no `close`.
            getattr(completions, "close", lambda: None)()

    def row(self, completion: Completion) -> dict[str, Any]:
        """A completion and the program in it; nothing in it depends on when or beside what it was made."""
        found = extract_program(
            completion.text,
            completion.prompt,
            stop=self.decoding.stop,
            truncated=completion.finish is Finish.LENGTH,
        )
        return {
            "task_id": completion.task_id,
            "sample_id": completion.sample_id,
            "code": found.code,
            "completion": completion.text,
            "finish": str(completion.finish),
            "changed": found.changed,
            "tokens": completion.tokens,
        }


def _loaded(problem: Problem) -> Problem:
    """The problem with its tests in memory: building a prompt asks for them several times."""
    suite = problem.suite
    return replace(problem, load_suite=lambda: suite)


class SampleFiles:
    """`samples.jsonl`, `prompts.jsonl` and, where samples are lost, `lost.jsonl` of a run, and this process'
    journals beside them."""

    def __init__(self, folder: Path, shard: int = 0) -> None:
        """Read which samples are there; `shard` is the number of this process."""
        self.samples = sample_rows(folder, shard=shard)
        self.prompts = RowFile(folder / "prompts.jsonl", lambda row: (row["task_id"], "prompt"), shard=shard)
        self.lost = LostFile(folder, shard)

    def __contains__(self, key: Key) -> bool:
        return key in self.samples and (key[0], "prompt") in self.prompts

    def add(self, prompt: Prompt, row: dict[str, Any]) -> None:
        """Record a sample, and its prompt if that is not recorded yet."""
        if (prompt.task_id, "prompt") not in self.prompts:
            self.prompts.append_row(
                {
                    "task_id": prompt.task_id,
                    "prompt": prompt.sent or prompt.text,
                    "shortened": prompt.shortened,
                }
            )
        self.samples.append_row(row)

    def scan(self) -> None:
        """Read anew what is there: other processes have written, too."""
        self.samples.scan()
        self.prompts.scan()
        self.lost.scan()

    def given(self, keys: Sequence[Key]) -> list[Key]:
        """Those of `keys` that are not lost: an answer counts over a loss, of whichever session."""
        return [key for key in keys if key in self or key not in self.lost]

    def finish(self, keys: Sequence[Key]) -> None:
        """Write the files in the order of `keys`, and drop the journals of all processes.

        Raises:
            InfrastructureError: If a sample is missing: a sampler, or a process, gave fewer than asked for.
        """
        given = self.given(keys)
        lost = set(keys).difference(given)
        self.lost.finish([key for key in keys if key in lost])
        keys = given
        self.prompts.finish([(task, "prompt") for task in dict.fromkeys(task for task, _ in keys)])
        self.samples.finish(keys)

    def close(self) -> None:
        self.prompts.close()
        self.samples.close()
        self.lost.close()


def sample_rows(folder: Path, *, shard: int = 0, read: bool = True) -> RowFile:
    """The rows of `samples.jsonl`."""
    return RowFile(folder / "samples.jsonl", _sample_key, shard=shard, read=read)


def _sample_key(row: Mapping[str, Any]) -> Key:
    if not isinstance(row["code"], str):
        raise TypeError("code")
    return row["task_id"], row["sample_id"]


def sample_into(
    files: SampleFiles, sampling: Sampling, requests: Sequence[Request], each: Callable[[], None]
) -> None:
    """Record what the model makes of `requests`; `each` is called after every sample, and may raise."""
    if not requests:
        return
    with closing(sampling.programs(requests)) as programs:
        for made in programs:
            if isinstance(made, Unanswered):
                files.lost.add(made)
            else:
                files.add(*made)
            each()
