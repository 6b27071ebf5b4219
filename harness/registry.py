"""Benchmarks by name, and parts of them by id and difficulty.

Covers: the entry-point group `rltf_harness.benchmarks`, ours and everybody else's, and `"module:attribute"`
for what is not installed; selection of problems.
Does not cover: the data (each benchmark's `load` finds its own).
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from inspect import signature
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.suites import jsonl
from harness.targets import TargetError, load_target
from harness.types import Benchmark, Listed

ENTRY_POINT_GROUP = "rltf_harness.benchmarks"

_OWN_PACKAGE = "benchmarks"
_OWN_DISTRIBUTION = "rltf-harness"

_ROOT = Path(__file__).parents[1]
"""Of a checkout."""

_RANGE = re.compile(r"(?P<prefix>.*/)?(?P<first>[0-9]+)(-(?P<last>[0-9]+))?")
_NAMED_IN_ERRORS = 5


def load_benchmark(
    name: str,
    *,
    split: str | None = None,
    data_dir: str | Path | None = None,
    ids: Sequence[str] | None = None,
    difficulty: str | Sequence[str] | None = None,
) -> Benchmark:
    """Load a benchmark, or part of it.

    Args:
        name: one of `benchmark_names()`, `"jsonl:PATH"` for a file of rows that have tests
            (`harness.suites`), or `"module:attribute"` naming a function that takes the keyword arguments
            `split` and `data_dir` and returns a `Benchmark`.
        split: one of the benchmark's splits; `None` takes its default.
        data_dir: where its data lies; `None` leaves the search to the benchmark.
        ids: task ids to keep: full (`apps/test/65`), short (`65`), ranges (`0-99`, both ends included,
            gaps allowed), any of them in comma lists. The order stays the benchmark's.
        difficulty: difficulties to keep; comma lists allowed.

    Raises:
        InputError: If name, split, ids or difficulty is unknown; names what exists.
        DatasetError: If the data is not found or malformed.
    """
    options: dict[str, Any] = {} if split is None else {"split": split}
    loader = find_loader(name)
    selects = ids is not None or difficulty is not None
    pick = partial(_picked, ids=ids, difficulty=difficulty)
    if selects and "pick" in signature(loader).parameters:
        options["pick"], selects = pick, False
    benchmark = loader(data_dir=data_dir, **options)
    if not isinstance(benchmark, Benchmark):
        raise InputError(
            f"benchmark {name!r}: its loader returned {type(benchmark).__name__}, not a Benchmark"
        )
    if not selects:
        return benchmark
    kept = pick(benchmark.name, benchmark.problems)
    return replace(benchmark, problems=[each for each in benchmark.problems if each.task_id in kept])


def benchmark_names() -> list[str]:
    """All names that `load_benchmark` knows, sorted."""
    return sorted(_targets())


def _targets() -> dict[str, set[str]]:
    """Name to `"module:attribute"`; several where installed packages disagree. Ours can't be replaced."""
    ours = _ours()
    targets = {name: {target} for name, target in ours.items()}
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        if entry.name not in ours:
            targets.setdefault(entry.name, set()).add(entry.value)
    return targets


def _ours() -> dict[str, str]:
    """The entry points of this distribution."""
    installed = (entry for entry in entry_points(group=ENTRY_POINT_GROUP) if _is_ours(entry))
    return _declared() or {entry.name: entry.value for entry in installed}


def _is_ours(entry: EntryPoint) -> bool:
    return entry.dist is not None and entry.dist.name.lower().replace("_", "-") == _OWN_DISTRIBUTION


@cache
def _declared() -> dict[str, str]:
    """Our entry points as a checkout's `pyproject.toml` declares them; none where we are installed otherwise.

    They count before those that were installed, so that a benchmark that was added is known at once.
    """
    try:
        project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        declared: dict[str, str] = project["entry-points"][ENTRY_POINT_GROUP]
    except (OSError, ValueError, KeyError):
        return {}
    return declared if project.get("name") == _OWN_DISTRIBUTION else {}


def find_loader(name: str) -> Callable[..., Any]:
    """The function that loads a benchmark; it reads no data before it is called.

    Args:
        name: As of `load_benchmark`.

    Raises:
        InputError: If there is none of this name; names what exists.
    """
    if name.startswith(jsonl.PREFIX):
        return partial(jsonl.load, name.removeprefix(jsonl.PREFIX))
    if ":" in name:
        return _resolve(name, name)
    ours = _ours().get(name)
    if ours is not None:  # without a look at every package that is installed
        return _resolve(name, ours)
    targets = _targets()
    if name not in targets:
        raise InputError(
            f"unknown benchmark {name!r}; available: {', '.join(sorted(targets))}, jsonl:PATH or"
            " 'module:attribute'"
        )
    found = sorted(targets[name])
    if len(found) > 1:
        raise InputError(
            f"benchmark {name!r} is provided by several packages: ask for one of them as {' or '.join(found)}"
        )
    return _resolve(name, found[0])


def _resolve(name: str, target: str) -> Callable[..., Any]:
    """The function that `target` names.

    Raises:
        InputError: If it can't be imported or is no function, and, for a name of ours, if the
            `benchmarks` package that Python finds is not ours.
    """
    try:
        loader = load_target(target)
    except TargetError as error:
        _check_owner(name)
        raise InputError(f"benchmark {name!r}: cannot load {target} ({error})") from error
    _check_owner(name)
    if not callable(loader):
        raise InputError(f"benchmark {name!r}: {target} is no function but {type(loader).__name__}")
    return loader  # type: ignore[no-any-return]  # callable is all that can be known of it here


def _check_owner(name: str) -> None:
    """Other wheels ship a top-level `benchmarks` too; the last one installed overwrites the rest silently."""
    package = sys.modules.get(_OWN_PACKAGE)
    foreign = package is not None and getattr(package, "DISTRIBUTION", None) != _OWN_DISTRIBUTION
    if not foreign or name not in _ours():
        return
    where = getattr(package, "__file__", None) or ", ".join(getattr(package, "__path__", ["?"]))
    raise InputError(
        f"benchmark {name!r}: the package `{_OWN_PACKAGE}` that Python found is not "
        f"{_OWN_DISTRIBUTION}'s but {where}; uninstall its owner, then reinstall {_OWN_DISTRIBUTION}"
    )


def _picked(
    benchmark: str,
    listed: Sequence[Listed],
    *,
    ids: str | Sequence[str] | None,
    difficulty: str | Sequence[str] | None,
) -> frozenset[str]:
    """A `harness.types.Pick`: the task ids that a user asked for; `load_benchmark` has the forms.

    Raises:
        InputError: If something that was asked for does not exist.
    """
    if ids is not None:
        listed = _by_ids(benchmark, listed, ids)
    if difficulty is not None:
        listed = _by_difficulty(benchmark, listed, difficulty)
    return frozenset(each.task_id for each in listed)


def _by_ids(benchmark: str, listed: Sequence[Listed], ids: str | Sequence[str]) -> list[Listed]:
    """Those that `ids` name, in the benchmark's order; raises `InputError` if one of them names none."""
    wanted = _split_commas(ids)
    if not wanted:
        raise InputError("no task ids given; leave the ids out to take all problems")
    known = _names(listed)
    keep: set[str] = set()
    unknown = []
    for text in wanted:
        # Some data spells its ids in capitals, which ours have not.
        found = known.get(text) or known.get(text.lower()) or _in_range(text, listed)
        keep.update(found)
        if not found:
            unknown.append(text)
    if unknown:
        raise InputError(
            f"{benchmark} has no {_few(unknown)} in this split; "
            f"its {len(listed)} ids run from {listed[0].task_id} to {listed[-1].task_id}"
        )
    return [each for each in listed if each.task_id in keep]


def _by_difficulty(benchmark: str, listed: Sequence[Listed], difficulty: str | Sequence[str]) -> list[Listed]:
    """Those of these difficulties; raises `InputError` if none has one of them, and names those there are."""
    wanted = _split_commas(difficulty)
    available = sorted({each.difficulty for each in listed if each.difficulty is not None})
    unknown = [each for each in wanted if each not in available]
    if unknown or not wanted:
        exist = f"available: {', '.join(available)}" if available else "its problems have none"
        raise InputError(f"{benchmark} has no difficulty {_few(unknown or [''])} here; {exist}")
    return [each for each in listed if each.difficulty in wanted]


def _names(listed: Sequence[Listed]) -> dict[str, list[str]]:
    """Full and short name to task ids; the short name is what follows the last slash."""
    names: dict[str, list[str]] = {}
    for problem in listed:
        for name in {problem.task_id, problem.task_id.rpartition("/")[2]}:
            names.setdefault(name, []).append(problem.task_id)
    return names


def _in_range(text: str, listed: Sequence[Listed]) -> list[str]:
    """Task ids in a range, which may reach past the ends, since splits by id start anywhere.

    A single number is a range too, so `0065`, as APPS' own folders are called, finds 65.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        return []
    first, last = int(match["first"]), int(match["last"] or match["first"])
    if first > last:
        raise InputError(f"range {text!r} runs backwards; write {last}-{first}")
    found = []
    for problem in listed:
        prefix, slash, number = problem.task_id.rpartition("/")
        fits = match["prefix"] in (None, prefix + slash)
        if fits and number.isdecimal() and first <= int(number) <= last:
            found.append(problem.task_id)
    return found


def _split_commas(values: str | Sequence[str]) -> list[str]:
    texts = [values] if isinstance(values, str) else values
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def _few(values: Sequence[str]) -> str:
    rest = len(values) - _NAMED_IN_ERRORS
    return ", ".join(map(repr, values[:_NAMED_IN_ERRORS])) + (f" and {rest} more" if rest > 0 else "")
