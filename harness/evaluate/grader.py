"""What evaluation needs of `harness.runner.Runner`, so that tests and other backends can stand in for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from harness import service


class Grader(service.Grader, Protocol):
    """Runs programs, says how they ended, and what it is."""

    def describe(self) -> Mapping[str, Any]:
        """Layers of isolation and versions, as plain JSON values."""
