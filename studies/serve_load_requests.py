"""What `serve_load` asks: requests with the answers that are right for them.

Covers: right and wrong programs on four routes, hostile programs, and requests that are hostile themselves.
Each program and each set of tests is unlike any other, so that no verdict comes from the cache.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from studies.http_client import Answer
from studies.soak import HONEST, HOSTILE, LONG, SHORT, SUITES

LONG_SHARE = 0.1
"""Of the hostile programs, those that use their whole limit."""


def tests_of(suite: str, number: int) -> dict[str, Any]:
    """As `studies.soak.SUITES`, in the form of the wire, each unlike any other."""
    if suite == "sum":
        rows = [{"input": f"{n} {n + 1}\n", "output": f"{2 * n + 1}\n"} for n in (1, number)]
        return {"kind": "stdin", "tests": rows}
    if suite == "square":
        calls = [{"args": [n], "expected": n * n} for n in (3, 4, number)]
        return {"kind": "call", "entry_point": "square", "tests": calls}
    return {"kind": "asserts", "tests": ["assert square(3) == 9", f"assert square({number}) == {number**2}"]}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request."""

    kind: str
    """For the report."""
    path: str
    body: bytes
    right: Callable[[Answer], bool]
    """Whether an answer other than 503 and 504 is the one that it should get."""
    headers: Mapping[str, str] = field(default_factory=dict)


def honest(dice: random.Random, number: int) -> Asked:
    """Programs of known worth: a half of the requests one program in SandboxFusion's protocol."""
    if dice.random() < 0.5:
        return _run_code(dice, number)
    if dice.random() < 0.2:
        return _others_protocol(dice, number)
    suite = dice.choice(list(SUITES))
    expected = [dice.random() < 0.5 for _ in range(dice.choice((1, 1, 1, 2, 4)))]
    programs = [f"{HONEST[suite, good]}\n# {number} {place}" for place, good in enumerate(expected)]
    body = _json({"programs": programs, "tests": tests_of(suite, number)})
    return Asked("programs of known worth", "/v1/grade", body, lambda answer: _passed(answer) == expected)


def _run_code(dice: random.Random, number: int) -> Asked:
    code, stdout, complaint = dice.choice(
        (
            (f"print(int(input()) + {number})", f"{number + 3}\n", ""),
            (f"print('{number}')\n1 / 0", f"{number}\n", "ZeroDivisionError"),
            (f"print({number}", "", "SyntaxError"),
        )
    )
    body = _json({"code": code, "language": "python", "stdin": "3\n", "run_timeout": 1})

    def right(answer: Answer) -> bool:
        if answer.status != 200:
            return False
        said, result = answer.json(), answer.json()["run_result"]
        good = said["status"] == ("Failed" if complaint else "Success")
        return good and result["stdout"] == stdout and complaint in result["stderr"]

    return Asked("programs of known worth", "/run_code", body, right)


def _others_protocol(dice: random.Random, number: int) -> Asked:
    good = dice.random() < 0.5
    code = f"{HONEST['sum', good]}\n# {number}"
    rows = tests_of("sum", number)["tests"]
    if dice.random() < 0.5:
        body = {"program": code, "tests": rows, "max_execution_time": 1}
        return Asked(
            "programs of known worth",
            "/test_program_stdio",
            _json(body),
            lambda answer: answer.status == 200 and answer.json()["results"] == [int(good)] * len(rows),
        )
    tests = {"type": "stdin_stdout", **{name: [row[name] for row in rows] for name in ("input", "output")}}
    completion = {"completion": f"```python\n{code}\n```", "config": {"provided_data": {"test_cases": tests}}}
    return Asked(
        "programs of known worth",
        "/common_evaluate_batch",
        _json(completion),
        lambda answer: answer.status == 200 and answer.json()["accepted"] is good,
    )


def hostile_program(dice: random.Random, number: int) -> Asked:
    """One of the programs of `make soak`; none may pass."""
    kind = dice.choice(LONG if dice.random() < LONG_SHARE else SHORT)
    tests = tests_of(dice.choice(list(SUITES)), number)
    body = _json({"programs": [f"{HOSTILE[kind]}\n# {number}"], "tests": tests})
    return Asked(f"hostile program: {kind}", "/v1/grade", body, lambda answer: _passed(answer) == [False])


def hostile_request(dice: random.Random) -> Asked:
    """A request that must be refused, by a status of its own."""
    kind, status, path, body, headers = dice.choice(_REFUSED)
    return Asked(f"refused: {kind}", path, body, lambda answer: answer.status == status, headers)


def _json(body: object) -> bytes:
    return json.dumps(body).encode()


def _passed(answer: Answer) -> list[bool]:
    if answer.status != 200:
        return []
    return [row["verdicts"]["strict"] == "passed" for row in answer.json()["outcomes"]]


_CODE = {"code": "print(1)", "language": "python"}
_REFUSED: list[tuple[str, int, str, bytes, dict[str, str]]] = [
    ("no JSON", 422, "/run_code", b'{"code": ', {}),
    ("a form", 415, "/run_code", _json(_CODE), {"content-type": "text/plain"}),
    ("another host's name", 403, "/run_code", _json(_CODE), {"host": "elsewhere.example"}),
    ("a web page's", 403, "/run_code", _json(_CODE), {"origin": "http://elsewhere.example"}),
    ("a bomb of gzip", 413, "/run_code", gzip.compress(bytes(32 << 20)), {"content-encoding": "gzip"}),
    ("broken gzip", 400, "/run_code", b"\x1f\x8b\x08 nothing", {"content-encoding": "gzip"}),
    ("a file outside", 400, "/run_code", _json({**_CODE, "files": {"../x": "AA=="}}), {}),
    ("files of the server's", 400, "/run_code", _json({**_CODE, "fetch_files": ["/etc/passwd"]}), {}),
    ("another language", 400, "/run_code", _json({**_CODE, "language": "bash"}), {}),
    (
        "an endless limit",
        422,
        "/run_code",
        b'{"code": "", "language": "python", "run_timeout": Infinity}',
        {},
    ),
    ("no tests", 400, "/v1/grade", _json({"programs": ["pass"], "tests": []}), {}),
    ("deep tests", 400, "/v1/grade", b'{"programs": ["pass"], "tests": ' + b"[" * 100_000, {}),
    (
        "5,000 programs",
        413,
        "/v1/grade",
        _json({"programs": ["pass"] * 5000, "tests": tests_of("sum", 2)}),
        {},
    ),
    (
        "tests of no known form",
        400,
        "/v1/grade",
        _json({"programs": ["pass"], "tests": {"nothing": "known"}}),
        {},
    ),
]
"""What it is, the status that it gets, where, what, and which headers."""
