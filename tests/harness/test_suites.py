"""`harness.suites.read`: one row of each named shape, right and broken.

A right row is graded with a program that solves it and one that does not; a broken one is refused in a line.
"""

import base64
import json
import pickle
import zlib

import pytest
from cases import cases

from harness import Job, Problem, Runner, load_benchmark
from harness.errors import DatasetError, InputError
from harness.integrations.ground_truth import read_tests
from harness.suites import encodings, read, shapes
from harness.types import StdinTest, TestKind


def _packed(value, *, pickled=False):
    text = json.dumps(value)
    return base64.b64encode(zlib.compress(pickle.dumps(text) if pickled else text.encode())).decode()


DOUBLE_TEXT = "print(2 * int(input()))"
DOUBLE = "def double(x):\n    return 2 * x\n"
LISTS = "class Solution:\n    def join(self, a, b):\n        return a + [b]\n"
STDIN_ITEMS = [{"input": "4\n", "output": "8\n", "testtype": "stdin"}]
CALL_ITEMS = [
    {"input": "[1]\n2", "output": "[1, 2]", "testtype": "functional", "metadata": {"func_name": "join"}}
]
ASSERTS = ["assert double(2) == 4", "assert double(-1) == -2"]
PYTEST = """\
import pytest
from solution import double

def test_numbers():
    assert double(2) == 4
    assert double(0) == 0

def test_more():
    for x in range(3):
        assert double(x) == pytest.approx(2 * x)

def test_refuses():
    with pytest.raises(TypeError):
        double(None)

class TestAll:
    def test_text(self):
        assert double("a") == "aa"
"""
HUMANEVAL = {
    "task_id": "HumanEval/0",
    "prompt": "def double(x):\n",
    "canonical_solution": "    return 2 * x\n",
    "entry_point": "double",
    "test": "METADATA = {}\n\ndef check(candidate):\n    assert candidate(2) == 4\n    assert True\n",
}
LOOP = (
    "def check(candidate):\n    for x in range(5):\n        assert candidate(x) == x + x\n\ncheck(double)\n"
)
EVALPLUS = HUMANEVAL | {"base_input": [[2]], "plus_input": [[0.5], ["ab"]], "atol": 0}
EVALPLUS.pop("test")

SHAPES = {
    "APPS": ({"inputs": ["4\n"], "outputs": ["8\n"]}, DOUBLE_TEXT),
    "APPS, JSON": (json.dumps({"inputs": [["4", "9"]], "outputs": [["8"]]}), DOUBLE_TEXT),
    "APPS, a whole row": (
        {"problem_id": 1, "input_output": '{"inputs": [[4]], "outputs": [8], "fn_name": "double"}'},
        DOUBLE,
    ),
    "PRIME, calls": ({"inputs": [[4]], "outputs": [[8]], "fn_name": "double"}, DOUBLE),
    "verl, a whole row": (
        {"reward_model": {"style": "rule", "ground_truth": '{"inputs": ["4"], "outputs": ["8"]}'}},
        DOUBLE_TEXT,
    ),
    "verl, JSON lines": ({"inputs": ["[1]\n2"], "outputs": ["[1, 2]"], "fn_name": "join"}, LISTS),
    "verl, assert_case": ({"inputs": [], "outputs": [], "assert_case": ASSERTS}, DOUBLE),
    "LiveCodeBench, stdin": (STDIN_ITEMS, DOUBLE_TEXT),
    "LiveCodeBench, functional": (CALL_ITEMS, LISTS),
    "LiveCodeBench, a pickle": (_packed(STDIN_ITEMS, pickled=True), DOUBLE_TEXT),
    "LiveCodeBench, a whole row": (
        {
            "public_test_cases": json.dumps(STDIN_ITEMS),
            "private_test_cases": _packed(STDIN_ITEMS, pickled=True),
            "metadata": "{}",
        },
        DOUBLE_TEXT,
    ),
    "LiveCodeBench, functional row": (
        {
            "public_test_cases": json.dumps(
                [{"input": "[1]\n2", "output": "[1, 2]", "testtype": "functional"}]
            ),
            "private_test_cases": "[]",
            "starter_code": "class Solution:\n    def join(self, a: List[int], b: int):\n        ",
        },
        LISTS,
    ),
    "DeepCoder": ({"tests": json.dumps(STDIN_ITEMS), "starter_code": "def helper(): pass"}, DOUBLE_TEXT),
    "PrimeIntellect, JSON": (
        json.dumps(
            {"language": "python", "test_cases": [{"type": "stdin_stdout", "input": "4", "output": "8"}]}
        ),
        DOUBLE_TEXT,
    ),
    "PrimeIntellect, a literal in a row": (
        {
            "verification_info": "{'language': 'python', 'test_cases': [{'type': 'function_call',"
            " 'fn_name': 'double', 'input': [4], 'output': [8]}]}"
        },
        DOUBLE,
    ),
    "ScaleBox, stdin": (
        {"type": "stdin_stdout", "fn_name": None, "input": ["4"], "output": ["8"]},
        DOUBLE_TEXT,
    ),
    "ScaleBox, calls as JSON": (
        {
            "test_cases": {
                "type": "function_call",
                "fn_name": "double",
                "input": ["[4]"],
                "output": ["8"],
                "json_input": True,
            }
        },
        DOUBLE,
    ),
    "ScaleBox, asserts": ({"type": "assert", "input": ASSERTS, "output": []}, DOUBLE),
    "CodeContests": ({"input": ["4\n"], "output": ["8\n"]}, DOUBLE_TEXT),
    "CodeContests, a whole row": (
        {
            "public_tests": {"input": ["4\n"], "output": ["8\n"]},
            "private_tests": {"input": [], "output": []},
            "generated_tests": {"input": ["5\n"], "output": ["10\n"]},
        },
        DOUBLE_TEXT,
    ),
    "TACO, a whole row": ({"input_output": '{"inputs": ["4"], "outputs": ["8"]}', "tags": "[]"}, DOUBLE_TEXT),
    "open-instruct": (ASSERTS, DOUBLE),
    "open-instruct, packed": (_packed(ASSERTS), DOUBLE),
    "MBPP": ({"test_list": ASSERTS, "test_setup_code": "y = 1", "code": ""}, DOUBLE),
    "HumanEval": (HUMANEVAL, DOUBLE),
    "HumanEval, a check that computes": ({"test": LOOP, "entry_point": "double"}, DOUBLE),
    "EvalPlus": (EVALPLUS, DOUBLE),
    "code-r1": (
        {"functional": LOOP.replace("check(double)", "check(double)\n") + "assert double(1) == 2"},
        DOUBLE,
    ),
    "KodCode": ({"test": PYTEST, "solution": DOUBLE}, DOUBLE),
    "KodCode, the text": (PYTEST, DOUBLE),
    "a unittest module": (
        "import unittest\n\nclass T(unittest.TestCase):\n    def test_one(self):\n"
        "        self.assertEqual(double(2), 4)\n\nif __name__ == '__main__':\n    unittest.main()\n",
        DOUBLE,
    ),
}
WRONG = {
    DOUBLE_TEXT: "print(3)",
    DOUBLE: "def double(x):\n    return 3 * x if x else 1\n",
    LISTS: LISTS.replace("[b]", "[]"),
}


@pytest.fixture(scope="module")
def grade():
    with Runner(workers=1, profiles=("strict",)) as runner:

        def run(code, suite):
            problem = Problem("t", "", load_suite=lambda: suite)
            (outcome,) = runner.run([Job("t", 0, code, problem)])
            assert outcome.infrastructure_error is None
            return outcome

        yield run


@cases("name", SHAPES)
def test_each_shape_passes_a_right_program_and_fails_a_wrong_one(grade, name):
    value, right = SHAPES[name]
    suite = read(value)
    assert suite.count >= 1
    outcome = grade(right, suite)
    assert outcome.verdicts["strict"].value == "passed", outcome
    assert grade(WRONG[right], suite).verdicts["strict"].value == "wrong_answer"


BROKEN = {
    "APPS, unequal": ({"inputs": ["4"], "outputs": []}, "1 inputs but 0 outputs"),
    "APPS, numbers without a function": ({"inputs": [4], "outputs": [8]}, "must be text"),
    "APPS, no tests": ('{"inputs": [], "outputs": []}', "no tests"),
    "PRIME, no arguments": ({"inputs": [4], "outputs": [8], "fn_name": "double"}, "list of arguments"),
    "verl, no JSON line": ({"inputs": ["[1"], "outputs": ["1"], "fn_name": "f"}, "no JSON"),
    "verl, no assert": ({"assert_case": ["double(2)"]}, "is no assert"),
    "LiveCodeBench, no function": ([{"input": "1", "output": "1", "testtype": "functional"}], "give fn_name"),
    "LiveCodeBench, unknown kind": ([{"input": "1", "output": "1", "testtype": "graphics"}], "unknown kind"),
    "LiveCodeBench, no output": ([{"input": "1", "testtype": "stdin"}], "input, testtype"),
    "LiveCodeBench, a cut pickle": (_packed(STDIN_ITEMS, pickled=True)[:-12], "cut|damaged"),
    "LiveCodeBench, not a list": ({"private_test_cases": "{}", "public_test_cases": "[]"}, "must be a list"),
    "PrimeIntellect, two functions": (
        [
            {"type": "function_call", "fn_name": name, "input": [1], "output": [1]}
            for name in ("first", "second")
        ],
        "several kinds or functions",
    ),
    "ScaleBox, input that is no JSON list": (
        {"type": "function_call", "fn_name": "f", "input": ["4"], "output": ["8"], "json_input": True},
        "JSON list",
    ),
    "CodeContests, no lists": ({"public_tests": {"input": "4", "output": "8"}}, "lists input and output"),
    "TACO, broken JSON": ({"input_output": '{"inputs": ["4"'}, "neither JSON"),
    "open-instruct, no Python": (["assert double(2) =="], "is no assert"),
    "open-instruct, damaged": (_packed(ASSERTS)[:-8], "cut|damaged"),
    "MBPP, no list": ({"test_list": 3}, "list of texts"),
    "HumanEval, nothing asserted": (
        {"test": "def check(candidate):\n    pass\n", "entry_point": "f"},
        "asserts nothing",
    ),
    "EvalPlus, no solution": ({"base_input": [[1]], "canonical_solution": 3, "entry_point": "f"}, "as text"),
    "KodCode, a fixture": ({"test": "def test_a(tmp_path):\n    assert tmp_path"}, "fixtures"),
    "KodCode, parametrized": (
        {"test": "import pytest\n@pytest.mark.parametrize('x', [1])\ndef test_a(x):\n    assert x"},
        "pytest.mark",
    ),
    "code-r1, no test": ({"functional": "x = 1"}, "neither JSON"),
    "an unknown dictionary": ({"answer": 4, "level": 2}, "answer, level"),
    "an unknown text": ("see page 12", "neither JSON"),
    "a number": (3, "got int"),
}


@cases("name", BROKEN)
def test_each_broken_row_is_refused_in_a_line_that_says_why(name):
    value, why = BROKEN[name]
    with pytest.raises(InputError, match=why) as caught:
        read(value)
    assert "\n" not in str(caught.value)


class _Hostile:
    def __reduce__(self):
        return print, ("the pickle ran",)


@pytest.mark.parametrize("held", [_Hostile(), ["a list"], ("1", "2"), 3])
def test_a_pickle_of_anything_but_a_text_is_refused_and_never_runs(capsys, held):
    packed = base64.b64encode(zlib.compress(pickle.dumps(held))).decode()
    with pytest.raises(InputError, match="pickle"):
        read({"private_test_cases": packed})
    assert capsys.readouterr().out == ""
    assert pickle.loads(pickle.dumps(_Hostile())) is None  # it does run where it is loaded
    assert "the pickle ran" in capsys.readouterr().out


@cases("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_text_is_read_whatever_the_protocol(protocol):
    assert encodings.pickled_text(pickle.dumps("[1, \u00e9]", protocol)) == "[1, \u00e9]"


def test_a_pickle_that_asks_for_a_huge_memo_takes_no_memory():
    bomb = b"\x80\x02X\x02\x00\x00\x00[]r\xff\xff\xff\x7f."
    assert encodings.pickled_text(bomb) == "[]"


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(encodings, "MOST_UNPACKED", 1 << 20)
    bomb = base64.b64encode(zlib.compress(b'"' + b"a" * (8 << 20) + b'"')).decode()
    assert len(bomb) < 20_000
    with pytest.raises(InputError, match="unpack to more than 1 MiB"):
        read(bomb)


def test_a_text_that_is_too_long_is_not_looked_at(monkeypatch):
    monkeypatch.setattr(encodings, "MOST_PACKED", 100)
    with pytest.raises(InputError, match="in one text"):
        read("[" * 101)


@cases(
    "value",
    [
        ["assert f(1) == 1"] * 4,
        {"inputs": ["1"] * 4, "outputs": ["1"] * 4},
        {"base_input": [[1]] * 3, "plus_input": [[1]], "canonical_solution": "", "entry_point": "f"},
        "assert f(12345) == 12345\n" * 3,
        ["assert f(12345) == 12345"] * 3,
        {"test_list": ["assert f(1)"], "test_setup_code": "x = 1\n" * 12},
        {"test": "def check(candidate):\n" + "    assert candidate(1) == 1\n" * 3, "entry_point": "f"},
        {"kind": "asserts", "tests": ["assert f(1)"], "setup": "x = 1\n" * 12},
        {"kind": "stdin", "tests": [{"input": "", "output": ""}] * 4},
    ],
)
def test_tests_that_take_minutes_or_all_memory_to_make_ready_are_refused(value, monkeypatch):
    read_tests(value)
    with monkeypatch.context() as patch:
        patch.setattr(encodings, "MOST_TESTS", 3)
        patch.setattr(encodings, "MOST_PYTHON", 60)
        with pytest.raises(InputError, match=r"^4 tests of one|MiB of Python"):
            read_tests(value)


def test_a_long_text_is_not_parsed_to_see_whether_it_is_python(monkeypatch):
    monkeypatch.setattr(shapes, "MOST_PYTHON", 60)
    monkeypatch.setattr(shapes, "is_python_tests", None)
    with pytest.raises(InputError, match="nor Python with asserts of at most"):
        read("no data " * 20)


def test_nesting_that_no_parser_survives_is_refused():
    with pytest.raises(InputError, match="neither JSON"):
        read("[" * 100_000)


def test_what_the_row_says_of_the_function_goes_before_what_the_caller_says():
    row = {"inputs": [[4]], "outputs": [8]}
    assert read(row, fn_name="double").entry_point == "double"
    assert read(row | {"fn_name": "twice"}, fn_name="double").entry_point == "twice"


def test_starter_code_alone_makes_no_call_of_a_test_on_standard_input():
    suite = read({"inputs": ["4"], "outputs": ["8"]}, starter_code="def solve(n):\n    pass")
    assert suite.kind is TestKind.STDIN
    assert suite.tests() == [StdinTest("4", "8")]


def test_asserts_keep_what_is_expected_outside_and_whole_functions_are_marked(grade):
    outcome = grade(DOUBLE, read(PYTEST))
    assert [test.ran_inside for test in outcome.tests] == [False, False, True, True, True]
    outcome = grade(DOUBLE, read(EVALPLUS))
    assert all(test.ran_inside for test in outcome.tests)


def test_an_object_that_is_equal_to_everything_passes_no_split_assert_and_no_reference(grade):
    code = "class Any:\n    def __eq__(self, other): return True\ndef double(x):\n    return Any()\n"
    for value in (ASSERTS, HUMANEVAL, EVALPLUS, {"inputs": [[4]], "outputs": [8], "fn_name": "double"}):
        assert grade(code, read(value)).verdicts["strict"].value == "wrong_answer", value


def test_long_integers_are_read():
    digits = "9" * 5000
    suite = read(f'{{"inputs": [[{digits}]], "outputs": [{digits}], "fn_name": "f"}}')
    assert suite.count == 1


# --- jsonl:PATH ----------------------------------------------------------------------------------


def _write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_file_of_rows_is_a_benchmark(tmp_path, grade):
    path = _write(
        tmp_path / "my rows.jsonl",
        {
            "id": "a/1",
            "question": "Double it.",
            "inputs": ["4"],
            "outputs": ["8"],
            "solutions": [DOUBLE_TEXT],
        },
        {
            "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Double it!"}],
            "reward_model": {"ground_truth": ASSERTS},
            "difficulty": "easy",
        },
        HUMANEVAL,
    )
    benchmark = load_benchmark(f"jsonl:{path}")
    assert [problem.task_id for problem in benchmark.problems] == [
        "my_rows/a_1",
        "my_rows/1",
        "my_rows/HumanEval_0",
    ]
    assert [problem.question for problem in benchmark.problems][:2] == ["Double it.", "Double it!"]
    assert benchmark.problems[1].difficulty == "easy"
    for problem in (benchmark.problems[0], benchmark.problems[2]):
        assert grade(problem.solutions[0], problem.suite).verdicts["strict"].value == "passed"
    again = load_benchmark(f"jsonl:{path.name}", data_dir=tmp_path, ids=["1"])
    assert again.dataset_hash == benchmark.dataset_hash
    assert len(again) == 1


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([{"question": "q", "inputs": [1], "outputs": []}], "bad.jsonl:1: 1 inputs"),
        ([{"inputs": ["1"], "outputs": ["1"]}], "no statement in the row, it has inputs, outputs"),
        ([{"id": 1, "question": "q", "inputs": ["1"], "outputs": ["1"]}] * 2, "occurs twice"),
        ([], "no rows"),
    ],
)
def test_a_file_with_a_bad_row_is_refused_with_its_line(tmp_path, rows, why):
    path = _write(tmp_path / "bad.jsonl", *rows)
    with pytest.raises(DatasetError, match=why):
        load_benchmark(f"jsonl:{path}")


@pytest.mark.data
@pytest.mark.slow
def test_the_real_rows_of_humaneval_are_read_and_their_solutions_pass(data_dir):
    path = data_dir / "humaneval" / "HumanEval.jsonl.gz"
    if not path.exists():
        pytest.skip("$RLTF_DATA has no HumanEval")
    benchmark = load_benchmark(f"jsonl:{path}")
    with Runner(profiles=("strict",)) as runner:
        jobs = [Job(each.task_id, 0, each.solutions[0], each) for each in benchmark.problems]
        assert [each.task_id for each in runner.run(jobs) if not each.passed("strict")] == []
    assert len(benchmark) == 164


def test_a_file_that_is_not_there_and_a_split_that_does_not_exist_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_benchmark(f"jsonl:{tmp_path}/none.jsonl")
    path = _write(tmp_path / "a.jsonl", {"question": "q", "inputs": ["1"], "outputs": ["1"]})
    with pytest.raises(InputError, match="no split 'dev'; available: all, train, test"):
        load_benchmark(f"jsonl:{path}", split="dev")
    assert len(load_benchmark(f"jsonl:{path}", split="train")) == 1
