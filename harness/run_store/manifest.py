"""`manifest.json`: what a run was asked for, by whom it was graded and on what.

Covers: its fields, reading it (and `metrics.json`), and comparing what was asked with what is asked now. Does
not cover: when it is written (`harness.run_store.run_folder`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from harness.errors import InputError
from harness.run_store.typed_json import wrong_field

FORMAT = 1
"""Of manifest.json and metrics.json; raised when a file of the run folder changes its meaning."""


class BenchmarkIdentity(TypedDict):
    """Which problems were asked for."""

    name: NotRequired[str]
    split: NotRequired[str]
    version: NotRequired[str]
    dataset_hash: str
    problems: NotRequired[int]
    selection_sha256: NotRequired[str]


class Identity(TypedDict):
    """What must be equal for two sessions to share a folder."""

    programs: str
    """Fingerprint of the programs, or that a model makes them."""
    benchmark: BenchmarkIdentity
    limits: dict[str, Any]
    profiles: dict[str, str]
    """Versions of the comparison profiles, by name."""
    grader: NotRequired[dict[str, str]]
    python: NotRequired[str]
    generation: NotRequired[dict[str, Any]]
    """Model, prompt and decoding, where a model makes the programs."""


class Session(TypedDict):
    """One call that graded."""

    started: NotRequired[str]
    command: NotRequired[str]
    runner: NotRequired[dict[str, Any]]
    versions: NotRequired[dict[str, str]]
    commit: NotRequired[str | None]
    hardware: NotRequired[dict[str, Any]]


class Manifest(TypedDict):
    """The whole file."""

    format: int
    identity: Identity
    programs: str
    """Short name of the programs."""
    data_source: str
    sessions: list[Session]
    skipped_samples: NotRequired[int]
    notices: NotRequired[list[str]]
    samples_sha256: NotRequired[str | None]
    """`None` while samples are added."""
    generation: NotRequired[dict[str, Any]]
    """As in `identity`, with the number of samples, what was chosen and what the sampler measured."""
    command: NotRequired[str]
    k: NotRequired[list[int]]
    seed: NotRequired[int]
    """Of the bootstrap."""
    measured: NotRequired[dict[str, dict[str, float]]]
    """What another run of the same programs may measure otherwise, so that it is not in metrics.json: by
    group (a difficulty or `all`) and name (`harness.metrics.costs`)."""


class Begun(TypedDict):
    """What a manifest must hold for its run to be continued, or refused by the field that differs."""

    format: int
    identity: dict[str, Any]


def read_record(path: Path, kind: Any, advice: str) -> Any:
    """The content of a JSON file of a run folder.

    Args:
        path: The file.
        kind: The TypedDict that it is checked against.
        advice: What to do if it is none; ends the error.

    Raises:
        InputError: If it cannot be read, is of another format, or a field is not as `kind` says.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; {advice}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path} is no JSON; {advice}") from None
    found = content.get("format") if isinstance(content, dict) else None
    if found is not None and found != FORMAT:
        raise InputError(f"{path} is not of format {FORMAT}, which this version reads, but {found}; {advice}")
    wrong = wrong_field(content, kind)
    if wrong is not None:
        raise no_such_file(path, wrong, advice)
    return content


def no_such_file(path: Path, field: str, advice: str) -> InputError:
    """The error to raise where a file is not what its name says, with the field that shows it."""
    return InputError(f"{path} is no {path.name} of rltf: wrong or missing {field or 'content'}; {advice}")


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON would give it back, so that a fresh identity compares equal to one that was read."""
    found: dict[str, Any] = json.loads(json.dumps(value))
    return found


def refuse_other_inputs(folder: Path, recorded: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Compare what a run was asked for with what is asked now.

    Raises:
        InputError: If they differ; names the first field that does.
    """
    before, now = _flat(recorded), _flat(asked)
    for name in [*now, *before]:
        if before.get(name) != now.get(name):
            raise InputError(
                f"{folder} holds a run with other inputs: {name} was {before.get(name, 'not set')},"
                f" now it is {now.get(name, 'not set')}; choose another --out"
            )


def _flat(value: Mapping[str, Any], front: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, item in value.items():
        flat |= _flat(item, f"{front}{name}.") if isinstance(item, Mapping) else {front + name: item}
    return flat
