"""Samples and outcomes as JSON rows, one row per line.

Covers: exact round trips (`outcome_from_row(outcome_row(o)) == o`); a file of samples in a fixed order,
written without holding the programs. Does not cover: surviving a kill (`harness.run_store.journal`), nor
which rows belong together (`harness.run_store.run_folder`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from harness.files import replace_file, writing
from harness.programs.sample import Sample
from harness.run_store.outcome_rows import check_outcome_row
from harness.types import ErrorInfo, Outcome, Status, TestOutcome

Key = tuple[str, int | str]
"""Task id and sample id."""


def outcome_row(outcome: Outcome) -> dict[str, Any]:
    """`outcome` as a row of `outcomes.jsonl`; pass ratios are added for readers that know no tests."""
    return {
        "task_id": outcome.task_id,
        "sample_id": outcome.sample_id,
        "verdicts": dict(outcome.verdicts),
        "pass_ratio": {profile: outcome.pass_ratio(profile) for profile in outcome.verdicts},
        "error": _error_row(outcome.error),
        "infrastructure_error": outcome.infrastructure_error,
        **({"unusable_tests": True} if outcome.unusable_tests else {}),
        "cpu_seconds": outcome.cpu_seconds,
        "peak_memory_mib": outcome.peak_memory_mib,
        "cached": outcome.cached,
        **({"cut_short": True} if outcome.cut_short else {}),
        "tests": [
            {
                **test.statuses,
                "error": _error_row(test.error),
                "cpu_seconds": test.cpu_seconds,
                "ran_inside": test.ran_inside,
                **_errors_row(test.errors),
            }
            for test in outcome.tests
        ],
    }


def outcome_from_row(row: dict[str, Any]) -> Outcome:
    """The outcome that `outcome_row` turned into `row`.

    Raises:
        ValueError: If it is none.
    """
    check_outcome_row(row)
    profiles = list(row["verdicts"])
    return Outcome(
        task_id=row["task_id"],
        sample_id=row["sample_id"],
        verdicts={profile: Status(status) for profile, status in row["verdicts"].items()},
        tests=tuple(
            TestOutcome(
                statuses={profile: Status(test[profile]) for profile in profiles},
                error=_error_from_row(test["error"]),
                cpu_seconds=test["cpu_seconds"],
                ran_inside=test["ran_inside"],
                errors={name: _error_from_row(each) for name, each in test.get("errors", {}).items()},
            )
            for test in row["tests"]
        ),
        error=_error_from_row(row["error"]),
        cpu_seconds=row["cpu_seconds"],
        peak_memory_mib=row["peak_memory_mib"],
        infrastructure_error=row["infrastructure_error"],
        unusable_tests=row.get("unusable_tests", False),
        cached=row["cached"],
        cut_short=row.get("cut_short", False),
    )


def _errors_row(errors: Mapping[str, ErrorInfo | None]) -> dict[str, Any]:
    """Only where profiles differ, which is rare."""
    return {"errors": {name: _error_row(error) for name, error in errors.items()}} if errors else {}


def _error_row(error: ErrorInfo | None) -> dict[str, Any] | None:
    return None if error is None else {"type": error.type, "message": error.message, "line": error.line}


def _error_from_row(row: dict[str, Any] | None) -> ErrorInfo | None:
    return None if row is None else ErrorInfo(row["type"], row["message"], row["line"])


def sample_row(sample: Sample) -> dict[str, Any]:
    """`sample` as a row of `samples.jsonl`."""
    return {"task_id": sample.task_id, "sample_id": sample.sample_id, "code": sample.code}


def encoded(row: dict[str, Any]) -> bytes:
    """`row` as one line of a JSON Lines file.

    Raises:
        ValueError: If a number is not finite: what is not JSON is not written.
    """
    # ASCII, so that programs with lone surrogates can be recorded too.
    return json.dumps(row, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def write_samples(path: Path, samples: Iterable[Sample], ranks: dict[str, int]) -> str:
    """Write samples in the fixed order, whatever order they come in; one is held at a time.

    Args:
        path: File to write, whole or not at all.
        samples: Unique by `Sample.key`.
        ranks: Place of each task id in the benchmark. Within a task, numbers come before strings.

    Returns:
        Hex SHA-256 of the file.
    """
    unsorted = path.with_name(path.name + ".unsorted")
    digest = sha256()

    def write(stream: IO[bytes]) -> None:
        places.sort()
        with unsorted.open("rb") as source:
            for _, offset in places:
                source.seek(offset)
                line = source.readline()
                digest.update(line)
                stream.write(line)

    places: list[tuple[tuple[int, bool, int, str], int]] = []
    try:
        with _created(unsorted) as stream:
            offset = 0
            for sample in samples:
                named = isinstance(sample.sample_id, str)
                number, name = (0, str(sample.sample_id)) if named else (int(sample.sample_id), "")
                places.append(((ranks[sample.task_id], named, number, name), offset))
                with writing(path):
                    offset += stream.write(encoded(sample_row(sample)))
            with writing(path):
                stream.flush()
        replace_file(path, write)
    finally:
        unsorted.unlink(missing_ok=True)
    return digest.hexdigest()


@contextmanager
def _created(path: Path) -> Iterator[IO[bytes]]:
    with writing(path):
        stream = path.open("wb")
    try:
        yield stream
    finally:
        # Only what failed before can be left in the buffer, and its error is already under way.
        with suppress(OSError):
            stream.close()


def read_samples(path: Path) -> Iterator[Sample]:
    """The samples of `samples.jsonl`, one at a time."""
    with path.open("rb") as stream:
        for line in stream:
            row = json.loads(line)
            yield Sample(row["task_id"], row["sample_id"], row["code"])


def read_outcomes(path: Path) -> Iterator[Outcome]:
    """The outcomes of `outcomes.jsonl`, one at a time."""
    with path.open("rb") as stream:
        for line in stream:
            yield outcome_from_row(json.loads(line))
