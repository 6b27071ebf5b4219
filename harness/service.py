"""`GradingService`: one runner for many callers, from threads and coroutines.

    with GradingService() as service:
        future = service.submit(job)         # concurrent.futures.Future[Outcome]
        outcome = await service.grade(job)   # in a coroutine
        for outcome in service.grade_all(jobs): ...   # in the order of the jobs

A thread feeds the runner with what is submitted and gives each outcome to its asker.
Does not cover: how programs are run (`harness.runner`), or keeping outcomes (the runner's cache).
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from harness.runner import Runner, VerdictCache
from harness.types import Job, Limits, Outcome

_IDLE_SECONDS = 0.2
"""Between two looks for new jobs, should a wake-up get lost."""
_WINDOW = 1024
"""Jobs of one `grade_all` that are submitted and not yet consumed."""

_services: WeakSet[GradingService] = WeakSet()
_shared: dict[Any, GradingService] = {}
_shared_lock = threading.Lock()


class GradingService:
    """Grades jobs of any thread or coroutine on one `Runner`. Starts it at the first job; a context manager.

    A copy that came to another process, by fork or by pickle, starts a runner of its own at its first job.
    """

    def __init__(
        self,
        workers: int | None = None,
        limits: Limits | None = None,
        profiles: Sequence[str] = ("strict",),
        cache: VerdictCache | str | Path | None = None,
        runner: Runner | None = None,
    ) -> None:
        """
        Args:
            workers: Programs graded at a time; default the processors available.
            limits: What a program may use.
            profiles: Names of the comparison profiles.
            cache: Where verdicts are kept; a `VerdictCache` object stays in this process.
            runner: A running runner to use instead of one made of the settings above. It serves nobody else
                meanwhile, and closing the service leaves it running.
        """
        self._settings: dict[str, Any] = (
            {"workers": workers, "limits": limits, "profiles": tuple(profiles), "cache": cache}
            if runner is None
            else {
                "workers": runner.workers,
                "limits": runner.limits,
                "profiles": runner.profiles,
                "cache": None,
            }
        )
        self._given = runner
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Future[Outcome], Job]] = deque()
        self._asked: dict[int, tuple[Future[Outcome], Job]] = {}
        self._runner: Runner | None = None
        self._thread: threading.Thread | None = None
        self._next = 0
        self._closed = False
        _services.add(self)

    # --- grading ---------------------------------------------------------------------------------

    def submit(self, job: Job) -> Future[Outcome]:
        """Have a job graded.

        Returns:
            Its outcome, once known. Cancelling it before its turn keeps the program from being run. It raises
            what ended the runner, if something did; the next `submit` then starts another one.

        Raises:
            RuntimeError: If the service is closed.
        """
        future: Future[Outcome] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("this GradingService is closed")
            self._waiting.append((future, job))
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="grading-service", daemon=True)
                self._thread.start()
            runner = self._runner
        if runner is not None:
            runner.wake()
        return future

    async def grade(self, job: Job) -> Outcome:
        """The outcome of a job, in a coroutine; `submit` says what may be raised."""
        return await asyncio.wrap_future(self.submit(job))

    def grade_all(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """The outcomes of jobs, in their order; jobs are taken as the outcomes are consumed."""
        futures: deque[Future[Outcome]] = deque()
        try:
            for job in jobs:
                futures.append(self.submit(job))
                if len(futures) >= _WINDOW:
                    yield futures.popleft().result()
            while futures:
                yield futures.popleft().result()
        finally:
            for future in futures:
                future.cancel()

    @classmethod
    def shared(
        cls,
        workers: int | None = None,
        limits: Limits | None = None,
        profiles: Sequence[str] = ("strict",),
        cache: str | Path | None = None,
    ) -> GradingService:
        """The service of this process with these settings; it ends with the process."""
        key = os.getpid(), workers, limits, tuple(profiles), None if cache is None else str(cache)
        with _shared_lock:
            if key not in _shared or _shared[key]._closed:
                _shared[key] = cls(workers, limits, profiles, cache)
            return _shared[key]

    # --- life ------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(cancel=kind is not None)

    def close(self, *, cancel: bool = False) -> None:
        """End the service and its runner, once all that was submitted is graded.

        Args:
            cancel: Give up what is not graded yet; its futures are cancelled.
        """
        with self._lock:
            self._closed = True
            thread, runner = self._thread, self._runner
            if cancel:
                self._cancel_waiting()
        if runner is not None:
            if cancel:
                runner.cancel()
            runner.wake()
        if thread is not None:
            thread.join()
        with self._lock:
            self._cancel_waiting()

    def _cancel_waiting(self) -> None:
        while self._waiting:
            self._waiting.popleft()[0].cancel()

    def __getstate__(self) -> dict[str, Any]:
        cache = self._settings["cache"]
        return {**self._settings, "cache": None if isinstance(cache, VerdictCache) else cache}

    def __setstate__(self, settings: dict[str, Any]) -> None:
        self._settings, self._given = settings, None
        self._begin()

    def _leave_to_parent(self) -> None:
        """After a fork, in the child: runner, thread and callers are the parent's."""
        self.__setstate__(self.__getstate__())

    # --- the thread ------------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            with self._started() as runner:
                with self._lock:
                    self._runner = runner
                for outcome in runner.run(self._jobs(), poll_seconds=_IDLE_SECONDS):
                    self._resolve(outcome)
            self._end(None)
        except BaseException as error:  # whoever waits for an outcome is told
            self._end(error)

    def _started(self) -> contextlib.AbstractContextManager[Runner]:
        return Runner(**self._settings) if self._given is None else contextlib.nullcontext(self._given)

    def _jobs(self) -> Iterator[Job | None]:
        """What is submitted, each under a number of its own: two callers may use the same ids."""
        while True:
            with self._lock:
                taken = self._waiting.popleft() if self._waiting else None
                if taken is None and self._closed:
                    return
                number = self._next
                self._next += 1
            if taken is None:
                yield None
                continue
            future, job = taken
            if future.set_running_or_notify_cancel():
                self._asked[number] = taken
                yield Job(job.task_id, number, job.code, job.problem)

    def _resolve(self, outcome: Outcome) -> None:
        future, job = self._asked.pop(int(outcome.sample_id))
        future.set_result(replace(outcome, sample_id=job.sample_id))

    def _end(self, error: BaseException | None) -> None:
        with self._lock:
            self._runner = self._thread = None
            asked, self._asked = self._asked, {}
            waiting = []
            if error is not None:
                waiting = [future for future, _ in self._waiting if future.set_running_or_notify_cancel()]
                self._waiting.clear()
        why = error or RuntimeError("the GradingService was closed before the program was graded")
        for future in [*(future for future, _ in asked.values()), *waiting]:
            future.set_exception(why)


def _after_fork() -> None:
    _shared.clear()
    for service in list(_services):
        service._leave_to_parent()


def _at_exit() -> None:
    for service in list(_services):
        service.close(cancel=True)


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
