"""A grading service that is an `rltf serve` elsewhere; one request for each program, a few at a time.

A server that is not there at first is refused in seconds. Later, lost connections, full queues and failures
of the grader (503, 504) are tried again, for about 15 s and the requests' own time; what does not come to a
verdict in `TRIES` tries is an infrastructure error, never a wrong answer.
Tests that can't be sent (a checker, a preamble: code that would run outside of a program's process) are named
by task id, for a server that has the same benchmark; a digest shows that they are the same.
Does not cover: such tests of no benchmark.
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
from contextlib import suppress
from functools import cache
from typing import Any

from harness.errors import InputError
from harness.integrations import TOKEN_VARIABLE
from harness.run_store.records import outcome_from_row
from harness.types import (
    AssertTest,
    Benchmark,
    CallTest,
    Job,
    Outcome,
    Status,
    StdinTest,
    Test,
    TestKind,
    TestSuite,
)

TRIES = 6
_AT_A_TIME = 32
_TIMEOUT = 600.0
_MOST_BITS = 10_000
"""Of an integer that is sent: Python's limit for reading one is 4,300 digits."""
_NO_OUTCOME = (
    OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError, http.client.HTTPException,
)  # fmt: skip
"""What an answer that is cut, or none of ours, may raise."""
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
            InputError: If it is no such address, nothing answers there, or it has no such profile.
        """
        if not url.startswith(("http://", "https://")):
            raise InputError(f"url {url!r}: give the address of an rltf serve, http://host:port")
        url = url.rstrip("/")
        self._url, self._profile = f"{url}/v1/grade", profile
        there = _info(url)
        self._benchmarks = there.get("benchmarks", ())
        if profile not in (known := there.get("profiles", ())):
            raise InputError(
                f"url {url}: profile {profile!r} is none of the server's ({', '.join(known)}); start it with"
                f" --profile {profile}"
            )
        self._pool = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="remote grading")

    def check_benchmark(self, benchmark: Benchmark) -> None:
        """Hold that it can grade a benchmark, before any program of it is sent.

        Raises:
            InputError: If some of its tests can't be sent, and the server does not have it.
        """
        named = f"{benchmark.name}:{benchmark.split}"
        if named in self._benchmarks:
            return
        for problem in benchmark.problems:
            if not can_be_sent(problem.suite):
                raise InputError(
                    f"{self._url}: tests of {problem.task_id} can't be sent (a checker, a preamble, or no"
                    f" data of JSON), and the server does not have them; start it with --benchmark {named}"
                )

    def submit(self, job: Job) -> Future[Outcome]:
        """Have a program graded there."""
        return self._pool.submit(self._grade, job)

    def _grade(self, job: Job) -> Outcome:
        suite = job.problem.suite
        program = {"code": job.code, "sample_id": job.sample_id}
        body: dict[str, Any] = {"programs": [program], "profile": self._profile}
        if can_be_sent(suite):
            body["tests"] = tests_of(suite)
        else:
            program |= {"task_id": job.problem.task_id, "tests_digest": suite.content_digest}
        if job.limits is not None:
            limits = job.limits
            body["limits"] = {"cpu_seconds": limits.cpu_seconds, "memory_mib": limits.memory_mib}
        cause = ""
        for number in range(TRIES):
            try:
                row = _asked(self._url, body, _TIMEOUT)["outcomes"][0]
                outcome = outcome_from_row(row | {"task_id": job.task_id})
                return self._checked(outcome, job)
            except urllib.error.HTTPError as error:
                if error.code not in (502, 503, 504):
                    raise InputError(f"{self._url}: {_said(error)}") from None
                cause = f"status {error.code}"
            except _NO_OUTCOME as error:
                cause = f"{type(error).__name__}: {error}"
            if number < TRIES - 1:
                time.sleep(min(0.5 * 2**number, 10))
        return Outcome(
            job.task_id,
            job.sample_id,
            {self._profile: Status.NOT_RUN},
            infrastructure_error=f"{self._url}: {cause}",
        )

    def _checked(self, outcome: Outcome, job: Job) -> Outcome:
        """The outcome, if it is of this program, by this profile.

        Raises:
            ValueError: If not.
        """
        if outcome.sample_id != job.sample_id or self._profile not in outcome.verdicts:
            raise ValueError(f"an outcome of another program, or not by {self._profile}")
        return outcome


def _info(url: str) -> Mapping[str, Any]:
    """What the server is started with; an address where nobody is would cost every program all of its tries.

    Raises:
        InputError: Names it.
    """
    try:
        return dict(_asked(f"{url}/v1/info", None, _PATIENCE))
    except urllib.error.HTTPError as error:
        raise InputError(f"url {url}: what answers there is no rltf serve for us ({_said(error)})") from None
    except (OSError, ValueError, TypeError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise InputError(
            f"url {url}: no rltf serve answers there ({reason}); start it, or mend the url"
        ) from None


def _asked(url: str, body: Mapping[str, Any] | None, timeout: float) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data)  # noqa: S310 - http, as was checked
    request.add_header("Content-Type", "application/json")
    if token := os.environ.get(TOKEN_VARIABLE):
        request.add_header("Authorization", f"Bearer {token}")
    with _opener().open(request, timeout=timeout) as answer:
        return json.load(answer)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows none: the token and the tests would go to whomever the answer names."""

    def redirect_request(self, *_: Any) -> None:
        return None


@cache
def _opener() -> urllib.request.OpenerDirector:
    """Made at first use: it reads proxies and certificates from the environment."""
    return urllib.request.build_opener(_NoRedirects)


def _said(error: urllib.error.HTTPError) -> str:
    """An answer's status, and its word on what is wrong."""
    if elsewhere := error.headers.get("Location"):
        return f"status {error.code}, a redirect to {elsewhere}; give that address"
    text = error.read(500).decode(errors="replace")
    with suppress(ValueError, LookupError, TypeError):
        text = json.loads(text)["detail"]
    return f"status {error.code}, {text}"


def can_be_sent(suite: TestSuite) -> bool:
    """Whether a request can hold it: data of JSON, and code that runs in a program's process only."""
    if suite.checker is not None or suite.preamble or suite.exact_text or suite.cpu_factor != 1:
        return False
    return all(_is_sent_whole(test) for test in suite.tests()) if suite.kind is not TestKind.STDIN else True


def _is_sent_whole(test: Test) -> bool:
    match test:
        case CallTest():
            return _is_json(test.args) and _is_json(test.expected)
        case _:
            return isinstance(test, AssertTest)


def _is_json(value: Any) -> bool:
    """Whether JSON text gives back the same value."""
    match value:
        case dict():
            return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
        case list() | tuple():
            return all(map(_is_json, value))
        case int():
            return value.bit_length() <= _MOST_BITS
        case _:
            return True


def tests_of(suite: TestSuite) -> dict[str, Any]:
    """A suite that can be sent, as `/v1/grade` takes it."""
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
        case _:
            return test.source
