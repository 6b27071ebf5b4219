"""The dispatcher: reads requests, has the templates make processes, watches and reaps them, reports.

One program at a time. It holds programs, inputs and results, and no program's process is a copy of it. Which
test gets which status is the worker's to say.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, NoReturn

from . import borderline, own_source, program, protocol, scratch
from .borderline import KILL_AT
from .job import Board, How, Job, close_all, contents, memory_file, tail
from .preambles import only_defines
from .steps import Step, compiler_record
from .suites import Suite
from .watchdog import Allowed, Ended, Watch

REPORT_SLACK = 1 << 16
"""Bytes beyond the output limit that a report may have, so that a full one can still say so."""
_TOGETHER_SECONDS = 0.01
"""Results of so long are written together."""
_MOST_PREAMBLES = 16
"""That the template runs in advance."""
COSTLY = 0.5
"""Share of a limit on CPU time, idle time or output from which on a test is costly."""
FAILED_CPU_SECONDS = 60.0
"""After so many, a program that has failed gets no more tests, where these are counted."""
FAILED_OUTPUTS = 4
"""After it has printed and reported so many times the limit on output, the same: reading it takes time."""
_MOST_NUMBERS = 1 << 30
MOST_WHY = 500
"""Characters of why tests can't be used: they are a client's, and may be long."""


class Run(NamedTuple):
    """What came of one process."""

    ended: Ended
    report: bytes
    """Records: of the compiler first, which is not the program's word, then the program's own."""
    stdout: bytes = b""
    refused: bytes = b""
    """The record that it does not compile as a script, if this is a run as the body of a function."""
    stderr: bytes = b""
    """The last of it, where it is wanted."""

    @property
    def compiler_says(self) -> bytes:
        """Why it does not compile; empty if it does, or if the compiler did not come to its end."""
        said = (
            self.report[protocol.RECORD_BYTES : protocol.RECORD_BYTES + protocol.record_start(self.report)[0]]
            if self.report
            else b""
        )
        return said

    @property
    def did_compile(self) -> bool:
        """Whether it has compiled."""
        return self.report != b"" and not self.compiler_says


class Files(NamedTuple):
    """Files in memory that one process gets."""

    compiled: int
    """For what the compiler says, or with that in it."""
    stdin: int = -1
    stdout: int = -1
    """-1 for none: what an imported program reads and prints matters to no verdict."""
    stderr: int = -1


class Pipes(NamedTuple):
    """Descriptors of the pipes to the worker, and to the templates."""

    requests: int
    results: int
    answers: int
    """Whether to go on with a program, where the worker wants to be asked."""
    jobs: tuple[int, ...]
    """To the template of imported programs, and to that of scripts."""


class Results:
    """Frames to the worker, several at a time: each write wakes it, and takes a processor from programs."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._frames: list[bytes] = []
        self._due = 0.0

    def add(self, header: protocol.Header, blobs: Sequence[bytes] = ()) -> None:
        """Put one more frame, to be written soon: with those of the next milliseconds."""
        self._frames.append(protocol.frame(header, blobs))
        if time.monotonic() >= self._due or len(self._frames[-1]) >= _LARGE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write all frames now; to be called before this process waits for the worker."""
        if self._frames:
            protocol.write_all(self._fd, b"".join(self._frames))
            self._frames.clear()
        self._due = time.monotonic() + _TOGETHER_SECONDS

    def beat(self) -> None:
        """Show the worker that this process is alive, and what it has for it."""
        self._frames.append(protocol.frame({"alive": True}))
        self.flush()


_LARGE_BYTES = 1 << 16


class Program(NamedTuple):
    """A program of a request."""

    number: int
    source: int
    """A file in memory that holds it."""
    suite: Suite
    name: str
    """Of the suite."""
    first: int
    capture: bool
    """Whether all that it prints is wanted, to standard error too."""
    files: dict[str, bytes]
    """That it finds in its folder, by name."""


class Dispatcher:
    """Serves a worker's requests, one frame of programs at a time."""

    def __init__(self, limits: dict[str, Any], scratch_folder: str, pipes: Pipes, board: Board) -> None:
        """
        Args:
            limits: Fields of `harness.types.Limits`.
            scratch_folder: The one folder that programs may write to; it is empty before each run.
            pipes: To worker and templates.
            board: Where a template says which process it has made.
        """
        self._limits = limits
        self._scratch = scratch_folder
        self._pipes = pipes
        self._board = board
        self._results = Results(pipes.results)
        self._output = limits["output_mib"] << 20
        self._stop_at_timeout: bool = limits["stop_at_first_timeout"]
        self._ask: bool = limits["stop_at_first_failure"]
        self._costly: int | None = limits["costly_tests_after_failure"]
        self._suites: dict[str, Suite | str] = {}
        """By name; in place of one that can't be used, why."""
        self._preambles: tuple[dict[str, int | str], dict[str, int | str]] = {}, {}
        """Of each template, by text: which of its preambles, or the one suite that has it so far."""
        self._preloaded = [0, 0]
        self._number = 0

    def serve(self, templates: Sequence[int], *, functions: bool, strangers: bool) -> None:
        """Serve until the worker closes its end, or until a program has left what can't be cleaned away.

        Args:
            templates: The processes that make processes.
            functions: Whether a script that compiles as the body of a function only is run as that.
            strangers: See `Watch`.

        Raises:
            EOFError: At the end of the requests.
        """
        self._functions = functions
        self._watch = Watch(templates, self._results.beat, strangers=strangers)
        while True:
            request, blobs = protocol.read_frame(self._pipes.requests)
            for name in request["drop"]:
                if isinstance(dropped := self._suites.pop(name), Suite):
                    dropped.close()
            for name, row in request["suites"].items():
                self._suites[name] = _suite_or_why_not(row, blobs)
            for row in request["programs"]:
                suite = self._suites[row["suite"]]
                if isinstance(suite, str):
                    self._results.add({"program": row["id"], "unusable": suite})
                    continue
                code = row["code"].encode(errors="surrogatepass")
                source = memory_file("program", code)
                self._allow(suite.cpu_factor, row["cpu"], row["idle"])
                run = self._run_scripts if suite.is_script else self._run_imported
                files = {name: blobs[index] for name, index in row["files"].items()}
                if own_source.may_be_read(code):
                    files.setdefault(program.FILENAME, code)
                run(Program(row["id"], source, suite, row["suite"], row["first"], row["capture"], files))
                os.close(source)
            self._results.flush()

    def _allow(self, cpu_factor: float, cpu: float, idle: float) -> None:
        """Give each test so many times the limit on CPU seconds, and the program what it may use in all.

        Less what it has used in other servers.
        """
        self._cpu: float = cpu_factor * self._limits["cpu_seconds"]
        self._load: float = self._limits["load_cpu_seconds"]
        self._idle: float = self._limits["wall_factor"] * self._cpu
        self._cpu_used = cpu
        self._output_used = 0
        self._cpu_left: float = (self._limits["program_cpu_seconds"] or float("inf")) - cpu
        self._idle_left: float = self._limits["program_idle_seconds"] - idle

    # --- standard input: a process for each test -------------------------------------------------

    def _run_scripts(self, job: Program) -> None:
        how = How.SCRIPT | (How.SHARED if job.suite.count > 1 else How.IMPORT)
        compiled = memory_file("compiled")
        refused, spent = b"", 0.0
        try:
            for index in range(job.first, job.suite.count):
                run = self._run_script(job, index, how, compiled, spent)
                if self._functions and run.compiler_says.startswith(program.OUTSIDE_FUNCTION):
                    refused, spent = run.report, run.ended.cpu
                    how |= How.IN_FUNCTION
                    os.close(compiled)
                    compiled = memory_file("compiled")
                    if not scratch.clean(self._scratch):
                        self._retire()
                    run = self._run_script(job, index, how, compiled, spent)
                run = run._replace(refused=refused)
                if how & How.SHARED and run.did_compile:
                    how |= How.COMPILED
                over = borderline.script_over(run, self._cpu)
                last = index == job.suite.count - 1 or not run.did_compile
                if not self._goes_on(job, index, run, over=over, last=last, following=index + 1):
                    return
        finally:
            os.close(compiled)

    def _run_script(self, job: Program, index: int, how: int, compiled: int, spent: float) -> Run:
        stdin, stdout = memory_file("stdin", job.suite.inputs[index]), memory_file("stdout")
        stderr = memory_file("stderr") if job.capture else -1
        try:
            os.lseek(stdin, 0, os.SEEK_SET)
            run = self._run(job, index, how, Files(compiled, stdin, stdout, stderr), tests=1, spent=spent)
            return run._replace(stdout=contents(stdout, self._output), stderr=tail(stderr))
        finally:
            close_all(stdin, stdout, stderr)

    # --- imported programs: tests one after the other in one process -----------------------------

    def _run_imported(self, job: Program) -> None:
        first, count = job.first, job.suite.count
        while True:
            run = self._run_imported_from(job, first)
            # The first record says that it compiled, the second that it loaded.
            found = itertools.islice(protocol.split_records(run.report), count - first + 2)
            records = [data for _, data in found]
            following = first + len(records) - 1
            last = records[1:2] != [program.LOADED] or following >= count
            over = borderline.tests_over(run, self._cpu, count - first + 2)
            if not self._goes_on(job, first, run, over=over, last=last, following=following):
                return
            first = following

    def _run_imported_from(self, job: Program, first: int) -> Run:
        tests = job.suite.count - first
        files = Files(memory_file("compiled"))
        if job.capture:
            files = Files(files.compiled, *map(memory_file, ("stdin", "stdout", "stderr")))
        try:
            how = How.CAPTURED if job.capture else How.IMPORT
            run = self._run(job, first, how, files, tests=tests)
            if job.capture:
                run = run._replace(stdout=contents(files.stdout, self._output), stderr=tail(files.stderr))
            return run
        finally:
            close_all(*files)

    # --- what comes of it ------------------------------------------------------------------------

    def _goes_on(self, job: Program, first: int, run: Run, *, over: int, last: bool, following: int) -> bool:
        """Report a run; whether the program's next test is to be run, here."""
        ended = run.ended
        if over and ended.killed is None:
            # Whether that was bad luck is found out by a process that can't know anything of this one.
            self._report(job, first, run, following=following, over=over, retires=True)
            self._retire()
        self._cpu_used += ended.cpu
        self._output_used += len(run.stdout) + len(run.report)
        self._cpu_left -= ended.cpu
        self._idle_left -= ended.idle
        last = last or (self._stop_at_timeout and self._stopped(run))
        clean = not self._watch.left_over() and scratch.clean(self._scratch)
        asks = clean and not last and self._asks(run)
        self._report(job, first, run, following=following, last=last, asks=asks, retires=not clean)
        if not clean:
            # No other program may see what this one left: files that can't be removed, or processes, which
            # end with the pid namespace. The worker starts anew.
            self._retire()
        return not last and not (asks and self._told_to_stop())

    def _stopped(self, run: Run) -> bool:
        """Whether it was at a limit that ends a program: time, output, or the machine's memory."""
        ended = run.ended
        return (
            ended.killed is not None
            or len(run.stdout) >= self._output
            or run.report.endswith(program.TOO_LARGE)
            or (ended.status == -signal.SIGKILL and ended.rss_kib > self._limits["memory_mib"] << 9)
        )

    def _asks(self, run: Run) -> bool:
        """Whether the worker is to say if the program's next test is run."""
        if self._ask or self._costly is None:
            return self._ask
        return (
            run.ended.cpu >= COSTLY * self._cpu
            or run.ended.idle >= COSTLY * self._idle
            or max(len(run.stdout), len(run.report)) >= COSTLY * self._output
            or self._cpu_used >= FAILED_CPU_SECONDS
            or self._output_used >= FAILED_OUTPUTS * self._output
        )

    def _report(
        self, job: Program, first: int, run: Run, *, following: int, last: bool = False, asks: bool = False,
        so_far: bool = False, over: int = 0, retires: bool = False,
    ) -> None:  # fmt: skip
        header = {
            "program": job.number,
            "first": first,
            **run.ended._asdict(),
            "following": following,
            "last": last,
            "asks": asks,
            "so_far": so_far,
            "over": over,
            "retires": retires,
        }
        self._results.add(header, [run.report, run.stdout, run.refused, run.stderr])

    def _retire(self) -> NoReturn:
        self._results.flush()
        os._exit(0)

    def _told_to_stop(self) -> bool:
        self._results.flush()
        return protocol.read_exactly(self._pipes.answers, 1) == protocol.STOP

    # --- one process -----------------------------------------------------------------------------

    def _run(
        self, job: Program, first: int, how: int, files: Files, *, tests: int, spent: float = 0.0
    ) -> Run:
        """Have a process made, and wait for it.

        Args:
            job: The program.
            first: Its test to begin with.
            how: A `How`.
            files: What it gets; it reports to one more.
            tests: How many it is to run.
            spent: CPU seconds of its limit that are gone.
        """
        if self._cpu_left <= 0 or self._idle_left <= 0:
            over = "cpu" if self._cpu_left <= 0 else "idle"
            return Run(Ended(over, -signal.SIGKILL, cpu=0.0, idle=0.0, rss_kib=0), b"")
        if job.files:
            scratch.fill(self._scratch, job.files)
        report = memory_file("report")
        try:
            self._number = number = self._number % _MOST_NUMBERS + 1
            preamble = self._preloaded_by(job)
            made = Job(number, how, first, preamble, job.source, job.suite.file, *files, report)
            kind = how & How.SCRIPT
            os.write(self._pipes.jobs[kind], made.packed())
            step = Step(
                report, files.compiled, tests, KILL_AT * self._cpu - spent, self._load, self._cpu_left
            )
            look = partial(self._cut, job, first, report, files.compiled) if tests > 1 else _never
            idle = min(self._idle, self._idle_left)
            self._looked_at = 0.0
            ended = self._watch.wait(
                partial(self._board.spawned, kind, number), Allowed(step.allowed, step.first_look, idle, look)
            )
            if self._board.unconfined:
                os._exit(1)  # fail closed: to the worker this is a lost server, never a verdict
            return Run(ended, self._records(report, files.compiled))
        finally:
            os.close(report)

    def _records(self, report: int, compiled: int) -> bytes:
        return compiler_record(compiled) + contents(report, self._output + REPORT_SLACK)

    def _cut(self, job: Program, first: int, report: int, compiled: int, used: float) -> bool:
        """Whether the worker has seen enough, shown what there is each time that a limit has been used."""
        if self._costly is None or used - self._looked_at < self._cpu:
            return False
        self._looked_at = used
        run = Run(Ended(None, 0, used, 0.0, 0), self._records(report, compiled))
        self._report(job, first, run, following=first, asks=True, so_far=True)
        return self._told_to_stop()

    def _preloaded_by(self, job: Program) -> int:
        """Which of the template's preambles the program gets; -1 for the suite's, run by its own process.

        A preamble of two problems or more is no secret of one, and the template runs it for all, if it only
        defines names.
        """
        text, name, template = job.suite.preamble, job.name, int(job.suite.is_script)
        preambles = self._preambles[template]
        known = preambles.setdefault(text, name) if text else name
        if isinstance(known, str) and known != name and self._preloaded[template] < _MOST_PREAMBLES:
            if not only_defines(text):
                preambles[text] = -1
                return -1
            preambles[text] = known = self._preloaded[template]
            self._preloaded[template] += 1
            file = memory_file("preamble", text.encode(errors="surrogatepass"))
            preload = Job(0, How.PRELOAD, 0, 0, -1, file, -1, -1, -1, -1, -1)  # the template closes the file
            os.write(self._pipes.jobs[template], preload.packed())
        return -1 if isinstance(known, str) else known


def _suite_or_why_not(row: dict[str, Any], blobs: list[bytes]) -> Suite | str:
    """Tests may be of any client's making: what Python can't compile costs no program, and no server."""
    try:
        return Suite(row, blobs)
    except (ArithmeticError, MemoryError, RecursionError, SyntaxError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"[:MOST_WHY]


def _never(_used: float) -> bool:
    return False
