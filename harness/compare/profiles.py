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
from harness.targets import TargetError, load_target
from harness.types import Test


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
    counts: Callable[[Test], bool] | None = None
    """Which tests it looks at, of a suite with a checker; `None` for all. The others pass under it where
    those pass that count, and else are not run."""


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

    Args:
        names: of `PROFILES`, or `"module:attribute"` for one that a benchmark brings, which goes by its own
            name from then on.

    Raises:
        InputError: for an unknown name, or for no name at all.
    """
    found = {profile.name: profile for profile in map(_profile, names)}
    if not found:
        raise InputError(f"no profile to grade under; name one or more of: {', '.join(sorted(PROFILES))}")
    return tuple(found.values())


_BROUGHT: dict[str, Profile] = {}
"""Profiles of benchmarks, by name, once they have been loaded."""


def _profile(name: str) -> Profile:
    profile = PROFILES.get(name) or _BROUGHT.get(name)
    if profile is None and ":" in name:
        profile = _load(name)
    if profile is None:
        known = ", ".join(sorted({*PROFILES, *_BROUGHT}))
        raise InputError(f"unknown profile {name!r}; available: {known}, or 'module:attribute'")
    return profile


def _load(target: str) -> Profile:
    try:
        profile = load_target(target)
    except TargetError as error:
        raise InputError(
            f"profile {target!r} cannot be loaded ({error}); name it 'module:attribute'"
        ) from error
    if not isinstance(profile, Profile):
        raise InputError(f"profile {target!r} is no harness.compare.Profile but {type(profile).__name__}")
    if {**PROFILES, **_BROUGHT}.get(profile.name, profile) != profile:
        raise InputError(
            f"profile {target!r} is called {profile.name!r}, as another is; give it another name"
        )
    _BROUGHT[profile.name] = profile
    return profile
