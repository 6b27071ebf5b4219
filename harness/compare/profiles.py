"""The named profiles. One execution is judged under each of those asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from harness.compare import apps, strict
from harness.compare.asserts import assert_matches
from harness.compare.strict import RealPositions
from harness.errors import InputError


class StdoutMatches(Protocol):
    """See `harness.compare.strict.stdout_matches`."""

    def __call__(self, output: str, expected: str, *, reals: RealPositions | None = None) -> bool: ...


class ValueMatches(Protocol):
    """See `harness.compare.strict.value_matches`."""

    def __call__(self, value: object, expected: object, *, wrapped: bool) -> bool: ...


@dataclass(frozen=True, slots=True)
class Profile:
    """What counts as the right answer, under a name."""

    name: str
    version: str
    """Raised whenever a verdict may change; part of the cache key."""
    stdout_matches: StdoutMatches
    """Of a stdin program's output; pass `reals=real_positions(all expected outputs)`."""
    value_matches: ValueMatches
    """Of a call's return value; pass `wrapped=is_wrapped(all expected values)`."""
    assert_matches: Callable[[object, object], bool]
    """Of the two sides of an assert, `(value, expected)`."""
    exit_code_fails: bool
    """Whether a stdin program that ends by `sys.exit(1)`, or another status than 0, has failed."""
    runs_in_function: bool
    """Whether a stdin program with `return` or `nonlocal` at module level, a syntax error in a script, is
    run as the body of a function, where it is none, and judged by its output."""


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "strict": Profile(
            name="strict",
            version="2",
            stdout_matches=strict.stdout_matches,
            value_matches=strict.value_matches,
            assert_matches=assert_matches,
            exit_code_fails=True,
            runs_in_function=False,
        ),
        "apps": Profile(
            name="apps",
            version="2",
            stdout_matches=apps.stdout_matches,
            value_matches=apps.value_matches,
            assert_matches=assert_matches,
            # The reference swallows SystemExit, whatever its status.
            exit_code_fails=False,
            # The reference puts every stdin program into a function.
            runs_in_function=True,
        ),
    }
)


def get_profiles(names: Iterable[str]) -> tuple[Profile, ...]:
    """The profiles of these names, in their order, each once.

    Raises:
        InputError: for an unknown name, or for no name at all.
    """
    wanted = list(dict.fromkeys(names))
    known = ", ".join(sorted(PROFILES))
    for name in wanted:
        if name not in PROFILES:
            raise InputError(f"unknown profile {name!r}; available: {known}")
    if not wanted:
        raise InputError(f"no profile to grade under; name one or more of: {known}")
    return tuple(PROFILES[name] for name in wanted)
