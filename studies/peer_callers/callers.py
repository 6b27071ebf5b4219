"""What the scripts beside this share: the recorded answers, packages of a peer's without its imports.

Each script runs in the peer's own environment, has the peer's own code call our adapter with the recorded
answers, and writes a reward for each: `python SCRIPT ANSWERS.jsonl REWARDS.json`. Does not cover:
environments and the comparison (`studies/integrations.py`).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType


@dataclass(frozen=True)
class Answer:
    """A recorded answer of a model, and what it is graded by."""

    task_id: str
    prompt: str
    text: str
    tests: str
    """Ground truth, as a data set of a trainer's has it: JSON."""


def answers() -> list[Answer]:
    """Of the file that the command names."""
    with open(sys.argv[1], encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    return [Answer(row["task_id"], row["prompt"], row["text"], row["tests"]) for row in rows]


def told(rewards: Sequence[float | None], callers: str) -> None:
    """Write the rewards, one for each answer, and who asked for them."""
    Path(sys.argv[2]).write_text(json.dumps({"rewards": list(rewards), "callers": callers}), encoding="utf-8")


def bare(*names: str) -> None:
    """Make packages of a peer importable without what their `__init__` imports: engines, CUDA, Ray.

    They lie in the folder `$PEER`, unpacked.
    """
    for name in names:
        package = ModuleType(name)
        package.__path__ = [str(Path(os.environ["PEER"], *name.split(".")))]
        sys.modules[name] = package
