"""Grade a run's samples while they are being made: the journals are the queue.

A thread reads what has been recorded, by this process and by the others of the launch, and gives it to a
`GradingService`. Nothing is held in memory between sampling and grading, sampling never waits for grading,
and what an earlier session left ungraded comes first, by the same way.
Does not cover: sampling, or the order of the outcomes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Set
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from harness.evaluate.grader import Grader
from harness.report.progress import Progress
from harness.run_store.journal import OutcomeFile, RowFile
from harness.run_store.records import Key
from harness.runner import Runner
from harness.service import GradingService
from harness.types import Benchmark, Job


class BesideSampling:
    """Grades in a thread of its own while the block runs; the block's end waits until all is graded.

    Where the block ends by an error, what is being graded is given up at once: it is graded by the next
    session. An error of the runner is raised by `check`, or at the end of the block.
    """

    def __init__(
        self,
        start_runner: Callable[[], AbstractContextManager[Grader]],
        rows: RowFile,
        outcomes: OutcomeFile,
        benchmark: Benchmark,
        *,
        wanted: Set[Key],
        noted: Callable[[Grader], None],
        progress: Progress,
    ) -> None:
        """
        Args:
            start_runner: Called in the thread, and ended there.
            rows: Of `samples.jsonl`, nothing read yet.
            outcomes: Where verdicts go.
            benchmark: Of the samples.
            wanted: Samples that need a verdict; each is graded once.
            noted: Told of the runner when it is ready, before the block runs, and again when all is graded:
                nodes may have come and gone.
            progress: Told of every outcome.
        """
        self._start_runner, self._rows, self._outcomes = start_runner, rows, outcomes
        self._problems = benchmark.by_id()
        self._left = set(wanted)
        self._noted, self._progress = noted, progress
        self._thread = threading.Thread(target=self._work, name="grading", daemon=True)
        self._service: GradingService | None = None
        self._error: BaseException | None = None
        self._ready, self._no_more, self._stop = threading.Event(), threading.Event(), threading.Event()
        # Waited for in place of `Thread.join`: until Python 3.13 a join that Ctrl-C interrupts takes the
        # thread for ended, and the next join returns at once.
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        """Start the runner; returns when it is ready, so that its errors come before any sampling."""
        self._thread.start()
        try:
            self._ready.wait()
        except BaseException:  # Ctrl-C: the thread must have ended its runner before this process ends
            self._give_up()
            raise
        self.check()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._no_more.set()
                self._ended.wait()
        finally:
            # The thread is at work after an error, and on Ctrl-C while the last verdicts are waited for.
            self._give_up()
        if error is None:
            self.check()

    def check(self) -> None:
        """Raise what ended the thread, if an error did."""
        if self._error is not None:
            raise self._error

    def _give_up(self) -> None:
        self._stop.set()
        if self._service is not None:
            self._service.cancel()
        self._ended.wait()

    def _work(self) -> None:
        try:
            starting = self._start_runner()
            if isinstance(starting, Runner):
                starting.expect(len(self._left))
            with starting as runner, GradingService(runner=runner) as service:
                self._noted(runner)
                self._service = service
                self._ready.set()
                for outcome in service.run(self._jobs()):
                    self._outcomes.append(outcome)
                    self._progress.update(outcome)
                self._noted(runner)
        except BaseException as error:  # raised in the thread that waits for this one
            self._error = error
        finally:
            self._ready.set()
            self._ended.set()

    def _jobs(self) -> Iterator[Job | None]:
        while self._left and not self._stop.is_set():
            # Asked first: what was recorded before there was no more is in the reading that follows.
            last = self._no_more.is_set()
            for row in self._rows.new_rows():
                key = row["task_id"], row["sample_id"]
                if key in self._left:
                    self._left.discard(key)
                    yield Job(*key, row["code"], self._problems[row["task_id"]])
                if self._stop.is_set():
                    return
            if last:
                return
            yield None
