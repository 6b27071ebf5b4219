"""Progress of sampling and grading: two bars on a terminal, a line every ten seconds elsewhere.

Covers: samples a second, time left, how many are graded and with which verdicts. Told from two threads.
Writes to stderr; stdout belongs to results.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from harness.report.progress import EVERY, Progress, Silent, Verdicts, can_redraw, duration, say
from harness.types import Outcome

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress


# The trainer's names for them.
SamplingProgress = Progress
SilentSampling = Silent


class _Counts:
    """The state that both displays share."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._since = clock()
        self._wanted = self._made = self._total = self._graded = 0
        self._processes = 1
        self._verdicts = Verdicts()

    def start_sampling(self, total: int, processes: int) -> None:
        self._wanted, self._processes = total, processes

    def start(self, total: int, graded: int) -> None:
        self._total, self._graded, self._since = total, graded, self._clock()

    def sampled(self) -> None:
        with self._lock:
            self._made += 1
        self._moved()

    def update(self, outcome: Outcome) -> None:
        with self._lock:
            self._graded += 1
            self._verdicts.add(outcome)
        self._moved()

    def _moved(self) -> None:
        raise NotImplementedError

    @property
    def _rate(self) -> float:
        return self._made / max(self._clock() - self._since, 1e-6)

    def _sampling(self) -> str:
        share = f" (a share of 1/{self._processes})" if self._processes > 1 else ""
        left = (self._wanted - self._made) / self._rate if self._made else 0.0
        ending = f", {duration(left)} left" if self._made < self._wanted else ""
        return f"sampled {self._made:,} of {self._wanted:,}{share}, {self._rate:,.1f}/s{ending}"

    def _grading(self) -> str:
        with self._lock:
            named = str(self._verdicts)
        return f"graded {self._graded:,} of {self._total:,}" + (f": {named}" if named else "")


class SamplingLines(_Counts):
    """A line every ten seconds, for logs."""

    def __init__(self, stream: IO[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._stream = stream
        self._said = clock()

    def start(self, total: int, graded: int) -> None:
        super().start(total, graded)
        self._said = self._since
        if graded:
            self._say(f"{graded:,} of {total:,} programs were sampled and graded before")

    def stop(self) -> None:
        if self._made or self._verdicts:
            self._say(f"{self._sampling()}; {self._grading()}")

    def _moved(self) -> None:
        with self._lock:
            now = self._clock()
            if now - self._said < EVERY:
                return
            self._said = now
        self._say(f"{self._sampling()}; {self._grading()}")

    def _say(self, line: str) -> None:
        say(self._stream, line)


class SamplingBars(_Counts):
    """Two bars that are redrawn, for terminals."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__()
        self._stream = stream
        self._bars: RichProgress | None = None

    def start(self, total: int, graded: int) -> None:
        from rich.console import Console  # noqa: PLC0415 - the commands start without rich
        from rich.progress import BarColumn, TextColumn  # noqa: PLC0415
        from rich.progress import Progress as Bars  # noqa: PLC0415

        super().start(total, graded)
        self._bars = Bars(BarColumn(), TextColumn("{task.description}"), console=Console(file=self._stream))
        self._sampling_bar = self._bars.add_task("", total=self._wanted)
        self._grading_bar = self._bars.add_task("", total=total, completed=graded)
        self._bars.start()
        self._moved()

    def stop(self) -> None:
        if self._bars is not None:
            self._bars.stop()

    def _moved(self) -> None:
        if self._bars is not None:
            self._bars.update(self._sampling_bar, completed=self._made, description=self._sampling())
            self._bars.update(self._grading_bar, completed=self._graded, description=self._grading())


def sampling_progress_on(stream: IO[str]) -> SamplingProgress:
    """The kind of progress that suits `stream`."""
    return SamplingBars(stream) if can_redraw(stream) else SamplingLines(stream)
