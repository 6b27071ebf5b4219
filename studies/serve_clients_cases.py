"""Run by `serve_clients`, in the clients' environment: each client to each status that it knows of.

    python serve_clients_cases.py URL FAILING_URL

Prints a row of JSON for each case: client, case, what it should get, what it got.
"""

import asyncio
import base64
import json
import logging
import sys

from sandbox_fusion import (
    CommandRunStatus,
    RunCodeRequest,
    RunStatus,
    SubmitRequest,
    SummaryMapping,
    TestConfig,
    run_code,
    run_code_async,
    set_endpoint,
    submit,
    submit_async,
    summary_run_code_result,
)
from verl.utils.reward_score.sandbox_fusion.utils import check_correctness

ECHO = "print(input())"
PAIRS = {"inputs": ["1", "2"], "outputs": ["1\n", "2\n"]}
CALLS = {"inputs": ["[3]\n4"], "outputs": ["[3, 3, 3, 3]"], "fn_name": "f"}
VERL = {
    "a right program": (PAIRS, ECHO, {}, [True, True]),
    "a wrong one": (PAIRS, "print(3)", {}, [False, False]),
    "an exception": (PAIRS, "print(input())\n1 / 0", {}, [-2, -2]),
    "a syntax error": (PAIRS, "print(", {}, [-2, -2]),
    "exit status 3": (PAIRS, "raise SystemExit(3)", {}, [-2, -2]),
    "a signal": (PAIRS, "import os\nos.abort()", {}, [-2, -2]),
    "an endless loop": (PAIRS, "while True: pass", {"timeout": 1}, [-3, -3]),
    "sleep": (PAIRS, "import time\ntime.sleep(60)", {"timeout": 1}, [-3, -3]),
    "too much memory": (PAIRS, "x = bytearray(3 << 30)", {"memory_limit_mb": 256}, [-2, -2]),
    "endless output": (PAIRS, "while True: print('x' * 65536)", {"timeout": 2}, [-2, -2]),
    "a function, its arguments as lines of JSON": (CALLS, "def f(a, n):\n    return a * n", {}, [True]),
    "a method of Solution": (
        CALLS,
        "class Solution:\n    def f(self, a, n):\n        return a * n",
        {},
        [True],
    ),
    "output that is not looked at": ({"inputs": ["1"], "outputs": [None]}, ECHO, {}, [True]),
    "another language": (PAIRS, "int main() {}", {"language": "cpp"}, [-1, -1]),
}
"""Tests, program, options, verl's result for each test."""
RUNS = {
    "a right program": ({"code": ECHO, "stdin": "1"}, ("Success", "Finished", 0, "1\n", "ok")),
    "an exception": ({"code": "print(1)\n1 / 0"}, ("Failed", "Finished", 1, "1\n", "failed to run")),
    "a syntax error": ({"code": "print("}, ("Failed", "Finished", 1, "", "failed to run")),
    "an endless loop": (
        {"code": "print(1, flush=True)\nwhile True: pass", "run_timeout": 1},
        ("Failed", "TimeLimitExceeded", None, "1\n", "time-out"),
    ),
    "a file": (
        {"code": "print(open('a').read())", "files": {"a": base64.b64encode(b"text").decode()}},
        ("Success", "Finished", 0, "text\n", "ok"),
    ),
}
"""Fields of a request; status, status of the run, return code, output, and the client's own summary."""
NAMES = SummaryMapping(Success="ok", Failed="failed", RunFailed="failed to run", RunTimeout="time-out")
COMMON = {
    "dataset_type": "CommonOJDataset",
    "language": "python",
    "provided_data": {
        "id": 1,
        "content": "",
        "labels": {},
        "test": [{"input": {"stdin": "1"}, "output": {"stdout": "1"}}],
    },
}


def tell(client, case, wanted, got):
    """A row."""
    print(json.dumps({"client": client, "case": case, "wanted": str(wanted), "got": str(got)}))


def of_verl(url, failing):
    """verl's own client."""
    for case, (tests, code, options, wanted) in VERL.items():
        tell("verl", case, wanted, check_correctness(f"{url}/run_code", tests, code, **options)[0])
    results, told = check_correctness(f"{failing}/run_code", PAIRS, ECHO)
    asked_again = all(
        "504" in each["api_request_error"] and "3/3" in each["api_request_error"] for each in told
    )
    tell("verl", "a grader that fails: asked three times", ([-1, -1], True), (results, asked_again))


def summary(done):
    """What is looked at of an answer."""
    run = done.run_result
    statuses = RunStatus(done.status).value, CommandRunStatus(run.status).value
    return *statuses, run.return_code, run.stdout, summary_run_code_result(done, NAMES)


async def of_sandbox_fusion(url, failing):
    """The package, in both ways."""
    ways = {
        "sandbox-fusion": (lambda *args, **more: asyncio.to_thread(run_code, *args, **more), submit),
        "sandbox-fusion, async": (run_code_async, submit_async),
    }
    for name, (run, judge) in ways.items():
        set_endpoint(url)
        for case, (fields, wanted) in RUNS.items():
            tell(name, case, wanted, summary(await run(RunCodeRequest(language="python", **fields))))
        for case, code, wanted in (("submit, right", ECHO, True), ("submit, wrong", "print(2)", False)):
            request = SubmitRequest(
                dataset="any", id=1, completion=f"```python\n{code}\n```", config=TestConfig(**COMMON)
            )
            result = judge(request)
            if asyncio.iscoroutine(result):
                result = await result
            tell(name, case, wanted, result.accepted)
        for case, fields, endpoint in (
            ("another language", {"code": "", "language": "bash"}, url),
            ("files of the server's", {"code": "", "language": "python", "fetch_files": ["a"]}, url),
            ("a grader that fails", {"code": "", "language": "python"}, failing),
        ):
            try:
                await run(RunCodeRequest(**fields), endpoint=endpoint, max_attempts=2)
                got = "an answer"
            except Exception as error:
                got = str(error).split(":")[0]
            status = 504 if endpoint == failing else 400
            tell(name, case, f"Faas api responded with code {status}", got)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    of_verl(*sys.argv[1:])
    asyncio.run(of_sandbox_fusion(*sys.argv[1:]))
