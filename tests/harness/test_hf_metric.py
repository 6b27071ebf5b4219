"""The evaluate.Metric: code_eval's arguments and answers, without its holes."""

import os

import pytest
from cases import cases

pytest.importorskip("evaluate")

from harness.errors import InputError
from harness.hf_metric import ProgramsPass, problem_from_tests
from harness.types import Benchmark, Problem, StdinTest, TestKind, TestSuite

ADD = "def add(a, b):\n    return a + b"
WRONG = "def add(a, b):\n    return a - b"
TESTS = "assert add(2, 3) == 5\nassert add(0, 0) == 0"
CHECK = "def check(candidate):\n    assert candidate(2, 3) == 5\n\ncheck(add)"


@pytest.fixture
def metric(tmp_path) -> ProgramsPass:
    return ProgramsPass(cache_dir=str(tmp_path))


def test_it_is_used_like_code_eval_and_needs_no_switch(metric, monkeypatch):
    monkeypatch.delenv("HF_ALLOW_CODE_EVAL", raising=False)
    assert "HF_ALLOW_CODE_EVAL" not in os.environ
    scores, details = metric.compute(
        references=[TESTS, CHECK],
        predictions=[[ADD, WRONG], [WRONG, WRONG]],
        k=[1, 2],
        num_workers=1,
        timeout=2.0,
    )
    assert scores == {"pass@1": 0.25, "pass@2": 0.5}
    assert [(number, found["passed"], found["task_id"]) for number, found in details[0]] == [
        (0, True, 0),
        (1, False, 0),
    ]
    assert details[0][0][1]["result"] == "passed"
    assert details[0][0][1]["completion_id"] == 0
    assert len(details[0][1][1]["outcome"].tests) == 2
    assert [found["passed"] for _, found in details[1]] == [False, False]


HOLES = {
    "an early exit": "import sys\nsys.exit(0)",
    "a death that looks like success": "import os\nos._exit(0)",
    "an object that equals everything": (
        "class Any:\n    def __eq__(self, other):\n        return True\n\ndef add(a, b):\n    return Any()"
    ),
    "an endless loop": "while True:\n    pass",
}


@pytest.mark.slow
def test_what_passes_elsewhere_by_a_trick_fails(metric):
    scores, details = metric.compute(
        references=[TESTS], predictions=[list(HOLES.values())], k=[1], num_workers=2, timeout=0.5
    )
    assert scores == {"pass@1": 0.0}
    assert details[0][3][1]["result"].startswith("timed_out")


def test_a_check_function_can_pass_and_is_recorded_as_run_inside(metric):
    scores, details = metric.compute(references=[CHECK], predictions=[[ADD]], num_workers=1)
    assert scores == {"pass@1": 1.0}
    assert details[0][0][1]["outcome"].tests[0].ran_inside


def test_budgets_left_alone_are_those_that_fit_and_others_are_refused(metric):
    scores, _ = metric.compute(references=[TESTS], predictions=[[ADD] * 10], num_workers=1)
    assert scores == {"pass@1": 1.0, "pass@10": 1.0}
    for k in (11, 0):
        with pytest.raises(InputError, match=f"pass@{k} is undefined: task 0 has 10 programs"):
            ProgramsPass().compute(references=[TESTS], predictions=[[ADD] * 10], k=[1, k])


def test_a_task_without_programs_is_refused(tmp_path):
    with pytest.raises(InputError, match="task 1 has no programs"):
        ProgramsPass(cache_dir=str(tmp_path)).compute(references=[TESTS, TESTS], predictions=[[ADD], []])


def test_an_unknown_profile_is_refused_with_the_known_ones(metric):
    with pytest.raises(InputError, match="unknown profile 'lax'; available: strict, apps"):
        metric.compute(references=[TESTS], predictions=[[ADD]], profile="lax")


def test_references_may_be_task_ids_of_a_benchmark(tmp_path):
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest("2 3\n", "5")])
    empty = TestSuite.pack(TestKind.STDIN, [])
    problems = [Problem("made/test/1", "", lambda: suite), Problem("made/test/2", "", lambda: empty)]
    benchmark = Benchmark("made", "test", "1", problems, "hash", "made here")
    program = "print(sum(map(int, input().split())))"

    def metric() -> ProgramsPass:
        return ProgramsPass(benchmark=benchmark, cache_dir=str(tmp_path))

    scores, _ = metric().compute(
        references=["made/test/1"], predictions=[[program, "print(5.5)"]], num_workers=1
    )
    assert scores == {"pass@1": 0.5}
    with pytest.raises(InputError, match="reference 0: made/test/2 has no tests; leave it out"):
        metric().compute(references=["2"], predictions=[[program]])
    with pytest.raises(InputError, match="reference 0: unknown problem 'made/test/7'"):
        metric().compute(references=["made/test/7"], predictions=[[program]])


def test_leading_statements_prepare_and_the_rest_are_tests():
    problem = problem_from_tests(3, "'a docstring'\nimport math\nlimit = 5\nassert f(limit) == 1\ncheck(f)\n")
    assert problem.suite.setup == "'a docstring'\nimport math\nlimit = 5"
    assert [test.source for test in problem.suite.tests()] == [
        "assert f(limit) == 1",
        "assert (check(f), True)[1]",
    ]


@cases(
    ("reference", "problem"),
    [
        ("", "reference 0 has no test"),
        ("import math\n'text'", "reference 0 has no test"),
        ("assert f(", "reference 0 is not Python"),
        (
            "assert f(1) == 1\nx = 2\nassert f(x) == 1",
            "reference 0, line 2: only asserts and calls may follow",
        ),
        ("for x in range(3):\n    assert f(x) == x", "reference 0, line 1: a test inside a statement"),
        (
            "if True:\n    assert f(1) == 1\nassert f(2) == 2",
            "reference 0, line 1: a test inside a statement",
        ),
    ],
)
def test_a_reference_that_would_be_misjudged_is_refused(reference, problem):
    with pytest.raises(InputError, match=problem):
        problem_from_tests(0, reference)
