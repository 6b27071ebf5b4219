"""The life of one program's process, from the fork to its end.

Runs in a process of its own, which dies with the program. It leaves two files of records (`protocol.record`).
One says that the program compiled, or that it did not: it is sealed before the program's first instruction.
The other says what came of it, and is the program's to forge: it holds no verdict, and expected values never
enter this process.
"""

from __future__ import annotations

import _io
import atexit
import builtins
import contextlib
import gc
import marshal
import os
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from types import BuiltinMethodType, CodeType, ModuleType, TracebackType
from typing import Any

from .in_function import belongs_in_function, compile_in_function
from .job import How
from .protocol import record, to_json, write_all
from .values import TooLargeError, encode

FILENAME = "solution.py"
"""What tracebacks call the user's program."""
REPORT_FD = 3
LOADED = b'{"kind":"loaded"}'
"""The record that says that an imported program is ready for its tests."""
OUTSIDE_FUNCTION = b'{"kind": "outside_function"'
"""How the record begins of a script that compiles as the body of a function only."""
STACK_DEPTH_ALLOWANCE = 40
"""Frames of ours below the program: it gets the recursion depth that a script of its own would have."""

TOO_LARGE = b'{"kind":"too_large"}'
"""The record in place of one that there is no room for: the report's last."""
_SCRIPT, _IN_FUNCTION, _SHARED = How.SCRIPT, How.IN_FUNCTION, How.SHARED
"""Of our own, as in `child`: a look at a class writes to pages."""
Test = Sequence[Any]
"""Kind, what to run, and what that takes: as `suites` has made it."""
_MAX_MESSAGE = 300
_cpu = time.process_time
_set_recursion_limit = sys.setrecursionlimit  # the program's may become another; see `recursion`


class Report:
    """Writes records, and refuses those for which there is no room."""

    def __init__(self, limit: int, fd: int = REPORT_FD) -> None:
        self._room = limit
        self._fd = fd

    def bytes(self, data: bytes) -> bool:
        """Write one record as it is; whether there was room for it."""
        self._room -= len(data)
        fits = self._room >= 0
        write_all(self._fd, record_now(data if fits else TOO_LARGE))
        return fits

    def json(self, **fields: Any) -> None:
        """Write one record as JSON."""
        self.bytes(to_json(fields).encode())


def record_now(data: bytes) -> bytes:
    """A record of what is known at this moment of the process's CPU time."""
    return record(_cpu(), data)


def describe(error: BaseException) -> list[Any]:
    """`[type name, message, line in the user's program or None]`."""
    try:
        message = str(error)[:_MAX_MESSAGE]
    except BaseException:  # the program's own __str__ may do anything
        message = ""
    return [type(error).__name__, message, _user_line(error.__traceback__)]


def _user_line(trace: TracebackType | None) -> int | None:
    """The line of the deepest frame in the user's program."""
    line = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILENAME:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def compile_program(source: str, how: int) -> tuple[CodeType | None, bytes]:
    """Compile the program.

    Hostile text can crash CPython's compiler, so this happens here and not in a process that matters.

    Args:
        source: The program.
        how: A `job.How`.

    Returns:
        The code, and what to say to others: the code for processes that want it too; or no code, and why.
    """
    # A file may begin with a byte-order mark; a string may not.
    source = source.removeprefix("\ufeff")
    try:
        if how & _IN_FUNCTION:
            code = compile_in_function(source, FILENAME)
        else:
            code = compile(source, FILENAME, "exec", dont_inherit=True)
    except BaseException as error:
        syntax = error if isinstance(error, SyntaxError) else None
        script = how & _SCRIPT and not how & _IN_FUNCTION
        misplaced = script and syntax is not None and belongs_in_function(source, FILENAME, syntax)
        # `msg` and not `str`: the latter repeats file and line.
        message = str(getattr(error, "msg", None) or error)[:_MAX_MESSAGE]
        described = [type(error).__name__, message, getattr(syntax, "lineno", None)]
        kind = "outside_function" if misplaced else "syntax_error"
        return None, to_json({"kind": kind, "error": described}).encode()
    return code, marshal.dumps(code) if how & _SHARED else b""


def run_preamble(text: str) -> tuple[dict[str, Any], bytes]:
    """The names that a benchmark promises; and where its preamble fails, a record that says how."""
    names: dict[str, Any] = {}
    try:
        exec(compile(text, "<preamble>", "exec"), names)
    except BaseException as error:
        return {}, to_json({"kind": "preamble_error", "error": describe(error)}).encode()
    set_up_interpreter()  # names are all that it gives
    return names, b""


def set_up_interpreter() -> None:
    """Have it as a program expects it, before any is run."""
    sys.argv = [FILENAME]
    _set_recursion_limit(1000 + STACK_DEPTH_ALLOWANCE)


def prepare(name: str, preamble: dict[str, Any]) -> dict[str, Any]:
    """Make the module that the program will run in; its namespace."""
    module = ModuleType(name)
    sys.modules[name] = module
    sys.modules["__main__"] = module
    namespace = module.__dict__
    namespace.update(preamble)
    namespace.update(__name__=name, __file__=FILENAME, __builtins__=builtins)
    gc.freeze()  # what is there already is not the program's to collect, nor to count as new
    gc.enable()
    return namespace


def run_script(code: CodeType, preamble: dict[str, Any], report: Report) -> None:
    """Run the program as `python solution.py` would, to the end of its threads and exit handlers."""
    namespace = prepare("__main__", preamble)
    exit_code, problem = run_main(code, namespace)
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        flush_files(namespace)
    except BaseException as error:
        if exit_code == 0:
            exit_code, problem = 120, describe(error)
    report.json(kind="ended", exit=exit_code, error=problem if exit_code else None)


def flush_files(namespace: dict[str, Any]) -> None:
    """Write what the end of an interpreter would: standard output, and files that the script left open."""
    for value in list(namespace.values()):
        file = value.__self__ if type(value) is BuiltinMethodType else value  # write = open(1, "w").write
        if isinstance(file, _io._IOBase):
            _flush(file)
    if sys.__stdout__ is not sys.stdout:
        _flush(sys.__stdout__)
    out = getattr(sys, "stdout", None)
    # As CPython's: a standard output that was closed or taken away is nothing to flush.
    if out is not None and not getattr(out, "closed", False):
        out.flush()


def _flush(file: Any) -> None:
    with contextlib.suppress(Exception):  # an interpreter that ends has nobody to tell
        file.flush()


def run_main(code: CodeType, namespace: dict[str, Any]) -> tuple[int, list[Any] | None]:
    """Run a script's code; its exit status, and the error behind that."""
    try:
        exec(code, namespace)
    except SystemExit as error:
        return _exit_code(error), describe(error)
    except BaseException as error:
        return 1, describe(error)
    return 0, None


def _exit_code(error: SystemExit) -> int:
    code = error.code
    if code is None:
        return 0
    if not isinstance(code, int):
        return 1
    return code & 0xFF if -(1 << 63) <= code < 1 << 63 else 0xFF


def run_tests(
    code: CodeType,
    preamble: dict[str, Any],
    setup: CodeType | None,
    tests: Iterable[Test],
    report: Report,
    *,
    captured: bool = False,
) -> None:
    """Import the program, then run tests one after the other; each leaves one record.

    Where output is captured, the record says as well how much there was of it then.
    """
    namespace = prepare("solution", preamble)
    try:
        exec(code, namespace)
        if setup is not None:
            exec(setup, namespace)
    except BaseException as error:
        report.json(kind="load_error", error=describe(error))
        return
    report.bytes(LOADED)
    for test in tests:
        try:
            fields = run_test(namespace, *test)
            data = to_json(fields | printed() if captured else fields).encode()
        except TooLargeError:
            data = TOO_LARGE
        except BaseException as error:
            fields = {"kind": "raised", "error": describe(error)}
            data = to_json(fields | printed() if captured else fields).encode()
        if not report.bytes(data):
            return  # nothing more would fit


def printed() -> dict[str, int]:
    """Bytes written to standard output and error so far; nothing where the program has closed them."""
    found = {}
    for name, fd in (("stdout", 1), ("stderr", 2)):
        with contextlib.suppress(BaseException):
            getattr(sys, name).flush()
        with contextlib.suppress(OSError):
            found[name] = os.lseek(fd, 0, os.SEEK_CUR)
    return found


def run_test(namespace: dict[str, Any], kind: str, what: Any, more: Any = None) -> dict[str, Any]:
    """What came of a test that `suites` has made: a call, one side of an assert, or a whole assert.

    A call is of a method of `Solution`, if the program has one of that name, else of a function. Of an assert
    the worker compares one side with the other.
    """
    if kind == "call":
        value = _find_entry(namespace, what)(*more)
    elif kind == "value":
        value = eval(what, namespace)
    else:
        return run_inside(namespace, what, more)
    return {"kind": "value", "value": encode(value)}


def _find_entry(namespace: dict[str, Any], entry_point: str) -> Any:
    solution = namespace.get("Solution")
    if isinstance(solution, type) and hasattr(solution, entry_point):
        # One instance for all tests, as in the reference graders.
        instance = namespace.get(_INSTANCE)
        if instance is None:
            instance = namespace[_INSTANCE] = solution()
        return getattr(instance, entry_point)
    if entry_point not in namespace:
        raise NameError(f"the program defines no {entry_point!r}")
    return namespace[entry_point]


_INSTANCE = " the instance of Solution "
"""No identifier, so no name of the program's own."""


def run_inside(namespace: dict[str, Any], statement: CodeType, nonce: str) -> dict[str, Any]:
    """Run a whole assert here, since it can't be split; the nonce says that it held."""
    try:
        exec(statement, namespace)
    except AssertionError as error:
        # An assert that does not hold is a wrong answer; one raised by the program's own is an error.
        if _user_line(error.__traceback__) is None:
            return {"kind": "refused"}
        raise
    return {"kind": "held", "nonce": nonce}
