"""What the page holds of a program: its text, its verdict, and the status of each test, briefly.

Covers: prompt and raw completion where the run recorded them. Statuses are letters and times milliseconds,
since a program may have hundreds of tests.
Does not cover: inputs and expected outputs: they belong to the benchmark and never go in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.run_store.rows import prompts_of
from harness.types import ErrorInfo, Outcome, Status

LETTERS: Mapping[Status, str] = dict(zip(Status, "pwrstmonl", strict=True))
"""Of the statuses."""
SAMPLES = 100
"""Of a problem; nobody looks at more, and with a thousand of each few problems would fit."""
_TEXT = 100_000
"""Characters of a program, completion or prompt."""
_MESSAGE = 1_000
"""Characters of an error's message."""


class ProblemEntries:
    """What the page holds of each problem, from samples that come problem by problem, one at a time."""

    def __init__(
        self,
        folder: Path,
        profiles: Sequence[str],
        wants: Callable[[str], bool],
        found: Callable[[str, dict[str, Any] | None], None],
    ) -> None:
        """
        Args:
            folder: Of the run; its prompts are read.
            profiles: In the order in which the page names them.
            wants: Asked once for each task id; of the others nothing is kept.
            found: Told of each problem with its entry, or `None` if that is not wanted.
        """
        self._profiles, self._wants, self._found = profiles, wants, found
        self._prompts = {
            row["task_id"]: {"prompt": cut(row["prompt"]), "shortened": bool(row.get("shortened"))}
            for row in prompts_of(folder)
        }
        self._task: str | None = None
        self._wanted = False
        self._total = 0
        self._samples: list[dict[str, Any]] = []

    def add(self, row: Mapping[str, Any], outcome: Callable[[], Outcome]) -> None:
        """Take the next sample; `outcome` is called only if the page shows it."""
        if row["task_id"] != self._task:
            self.close()
            self._task, self._wanted = row["task_id"], self._wants(row["task_id"])
        self._total += 1
        if self._wanted and len(self._samples) < SAMPLES:
            self._samples.append(program_entry(row, outcome(), self._profiles))

    def close(self) -> None:
        """Give the last problem away."""
        if self._task is not None:
            prompt = self._prompts.get(self._task, {})
            entry = {"total": self._total, "samples": self._samples, **prompt}
            self._found(self._task, entry if self._wanted else None)
        self._task, self._total, self._samples = None, 0, []


def cut(text: str, limit: int = _TEXT) -> str:
    """Text that is not longer than the page can show; says what is missing."""
    return text if len(text) <= limit else f"{text[:limit]}\n[… {len(text) - limit:,} more characters]"


def program_entry(row: Mapping[str, Any], outcome: Outcome, profiles: Sequence[str]) -> dict[str, Any]:
    """A sample's row and its outcome as the page holds them."""
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
    """One status letter per test, per profile; milliseconds; and which of the errors each test has."""
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
