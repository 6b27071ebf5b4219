"""A grading service that is an `rltf serve` elsewhere; one request for each program, a few at a time.

A server that is not there at first is refused in seconds. Later, lost connections, full queues and failures
of the grader (503, 504) are tried again, for about 15 s and the requests' own time; what does not come to a
verdict in `TRIES` tries is an infrastructure error, never a wrong answer.
Does not cover: tests with a checker of their own, which can't be sent.
"""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from harness.errors import InputError
from harness.integrations import TOKEN_VARIABLE
from harness.run_store.records import outcome_from_row
from harness.types import AssertTest, CallTest, Job, Outcome, Status, StdinTest, Test, TestSuite

TRIES = 6
_AT_A_TIME = 32
_TIMEOUT = 600.0
_PATIENCE = 3.0
"""Seconds for a server to answer at all before the first program is sent."""


class RemoteService:
    """Grades over HTTP."""

    def __init__(self, url: str, profile: str) -> None:
        """
        Args:
            url: `http://host:port` of an `rltf serve`; a token is taken from the environment.
            profile: One of the server's.

        Raises:
            InputError: If it is no such address, or nothing answers there.
        """
        if not url.startswith(("http://", "https://")):
            raise InputError(f"url {url!r}: give the address of an rltf serve, http://host:port")
        url = url.rstrip("/")
        self._url, self._profile = f"{url}/v1/grade", profile
        _check_answers(url)
        self._pool = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="remote grading")

    def submit(self, job: Job) -> Future[Outcome]:
        """Have a program graded there."""
        return self._pool.submit(self._grade, job)

    def _grade(self, job: Job) -> Outcome:
        body: dict[str, Any] = {
            "programs": [{"code": job.code, "sample_id": job.sample_id}],
            "tests": tests_of(job.problem.suite),
            "profile": self._profile,
        }
        if job.limits is not None:
            limits = job.limits
            body["limits"] = {"cpu_seconds": limits.cpu_seconds, "memory_mib": limits.memory_mib}
        cause = ""
        for number in range(TRIES):
            try:
                row = _post(self._url, body)["outcomes"][0]
                return outcome_from_row(row | {"task_id": job.task_id})
            except urllib.error.HTTPError as error:
                if error.code not in (502, 503, 504):
                    raise InputError(f"{self._url}: status {error.code}, {error.read(500)!r}") from None
                cause = f"status {error.code}"
            except (OSError, ValueError, LookupError, TypeError) as error:
                cause = f"{type(error).__name__}: {error}"
            if number < TRIES - 1:
                time.sleep(min(0.5 * 2**number, 10))
        return Outcome(
            job.task_id,
            job.sample_id,
            {self._profile: Status.NOT_RUN},
            infrastructure_error=f"{self._url}: {cause}",
        )


def _check_answers(url: str) -> None:
    """Refuse an address where nobody is: a mistyped one would cost every program all of its tries.

    Raises:
        InputError: Names it.
    """
    try:
        urllib.request.urlopen(f"{url}/health", timeout=_PATIENCE).close()  # noqa: S310 - as below
    except urllib.error.HTTPError:
        return  # somebody is there; what is wrong is said of the programs
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise InputError(
            f"url {url}: no rltf serve answers there ({reason}); start it, or mend the url"
        ) from None


def _post(url: str, body: Mapping[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode())  # noqa: S310 - http, as was checked
    request.add_header("Content-Type", "application/json")
    if token := os.environ.get(TOKEN_VARIABLE):
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - the same
        return json.load(answer)


def tests_of(suite: TestSuite) -> dict[str, Any]:
    """A suite as `/v1/grade` takes it.

    Raises:
        InputError: If it has what can't be sent.
    """
    if suite.checker is not None or suite.preamble or suite.exact_text or suite.cpu_factor != 1:
        raise InputError(
            "tests with a checker or a preamble can't be sent; grade in this process, without url"
        )
    return {
        "kind": suite.kind.value,
        "tests": [_row(test) for test in suite.tests()],
        "entry_point": suite.entry_point,
        "setup": suite.setup,
    }


def _row(test: Test) -> Any:
    match test:
        case StdinTest():
            return {"input": test.input, "output": test.output}
        case CallTest():
            return {"args": list(test.args), "expected": test.expected}
        case AssertTest():
            return test.source
        case _:
            raise InputError("tests of values can't be sent; grade in this process, without url")
