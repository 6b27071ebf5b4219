"""MBPP rows from files or the hub: the full data and the sanitized part, which name things differently."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.datasource import load_hub, locate, read_json, read_jsonl
from harness.errors import DatasetError

Rows = Iterable[tuple[str, dict[str, Any]]]
"""Rows with their place, for errors."""

EVALPLUS_ID = "Mbpp[/_][0-9]+"
"""As EvalPlus, and nobody else, spells MBPP's problems."""

HUB_NAME = "google-research-datasets/mbpp"


@dataclass(frozen=True, slots=True)
class Source:
    """One of the two published forms."""

    benchmark: str
    hub_config: str
    file_names: tuple[str, ...]
    question: str
    """The statement's column."""
    setup: str
    """The column with what runs between program and tests."""
    columns: tuple[str, ...]
    """Required of every row, in the order in which they are hashed."""
    evalplus: str
    """What to tell whoever grades programs for EvalPlus' tasks."""


FULL = Source(
    benchmark="mbpp",
    hub_config="full",
    file_names=("mbpp.jsonl", "mbpp.jsonl.gz"),
    question="text",
    setup="test_setup_code",
    columns=("task_id", "text", "code", "test_list", "test_setup_code", "challenge_test_list"),
    evalplus="The ids are EvalPlus' (Mbpp/N), which mean its tasks: sanitized ones with changed inputs, not"
    " those of mbpp. Pass --benchmark mbpp-sanitized, which comes nearer, but is not EvalPlus' number either:"
    " that needs mbpp-plus.",
)
SANITIZED = Source(
    benchmark="mbpp-sanitized",
    hub_config="sanitized",
    file_names=("sanitized-mbpp.json",),
    question="prompt",
    setup="test_imports",
    columns=("task_id", "prompt", "code", "test_list", "test_imports"),
    evalplus="The ids are EvalPlus' (Mbpp/N), whose published numbers are on some of these problems"
    " with changed inputs: this is not EvalPlus' number, which needs mbpp-plus.",
)


def read_rows(source: Source, data_dir: str | Path | None) -> tuple[str, Rows]:
    """Where the rows come from, and all rows of every split.

    Raises:
        DatasetError: If nothing is found or the file is malformed.
    """
    path = locate("mbpp", source.file_names, data_dir)
    if path is None:
        what = f"mbpp ({source.hub_config})"
        rows = load_hub(what, HUB_NAME, source.hub_config, split="prompt+test+validation+train")
        name = f"{HUB_NAME}, {source.hub_config}"
        return name, ((f"{name} row {number}", row) for number, row in enumerate(rows))
    return str(path), _read_list(path) if path.suffix == ".json" else read_jsonl(path)


def _read_list(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    rows = read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DatasetError(f"{path}: expected a JSON list of objects; get the file again")
    for number, row in enumerate(rows):
        yield f"{path} element {number}", row
