"""The fork server: a fresh, isolated interpreter that forks one child for each program.

    python -P -s -S -X utf8 -c "…; from sandbox.forkserver import main; main()" \
        REQUESTS RESULTS ANSWERS PARENT_PID

Reads REQUESTS and writes what came of each run to RESULTS (`protocol`); where
the first failure ends a program, ANSWERS says whether to go on. Started by a
worker, by exec and never by fork: no thread, no lock and no secret of the host gets in here. It holds
programs and inputs; expected outputs never. It enforces the limits, and leaves every verdict to the worker.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import signal
import sys
import threading
import time
from typing import Any, NamedTuple

from . import (
    child,
    clone,
    huge_pages,
    isolation,
    namespaces,
    page_profile,
    pinned_pages,
    pools,
    protocol,
    recursion,
    warmup,
)
from .dispatcher import Dispatcher, Pipes
from .job import KINDS, Board
from .program import REPORT_FD, set_up_interpreter
from .template import Template
from .watchdog import TemplateLostError

PRELOADED = (
    "bisect",
    "collections",
    "copy",
    "dataclasses",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "heapq",
    "io",
    "itertools",
    "json",
    "math",
    "operator",
    "os",
    "random",
    "re",
    "string",
    "sys",
    "threading",
    "time",
    "typing",
)
"""Modules that programs import most; each costs every fork a little, so not the whole library. Least so those
in C: a library is five mappings, and each mapping takes a fork 2 µs (`datetime`, `queue`, … are left out)."""

_TEMPLATE_LOOK_SECONDS = 0.005
THREAD_STACK_MIB = 8
"""The worker gives the main stack a gigabyte, for programs that recurse; threads must not inherit that."""


class PackageFinder:
    """Finds the few packages outside the standard library that programs may import."""

    def __init__(self, folders: dict[str, str]) -> None:
        self._folders = folders

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        """The import system's hook; see `importlib.abc.MetaPathFinder`."""
        folder = self._folders.get(name)
        if folder is None:
            return None
        location = os.path.join(folder, "__init__.py")
        return importlib.util.spec_from_file_location(name, location, submodule_search_locations=[folder])


def main() -> None:
    """Serve until the worker closes its end."""
    try:
        _main()
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        os._exit(0)
    except TemplateLostError:
        os._exit(1)


def _main() -> None:
    """Isolate, preload, then serve."""
    parent = int(sys.argv[4])
    # Out of the way of the descriptors that a program's process gives a meaning to.
    requests, results, answers = (isolation.moved_up(int(fd)) for fd in sys.argv[1:4])
    isolation.die_with_parent(parent)
    os.dup2(os.open("/dev/null", os.O_RDWR), REPORT_FD)  # no descriptor of ours ever has the report's number
    config, filters = protocol.read_frame(requests)
    for group in config["cgroups"]:
        join(group)
    rings = [pinned_pages.open_ring() for _ in KINDS]
    try:
        server = namespaces.enter(config["scratch"], config["needed"], config["without"])
    except PermissionError as error:
        protocol.write_frame(
            results, {"refused": f"the user that programs run as can't read {error.filename}"}
        )
        os._exit(0)
    layers = server.layers
    landlock = landlock_or_why_not(config, layers)
    board, dispatcher = Board(), os.getpid()
    # A filter of zeros: no kernel takes it.
    refused = isolation.Confinement(
        filters=(b"", bytes(len(filters[1]))), pid_offsets=config["pid_offsets"], landlock=None,
        limit_processes=False, memory_mib=0, file_mib=0,
    )  # fmt: skip
    preload(config, child.Beginning(refused, board, output=0, dispatcher=None))
    shortcuts = {"huge_text_bytes": huge_pages.move_interpreter()}
    confinement = isolation.Confinement(
        filters=(filters[0], filters[1]),
        pid_offsets=config["pid_offsets"],
        landlock=landlock,
        limit_processes=server.alone,
        memory_mib=config["limits"]["memory_mib"],
        file_mib=max(namespaces.SCRATCH_MIB, 2 * config["limits"]["output_mib"]),
    )
    os.chdir(config["scratch"])
    beginning = child.Beginning(
        confinement,
        board,
        output=config["limits"]["output_mib"] << 20,
        dispatcher=None if layers["pid namespace"] == "on" else dispatcher,
    )
    # One after the other: their rehearsals take descriptors of one table.
    templates = [
        start_template(beginning, confinement, board, kind, ring)
        for kind, ring in zip(KINDS, rings, strict=True)
    ]
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    confinement.enter_dispatcher()
    shortcuts["pinned_bytes"] = sum(each.pinned for each in templates)
    served = Dispatcher(
        config["limits"],
        config["scratch"],
        Pipes(requests, results, answers, tuple(each.jobs for each in templates)),
        board,
    )
    protocol.write_frame(results, {"ready": True, "layers": layers, "shortcuts": shortcuts})
    served.serve([each.pid for each in templates], functions=config["functions"], strangers=filters[0] == b"")


class Started(NamedTuple):
    """A template, as the dispatcher knows it."""

    pid: int
    jobs: int
    """Where it takes its jobs from."""
    pinned: int
    """Bytes."""


def start_template(
    beginning: child.Beginning, confinement: isolation.Confinement, board: Board, kind: int, ring: int | None
) -> Started:
    """Make the template of imported programs or of scripts: the pages that such ones write to are pinned."""
    jobs, jobs_end = os.pipe()
    ready, ready_end = os.pipe()
    dispatcher = os.getpid()
    pid = clone.clone(clone.FILES)
    if pid:
        return Started(pid, jobs_end, said_by(pid, ready))
    isolation.die_with_parent(dispatcher)
    board.keep_from_children()
    confinement.enter_template()
    maker = Template(beginning, board)
    pinned = 0 if ring is None else pin_pages(ring, maker, beginning, kind)
    confinement.close_template()
    os.write(ready_end, pinned.to_bytes(8, "little"))
    maker.serve(jobs)
    os._exit(0)


def said_by(template: int, ready: int) -> int:
    """The number that the template says once it can make processes.

    Raises:
        TemplateLostError: If it ends before: its end of the pipe is this process's too, and stays open.
    """
    os.set_blocking(ready, False)
    while True:
        ended = os.waitid(os.P_PID, template, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        try:
            return int.from_bytes(os.read(ready, 8), "little")
        except BlockingIOError:
            if ended:
                raise TemplateLostError from None
            time.sleep(_TEMPLATE_LOOK_SECONDS)


def join(group: str) -> None:
    """Have what this process makes counted in a cgroup."""
    with open(group, "w") as file:
        file.write("0")


def landlock_or_why_not(config: dict[str, Any], layers: dict[str, str]) -> int | None:
    """The ruleset's descriptor; `None` where it can't be had, and why in `layers`."""
    try:
        if "landlock" in config["without"]:
            raise isolation.LayerError("left out")
        landlock = isolation.landlock_ruleset(config["readable"], config["scratch"])
    except OSError as error:
        layers["landlock"] = str(error)
        return None
    layers["landlock"] = "on"
    return landlock


def pin_pages(ring: int, template: Template, beginning: child.Beginning, kind: int) -> int:
    """Have fork copy what every program of a kind writes to; how many bytes, 0 where the kernel refuses."""
    try:
        return pinned_pages.pin(ring, page_profile.pages_written(template, beginning, kind))
    except (OSError, ValueError):
        return 0


def preload(config: dict[str, Any], beginning: child.Beginning) -> None:
    """Import what programs import, and make all of it cheap to fork and equal from run to run.

    Args:
        config: Of the server.
        beginning: To be warmed up; see `warmup`.
    """
    import site  # noqa: PLC0415

    site.setquit()  # exit() and quit(): -S leaves them out
    sys.meta_path.append(PackageFinder(config["packages"]))
    for name in [*(PRELOADED if config["library"] else ()), *config["preload"]]:
        importlib.import_module(name)
    # Programs are to find neither our modules nor their folder.
    for name in [name for name in sys.modules if name.partition(".")[0] == __package__]:
        del sys.modules[name]
    sys.dont_write_bytecode = True
    # Programs were written for Pythons without this limit; the CPU limit does its work.
    sys.set_int_max_str_digits(0)
    threading.stack_size(THREAD_STACK_MIB << 20)
    # A program that draws without a seed draws the same in every run: a verdict must not be luck.
    for name, module in (("random", "random"), ("numpy", "numpy.random")):
        if name in sys.modules:
            importlib.import_module(module).seed(0)  # numpy makes it at first use
    sys.path = [path for path in sys.path if path not in ("", config["folder"])]
    set_up_interpreter()
    warmup.warm_up(beginning)
    recursion.follow_limit()
    gc.collect()
    pools.fill()
    gc.freeze()
    gc.disable()
