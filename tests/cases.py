"""Many quick cases of one thing in one test: `@cases` instead of `@pytest.mark.parametrize`.

A test of its own costs pytest some milliseconds in every process that collects it, more than most cases take.
Here every case runs, and a failure names those that failed. Does not cover: cases that need a fixture made
anew for each of them (`tmp_path`, `monkeypatch`, `capsys`); those stay parametrised.
"""

import functools
import inspect
from collections.abc import Callable, Iterable

import pytest


def cases(names: str | tuple[str, ...], values: Iterable[object]) -> Callable:
    """Run the test below once for each of `values`, within one test.

    Args:
        names: Of the arguments, as for `pytest.mark.parametrize`: `"a"`, `"a, b"` or `("a", "b")`.
        values: By case; a sequence of values where there are several names.

    Raises:
        AssertionError: By the test, where cases fail: the first one's error is its cause, each is named.
    """
    listed = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    rows = [(value,) if names == listed[0] else tuple(value) for value in values]  # type: ignore[arg-type]
    assert rows, "a test without cases"

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def test(**fixtures: object) -> None:
            failed: list[tuple[str, BaseException]] = []
            for row in rows:
                case = dict(zip(listed, row, strict=True))
                try:
                    function(**case, **fixtures)
                except (Exception, pytest.fail.Exception) as error:
                    said = ", ".join(f"{name}={_short(value)}" for name, value in case.items())
                    failed.append((said, error))
            if failed:
                lines = [f"{case}: {type(error).__name__}: {error}" for case, error in failed]
                raise AssertionError(
                    f"{len(failed)} of {len(rows)} cases fail:\n" + "\n".join(lines)
                ) from failed[0][1]

        signature = inspect.signature(function)
        left = [parameter for name, parameter in signature.parameters.items() if name not in listed]
        test.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return test

    return decorate


def _short(value: object) -> str:
    """What it is, in a line; a number of a million digits has no decimal form."""
    try:
        text = repr(value)
    except ValueError:
        text = f"a long {type(value).__name__}"
    return text if len(text) <= 200 else f"{text[:200]}…"
