"""The process in which a grader of Python is called: `python -m harness.conformance.callee MODULE:FUNCTION
FD`.

Reads a case a line from standard input, writes a verdict a line to the descriptor; programs that are run in
this very process may write to standard output what they like. Does not cover: ending itself when nothing
comes back.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from harness.targets import TargetError, load_target


def main(target: str, descriptor: int) -> None:
    """Answer until the input ends."""
    questions = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        grade = load_target(target)
    except TargetError as error:
        grade = None
        missing = str(error)
    for line in questions:
        case = json.loads(line)
        try:
            found = {"error": missing} if grade is None else {"verdict": _verdict(grade, case)}
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {error}"[:300]}
        os.write(descriptor, json.dumps(found).encode() + b"\n")


def _verdict(grade: Callable[[str, Any], object], case: dict[str, Any]) -> bool | None:
    said = grade(case["code"], case["tests"])
    return None if said is None else said is True


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
