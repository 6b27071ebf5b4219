"""What evaluation needs of `harness.runner.Runner`, so that tests and other backends can stand in for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from harness.types import Job, Outcome


class Grader(Protocol):
    """Runs programs and says how they ended."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Outcomes in any order, one for each job; jobs are taken as needed."""

    def describe(self) -> Mapping[str, Any]:
        """Layers of isolation and versions, as plain JSON values."""
