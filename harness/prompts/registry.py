"""Prompt formats by name: a benchmark's own, and those that serve every benchmark."""

from __future__ import annotations

from harness.errors import InputError
from harness.prompts.chat import CHAT
from harness.targets import TargetError, load_target
from harness.types import Benchmark, PromptFormat


def formats_of(benchmark: Benchmark) -> dict[str, PromptFormat]:
    """All formats for `benchmark` by name, its default first; one of its own may take the place of `chat`.

    Raises:
        InputError: If the benchmark names a format of another module that is not there.
    """
    own = {name: _resolve(benchmark, name, each) for name, each in benchmark.prompts.items()}
    return own | {CHAT.name: own.get(CHAT.name, CHAT)}


def find_format(benchmark: Benchmark, name: str | None = None) -> PromptFormat:
    """The format called `name`, or the benchmark's default.

    Raises:
        InputError: If there is none of that name; names those that exist.
    """
    formats = formats_of(benchmark)
    if name is None:
        return next(iter(formats.values()))
    if name not in formats:
        raise InputError(f"{benchmark.name} has no prompt format {name!r}; available: {', '.join(formats)}")
    return formats[name]


def _resolve(benchmark: Benchmark, name: str, target: PromptFormat | str) -> PromptFormat:
    found: object = target
    if isinstance(target, str):
        try:
            found = load_target(target)
        except TargetError as error:
            raise InputError(
                f"benchmark {benchmark.name!r}: no prompt format {name!r} at {target} ({error})"
            ) from error
    if not isinstance(found, PromptFormat):
        raise InputError(
            f"benchmark {benchmark.name!r}: its prompt format {name!r} is no PromptFormat"
            f" but {type(found).__name__}"
        )
    return found
