"""Checkers: a problem's own rule for what is right, where no comparison profile has it.

For problems with many right answers (any root of a polynomial, any order of a list), or a tolerance of their
own. A benchmark writes a function and names it by `harness.types.Checker`.

Covers: what a checker gets and gives, and how it is found. Does not cover: where it is called
(`harness.runner.verdicts`, under the budget of a comparison).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol

from harness.errors import InputError
from harness.targets import TargetError, load_target
from harness.types import Checker, Test


class Check(Protocol):
    """Whether an output is right.

    It is called by the trusted grader worker on data that a hostile program made, so it must not run, import
    or unpickle anything of that, and its cost has to be bounded by the size of what it gets. What it raises
    counts as False, and is told as the outcome's error: a right answer raises nothing.
    """

    def __call__(self, output: Any, test: Test, profile: str, /) -> bool:
        """
        Args:
            output: A stdin program's standard output as text; else the returned value as plain data
                (`harness.compare.plain`), in which whatever is none is `Opaque`.
            test: The test, with what is expected.
            profile: Name of the comparison profile that the verdict is for; most rules are the same for all.
        """


class CheckError(Exception):
    """A checker has raised something; the message says what."""


@lru_cache(maxsize=64)
def find_check(checker: Checker) -> Check:
    """The function that a checker names; whatever it raises is a `CheckError`.

    Raises:
        InputError: If there is no such function.
    """
    try:
        found = load_target(checker.path)
    except TargetError as error:
        raise InputError(
            f"checker {checker.path!r} cannot be loaded ({error}); name it 'module:function'"
        ) from error
    if not callable(found):
        raise InputError(f"checker {checker.path!r} is no function but {type(found).__name__}")

    def check(output: Any, test: Test, profile: str, /) -> bool:
        try:
            return bool(found(output, test, profile))
        except MemoryError:
            raise  # the data is too much: the grader worker says so
        except Exception as error:
            # No word of the error itself: it may hold anything of a hostile program's.
            raise CheckError(f"{checker.path} raised {type(error).__name__}") from error

    return check
