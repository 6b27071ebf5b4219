"""A training in wandb and trackio: one run for the whole of it, warm start and evaluations included.

Covers: the run that belongs to the folder and goes on with `--resume`, the names of what is logged, failures
of a tracker, which never end a training that is under way. Trainer's own callbacks for the two would begin a
new run for each stage and each session; what wandb's does besides (`WANDB_WATCH`, `WANDB_LOG_MODEL`) is kept.
Does not cover: other names of `report_to`, which are Trainer's; freezing a Space of trackio's after training.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.integration_utils import TensorBoardCallback, TrackioCallback, WandbCallback

from harness.errors import InputError
from harness.publish.tracked_run import TRACKERS, TrackedRun, TrackerError
from harness.publish.trackers import numbers_of
from harness.run_store.finished_run import read_run
from rltf.config import RLTFConfig

BEFORE, AFTER = "before", "after"
"""Evaluations on all problems."""
TRAIN, WARM_START = "train", "warm-start"
"""Stages: the first part of the names of what they log."""
_AXES = (TRAIN, WARM_START, "eval", BEFORE, AFTER)
"""First parts of all names that are logged."""
_OF_THE_WHOLE = {
    "epoch", "train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss",
    "total_flos",
}  # fmt: skip
"""What Trainer says at its end, of a session and not of a step; its epoch means nothing here."""
_WITHOUT = "training goes on without it, metrics.jsonl has all"


class Trackers:
    """The runs that a training is told to; one that fails is left out from then on, with a warning."""

    def __init__(self, runs: list[TrackedRun], profile: str) -> None:
        """`profile`: under which names of scores are plain."""
        self.runs = runs
        self._profile = profile

    def log(self, numbers: Mapping[str, float], step: int, stage: str = TRAIN) -> None:
        """Tell one row of a stage's log."""
        for run in list(self.runs):
            with self._or_without(run):
                run.log(numbers, step=step, axis=f"{stage}/global_step")

    def evaluated(self, folder: Path, when: str, step: int) -> None:
        """Tell the scores of an evaluation on all problems, once: `before/mini/pass@1`.

        Args:
            folder: Of all evaluations.
            when: `before` or `after`.
            step: Of training.
        """
        for each in sorted((folder / when).iterdir()) if self.runs else ():
            numbers = numbers_of(read_run(each), when, self._profile)
            for run in [run for run in self.runs if not run.was_told(numbers)]:
                with self._or_without(run):
                    run.log(numbers, step=step, axis=f"{TRAIN}/global_step")
                    run.note_told(numbers)

    def finish(self, *, failed: bool) -> None:
        """End all."""
        for run in list(self.runs):
            with self._or_without(run):
                run.finish(failed=failed)

    @contextmanager
    def _or_without(self, run: TrackedRun) -> Iterator[None]:
        try:
            yield
        except TrackerError as error:
            self.runs.remove(run)
            warnings.warn(f"{error}; {_WITHOUT}", stacklevel=4)


@contextmanager
def trackers(config: RLTFConfig, about: Mapping[str, Any], *, resumed: bool) -> Iterator[Trackers]:
    """Open the runs of `report_to`; of several processes the first does.

    Args:
        config: Of the training.
        about: What it is, beside its options.
        resumed: Whether it goes on: nobody may be there to read why it would not.

    Raises:
        InputError: If a tracker can't be opened for a training that begins.
    """
    names = [name for name in TRACKERS if name in config.report_to and not config.process_index]
    opened = Trackers([], config.profile)
    for name in names:
        run = TrackedRun(name, Path(str(config.output_dir)), project=_project(config, name))
        try:
            run.open({**config.to_dict(), **about}, label=config.run_name, **_options(config, name))
            for each in _AXES:
                run.axis(f"{WARM_START if each == WARM_START else TRAIN}/global_step", f"{each}/*")
        except TrackerError as error:
            if not resumed:
                raise InputError(f"{error}; mend that, or leave --report-to {name} out") from None
            warnings.warn(f"{error}; {_WITHOUT}", stacklevel=3)
        else:
            opened.runs.append(run)
    try:
        yield opened
    except BaseException:
        opened.finish(failed=True)
        raise
    opened.finish(failed=False)


def replace_callbacks(trainer: Trainer, told: Trackers, stage: str) -> None:
    """Put ours in the places of Trainer's own."""
    boards = TensorBoardCallback in {type(each) for each in trainer.callback_handler.callbacks}
    for theirs in (WandbCallback, TrackioCallback, TensorBoardCallback):
        trainer.remove_callback(theirs)
    if boards:
        trainer.add_callback(_Boards)
    if told.runs:
        trainer.add_callback(_Log(told, stage))
    if any(run.name == "wandb" for run in told.runs) and _wanted("WANDB_WATCH", "WANDB_LOG_MODEL"):
        trainer.add_callback(_Weights)


def _wanted(*variables: str) -> bool:
    return any(os.environ.get(name, "false").lower() not in ("", "false", "0") for name in variables)


def _project(config: RLTFConfig, name: str) -> str | None:
    return None if config.project == "huggingface" or name != "trackio" else config.project


def _options(config: RLTFConfig, name: str) -> dict[str, Any]:
    if name != "trackio":
        return {}
    return {
        "space_id": config.trackio_space_id,
        "bucket_id": config.trackio_bucket_id,
        "private": config.hub_private_repo,
    }


class _Log(TrainerCallback):
    """Tells each line of the log, named by its stage: `train/loss`, `warm-start/loss`, `eval/mini/pass@1`."""

    def __init__(self, told: Trackers, stage: str) -> None:
        self._told = told
        self._stage = stage

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Tell one."""
        numbers = {
            name if name.startswith("eval/") else f"{self._stage}/{name}": value
            for name, value in (logs or {}).items()
            if name not in _OF_THE_WHOLE
        }
        if numbers and state.is_world_process_zero:
            self._told.log(numbers, state.global_step, self._stage)


class _Weights(WandbCallback):
    """Watches weights and stores checkpoints in the run that is open; logs no numbers."""

    def on_log(self, *args: Any, **options: Any) -> None:
        """`_Log` does."""


class _Boards(TensorBoardCallback):
    """Trainer's for tensorboard, with our names of scores: it would call them `train/eval/mini/pass@1`."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **rest: Any) -> None:
        """Tell one line."""
        # Trainer puts what begins with eval_ under eval/, all else under train/.
        theirs = {name.replace("eval/", "eval_", 1): value for name, value in logs.items()}
        super().on_log(args, state, control, logs=theirs, **rest)  # type: ignore[no-untyped-call]
