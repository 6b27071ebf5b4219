"""Progress of grading: a bar on a terminal, a line every ten seconds elsewhere.

Covers: rate, time left, verdicts so far, infrastructure errors. Writes to stderr; stdout belongs to results.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Protocol

from harness.types import Outcome

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

EVERY = 10.0
"""Seconds between two lines of a log."""


class Progress(Protocol):
    """Told how sampling and grading go, perhaps from two threads."""

    def start_sampling(self, total: int, processes: int) -> None:
        """Before `start`; `total` samples are this process' share among so many `processes`."""

    def sampled(self) -> None:
        """After each sample."""

    def start(self, total: int, graded: int) -> None:
        """Before the first outcome; `graded` of `total` programs have a verdict from before."""

    def update(self, outcome: Outcome) -> None:
        """After each outcome."""

    def stop(self) -> None:
        """After the last, or after an error."""


class NoSampling:
    """Says nothing of sampling."""

    def start_sampling(self, total: int, processes: int) -> None:
        pass

    def sampled(self) -> None:
        pass


class Silent(NoSampling):
    """Says nothing."""

    def start(self, total: int, graded: int) -> None:
        pass

    def update(self, outcome: Outcome) -> None:
        pass

    def stop(self) -> None:
        pass


class Verdicts:
    """How many programs ended how, under the first profile."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        first = next(iter(outcome.verdicts.values()), None)
        self._counts["GRADER FAILED" if outcome.infrastructure_error is not None else str(first)] += 1

    def __bool__(self) -> bool:
        return bool(self._counts)

    def __str__(self) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in self._counts.most_common())


class _Counting(NoSampling):
    """The state that both displays share."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._total = self._before = self._now = 0
        self._since = 0.0
        self._verdicts = Verdicts()

    def _begin(self, total: int, graded: int) -> None:
        self._total, self._before, self._now = total, graded, 0
        self._since = self._clock()

    def _count(self, outcome: Outcome) -> None:
        self._now += 1
        self._verdicts.add(outcome)

    @property
    def _rate(self) -> float:
        return self._now / max(self._clock() - self._since, 1e-6)


class LineProgress(_Counting):
    """A line every ten seconds, for logs."""

    def __init__(self, stream: IO[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._stream = stream
        self._said = 0.0

    def start(self, total: int, graded: int) -> None:
        self._begin(total, graded)
        self._said = self._since
        if graded:
            self._say(f"{graded:,} of {total:,} programs were graded before")

    def update(self, outcome: Outcome) -> None:
        self._count(outcome)
        if self._clock() - self._said >= EVERY:
            self._said = self._clock()
            self._say(self._line())

    def stop(self) -> None:
        if self._now:
            self._say(self._line())

    def _line(self) -> str:
        done = self._before + self._now
        left = (self._total - done) / self._rate if self._now else 0.0
        share = 100 * done / max(self._total, 1)
        return (
            f"{done:,} of {self._total:,} programs ({share:.0f} %), {self._rate:,.1f}/s,"
            f" {duration(left)} left: {self._verdicts}"
        )

    def _say(self, line: str) -> None:
        say(self._stream, line)


class BarProgress(_Counting):
    """A bar that is redrawn, for terminals."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__()
        self._stream = stream
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def start(self, total: int, graded: int) -> None:
        from rich.console import Console  # noqa: PLC0415 - the commands start without rich
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
        from rich.progress import Progress as Bar  # noqa: PLC0415

        self._begin(total, graded)
        columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn()
        self._bar = Bar(*columns, TextColumn("{task.fields[counts]}"), console=Console(file=self._stream))
        self._task = self._bar.add_task("", total=total, completed=graded, rate="", counts="")
        self._bar.start()

    def update(self, outcome: Outcome) -> None:
        self._count(outcome)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=1, rate=f"{self._rate:,.1f}/s", counts=str(self._verdicts))

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()


def progress_on(stream: IO[str]) -> Progress:
    """The kind of progress that suits `stream`."""
    return BarProgress(stream) if can_redraw(stream) else LineProgress(stream)


def can_redraw(stream: IO[str]) -> bool:
    """Whether `stream` is a terminal on which a line can be drawn anew: no pipe, notebook or Emacs shell."""
    return stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


def say(stream: IO[str], line: str) -> None:
    """Write a line of progress; whoever read it may have left, which must not end what is being done."""
    with suppress(OSError, ValueError):
        stream.write(line + "\n")
        stream.flush()


def duration(seconds: float) -> str:
    """Time left, in a unit that suits it."""
    whole = round(seconds)
    if whole <= 120:
        return f"{whole} s"
    return f"{round(whole / 60)} min" if whole < 5400 else f"{whole / 3600:.1f} h"
