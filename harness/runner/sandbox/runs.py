"""Running programs in the fork server: fork, watch, reap, report; one program at a time.

Limits are enforced by `watch`; which test gets which status is the judge's to say.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from . import again, program, scratch, wire
from .isolation import die_with_parent
from .suites import Suite
from .watch import Watch, contents

_libc: Any = ctypes.PyDLL(None)

REPORT_SLACK = 1 << 16
"""Bytes beyond the output limit that a report may have, so that a full one can still say so."""
_TOGETHER_SECONDS = 0.01
"""Results of so long are written together."""
_LARGE_BYTES = 1 << 16
"""Each fork would have to share what waits to be written."""
_REFUSED_BYTES = 8192
"""Kept of a report that says why a program does not compile."""


def fork() -> int:
    """fork(2) without Python's after-fork hooks.

    They re-create locks of threads that this single-threaded process does not have and seed `random`
    anew, which no verdict should depend on; and the 190 pages that they touch (and so copy) were 0.6 ms
    of the 1.4 ms that a fork cost.
    """
    pid: int = _libc.fork()
    if pid < 0:
        raise OSError("fork failed")
    return pid


def _belongs_in_function(run: Run) -> bool:
    """Whether the process ended by saying so. It had run nothing of the program, if it told the truth.

    If it lied, the program has chosen to be a syntax error under every profile that wants scripts.
    """
    first = next(wire.split_records(run.report), (0.0, b""))[1]
    return run.killed is None and first.startswith(program.OUTSIDE_FUNCTION)


class Run(NamedTuple):
    """What came of one process."""

    killed: str | None
    """`"cpu"`, `"idle"`, `"stopped"`, or `None` when it ended by itself."""
    status: int
    """As `os.waitstatus_to_exitcode` gives it: an exit status, or minus a signal."""
    cpu: float
    rss_kib: int
    report: bytes
    stdout: bytes = b""
    refused: bytes = b""
    """The report of a try to run it as a script, if this is a run as the body of a function."""


class Pipes(NamedTuple):
    """Descriptors of the pipes to the judge."""

    requests: int
    results: int
    answers: int
    """Whether to go on with a program, where the judge wants to be asked."""


class Confining(Protocol):
    """What a freshly forked process goes through before it runs a program; see `isolation.Confinement`."""

    def enter(self) -> None:
        """Confine the calling process, for good."""


class Observer(Protocol):
    """Looks on in each program's process."""

    def begins(self) -> None:
        """Called there before it is confined."""

    def ends(self) -> None:
        """Called there after the program has run, confined as that was."""


class Results:
    """Frames to the judge, several at a time: each write wakes it, and takes a processor from programs."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._frames: list[bytes] = []
        self._due = 0.0

    def add(self, header: wire.Header, blobs: Sequence[bytes] = ()) -> None:
        """Put one more frame, to be written soon: with those of the next milliseconds."""
        self._frames.append(wire.frame(header, blobs))
        if time.monotonic() >= self._due or len(self._frames[-1]) >= _LARGE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write all frames now; to be called before this process waits for anything."""
        if self._frames:
            wire.write_all(self._fd, b"".join(self._frames))
            self._frames.clear()
        self._due = time.monotonic() + _TOGETHER_SECONDS

    def beat(self) -> None:
        """Show the judge that this process is alive, and what it has for it."""
        self._frames.append(wire.frame({"alive": True}))
        self.flush()


class Server:
    """Serves a judge's requests, one frame of programs at a time."""

    def __init__(
        self,
        confinement: Confining,
        limits: dict[str, Any],
        scratch_folder: str,
        *,
        orphans_die: bool,
        functions: bool,
    ) -> None:
        """
        Args:
            confinement: What each child enters.
            limits: Fields of `harness.types.Limits`.
            scratch_folder: The one folder that programs may write to; it is empty before each run.
            orphans_die: Whether the kernel ends the children of a dead server, or each child must see to it.
            functions: Whether a script that compiles as the body of a function only is run as that.
        """
        self._orphans_die = orphans_die
        self._functions = functions
        self._confinement = confinement
        self._limits = limits
        self._program_cpu: float = limits["program_cpu_seconds"] or float("inf")
        self._cpu_left = self._program_cpu
        self._output = limits["output_mib"] << 20
        self._stop_at_timeout: bool = limits["stop_at_first_timeout"]
        self._ask: bool = limits["stop_at_first_failure"]
        self._scratch = scratch_folder
        self._null = os.open("/dev/null", os.O_RDWR)
        os.dup2(self._null, program.REPORT_FD)  # so that no descriptor of ours ever has the report's number
        self._suites: dict[str, Suite] = {}
        self._pid = os.getpid()
        # A child that can't be confined says so here, out of any program's reach: by then it is unmapped.
        self._unconfined = mmap.mmap(-1, 1)

    def _allow(self, cpu_factor: float) -> None:
        """Give each test so many times the limit on CPU seconds."""
        self._cpu: float = cpu_factor * self._limits["cpu_seconds"]
        self._watch = Watch(
            cpu_seconds=again.STOPPED * self._cpu,
            load_cpu_seconds=self._limits["load_cpu_seconds"],
            idle_seconds=self._limits["wall_factor"] * self._cpu,
            report_limit=self._output + REPORT_SLACK,
            heartbeat=self._results.beat,
        )

    def serve(self, pipes: Pipes, observer: Observer | None = None) -> None:
        """Serve until the judge closes its end, or until the scratch folder can't be cleaned.

        Raises:
            EOFError: At the end of the requests.
        """
        self._in, self._answers, self._observer = pipes.requests, pipes.answers, observer
        self._results = Results(pipes.results)
        while True:
            request, blobs = wire.read_frame(self._in)
            for digest in request["drop"]:
                del self._suites[digest]
            for digest, row in request["suites"].items():
                self._suites[digest] = Suite.load(row, blobs)
            for job in request["programs"]:
                suite = self._suites[job["suite"]]
                self._cpu_left = self._program_cpu
                self._allow(suite.cpu_factor)
                run = self._run_scripts if suite.kind == "stdin" else self._run_imported
                run(job["id"], job["code"], suite, job["first"])
            self._results.flush()

    def _send(self, job: int, first: int, run: Run, *, last: bool, following: int) -> None:
        clean = scratch.clean(self._scratch)
        header = {
            "program": job,
            "first": first,
            "killed": run.killed,
            "status": run.status,
            "cpu": run.cpu,
            "rss_kib": run.rss_kib,
            "last": last,
            "retired_at": None if clean else following,
        }
        self._results.add(header, [run.report, run.stdout, run.refused])
        if not clean:
            self._results.flush()
            # What this program left can't be removed, and no other may see it: the judge starts a new server.
            os._exit(0)

    def _told_to_stop(self) -> bool:
        if not self._ask:
            return False
        self._results.flush()
        return wire.read_exactly(self._answers, 1) == wire.STOP

    # --- standard input: a process for each test -------------------------------------------------

    def _run_scripts(self, job: int, source: str, suite: Suite, first: int) -> None:
        compiled = refused = b""
        for index in range(first, suite.count):
            text = suite.inputs[index]
            run = self._run_script(source, compiled, text, suite, in_function=refused != b"")
            if index == first and self._functions and _belongs_in_function(run):
                refused = run.report[:_REFUSED_BYTES]
                run = self._run_script(source, b"", text, suite, in_function=True)
            run = run._replace(refused=refused)
            records = list(wire.split_records(run.report))
            if index == first and records:
                compiled = records[0][1]
            failed_to_compile = index == first and (not records or compiled.startswith(b"{"))
            over = run.killed is not None or again.script_over(run, self._cpu) > 0
            last = index == suite.count - 1 or failed_to_compile or (over and self._stop_at_timeout)
            self._send(job, index, run, last=last, following=index + 1)
            if last or self._told_to_stop():
                return

    def _run_script(
        self, source: str, compiled: bytes, text: bytes, suite: Suite, *, in_function: bool
    ) -> Run:
        def child(report: program.Report) -> None:
            if compiled:
                code = program.load_compiled(compiled, report)
            else:
                code = program.compile_program(
                    source, report, share=suite.count > 1, script=True, in_function=in_function
                )
            program.run_script(code, suite.preamble, report)

        return self._best_of(lambda: self._run_on(text, child), again.script_over)

    def _run_on(self, text: bytes, child: Callable[[program.Report], None]) -> Run:
        stdin, stdout = os.memfd_create("stdin"), os.memfd_create("stdout")
        try:
            wire.write_all(stdin, text)
            os.lseek(stdin, 0, os.SEEK_SET)
            run = self._run(child, stdin, stdout, tests=1)
            return run._replace(stdout=contents(stdout, self._output))
        finally:
            os.close(stdin)
            os.close(stdout)

    # --- imported programs: tests one after the other in one process -----------------------------

    def _run_imported(self, job: int, source: str, suite: Suite, first: int) -> None:
        while True:
            tests = suite.tests[first:]

            def child(report: program.Report, tests: Any = tests) -> None:
                code = program.compile_program(source, report, share=False, script=False, in_function=False)
                program.run_tests(code, suite.preamble, suite.setup, tests, report)

            def once(child: Any = child, count: int = len(tests)) -> Run:
                return self._run(child, self._null, self._null, tests=count)

            run = self._best_of(once, again.tests_over)
            # The first record says that it compiled, the second that it loaded.
            records = [data for _, data in wire.split_records(run.report)]
            loaded = records[1:2] == [program.LOADED]
            following = first + len(records) - 1
            last = (
                not loaded or following >= suite.count or (run.killed is not None and self._stop_at_timeout)
            )
            self._send(job, first, run, last=last, following=following)
            if last or self._told_to_stop():
                return
            first = following

    def _best_of(self, once: Callable[[], Run], over: Callable[[Run, float], int]) -> Run:
        """See `again.best_of`; runs that do not count take nothing from the program's limit."""
        left = self._cpu_left

        def anew() -> Run:
            self._cpu_left = left
            return once()

        run = again.best_of(anew, lambda run: over(run, self._cpu), lambda: scratch.clean(self._scratch))
        self._cpu_left = left - run.cpu
        return run

    # --- one process -----------------------------------------------------------------------------

    def _run(self, child: Callable[[program.Report], None], stdin: int, stdout: int, *, tests: int) -> Run:
        if self._cpu_left <= 0:
            return Run("cpu", -signal.SIGKILL, cpu=0.0, rss_kib=0, report=b"")
        report = os.memfd_create("report")
        try:
            pid = fork()
            if pid == 0:
                self._become_program(child, stdin, stdout, report)
            killed = self._watch.wait(pid, report, tests, self._cpu_left)
            _, status, usage = os.wait4(pid, 0)
            if self._unconfined[0]:
                os._exit(1)  # fail closed: to the judge this is a lost server, never a verdict
            cpu = usage.ru_utime + usage.ru_stime
            self._cpu_left -= cpu
            return Run(
                killed=killed,
                status=os.waitstatus_to_exitcode(status),
                cpu=cpu,
                rss_kib=usage.ru_maxrss,
                report=contents(report, self._output + REPORT_SLACK),
            )
        finally:
            os.close(report)

    def _become_program(
        self, child: Callable[[program.Report], None], stdin: int, stdout: int, report: int
    ) -> None:
        """Never returns."""
        try:
            if self._observer:
                self._observer.begins()
            if stdin != self._null:
                os.dup2(stdin, 0)
                os.dup2(stdout, 1)
            os.dup2(report, program.REPORT_FD)
            if not self._orphans_die:
                die_with_parent(self._pid)
            self._confinement.enter()
            os.closerange(program.REPORT_FD + 1, 1 << 16)
            self._unconfined.close()
        except BaseException:
            self._unconfined[0] = 1
            os._exit(1)
        try:
            child(program.Report(self._output))
            if self._observer:
                self._observer.ends()
            os._exit(0)
        finally:
            os._exit(1)
