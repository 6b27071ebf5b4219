"""Stand-ins for the packages wandb and trackio, which keep what they are told."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class Tracker(ModuleType):
    """Has the calls of wandb and trackio that are used; like trackio, it prints."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)  # importlib finds what has one
        self.__version__ = "1.0"
        self.begun: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []
        self.steps: list[int | None] = []
        self.axes: dict[str, str] = {}
        self.ended: list[int] = []
        self.fails: BaseException | None = None
        """What is raised by `init`, and by `log` from the row `fails_after` on."""
        self.fails_after = 0

    def init(self, **options: Any) -> None:
        print(f"* {self.__name__} says hello")  # noqa: T201
        if self.fails is not None and not self.fails_after:
            raise self.fails
        self.begun.append(options)

    def log(self, numbers: dict[str, Any], step: int | None = None) -> None:
        if self.fails is not None and len(self.rows) >= self.fails_after:
            raise self.fails
        self.rows.append(numbers)
        self.steps.append(step)

    def define_metric(self, name: str, step_metric: str = "") -> None:
        self.axes[name] = step_metric

    def finish(self, exit_code: int = 0) -> None:
        self.ended.append(exit_code)


def install(monkeypatch: Any, name: str) -> Tracker:
    """Put a stand-in where the package would be."""
    tracker = Tracker(name)
    monkeypatch.setitem(sys.modules, name, tracker)
    for variable in ("WANDB_PROJECT", "WANDB_RUN_ID", "WANDB_NAME", "TRACKIO_PROJECT"):
        monkeypatch.delenv(variable, raising=False)
    return tracker
