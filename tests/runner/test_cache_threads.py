"""A runner's cache serves whichever thread grades next."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from harness.registry import load_benchmark
from harness.runner import Runner
from harness.types import Job


def test_a_runner_with_a_cache_may_be_used_from_another_thread(tmp_path):
    problem = load_benchmark("mini", ids=["0"]).problems[0]
    jobs = [Job(problem.task_id, 0, problem.solutions[0], problem)]
    with Runner(workers=1, cache=tmp_path) as runner, ThreadPoolExecutor(1) as beside:
        fresh = next(iter(runner.run(jobs)))
        again = beside.submit(lambda: next(iter(runner.run(jobs)))).result()
    assert fresh.passed("strict")
    assert again.passed("strict")
    assert (fresh.cached, again.cached) == (False, True)
