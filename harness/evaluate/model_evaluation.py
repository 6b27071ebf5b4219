"""Sample programs from a model and grade them: the main path of `rltf eval`, from top to bottom.

See what is missing, sample, extract, record, grade while sampling goes on, summarise, report. The steps that
need no model are those of `harness.evaluate.evaluation`. Each process may be killed between any two bytes:
the same call continues where it stood, samples nothing twice, and ends with the same `samples.jsonl` and
`metrics.json`; so does a call that asks for more samples, as far as the sampler's samples are a function of
their number. Does not cover: loading models, choosing settings (`harness.commands.eval`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from harness.evaluate.evaluation import Plan, cover, identity_of, note_session, summarise, write_report
from harness.evaluate.generation import SampleFiles, Sampling, sample_into, sample_rows
from harness.evaluate.grading_thread import BesideSampling, LiveGrader
from harness.models.distributed import Processes
from harness.report.sampling_progress import SamplingProgress, SilentSampling
from harness.run_store.run_folder import RunFolder

ALONE = Processes()
_PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "peft", "openai")
"""Samples may depend on them."""


def evaluate_model(
    plan: Plan[Sampling],
    folder: Path,
    start_runner: Callable[[], AbstractContextManager[LiveGrader]],
    progress: SamplingProgress | None = None,
    *,
    processes: Processes = ALONE,
) -> dict[str, Any] | None:
    """Sample and grade in `folder`, or continue, and return the content of `metrics.json`.

    Args:
        plan: What to sample and how to grade it.
        folder: Made if it does not exist; shared by all processes.
        start_runner: Called in a thread, before sampling starts, and only if something is to be graded.
        progress: Told of every sample and every outcome, from two threads.
        processes: Those that share the sampling; one of them grades. The others get `None` back.

    Raises:
        InputError: If settings, model or folder are not what they should be; what was made is kept.
    """
    progress = progress or SilentSampling()
    if not processes.leads:
        _help(plan.programs, folder, plan, processes)
        return None
    with RunFolder(folder) as run:
        with processes.lead():
            run.adopt_sampling(_identity(plan), plan.programs, plan.benchmark)
            coverage = cover(plan, run.keys)
        sampled = _sample_and_grade(plan, run, start_runner, progress, processes)
        run.finish_sampling(sampled)
        metrics = summarise(plan, run, coverage, {"prompts": _prompts(run)})
        write_report(plan, run, metrics)
    return metrics


def _identity(plan: Plan[Sampling]) -> dict[str, Any]:
    """What must be the same for two runs to share a folder: all that a sample or a verdict depends on."""
    return identity_of(plan) | {"generation": plan.programs.identity()}


def _prompts(run: RunFolder) -> dict[str, int]:
    """How many prompts the model got, for `metrics.json`, and how many did not fit as they were."""
    with run.sampled.prompts.final.open("rb") as lines:
        shortened = [bool(json.loads(line)["shortened"]) for line in lines]
    return {"shortened": sum(shortened), "of": len(shortened)}


def _help(sampling: Sampling, folder: Path, plan: Plan[Sampling], processes: Processes) -> None:
    """Be one of the processes that only sample."""
    processes.follow()
    files = SampleFiles(folder, processes.index)
    try:
        requests = sampling.missing(plan.benchmark, sampling.keys(plan.benchmark), files)
        processes.meet()  # nobody writes before everybody has read what is there
        sample_into(files, sampling, requests[processes.index :: processes.count], lambda: None)
    finally:
        files.close()
    processes.meet()


def _sample_and_grade(
    plan: Plan[Sampling],
    run: RunFolder,
    start_runner: Callable[[], AbstractContextManager[LiveGrader]],
    progress: SamplingProgress,
    processes: Processes,
) -> dict[str, Any]:
    """Returns what the sampler has noticed."""
    sampling = plan.programs
    # A verdict counts only if its sample is there: after a loss of power the sample may be made anew.
    ungraded = {key for key in run.keys if key not in run.sampled or not run.outcomes.is_graded(key)}
    requests = sampling.missing(plan.benchmark, run.keys, run.sampled)
    processes.meet()
    own = requests[:: processes.count]
    progress.start_sampling(sum(len(each.sample_ids) for each in own), processes.count)
    progress.start(len(run.keys), len(run.keys) - len(ungraded))
    grading = BesideSampling(
        start_runner,
        sample_rows(run.path, read=False),
        run.outcomes,
        plan.benchmark,
        wanted=ungraded,
        started=lambda runner: note_session(plan, run, runner, *_PACKAGES),
        progress=progress,
    )
    try:
        with grading if ungraded else nullcontext():

            def each() -> None:
                progress.sampled()
                grading.check()

            sample_into(run.sampled, sampling, own, each)
            processes.meet()
        if processes.count > 1:
            run.sampled.scan()
    finally:
        progress.stop()
    return sampling.noticed() if own else {}
