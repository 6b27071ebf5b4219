"""What the page says of a program: its text, how it ended, and how each of its tests ended, briefly.

Covers: prompt and raw completion where the run recorded them. Statuses are letters and times milliseconds,
since a program may have hundreds of tests.
Does not cover: inputs and expected outputs, which are the benchmark's and never go in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, zip_longest
from typing import Any

from harness.run_store.finished_run import Run
from harness.types import ErrorInfo, Outcome, Status

LETTERS: Mapping[Status, str] = dict(zip(Status, "pwrstmonl", strict=True))
"""Of the statuses."""
_SAMPLES = 100
"""Of a problem; nobody looks at more, and with a thousand of each few problems would fit."""
_TEXT = 100_000
"""Characters of a program, completion or prompt."""
_MESSAGE = 1_000
"""Characters of an error's message."""


def programs(run: Run, wants: Callable[[str], bool]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Each problem of the run with what the page holds of it; `None` where `wants` says no to its id.

    Raises:
        InputError: If a file of the run is lost or damaged.
    """
    prompts = _prompts(run)
    for task_id, rows in groupby(_rows(run), key=lambda row: row[0]["task_id"]):
        if not wants(task_id):
            yield task_id, None
            continue
        pairs = list(rows)
        samples = [_sample(row, _outcome(run, row, line), run.profiles) for row, line in pairs[:_SAMPLES]]
        yield task_id, {"total": len(pairs), "samples": samples, **prompts.get(task_id, {})}


def cut(text: str, limit: int = _TEXT) -> str:
    """Text that is not longer than the page can show; says what is missing."""
    return text if len(text) <= limit else f"{text[:limit]}\n[… {len(text) - limit:,} more characters]"


def _rows(run: Run) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Each sample with the line of its outcome, not parsed yet; both files are in one order."""
    for line, outcome in zip_longest(run.lines("samples.jsonl"), run.lines("outcomes.jsonl")):
        if line is None or outcome is None:
            raise run.damaged("outcomes.jsonl")
        yield _parsed(run, "samples.jsonl", line, {"task_id", "sample_id", "code"}), outcome


def _outcome(run: Run, row: Mapping[str, Any], line: bytes) -> Outcome:
    outcome = run.outcome(line)
    if (outcome.task_id, outcome.sample_id) != (row["task_id"], row["sample_id"]):
        raise run.damaged("outcomes.jsonl")
    return outcome


def _prompts(run: Run) -> dict[str, dict[str, Any]]:
    name, found = "prompts.jsonl", {}
    if (run.path / name).exists():
        for line in run.lines(name):
            row = _parsed(run, name, line, {"task_id", "prompt"})
            found[row["task_id"]] = {"prompt": cut(row["prompt"]), "shortened": bool(row.get("shortened"))}
    return found


def _parsed(run: Run, name: str, line: bytes, fields: set[str]) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        raise run.damaged(name) from None
    if not isinstance(row, dict) or fields - row.keys():
        raise run.damaged(name)
    return row


def _sample(row: Mapping[str, Any], outcome: Outcome, profiles: Sequence[str]) -> dict[str, Any]:
    code, completion = row["code"], row.get("completion")
    sample: dict[str, Any] = {
        "id": row["sample_id"],
        "code": cut(code),
        "verdicts": [LETTERS[outcome.verdicts[profile]] for profile in profiles],
        "cpu": round(outcome.cpu_seconds, 3),
        "memory": round(outcome.peak_memory_mib),
        **{name: row[name] for name in ("finish", "tokens") if row.get(name) is not None},
    }
    if completion is not None and completion != code:
        sample["completion"] = cut(completion)
        sample["changed"] = bool(row.get("changed", True))
    if outcome.infrastructure_error is not None:
        sample["lost"] = cut(outcome.infrastructure_error, _MESSAGE)
    if outcome.tests:
        sample |= _tests(outcome, profiles)
    elif outcome.error is not None:
        sample["errors"] = [_error(outcome.error)]
    return sample


def _tests(outcome: Outcome, profiles: Sequence[str]) -> dict[str, Any]:
    """Statuses as a word of letters for each profile, milliseconds, and which of the errors each test has."""
    words = ["".join(LETTERS[test.statuses[profile]] for test in outcome.tests) for profile in profiles]
    # The one that the verdict speaks of comes first.
    errors = dict.fromkeys(
        e for e in (outcome.error, *(test.error for test in outcome.tests)) if e is not None
    )
    places = {error: place for place, error in enumerate(errors)}
    found: dict[str, Any] = {
        "tests": words[:1] if len(set(words)) == 1 else words,
        "times": [round(1000 * test.cpu_seconds) for test in outcome.tests],
    }
    if errors:
        found["errors"] = [_error(error) for error in errors]
        found["which"] = [-1 if test.error is None else places[test.error] for test in outcome.tests]
    return found


def _error(error: ErrorInfo) -> dict[str, Any]:
    return {"type": cut(error.type, _MESSAGE), "message": cut(error.message, _MESSAGE), "line": error.line}
