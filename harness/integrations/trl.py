"""TRL: reward functions on our grader, and a dataset of a benchmark's prompts.

    trainer = GRPOTrainer(model, reward_funcs=CodeReward("mbpp"), train_dataset=to_dataset("mbpp", chat=True))

Needs TRL 1.6 or newer, the first that leaves a reward of `None` out of the group: with older ones, and with
`OnlineDPOTrainer` and SDPO up to 1.16, a failure of the grader would be a reward of 0. Imports nothing of
TRL. `rltf.integrations.trl` has a trainer with line-level feedback. Does not cover: environments, tools.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.integrations.scoring import Reward, Scored, Scorer
from harness.prompts import find_format, make_prompt
from harness.types import Benchmark, Limits

_SHARES = ("passed", "timed_out", "infrastructure_error", "no_program", "unscorable")
"""Of verdicts, always all of them: in a distributed run every process must log the same."""


class CodeReward:
    """A reward function of TRL's; called with a batch, it may be called by several threads and pickled."""

    def __init__(
        self,
        benchmark: str | Benchmark | None = None,
        *,
        split: str | None = None,
        data_dir: str | Path | None = None,
        reward: str | Reward = "passed",
        profile: str = "strict",
        extraction: str = "chat",
        column: str = "task_id",
        tests_column: str | None = None,
        no_code: float = 0.0,
        workers: int | None = None,
        limits: Limits | None = None,
        url: str | None = None,
        name: str = "tests_passed",
    ) -> None:
        """
        Args:
            benchmark: Whose task ids stand in `column`.
            split: Of the benchmark; `train` is not assumed.
            data_dir: Of the benchmark.
            reward: `passed`, `pass_ratio`, or a function `(outcome, profile) -> float`.
            profile: Comparison profile.
            extraction: Rule by which the program is taken out of an answer.
            column: Of the dataset: task ids.
            tests_column: Of the dataset: tests, in place of task ids.
            no_code: Reward of an answer without a program.
            workers: Programs graded at a time; processors by default.
            limits: What a program may use.
            url: Of an `rltf serve` that grades instead.
            name: In TRL's logs.

        Raises:
            InputError: If an option is unknown, or there is neither a benchmark nor a column of tests.
        """
        if benchmark is None and tests_column is None:
            raise InputError("CodeReward needs a benchmark, or tests_column, to know the tests")
        _check_version()
        self.__name__ = name
        self.last: tuple[Scored, ...] = ()
        """Of the last batch, for a trainer that wants more than numbers."""
        self.column = tests_column or column
        self.scorer = Scorer(
            benchmark, split=split, data_dir=data_dir, reward=reward, profile=profile, extraction=extraction,
            no_code=no_code, workers=workers, limits=limits, url=url,
        )  # fmt: skip

    def __call__(
        self,
        *,
        completions: Sequence[Any],
        log_extra: Callable[[str, list[Any]], None] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """One reward for each completion; `None` where nothing can be said."""
        scored = self.scorer.score_all(self._answers(completions, columns))
        return self._told(scored, log_extra, log_metric)

    def _answers(
        self, completions: Sequence[Any], columns: dict[str, Any]
    ) -> list[tuple[str | None, object]]:
        if self.column not in columns:
            raise InputError(f"the dataset has no column {self.column!r}; it holds {', '.join(columns)}")
        truths = columns[self.column]
        return [(answer_of(each), truth) for each, truth in zip(completions, truths, strict=True)]

    def _told(
        self,
        scored: Sequence[Scored],
        log_extra: Callable[[str, list[Any]], None] | None,
        log_metric: Callable[[str, float], None] | None,
    ) -> list[float | None]:
        verdicts = [each.verdict(self.scorer.profile) for each in scored]
        if log_extra is not None:
            log_extra("verdict", verdicts)
            log_extra("error", [each.error() for each in scored])
        if log_metric is not None:
            for share in _SHARES:
                log_metric(f"harness/{share}", verdicts.count(share) / max(1, len(verdicts)))
        self.last = tuple(scored)
        return [each.reward for each in scored]


class AsyncCodeReward(CodeReward):
    """The same as a coroutine: TRL runs those of one batch together, and `AsyncGRPOTrainer` beside
    sampling."""

    async def __call__(  # type: ignore[override]  # TRL asks which of both it is
        self,
        *,
        completions: Sequence[Any],
        log_extra: Callable[[str, list[Any]], None] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """As of `CodeReward`."""
        scored = await self.scorer.score_all_async(self._answers(completions, columns))
        return self._told(scored, log_extra, log_metric)


def _check_version() -> None:
    """Refuse a TRL that would take `None` for 0; none at all is fine, it is not imported here.

    Raises:
        InputError: If it is too old.
    """
    try:
        found = version("trl")
    except PackageNotFoundError:
        return
    if tuple(int(part) for part in found.split(".")[:2] if part.isdecimal()) < (1, 6):
        raise InputError(f"trl {found} takes no reward for a reward of 0; pip install 'trl>=1.6'")


def answer_of(completion: Any) -> str | None:
    """The text of a completion: itself, or the last message of the assistant's that has a text."""
    if isinstance(completion, str):
        return completion
    for message in reversed(completion or ()):
        content = message.get("content")
        if message.get("role", "assistant") == "assistant" and isinstance(content, str):
            return content
    return None


def to_dataset(
    benchmark: str | Benchmark,
    *,
    chat: bool,
    split: str | None = None,
    data_dir: str | Path | None = None,
    prompt_format: str | None = None,
) -> Any:
    """A `datasets.Dataset` with the columns `prompt` and `task_id`; tests stay with the grader.

    Args:
        benchmark: Its name, or itself.
        chat: Prompts are messages; otherwise text.
        split: Of the benchmark.
        data_dir: Of the benchmark.
        prompt_format: One of the benchmark's; its default, or `chat`, without.

    Raises:
        InputError: If benchmark or format is unknown.
    """
    from datasets import Dataset  # noqa: PLC0415 - heavy

    from harness.registry import load_benchmark  # noqa: PLC0415 - not when a trainer imports this

    loaded = benchmark
    if isinstance(loaded, str):
        loaded = load_benchmark(loaded, split=split, data_dir=data_dir)
    form = find_format(loaded, prompt_format or ("chat" if chat else None))
    if form.in_program:
        raise InputError(f"format {form.name!r}: answers go on from the prompt; take one with whole programs")
    rows = []
    for problem in loaded.problems:
        prompt = make_prompt(form, problem)
        messages = [{"role": role, "content": text} for role, text in prompt.messages]
        rows.append({"prompt": messages if chat else prompt.text, "task_id": problem.task_id})
    return Dataset.from_list(rows)
