"""A grader worker's handle on one fork server: starting it, talking to it, noticing that it is gone.

What is sent is programs and inputs. Nothing is derived from an expected value: a suite is named by a number.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import select
import subprocess
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import IsolationError
from harness.runner import readable_paths
from harness.runner.backend import PACKAGES
from harness.runner.cgroup import Cgroup
from harness.runner.sandbox import protocol, scratch
from harness.runner.seccomp import Filters, build_filters
from harness.runner.split_suite import PreparedSuite, WarmImports
from harness.runner.verdicts import ProcessResult
from harness.types import Limits

SCRATCH_PREFIX = "rltf-scratch-"
_SILENCE_SECONDS = 30.0
"""A server reports at least every second; after this long it is stuck, however loaded the machine is."""
_KEPT_SUITES = 8
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ, _F_GETPIPE_SZ = 1031, 1032
_FOLDER = str(Path(__file__).parent)
_BOOT = (
    f"import sys; sys.path.append({_FOLDER!r}); from sandbox import pools; pools.fill();"
    " from sandbox.forkserver import main; main()"
)


_numbers = count()
_MOST_PROCESSES = 320
"""In a server's cgroup: a program's threads, by their own limit, and ours."""
_READABLE = (
    "Started by root, programs run as a user without rights: install Python where others can read it"
    " (or: chmod o+x on the folders above it), or start this as another user"
)


def _memory_mib(limits: Limits) -> int:
    """What a server's cgroup may hold: a program's memory and files, what it wrote, and ours."""
    return limits.memory_mib + 6 * limits.output_mib + 1024


class ServerLostError(Exception):
    """The fork server is gone: killed, or stuck. No program's doing."""


@dataclass(frozen=True, slots=True)
class ProgramRequest:
    """A program to run: which, and on what."""

    number: int
    code: str
    suite: PreparedSuite
    first: int = 0
    """Index of the test to begin with."""

    cpu: float = 0.0
    """Seconds that it has used in other servers."""
    idle: float = 0.0
    """The same, of idle time."""
    capture: bool = False
    """Whether all that it writes to standard output and error is wanted."""
    files: Mapping[str, bytes] | None = None
    """That it finds in its folder."""

    @property
    def _files_size(self) -> int:
        return sum(map(len, self.files.values())) + 3000 * len(self.files) if self.files else 0

    @property
    def size(self) -> int:
        """Bytes to send, at most: JSON writes a character beyond ASCII as up to twelve."""
        return (
            len(self.code) * (2 if self.code.isascii() else 12)
            + 2 * self.suite.size
            + 1000
            + self._files_size
        )


class Unusable(NamedTuple):
    """What a server says of a program whose tests it can't prepare."""

    number: int
    """Of the program."""
    reason: str


class Result(NamedTuple):
    """What a server says of one process."""

    number: int
    """Of the program."""
    run: ProcessResult
    following: int
    """Index of the test after the last that was begun."""
    last: bool
    """Whether the server has done with the program."""
    asks: bool
    """Whether the server waits for `ForkServer.answer` before it goes on with the program."""
    so_far: bool
    """Whether the process is still running, and the server asks whether it is to be ended."""
    over: int
    """Tests that are over their limit by so little that it may be bad luck."""
    retires: bool
    """Whether the server has ended itself, as it does for a process that can't be cleaned up behind, or
    where another server is to say whether a test that is a little over its limit is so again."""


class ForkServer:
    """One running fork server."""

    def __init__(self, limits: Limits, warm_imports: WarmImports, *, functions: bool) -> None:
        """Start one.

        Args:
            limits: What a program may use.
            warm_imports: What it imports before it forks.
            functions: Whether a script that compiles only as the body of a function is run as that.

        Raises:
            ServerLostError: If it does not come up.
            OSError: If there is no process to be had for it; nothing is left behind then.
            IsolationError: If programs could not run here as the user that they should run as.
        """
        self._begin()
        self._scratch = tempfile.mkdtemp(prefix=f"{SCRATCH_PREFIX}{os.getpid()}-")
        to_server, self._out = _pipe()
        self._in, from_server = _pipe()
        self._frames = protocol.FrameReader(self._in)
        answers, self._answers = os.pipe()
        self._cgroup = Cgroup(next(_numbers), processes=_MOST_PROCESSES, memory_mib=_memory_mib(limits))
        self.batch_bytes = fcntl.fcntl(self._out, _F_GETPIPE_SZ) // 2
        """A smaller batch than this fits the empty pipe: writing it never waits for the server."""
        # utf8 mode: stdin and stdout mean the same on every machine. PYTHONHASHSEED: the order of a set
        # of strings, and so some programs' output, must not be luck.
        command = [sys.executable, "-P", "-s", "-S", "-X", "utf8", "-X", "frozen_modules=on", "-c", _BOOT]
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(
                [*command, *map(str, (to_server, from_server, answers, os.getpid()))],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=_environment(self._scratch), cwd="/", pass_fds=(to_server, from_server, answers),
                start_new_session=True,  # Ctrl-C in the host's terminal is for the host
            )  # fmt: skip
        except OSError:
            self.close()
            raise
        finally:
            for fd in (to_server, from_server, answers):
                os.close(fd)
        filters, self.layers = _seccomp_layer()
        try:
            configuration = _configuration(limits, self._scratch, filters, warm_imports)
            configuration |= {"functions": functions, "cgroups": self._cgroup.files}
            protocol.write_frame(self._out, configuration, [filters.server, filters.child])
            header, _ = self._receive()
        except (BrokenPipeError, ServerLostError):
            self.close()
            exit_status = self._process.returncode
            raise ServerLostError(f"the fork server did not come up (exit {exit_status})") from None
        if "refused" in header:
            self.close()
            raise IsolationError(f"grading cannot start: {header['refused']}. {_READABLE}")
        self.layers.update(header["layers"])
        self.shortcuts: dict[str, int] = header["shortcuts"]
        self.cgroup = tuple(self._cgroup.limits)
        """Which limits a cgroup holds, if one could be had."""
        self.cgroup_names = tuple(self._cgroup.names)

    @property
    def pid(self) -> int:
        """Of the process that was started, which has the dispatcher and the templates below it."""
        return 0 if self._process is None else self._process.pid

    def _begin(self) -> None:
        self._known: OrderedDict[tuple[str, str], str] = OrderedDict()
        """Names of the suites that the server has, by digest and preamble; the digest stays here."""
        self._numbers = count()

    def send(self, programs: list[ProgramRequest]) -> None:
        """Hand over programs, to be run in this order.

        Never blocks for long: call it when the server has taken the last lot off the pipe.
        """
        suites: dict[str, Any] = {}
        blobs: list[bytes] = []
        rows = []
        used = []
        for program in programs:
            preamble = program.suite.preamble_for(program.code)
            key = program.suite.digest, preamble
            used.append(key)
            if key not in self._known:
                self._known[key] = name = str(next(self._numbers))
                suites[name] = _suite_row(program.suite, preamble, blobs)
            self._known.move_to_end(key)
            rows.append(
                {
                    "id": program.number,
                    "code": program.code,
                    "suite": self._known[key],
                    "first": program.first,
                    "cpu": program.cpu,
                    "idle": program.idle,
                    "capture": program.capture,
                    "files": _file_rows(program.files, blobs),
                }
            )
        drop = []
        while len(self._known) > max(_KEPT_SUITES, len(set(used))):
            drop.append(self._known.popitem(last=False)[1])
        request = {"drop": drop, "suites": suites, "programs": rows}
        try:
            protocol.write_frame(self._out, request, blobs)
        except BrokenPipeError:
            raise ServerLostError("the fork server closed its pipe") from None

    def results(self) -> Iterator[Result | Unusable]:
        """What becomes of the programs, for ever.

        Raises:
            ServerLostError: If the server is gone.
        """
        while True:
            header, blobs = self._receive()
            if "program" not in header:
                continue
            if "unusable" in header:
                yield Unusable(header["program"], header["unusable"])
                continue
            report, stdout, refused, stderr = blobs
            run = ProcessResult(
                header["first"],
                header["killed"],
                header["status"],
                header["cpu"],
                header["rss_kib"],
                report,
                stdout,
                refused,
                header["idle"],
                stderr,
            )
            yield Result(
                header["program"], run, header["following"], header["last"], header["asks"], header["so_far"],
                header["over"], header["retires"],
            )  # fmt: skip

    def answer(self, *, go_on: bool) -> None:
        """Say whether the server goes on with the program, where a result asks."""
        try:
            os.write(self._answers, protocol.GO_ON if go_on else protocol.STOP)
        except BrokenPipeError:
            raise ServerLostError("the fork server closed its pipe") from None

    def _receive(self) -> tuple[protocol.Header, list[bytes]]:
        if not self._frames:
            ready, _, _ = select.select([self._in], [], [], _SILENCE_SECONDS)
            if not ready:
                raise ServerLostError(f"the fork server said nothing for {_SILENCE_SECONDS:.0f} s")
        try:
            return self._frames.read()
        except (EOFError, OSError, ValueError) as error:
            raise ServerLostError(f"the fork server is gone: {error}") from None

    def close(self) -> None:
        """End the server and all that it started."""
        for fd in (self._out, self._in, self._answers):
            with contextlib.suppress(OSError):
                os.close(fd)
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        scratch.remove(self._scratch)
        self._cgroup.close()


def _file_rows(files: Mapping[str, bytes] | None, blobs: list[bytes]) -> dict[str, int]:
    """Which of the blobs each file is; they are added."""
    if not files:
        return {}
    rows = dict(zip(files, range(len(blobs), len(blobs) + len(files)), strict=True))
    blobs.extend(files.values())
    return rows


def _suite_row(suite: PreparedSuite, preamble: str, blobs: list[bytes]) -> dict[str, Any]:
    """What a server is told of a suite; its inputs are added to `blobs`."""
    inputs = list(range(len(blobs), len(blobs) + len(suite.inputs)))
    blobs.extend(suite.inputs)
    return {"tests": [], **suite.payload, "preamble": preamble, "inputs": inputs}


def _pipe() -> tuple[int, int]:
    read, write = os.pipe()
    with contextlib.suppress(OSError):  # the limit of an unprivileged user may be lower
        fcntl.fcntl(write, _F_SETPIPE_SZ, _PIPE_BYTES)
    return read, write


def _environment(scratch: str) -> dict[str, str]:
    kept = {
        name: os.environ[name] for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE") if name in os.environ
    }
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {
        **kept,
        **threads,
        "LD_BIND_NOW": "1",
        "PYTHONHASHSEED": "0",
        "HOME": scratch,
        # There is no user database to ask: getpass.getuser() would raise.
        "LOGNAME": "user",
        "USER": "user",
        "TMPDIR": scratch,
        "LANG": "C.UTF-8",
    }


def _seccomp_layer() -> tuple[Filters, dict[str, str]]:
    try:
        return build_filters(), {"seccomp": "on"}
    except OSError as error:
        return Filters(b"", b"", ()), {"seccomp": str(error)}


def _configuration(
    limits: Limits, scratch: str, filters: Filters, warm_imports: WarmImports
) -> protocol.Header:
    folders = package_folders()
    return {
        "scratch": scratch,
        "folder": _FOLDER,
        "readable": readable_paths.paths(folders),
        "needed": [sys.base_prefix, *folders.values()],
        "pid_offsets": filters.pid_offsets,
        "packages": folders,
        "library": warm_imports is not WarmImports.NONE,
        "preload": list(folders) if warm_imports is WarmImports.NUMPY else [],
        "limits": asdict(limits),
        "cgroups": [],
        "without": [],
    }


def package_folders() -> dict[str, str]:
    """Folders of the packages that programs may import, by name."""
    folders = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            folders[name] = spec.submodule_search_locations[0]
    return folders
