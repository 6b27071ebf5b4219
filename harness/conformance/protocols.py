"""Asking servers for verdicts, in the protocols that `rltf serve` speaks too.

`run_code` has no verdict of its own: as verl does, each test is a run, and what is printed must be what is
expected but for newlines at the end; calls of functions have no way there.
Does not cover: tokens.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from harness.conformance.case import Case
from harness.conformance.targets import NoAnswerError
from harness.errors import InputError

Post = Callable[[str, Mapping[str, Any]], Any]
_AGAIN = (502, 503, 504)
_TRIES = 4
_LIMITS = {"cpu_seconds": 2.0}


class Server:
    """A grader behind HTTP."""

    def __init__(self, url: str, protocol: str | None, seconds: float) -> None:
        """
        Args:
            url: Of the server, or of one of its routes, which then says the protocol.
            protocol: One of `PROTOCOLS`.
            seconds: To wait for each answer.

        Raises:
            InputError: If there is no such protocol.
        """
        base = url.rstrip("/")
        for name, (route, _) in PROTOCOLS.items():
            if base.endswith(route):
                protocol, base = protocol or name, base.removesuffix(route)
        if protocol is None:
            protocol = "grade"
        if protocol not in PROTOCOLS:
            raise InputError(f"unknown protocol {protocol!r}; available: {', '.join(PROTOCOLS)}")
        self._base, self._seconds = base, seconds
        self._ask = PROTOCOLS[protocol][1]

    def verdict(self, case: Case) -> bool | None:
        """As of `Target`."""
        try:
            return self._ask(self._post, case)
        except (LookupError, TypeError, ValueError) as error:
            raise NoAnswerError(
                f"an answer that can't be read: {type(error).__name__} {error}"[:200]
            ) from None

    def close(self) -> None:
        """Nothing stays open."""

    def _post(self, route: str, body: Mapping[str, Any]) -> Any:
        request = urllib.request.Request(self._base + route, json.dumps(body).encode())  # noqa: S310 - users'
        request.add_header("Content-Type", "application/json")
        for number in range(_TRIES):
            try:
                with urllib.request.urlopen(request, timeout=self._seconds) as answer:  # noqa: S310
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code not in _AGAIN or number == _TRIES - 1:
                    raise NoAnswerError(f"status {error.code}: {error.read(200)!r}") from None
            except (OSError, http.client.HTTPException) as error:
                raise NoAnswerError(f"{type(error).__name__}: {error}") from None
            time.sleep(1)
        raise NoAnswerError("nothing")


def _grade(post: Post, case: Case) -> bool | None:
    (row,) = post("/v1/grade", {"programs": [case.program], "tests": case.tests, "limits": _LIMITS})[
        "outcomes"
    ]
    return bool(next(iter(row["verdicts"].values())) == "passed")


def _run_code(post: Post, case: Case) -> bool | None:
    if case.is_call:
        return None
    for given, expected in zip(case.tests["inputs"], case.tests["outputs"], strict=True):
        body = {
            "code": case.program, "stdin": given, "language": "python", "memory_limit_MB": 1024,
            "run_timeout": 2, "compile_timeout": 2, "files": {}, "fetch_files": [],
        }  # fmt: skip
        answer = post("/run_code", body)
        if answer["status"] == "SandboxError":
            raise NoAnswerError(f"SandboxError: {answer.get('message')}"[:200])
        if answer["status"] != "Success" or _lines(answer["run_result"]["stdout"]) != _lines(expected):
            return False
    return True


def _lines(text: str | None) -> list[str]:
    """Blanks at the ends of lines do not count: no protocol says that they do."""
    return [line.rstrip() for line in (text or "").rstrip().split("\n")]


def _scalebox(post: Post, case: Case) -> bool | None:
    tests = {
        "type": "function_call" if case.is_call else "stdin_stdout",
        "fn_name": case.tests.get("fn_name"),
        "input": case.tests["inputs"],
        "output": case.tests["outputs"],
    }
    config = {
        "language": "python", "run_timeout": 2, "compile_timeout": 2, "dataset_type": "CommonOJDataset",
        "provided_data": {"test_cases": tests}, "extra": {"run_all_cases": True},
    }  # fmt: skip
    completion = f"```python\n{case.program}```\n"
    return bool(post("/common_evaluate_batch", {"completion": completion, "config": config})["accepted"])


def _open_instruct(post: Post, case: Case) -> bool | None:
    if "class Solution" in case.program:
        return None  # its asserts call functions
    pairs = list(zip(case.tests["inputs"], case.tests["outputs"], strict=True))
    if case.is_call:
        name = case.tests["fn_name"]
        tests: list[Any] = [
            f"assert {name}({', '.join(map(repr, given))}) == {value!r}" for given, value in pairs
        ]
        route = "/test_program"
    else:
        tests, route = [{"input": given, "output": value} for given, value in pairs], "/test_program_stdio"
    answer = post(route, {"program": case.program, "tests": tests, "max_execution_time": 2.0})
    results = answer["results"]
    return len(results) == len(tests) and all(result == 1 for result in results)


PROTOCOLS: Mapping[str, tuple[str, Callable[[Post, Case], bool | None]]] = {
    "grade": ("/v1/grade", _grade),
    "run_code": ("/run_code", _run_code),
    "common_evaluate_batch": ("/common_evaluate_batch", _scalebox),
    "test_program": ("/test_program", _open_instruct),
}
"""Route and way of asking, by name."""
