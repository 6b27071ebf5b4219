"""inspect: a task for each benchmark, and a scorer for tasks of others; without Docker.

    inspect eval harness/code -T benchmark=mbpp -T prompt_format=mbpp --model openai/my-model
    inspect score LOG --scorer harness/passes_tests

The entry point `harness` of the group `inspect_ai` makes both known to inspect. Programs run in our runner,
so no sandbox is to be configured. What the grader failed on is unscored: it is in no metric. Does not cover:
agents that run programs while they work.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from anyio import to_thread
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageSystem, ChatMessageUser, GenerateConfig
from inspect_ai.scorer import Score, Target, accuracy, scorer, stderr
from inspect_ai.solver import TaskState, generate

from harness.integrations.options import scorer_of
from harness.prompts import find_format, make_prompt

_MESSAGES = {"system": ChatMessageSystem, "user": ChatMessageUser}


@scorer(metrics=[accuracy(), stderr()])  # type: ignore[untyped-decorator]  # inspect is not installed here
def passes_tests(
    *,
    benchmark: str | None = None,
    split: str | None = None,
    data_dir: str | None = None,
    prompt_format: str | None = None,
    profile: str | None = None,
    reward: str = "passed",
    workers: int | None = None,
    url: str | None = None,
) -> Any:
    """Scores a sample by its tests; the arguments are those of `harness.integrations.scoring.Scorer`.

    The ground truth is the sample's metadata `tests` or `task_id`; with a benchmark, the sample's id; else
    its target, as a list of asserts.
    """
    ours = scorer_of(
        benchmark=benchmark, split=split, data_dir=data_dir, prompt_format=prompt_format, profile=profile,
        reward=reward, workers=workers, url=url,
    )  # fmt: skip

    async def score(state: TaskState, target: Target) -> Score:
        truth = state.metadata.get("tests", state.metadata.get("task_id"))
        if truth is None:
            truth = list(target) if benchmark is None else state.sample_id
        # Not asyncio's: inspect may run on trio.
        (scored,) = await to_thread.run_sync(partial(ours.score_all, [(state.output.completion, truth)]))
        verdict = scored.verdict(ours.profile)
        if scored.reward is None:
            return Score.unscored(reason="scoring_failed", answer=scored.code, explanation=scored.cause)
        return Score(
            value=scored.reward,
            answer=scored.code,
            explanation=scored.error() or verdict,
            metadata={"verdict": verdict},
        )

    return score


@task  # type: ignore[untyped-decorator]
def code(
    *,
    benchmark: str = "mini",
    split: str | None = None,
    data_dir: str | None = None,
    prompt_format: str = "chat",
    profile: str | None = None,
    workers: int | None = None,
    url: str | None = None,
    epochs: int = 1,
) -> Any:
    """A benchmark of ours; inspect's `--limit` and `--sample-id` select problems.

    Args:
        benchmark: Its name.
        split: Its default without.
        data_dir: Where its data lies.
        prompt_format: One of the benchmark's, or `chat`.
        profile: Comparison profile; the benchmark's first without.
        workers: Programs graded at a time.
        url: Of an `rltf serve` that grades instead.
        epochs: Samples of each problem.
    """
    graded: dict[str, Any] = {
        "benchmark": benchmark,
        "split": split,
        "data_dir": data_dir,
        "prompt_format": prompt_format,
    }
    graded |= {"profile": profile, "workers": workers, "url": url}
    loaded = scorer_of(**graded).loaded()
    form = find_format(loaded, prompt_format)
    prompts = [make_prompt(form, problem) for problem in loaded.problems]
    samples = [
        Sample(input=[_MESSAGES[role](content=text) for role, text in prompt.messages], id=prompt.task_id)
        for prompt in prompts
    ]
    return Task(
        dataset=MemoryDataset(samples, name=f"{loaded.name}/{loaded.split}"),
        solver=generate(),
        scorer=passes_tests(**graded),
        config=GenerateConfig(stop_seqs=list(form.stop) or None),
        epochs=epochs,
        version=loaded.version,
    )
