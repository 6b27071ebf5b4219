"""Ways to ask a grader for a verdict: a function of Python, a command, this project's own runner.

A function is called in a process of its own, which is ended when it does not answer in time; so is a command.
Does not cover: servers (`protocols.py`).
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Protocol

from harness.conformance.case import Case

WORDS = {"true": True, "1": True, "false": False, "0": False, "null": None}


class NoAnswerError(Exception):
    """The grader gave no verdict; the text says what came instead."""


class Target(Protocol):
    """A grader."""

    def verdict(self, case: Case) -> bool | None:
        """What it says of a program; `None` where it has no way to be asked.

        Raises:
            NoAnswerError: If it says nothing.
        """

    def close(self) -> None:
        """End what was started."""


def question(case: Case) -> str:
    """A case as a line of JSON: `code` and `tests`."""
    return json.dumps({"code": case.program, "tests": case.tests}) + "\n"


class Command:
    """A command that is run for each program: JSON on its standard input, `true`, `false` or `null` as its
    last line."""

    def __init__(self, arguments: list[str], seconds: float) -> None:
        self._arguments, self._seconds = arguments, seconds

    def verdict(self, case: Case) -> bool | None:
        """As of `Target`."""
        try:
            process = subprocess.Popen(
                self._arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace",
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise NoAnswerError(str(error)) from None
        try:
            said, _ = process.communicate(question(case), timeout=self._seconds)
        except subprocess.TimeoutExpired:
            raise NoAnswerError(f"nothing in {self._seconds:g} s") from None
        finally:
            end(process)
        last = said.strip().rpartition("\n")[2].strip().lower()
        if last not in WORDS:
            raise NoAnswerError(f"exit status {process.returncode}, last line {last:.60}")
        return WORDS[last]

    def close(self) -> None:
        """Nothing runs between programs."""


class Function:
    """A function `(code, tests) -> bool | None`, called in a process that lives until it fails to answer."""

    def __init__(self, target: str, seconds: float) -> None:
        """
        Args:
            target: `"module:function"`.
            seconds: To wait for each answer.
        """
        self._target, self._seconds = target, seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._answers = -1

    def verdict(self, case: Case) -> bool | None:
        """As of `Target`."""
        process = self._process or self._start()
        try:
            if process.stdin is not None:
                process.stdin.write(question(case).encode())
                process.stdin.flush()
            line = self._line()
        except (BrokenPipeError, TimeoutError) as error:
            self.close()
            raise NoAnswerError(str(error) or "its process ended") from None
        found = json.loads(line)
        if "error" in found:
            raise NoAnswerError(found["error"])
        verdict: bool | None = found["verdict"]
        return verdict

    def _line(self) -> bytes:
        """One line of the answers' pipe.

        Raises:
            TimeoutError: If there is none in time.
            BrokenPipeError: If the process ended.
        """
        deadline, line = time.monotonic() + self._seconds, b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise TimeoutError(f"nothing in {self._seconds:g} s")
            part = os.read(self._answers, 1 << 16)
            if not part:
                raise BrokenPipeError
            line += part
        return line

    def _start(self) -> subprocess.Popen[bytes]:
        self._answers, theirs = os.pipe()
        command = [sys.executable, "-m", "harness.conformance.callee", self._target, str(theirs)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(["", *filter(None, sys.path)])[1:]}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=[theirs], start_new_session=True, env=environment,
        )  # fmt: skip
        os.close(theirs)
        return self._process

    def close(self) -> None:
        """End the process, and what it left in its group."""
        if self._process is not None:
            end(self._process)
            os.close(self._answers)
            self._process = None


def end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """End a process and its group."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError, ValueError):
                pipe.close()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
