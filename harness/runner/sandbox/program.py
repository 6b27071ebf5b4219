"""The life of one program's process, from the fork to its end.

Runs in a freshly forked child of the fork server, which dies with the program. What it leaves behind
is a report file of records (`wire.record`): the first says that the program compiled (or the only one,
that it did not), the others what came of it. The report is the program's to forge: it holds no verdict,
and expected values never enter this process.
"""

from __future__ import annotations

import _io
import atexit
import builtins
import contextlib
import gc
import json
import marshal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from types import BuiltinMethodType, CodeType, ModuleType, TracebackType
from typing import Any

from .in_function import belongs_in_function, compile_in_function
from .values import TooLargeError, decode, encode
from .wire import record, write_all

FILENAME = "solution.py"
"""What tracebacks call the user's program."""
REPORT_FD = 3
LOADED = b'{"kind":"loaded"}'
"""The record that says that an imported program is ready for its tests."""
OUTSIDE_FUNCTION = b'{"kind": "outside_function"'
"""How the record begins of a script that compiles as the body of a function only."""
STACK_DEPTH_ALLOWANCE = 40
"""Frames of ours below the program: it gets the recursion depth that a script of its own would have."""

_TOO_LARGE = b'{"kind":"too_large"}'
_MAX_MESSAGE = 300
_to_json = json.JSONEncoder(ensure_ascii=True).encode
_cpu = time.process_time


class CompileError(Exception):
    """The program does not compile, and the report says so."""


class Report:
    """Writes records, and refuses those for which there is no room."""

    def __init__(self, limit: int, fd: int = REPORT_FD) -> None:
        self._room = limit
        self._fd = fd

    def has_room(self, data: bytes) -> bool:
        """Whether a record can be written, and another of half the limit after it."""
        return 2 * len(data) <= self._room

    def bytes(self, data: bytes) -> None:
        """Write one record as it is."""
        self._room -= len(data)
        if self._room < 0:
            data = _TOO_LARGE
        write_all(self._fd, record(_cpu(), data))

    def json(self, **fields: Any) -> None:
        """Write one record as JSON."""
        self.bytes(_to_json(fields).encode())


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


def compile_program(source: str, report: Report, *, share: bool, script: bool, in_function: bool) -> CodeType:
    """Compile the program, and report that with the compiled code, or why it does not compile.

    Hostile text can crash CPython's compiler, so this happens here and not in a process that matters.

    Args:
        source: The program.
        report: Where to say so.
        share: Whether the compiled code is of use to later processes.
        script: Whether the program runs as a script, so that the body of a function may be another try.
        in_function: Whether this is that other try.

    Raises:
        CompileError: If it does not compile.
    """
    # A file may begin with a byte-order mark; a string may not.
    source = source.removeprefix("\ufeff")
    try:
        if in_function:
            code = compile_in_function(source, FILENAME)
        else:
            code = compile(source, FILENAME, "exec", dont_inherit=True)
    except BaseException as error:
        syntax = error if isinstance(error, SyntaxError) else None
        misplaced = script and syntax is not None and belongs_in_function(source, FILENAME, syntax)
        # `msg` and not `str`: the latter repeats file and line.
        message = str(getattr(error, "msg", None) or error)[:_MAX_MESSAGE]
        described = [type(error).__name__, message, getattr(syntax, "lineno", None)]
        report.json(kind="outside_function" if misplaced else "syntax_error", error=described)
        raise CompileError from None
    compiled = marshal.dumps(code) if share else b""
    report.bytes(compiled if report.has_room(compiled) else b"")
    return code


def load_compiled(compiled: bytes, report: Report) -> CodeType:
    """Take what an earlier process of the same program compiled."""
    report.bytes(b"")
    code: CodeType = marshal.loads(compiled)
    return code


def prepare(name: str, preamble: dict[str, Any]) -> dict[str, Any]:
    """Make the module that the program will run in; its namespace."""
    module = ModuleType(name)
    sys.modules[name] = module
    sys.modules["__main__"] = module
    namespace = module.__dict__
    namespace.update(preamble)
    namespace.update(__name__=name, __file__=FILENAME, __builtins__=builtins)
    sys.argv = [FILENAME]
    sys.setrecursionlimit(1000 + STACK_DEPTH_ALLOWANCE)
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
    return code & 0xFF if isinstance(code, int) else 1


def run_tests(
    code: CodeType,
    preamble: dict[str, Any],
    setup: CodeType | None,
    tests: Iterable[Callable[[dict[str, Any]], dict[str, Any]]],
    report: Report,
) -> None:
    """Import the program, then run tests one after the other; each leaves one record."""
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
            data = _to_json(test(namespace)).encode()
        except TooLargeError:
            data = _TOO_LARGE
        except BaseException as error:
            data = _to_json({"kind": "raised", "error": describe(error)}).encode()
        report.bytes(data)


def decode_args(args: Any) -> list[Any]:
    """Arguments from the judge's encoding; see `values`."""
    return [decode(arg) for arg in args]


def call_test(entry_point: str, args: list[Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A test that calls the entry point: a method of `Solution` if the program has one, else a function."""

    def run(namespace: dict[str, Any]) -> dict[str, Any]:
        return {"kind": "value", "value": encode(_find_entry(namespace, entry_point)(*args))}

    return run


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


def value_test(expression: CodeType) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A test that evaluates one side of an assert; the judge compares it with the other."""

    def run(namespace: dict[str, Any]) -> dict[str, Any]:
        return {"kind": "value", "value": encode(eval(expression, namespace))}

    return run


def inside_test(statement: CodeType, nonce: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A test that runs a whole assert here, since it can't be split; the nonce says that it held."""

    def run(namespace: dict[str, Any]) -> dict[str, Any]:
        try:
            exec(statement, namespace)
        except AssertionError as error:
            # An assert that does not hold is a wrong answer; one raised by the program's own is an error.
            if _user_line(error.__traceback__) is None:
                return {"kind": "refused"}
            raise
        return {"kind": "held", "nonce": nonce}

    return run
