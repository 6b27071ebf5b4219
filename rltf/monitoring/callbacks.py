"""What happens between the steps of training: new programs, seconds, `metrics.jsonl`."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from harness.files import replace_file, writing
from rltf.config import RLTFConfig
from rltf.monitoring.collapse import CollapseAlarms
from rltf.monitoring.metrics import Meter
from rltf.rollout.records import Rollout
from rltf.rollout.replay_buffer import OnlineBuffer
from rltf.rollout.schedule import Source

METRICS = "metrics.jsonl"


class Refresh(TrainerCallback):
    """Fills the buffer before the first step, and brings new programs every `refresh_every` steps.

    A source that works beside training is asked for the next programs as soon as it has delivered: what
    comes at a refresh was then made with the weights of the refresh before. Which programs come does not
    depend on how fast anything is.
    """

    def __init__(
        self,
        config: RLTFConfig,
        buffer: OnlineBuffer,
        source: Source,
        meter: Meter,
        score: Callable[[list[Rollout]], list[Rollout]] = lambda rollouts: rollouts,
    ) -> None:
        """`score`: what becomes of new programs before they enter the buffer."""
        self._score = score
        self._config = config
        self._buffer = buffer
        self._source = source
        self._meter = meter
        self._alarms = CollapseAlarms()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Fill the buffer, unless a checkpoint has filled it."""
        if not len(self._buffer):
            self._source.request(self._config.buffer_fill, state.global_step)
            self._take(state.global_step)
            self._ahead(state)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Refresh if it is time, but not after the last step."""
        every = self._config.refresh_every
        if every and state.global_step % every == 0 and state.global_step < state.max_steps:
            if not self._source.beside:
                self._source.request(self._config.programs_per_refresh, state.global_step)
            self._take(state.global_step)
            self._ahead(state)
        self._drop_old(state)
        self._meter.mean("buffer/staleness", self._buffer.staleness(state.global_step))
        if state.global_step < state.max_steps:  # nothing is learned from what the last step leaves
            self._meter.mean("buffer/oldest", self._buffer.oldest(state.global_step))
        self._meter.mean("buffer/programs", len(self._buffer))

    def _drop_old(self, state: TrainerState) -> None:
        """What the next step must not learn from."""
        if self._config.max_staleness is not None and state.global_step < state.max_steps:
            dropped = self._buffer.drop_before(state.global_step - self._config.max_staleness)
            self._meter.add("buffer/dropped_as_stale", dropped)

    def _ahead(self, state: TrainerState) -> None:
        every = self._config.refresh_every
        if every and self._source.beside and state.global_step + every < state.max_steps:
            self._source.request(self._config.programs_per_refresh, state.global_step)

    def _take(self, step: int) -> None:
        with self._meter.seconds("waiting"):
            collected = self._source.collect()
        rollouts = self._score(collected.rollouts)
        self._buffer.add(rollouts, zero_advantage=collected.zero_advantage)
        if collected.zero_advantage and not len(self._buffer):
            warnings.warn(
                f"after step {step} all {collected.zero_advantage} new programs earned what they are compared"
                " with: rewards are equal, and until some differ nothing is learned from programs",
                stacklevel=2,
            )
        self._meter.means("sampled", collected.metrics)
        wrong = self._alarms.saw(collected.metrics | collected.notes, step)
        for name, value in (collected.notes | wrong).items():
            self._meter.mean(name, value)
        for name, value in collected.seconds.items():
            self._meter.add(f"seconds/{name}", value)


class Seconds(TrainerCallback):
    """Measures the time spent in the model: forward, backward and optimiser, whole steps."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._started = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Leave out what lay between the making of the trainer and here: the evaluation of the start."""
        self._meter.take()

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """The step's micro-batches have been drawn."""
        self._started = time.perf_counter()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """The optimiser has made its step."""
        self._meter.add("seconds/learning", time.perf_counter() - self._started)


class Console(TrainerCallback):
    """Says each line of the log in the words that matter most."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Say one line."""
        if not state.is_world_process_zero or not logs:
            return
        if "loss" in logs:
            parts = [f"{name} {logs[key]:.{digits}f}" for key, name, digits in _SAID if key in logs]
            self._say(f"step {state.global_step}/{state.max_steps}: {', '.join(parts)}")
        for name in (name for name in logs if name.startswith("eval/")):
            self._say(f"step {state.global_step}: {name.removeprefix('eval/')} {100 * logs[name]:.1f} %")


_SAID = (
    ("loss", "loss", 3),
    ("loss/supervised", "supervised", 3),
    ("sampled/passed", "sampled: passed", 2),
    ("sampled/failure", "failure", 2),
    ("sampled/error", "error", 2),
    ("sampled/syntax_error", "syntax error", 2),
    ("entropy", "entropy", 2),
    ("seconds/total", "seconds", 1),
)
"""Key of the log, its name on the console, digits."""


class MetricsFile(TrainerCallback):
    """Appends each line of the log to `metrics.jsonl`; of process 0, about its own share of the work."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Drop what lies behind the checkpoint that training goes on from."""
        path = Path(str(args.output_dir), METRICS)
        if state.is_world_process_zero and path.exists():
            lines = path.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if _is_behind(line, state.global_step)]
            replace_file(path, lambda stream: stream.write(b"".join(kept)))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Write one line."""
        if not state.is_world_process_zero or not logs:
            return
        # Trainer's epoch means nothing here: the stream has no end.
        row = {"step": state.global_step, **{name: value for name, value in logs.items() if name != "epoch"}}
        path = Path(str(args.output_dir), METRICS)
        with writing(path), path.open("a", encoding="ascii") as stream:
            stream.write(json.dumps(row) + "\n")


def _is_behind(line: bytes, step: int) -> bool:
    """Whether a line is whole and of a step before the next."""
    try:
        return line.endswith(b"\n") and json.loads(line)["step"] <= step
    except (ValueError, KeyError, TypeError):
        return False
