"""A template: the process that programs' processes are copies of; one of scripts, one of imported programs.

It waits for jobs, and makes a process for each: a child of the dispatcher's, not its own, so that it never
learns what becomes of one. It reads descriptors and numbers, and the preambles that a benchmark promises to
all programs of it, where they define names and do nothing else; never a program, an input, a report or a
result. So there is nothing of these to be found in the memory that a program starts with.
"""

from __future__ import annotations

import _ast as ast  # without the Python around it, which every fork would pay for
import os
import time
from collections.abc import Iterator
from typing import Any

from . import child, clone
from .job import Board, How, Job, contents, read_job

_ATTEMPTS, _PAUSE_SECONDS = 40, 0.05
"""Of making a process, where the machine has none to spare for the moment."""
_MOST_PREAMBLE_BYTES = 1 << 16
"""A longer one is run by each program's process."""
_DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.Assign, ast.AnnAssign)
_INERT = (ast.Constant, ast.Name, ast.Tuple, ast.List, ast.Dict, ast.UnaryOp, ast.unaryop,
          ast.expr_context)  # fmt: skip
"""Parts of a value of which none does anything."""


def _defined(text: str) -> dict[str, Any] | None:
    """The names of a preamble that only defines some; `None` for one that does anything else.

    What it did to the interpreter (a limit, a seed, a module put in another's place, a line printed) would
    be done to the programs of all other problems.
    """
    tree: Any = compile(text, "<preamble>", "exec", ast.PyCF_ONLY_AST)
    if not all(map(_only_defines, tree.body)):
        return None
    names: dict[str, Any] = {}
    exec(compile(tree, "<preamble>", "exec"), names)
    return names


def _only_defines(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if not isinstance(statement, _DEFINITIONS):
        return False
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            arguments = statement.args
            signature = [each.annotation for each in _nodes(arguments) if isinstance(each, ast.arg)]
            values = [*arguments.defaults, *arguments.kw_defaults]
            # Annotations are expressions that are evaluated, `list[int]` the usual kind.
            if statement.decorator_list:
                return False
            return all(map(_is_inert, values)) and all(map(_is_type, [*signature, statement.returns]))
        case ast.Assign():
            return all(isinstance(each, ast.Name) for each in statement.targets) and _is_inert(
                statement.value
            )
        case ast.AnnAssign():
            name = isinstance(statement.target, ast.Name)
            return name and _is_inert(statement.value) and _is_type(statement.annotation)
    return True


def _nodes(node: Any) -> Iterator[Any]:
    pending = [node]
    while pending:
        each = pending.pop()
        if isinstance(each, ast.AST):
            yield each
            pending.extend(getattr(each, name, None) for name in each._fields)
        elif isinstance(each, list):
            pending.extend(each)


def _is_inert(value: ast.expr | None) -> bool:
    return value is None or all(isinstance(each, _INERT) for each in _nodes(value))


def _is_type(value: ast.expr | None) -> bool:
    kinds = (*_INERT, ast.Subscript, ast.Attribute, ast.BinOp, ast.BitOr)
    return value is None or all(isinstance(each, kinds) for each in _nodes(value))


class Template:
    """Makes processes."""

    def __init__(self, beginning: child.Beginning, board: Board) -> None:
        """
        Args:
            beginning: What each process goes through.
            board: Where the dispatcher reads which process was made.
        """
        self._beginning = beginning
        self._board = board
        self._preambles: list[dict[str, Any] | None] = []

    def serve(self, jobs: int) -> None:
        """Make processes until the dispatcher closes its end."""
        while self.make(jobs, clone.PARENT):
            pass

    def make(self, jobs: int, flags: int) -> bool:
        """Take the next job; whether there was one.

        Args:
            jobs: Descriptor to read it from.
            flags: Of `clone`.
        """
        job = read_job(jobs)
        if job is None:
            return False
        if job.how & How.PRELOAD:
            self._preload(job)
        else:
            self._board.say_spawned(job.number, self._spawned(job, flags))
        return True

    def _spawned(self, job: Job, flags: int) -> int:
        """Make the process; its id.

        Raises:
            OSError: If the kernel has none for us, again and again.
        """
        for attempt in range(_ATTEMPTS):
            try:
                pid = clone.clone(flags)
            except BlockingIOError:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                break
        if pid == 0:
            preamble = self._preambles[job.preamble] if job.preamble >= 0 else None
            self._beginning.become(job, preamble)
        return pid

    def _preload(self, job: Job) -> None:
        preamble: dict[str, Any] | None = None
        text = contents(job.suite, _MOST_PREAMBLE_BYTES + 1)
        try:
            if len(text) <= _MOST_PREAMBLE_BYTES:
                preamble = _defined(text.decode(errors="surrogatepass"))
        except BaseException:  # each program's process tries it again, and says what is wrong
            preamble = None
        self._preambles.append(preamble)
        os.close(job.suite)
