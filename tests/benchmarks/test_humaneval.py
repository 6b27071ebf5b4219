"""HumanEval: how a check is taken apart, on rows made by hand; what passes; the real data."""

import ast
import json
from pathlib import Path

import pytest
from cases import cases

from benchmarks.humaneval import load
from benchmarks.humaneval.check_body import NoCheck, take_apart
from benchmarks.humaneval.checker import check
from harness import Job, Runner
from harness.errors import DatasetError, InputError
from harness.extraction import extract_program
from harness.programs.source import ProgramFile
from harness.prompts import find_format, make_prompt
from harness.registry import load_benchmark
from harness.types import AssertTest, Outcome, Problem, TestKind, ValueTest
from rltf.cli import main

PROMPT = 'def twice(x):\n    """ Double x.\n    >>> twice(2)\n    4\n    """\n'
BODY = "    return 2 * x\n"
CHECK = """

METADATA = {'author': 'made here'}


def check(candidate):
    assert candidate(1) == 2
    assert candidate(2) == 4, "a message"
    assert True, "nothing"
    assert abs(candidate(0.25) - 1.0 / 2.0) < 1e-6
    for x in range(3):
        assert candidate(x) == x + x
"""
ALWAYS = """\
class Always:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __contains__ = __lt__
    def __sub__(self, other): return self
    __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __round__ = __sub__
    def __abs__(self): return self
    def __float__(self): return 0.0
    def __int__(self): return 0
    __index__ = __len__ = __hash__ = __int__
    def __iter__(self): return iter([self])
"""
"""An object that is equal to everything, and smaller, and near."""


def row(number=0, **changes):
    base = {
        "task_id": f"HumanEval/{number}",
        "prompt": PROMPT,
        "entry_point": "twice",
        "canonical_solution": BODY,
        "test": CHECK,
    }
    return base | changes


def write(folder: Path, *rows) -> Path:
    (folder / "HumanEval.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    return folder


def one(folder: Path, **changes) -> Problem:
    return load(data_dir=write(folder, row(**changes))).problems[0]


def taken(body: str, prompt: str = "", entry: str = "f") -> list[AssertTest | ValueTest]:
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    return take_apart(f"def check(candidate):\n{lines}\n", entry, prompt).tests


@pytest.fixture(scope="module")
def runner():
    with Runner(workers=1) as started:
        yield started


def graded(runner: Runner, problem: Problem, *programs: str) -> list[Outcome]:
    jobs = [Job(problem.task_id, number, code, problem) for number, code in enumerate(programs)]
    return sorted(runner.run(jobs), key=lambda outcome: outcome.sample_id)


# Rows


def test_a_row_becomes_a_problem_whose_prompt_is_code_to_go_on_with(tmp_path):
    problem = one(tmp_path)
    assert problem.task_id == "humaneval/0"
    assert problem.question == problem.code_prompt == PROMPT
    assert problem.suite.kind is TestKind.ASSERTS
    assert problem.suite.entry_point == "twice"
    assert list(problem.solutions) == [PROMPT + BODY]
    assert problem.public_tests == ()


def test_tasks_come_in_the_order_of_their_numbers_and_by_name(tmp_path):
    benchmark = load_benchmark("humaneval", data_dir=write(tmp_path, row(10), row(9)))
    assert [problem.task_id for problem in benchmark.problems] == ["humaneval/9", "humaneval/10"]
    assert (benchmark.name, benchmark.split) == ("humaneval", "test")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task_id": "Mbpp/2"}, "none of HumanEval's"),
        ({"entry_point": "a b"}, "is no name"),
        ({"prompt": 3}, "'prompt' must be str"),
        ({"test": "def check(f):\n    assert f(1)"}, r"defines no check\(candidate\)"),
        ({"test": "def check(candidate):\n    assert True"}, "asserts nothing"),
        ({"test": "def check(candidate:"}, "not Python"),
    ],
)
def test_a_malformed_row_is_refused_with_its_line(tmp_path, changes, said):
    with pytest.raises(DatasetError, match=rf"HumanEval.jsonl:1: .*{said}"):
        one(tmp_path, **changes)


def test_a_task_that_occurs_twice_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"jsonl:2: .*HumanEval/0 occurs twice"):
        load(data_dir=write(tmp_path, row(), row()))


def test_there_is_one_split():
    with pytest.raises(InputError, match="humaneval has no split 'train'; available: test"):
        load(split="train")


# Taking a check apart


@cases(
    ("line", "test"),
    [
        ("assert candidate(1) == 2", "assert f(1) == 2"),
        ("assert candidate([1]) == [2], 'why'", "assert f([1]) == [2]"),
        ("assert (1, 'a') == candidate(1)", "assert f(1) == (1, 'a')"),
        ("assert candidate(1) is None", "assert f(1) is None"),
        ("assert candidate(1)", "assert f(1)"),
        ("assert not candidate(1)", "assert not f(1)"),
        ("assert candidate(3) == (3 + 4, 3 * 4)", "assert f(3) == (7, 12)"),
        ("assert tuple(candidate(3)) == tuple([1, 2])", "assert tuple(f(3)) == (1, 2)"),
        ("assert round(candidate(1), 2) == -0.5", "assert round(f(1), 2) == -0.5"),
    ],
)
def test_what_equals_a_literal_is_an_assert_of_the_function_itself(line, test):
    assert taken(line) == [AssertTest(test)]


@pytest.mark.parametrize(
    ("line", "source", "expected"),
    [
        ("assert abs(candidate(1) - 0.5) < 1e-6", "f(1)", ("near", 0.5, 1e-06, "<")),
        ("assert math.fabs(2.0 / 4.0 - candidate(1)) <= 0.1", "f(1)", ("near", 0.5, 0.1, "<=")),
    ],
)
def test_of_what_has_to_be_near_a_number_the_call_alone_is_run(line, source, expected):
    assert taken(line) == [ValueTest(source, repr(expected))]


@cases(
    "body",
    [
        "for x in range(3):\n    assert candidate(x) == x",
        "y = 1 + 2\nassert candidate(2) == y",
        "assert candidate(1) == f(1)",
        "assert candidate(1) < 2",
        "assert candidate(1) == 1 or candidate(1) == 2",
        "if True:\n    assert candidate(1) == 1",
    ],
)
def test_what_works_out_its_expected_value_runs_inside_and_says_so(body):
    assert [(type(test), test.ran_inside) for test in taken(body)] == [(ValueTest, True)]


def test_asserts_that_need_nothing_of_what_stands_before_them_stand_alone():
    first, second = taken(
        "import random\ny = random.random()\nassert candidate(1) == 2\nassert candidate(y) == y"
    )
    assert first == AssertTest("assert f(1) == 2")
    assert isinstance(second, ValueTest)


def test_text_of_several_lines_inside_a_loop_stays_what_it_is():
    found = take_apart(
        "def check(candidate):\n    for x in 'ab':\n        assert candidate(x) == '''a\n    b'''\n", "f", ""
    )
    assert r"'a\n    b'" in found.setup


def test_a_check_without_asserts_is_none():
    with pytest.raises(NoCheck, match="asserts nothing"):
        taken("candidate(1)")


# The checker


@cases(
    ("value", "right"),
    [
        (0.5, True),
        (0.5000001, True),
        (0.51, False),
        (True, False),
        ("0.5", False),
        (None, False),
        (10**400, False),
    ],
)
def test_a_value_is_near_or_not(value, right):
    assert check(value, ValueTest("f(1)", repr(("near", 0.5, 1e-6, "<"))), "strict") == right


@cases(
    ("pairs", "right"),
    [
        ([[0, 1, 1]], True),
        ([[0, 1, 1], [1, 0.1, 0.2], [2, True, True]], True),
        ([[0, 1, 2]], False),
        ([[0, 1, 1], [1, 0.3, 0.2]], False),
        ([[1, "a", "b"]], False),
        ([[3, 1, 1]], False),
        ([[2, False, True]], False),
        ([], False),
        (None, False),
        ([1], False),
    ],
)
def test_every_comparison_of_a_check_has_to_hold(pairs, right):
    assert check(pairs, ValueTest("c(f)", repr(("pairs", "==", "<", "holds"))), "strict") == right


# Programs


def test_right_programs_pass_and_wrong_ones_fail_where_they_are_wrong(tmp_path, runner):
    problem = one(tmp_path)
    right, near, wrong, none = graded(
        runner,
        problem,
        PROMPT + BODY,
        "def twice(x): return x + x + 1e-9 if isinstance(x, float) else x + x",
        "def twice(x): return 2 if x == 1 else 5",
        "def other(x): return 2 * x",
    )
    assert right.passed("strict")
    assert right.passed("apps")
    assert [test.ran_inside for test in right.tests] == [False, False, False, True]
    assert near.passed("strict")
    assert [str(test.statuses["strict"]) for test in wrong.tests] == ["passed", *["wrong_answer"] * 3]
    assert none.error is not None
    assert none.error.type == "NameError"


def test_an_object_that_is_equal_to_everything_passes_no_test(tmp_path, runner):
    (outcome,) = graded(runner, one(tmp_path), f"{ALWAYS}\ndef twice(x): return Always()\n")
    assert {str(status) for test in outcome.tests for status in test.statuses.values()} == {"wrong_answer"}


def test_helpers_of_the_prompt_belong_to_the_check_that_calls_them(tmp_path, runner):
    prompt = "def shift(x):\n    return x + 5\n\n\n" + PROMPT
    test = (
        "def check(candidate):\n    for x in range(3):\n        assert candidate(shift(x)) == 2 * (x + 5)\n"
    )
    problem = one(tmp_path, prompt=prompt, test=test)
    whole, forged = graded(
        runner, problem, "def twice(x): return 2 * x", "def shift(x): return 0\ndef twice(x): return 0"
    )
    assert whole.passed("strict")
    assert not forged.passed("strict")


def test_a_whole_program_has_the_imports_and_helpers_of_the_prompt(tmp_path, runner):
    prompt = (
        "from typing import List\nimport math\n\n\ndef twice(x):\n    return 2 * x\n\n\n"
        'def f(xs: List[int]) -> int:\n    """Twice the sum, rounded up."""\n'
    )
    check = "def check(candidate):\n    assert candidate([1, 2.5]) == 7\n"
    problem = one(tmp_path, prompt=prompt, entry_point="f", test=check)
    body = "def f(xs: List[int]) -> int:\n    return math.ceil(twice(sum(xs)))\n"
    own = "def twice(x):\n    return 3 * x\n\n" + body
    verdicts = [each.verdicts["strict"] for each in graded(runner, problem, body, prompt + body, own)]
    assert verdicts == ["passed", "passed", "wrong_answer"]


def test_a_check_that_draws_its_inputs_draws_the_same_ones_each_time(tmp_path, runner):
    test = (
        "def check(candidate):\n    import random\n    for _ in range(1):\n"
        "        assert candidate(random.randint(0, 10**6)) == 0\n"
    )
    problem = one(tmp_path, test=test)
    lucky = (
        "import random\nrandom.seed(0)\nfirst = random.randint(0, 10**6)\ndef twice(x): return x - first\n"
    )
    assert [each.passed("strict") for each in graded(runner, problem, lucky, lucky + "\n")] == [True, True]


# Prompts and files


def test_a_base_model_goes_on_with_the_prompt_and_the_program_is_both(tmp_path):
    benchmark = load(data_dir=write(tmp_path, row()))
    form = find_format(benchmark)
    prompt = make_prompt(form, benchmark.problems[0])
    assert (form.name, prompt.text) == ("completion", PROMPT)
    answer = f"{BODY}\n\ndef another(x):\n    pass\n"
    assert extract_program(answer, prompt).code.rstrip() == (PROMPT + BODY).rstrip()


def test_a_chat_model_is_shown_the_code_and_no_hidden_test(tmp_path):
    benchmark = load(data_dir=write(tmp_path, row()))
    prompt = make_prompt(find_format(benchmark, "chat"), benchmark.problems[0])
    assert f"```python\n{PROMPT}```" in prompt.text
    assert "candidate" not in prompt.text
    assert "twice(1)" not in prompt.text
    answer = f"Here it is:\n```python\n{PROMPT}{BODY}```\n"
    assert extract_program(answer, prompt).code == PROMPT + BODY


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"completion": BODY}, PROMPT + BODY),
        ({"completion": PROMPT + BODY}, PROMPT + PROMPT + BODY),  # as HumanEval's own evaluation has it
        ({"solution": PROMPT + BODY}, PROMPT + BODY),
        ({"code": "def twice(x): return x"}, "def twice(x): return x"),
    ],
)
def test_a_completion_from_a_file_goes_behind_the_prompt_and_a_solution_is_whole(tmp_path, fields, code):
    benchmark = load(data_dir=write(tmp_path, row()))
    path = tmp_path / "samples.jsonl"
    path.write_text(json.dumps({"task_id": "HumanEval/0", **fields}) + "\n")
    source = ProgramFile(path)
    assert [sample.code for sample in source.read(benchmark)] == [code]
    assert ["behind the code" in notice for notice in source.notices] == [True] * ("completion" in fields)


@pytest.mark.parametrize(
    ("completion", "code"),
    [
        (f"```python\n{PROMPT}{BODY}```\n", PROMPT + BODY),
        (f"```python\n{BODY}```\n", PROMPT + BODY),
        (BODY, PROMPT + BODY),
    ],
)
def test_an_answer_in_a_file_may_hold_the_whole_program_or_the_body(tmp_path, completion, code):
    benchmark = load(data_dir=write(tmp_path, row()))
    path = tmp_path / "samples.jsonl"
    path.write_text(json.dumps({"task_id": "HumanEval/0", "completion": completion}) + "\n")
    (sample,) = ProgramFile(path, extract=True).read(benchmark)
    assert ast.dump(ast.parse(sample.code)) == ast.dump(ast.parse(code))


def test_how_much_runs_inside_is_said_beside_every_score(tmp_path):
    benchmark = load(
        data_dir=write(tmp_path, row(), row(1, test="def check(candidate):\n  assert candidate(1)==2"))
    )
    assert benchmark.notes == (
        "Of the benchmark's 5 tests, 1 works out what it expects in the program's own process (ran_inside in"
        " outcomes.jsonl): a program that means to could pass it unsolved.",
    )
    assert (
        load(data_dir=write(tmp_path, row(test="def check(candidate):\n  assert candidate(1)==2"))).notes
        == ()
    )


@pytest.mark.slow
def test_a_report_says_so_too(tmp_path, capfd):
    folder = write(tmp_path, row())
    command = ["score", "gold", "--benchmark", "humaneval", "--data", str(folder), "--workers", "1"]
    assert main([*command, "--no-cache", "--out", str(tmp_path / "run")]) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["profiles"]["strict"]["overall"]["verdicts"] == {"passed": 1}
    assert metrics["notices"] == list(load(data_dir=folder).notes)
    assert "1 works out what it expects" in (tmp_path / "run" / "report.md").read_text()


# The real data


@pytest.fixture(scope="module")
def real(data_dir):
    if not (data_dir / "humaneval" / "HumanEval.jsonl.gz").exists():
        pytest.skip("$RLTF_DATA has no HumanEval")
    return load(data_dir=data_dir)


@pytest.mark.data
def test_the_real_data_has_164_tasks_and_few_tests_run_inside(real):
    tests = [test for problem in real.problems for test in problem.suite.tests()]
    inside = [test for test in tests if isinstance(test, ValueTest) and test.ran_inside]
    assert (len(real), len(tests), len(inside)) == (164, 1133, 9)
    assert real.errata.keys() <= real.by_id().keys()


@pytest.mark.data
def test_all_164_canonical_solutions_pass_and_no_test_runs_inside_unmarked(real, runner):
    jobs = [Job(problem.task_id, 0, problem.solutions[0], problem) for problem in real.problems]
    outcomes = list(runner.run(jobs))
    assert [each.task_id for each in outcomes if not (each.passed("strict") and each.passed("apps"))] == []
    assert sum(test.ran_inside for each in outcomes for test in each.tests) == 9


@pytest.mark.data
def test_an_object_that_is_equal_to_everything_solves_no_task(real, runner):
    jobs = [
        Job(
            problem.task_id,
            0,
            f"{ALWAYS}\ndef {problem.suite.entry_point}(*a, **k): return Always()\n",
            problem,
        )
        for problem in real.problems
    ]
    assert [each.task_id for each in runner.run(jobs) if each.passed("strict") or each.passed("apps")] == []
