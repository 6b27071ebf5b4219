"""Trainings of `methods`: run if they have not been, gone on with if they were killed, then read.

Each is `rltf train --preset mini` in a process forked from this one, so that the libraries are imported once;
one at a time, on one thread. Those of a seed have the same start, which is evaluated once: the folder of an
evaluation before training is copied into the next run of the seed, whose own would be equal.
Does not cover: which trainings there are (`methods_settings`), what is said of them (`methods_report`).
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.runner.worker_life import end_with_host
from rltf.presets import MINI
from studies.learning_runs import BENCHMARK, ROOT, metrics, score
from studies.methods_settings import PER_PROBLEM, START, START_STEPS

COST = "cost.json"
THREADS = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


@dataclass(frozen=True)
class Run:
    """A training that is done, or to be done."""

    out: Path
    seed: int

    @property
    def is_done(self) -> bool:
        """Whether it need not be run."""
        return (self.out / "comparison.json").exists()

    def score(self, when: str = "after") -> float:
        """pass@1 in percent."""
        return score(self.out, when)

    def cpu_seconds(self) -> float:
        """Of all its processes, imports apart; without a session that was killed together with the study."""
        return float(sum(json.loads((self.out / COST).read_text())))

    def graded(self) -> int:
        """Programs that were sampled and graded for training; greedy ones count."""
        newest = max(self.out.glob("checkpoint-*"), key=lambda each: int(each.name.partition("-")[2]))
        source = json.loads((newest / "rltf_state_0.json").read_text())["source"]
        drawn = source.get("rollouts", source)["prompts_drawn"]
        greedy = json.loads((self.out / "training.json").read_text())["options"]["method"] == "coderl"
        return int(drawn) * (PER_PROBLEM + greedy)

    def rows(self) -> list[dict[str, Any]]:
        """Of its log."""
        return metrics(self.out)


def train(run: Run, options: Sequence[str], *, before: Sequence[Path] = (), start: bool = False) -> None:
    """Do it, unless it has been done.

    Args:
        run: Its folder may hold a part of it.
        options: Of `rltf train`.
        before: Folders of other runs from the same start with the same evaluation.
        start: Whether this makes a start, of which the evaluation before is of no use.
    """
    if run.is_done:
        return
    resume = (run.out / "training.json").exists()
    if not resume and not start:
        _copy_evaluation(before, run.out)
    cache = run.out.with_name(f"methods-cache-{run.seed}")
    command = ["train", "--preset", "mini", "--out", str(run.out), "--workers", "1", "--cache", str(cache)]
    command += ["--seed", str(run.seed), *options, *(["--resume"] if resume else [])]
    print(time.strftime("%H:%M:%S"), "started", run.out.name, flush=True)
    seconds = _forked(command, run.out.with_name(f"{run.out.name}.log"))
    path = run.out / COST
    path.write_text(json.dumps([*(json.loads(path.read_text()) if path.exists() else []), seconds]))
    if not run.is_done:
        raise SystemExit(f"{run.out.name} ended without a result; see {run.out.name}.log beside it")


def make_start(runs: Path, seed: int) -> Run:
    """The supervised start of a seed, made as preset `mini` makes it."""
    found = Run(runs / f"methods-start-{seed}", seed)
    if not found.is_done:
        made = runs / f"methods-made-{seed}"
        _make_model(made, seed)
        options = ["--model", str(made), "--method", "sft", "--steps", str(START_STEPS), "--set", *START]
        train(found, ["--eval-size", "1", "--eval-n", "1", *options], start=True)
    return found


def _make_model(folder: Path, seed: int) -> None:
    from dataclasses import replace

    from harness.registry import load_benchmark
    from rltf.tiny_model import make_toy

    problems = load_benchmark(BENCHMARK, split="train")
    some = replace(problems, problems=problems.problems[: MINI["train_problems"]])
    make_toy(folder, some, solved=MINI["sl_problems"], seed=seed)


def _copy_evaluation(before: Sequence[Path], out: Path) -> None:
    """That of the start, if one of the runs has it whole."""
    target = out / "eval" / "before"
    for each in before:
        found = each / "eval" / "before"
        if (each / "comparison.json").exists() and not target.exists():
            shutil.copytree(found, target)


def _forked(command: Sequence[str], log: Path) -> float:
    """CPU seconds of a process that runs the command, and of those that it started."""
    import rltf.train  # noqa: F401 - heavy, and imported once for all runs

    used = _children_seconds()
    context = multiprocessing.get_context("fork")
    tie = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(list(command), log, os.getpid(), *tie))
    process.start()
    try:
        process.join()
    finally:
        if process.is_alive():
            process.terminate()
            process.join()
        for end in tie:
            end.close()
    return _children_seconds() - used


def _run(command: Sequence[str], log: Path, host: int, tie: Any, other_end: Any) -> None:
    """In a process of its own, which ends with the study: another may go on with its folder."""
    from rltf.cli import main

    other_end.close()
    end_with_host(tie, host, of_main_thread=True)
    with log.open("a") as stream:
        os.dup2(stream.fileno(), sys.stdout.fileno())
        os.dup2(stream.fileno(), sys.stderr.fileno())
        os.chdir(ROOT)
        sys.exit(main(command))


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
