"""LiveCodeBench: rows made by hand in all encodings, its splits, and its comparison.

The comparison is held against a plain restatement of its public grader's rule; a run against that grader
itself is in the benchmark's README.
"""

import base64
import json
import pickle
import random
import zlib
from decimal import Decimal, InvalidOperation

import pytest
from cases import cases

from benchmarks.livecodebench import load
from benchmarks.livecodebench.comparison import LCB
from benchmarks.livecodebench.splits import FILES, parse_split
from harness import Job, Runner, load_benchmark
from harness.errors import DatasetError, InputError
from harness.extraction import extract
from harness.types import CallTest, StdinTest

SUM = "n = int(input())\nprint(sum(map(int, input().split())))\n"
STARTER = "class Solution:\n    def countEven(self, nums: List[int]) -> int:\n        "
EVEN = STARTER + "return len([n for n in nums if n % 2 == 0])\n"


def packed(tests, *, pickled=True):
    text = json.dumps(tests)
    return base64.b64encode(zlib.compress(pickle.dumps(text) if pickled else text.encode())).decode()


def row(identity="abc1_a", **changes):
    public = [{"input": "2\n1 2\n", "output": "3\n", "testtype": "stdin"}]
    private = [{"input": "1\n7\n", "output": "7\n", "testtype": "stdin"}]
    return {
        "question_title": "Sum",
        "question_content": "Print the sum.",
        "platform": "atcoder",
        "question_id": identity,
        "contest_id": "abc1",
        "contest_date": "2024-08-10T00:00:00",
        "starter_code": "",
        "difficulty": "easy",
        "public_test_cases": json.dumps(public),
        "private_test_cases": packed(private),
        "metadata": "{}",
    } | changes


def functional(identity="3000", **changes):
    public = [{"input": "[1, 2, 4]", "output": "2", "testtype": "functional"}]
    private = [{"input": "[]", "output": "0", "testtype": "functional"}]
    return row(
        identity,
        platform="leetcode",
        starter_code=STARTER,
        public_test_cases=json.dumps(public),
        private_test_cases=packed(private),
        metadata='{"func_name": "countEven"}',
        **changes,
    )


def write(folder, *rows, name="test.jsonl"):
    (folder / name).write_text("".join(json.dumps(each) + "\n" for each in rows))
    return folder


def first(folder, *rows):
    return load(split="v1", data_dir=write(folder, *rows)).problems[0]


@pytest.fixture(scope="module")
def runner():
    with Runner(workers=1, profiles=[*load_profiles()]) as started:
        yield started


def load_profiles():
    return ("benchmarks.livecodebench.comparison:LCB", "strict")


def verdict(runner, problem, code, profile="lcb"):
    (outcome,) = runner.run([Job(problem.task_id, 0, code, problem)])
    assert outcome.infrastructure_error is None
    return outcome.verdicts[profile].value


# Rows


@pytest.mark.parametrize(
    "private",
    [
        json.dumps([{"input": "1\n7\n", "output": "7\n", "testtype": "stdin"}]),
        packed([{"input": "1\n7\n", "output": "7\n", "testtype": "stdin"}]),
        packed([{"input": "1\n7\n", "output": "7\n", "testtype": "stdin"}], pickled=False),
    ],
)
def test_private_tests_are_read_in_every_encoding_and_come_after_the_public_ones(tmp_path, private):
    problem = first(tmp_path, row(private_test_cases=private))
    assert problem.suite.tests() == [StdinTest("2\n1 2\n", "3\n"), StdinTest("1\n7\n", "7\n")]
    assert problem.public_tests == [StdinTest("2\n1 2\n", "3\n")]


def test_a_functional_row_is_read_as_calls(tmp_path):
    problem = first(tmp_path, functional())
    assert problem.suite.tests() == [CallTest([[1, 2, 4]], 2), CallTest([[]], 0)]
    assert problem.suite.entry_point == "countEven"
    assert problem.starter_code == STARTER


def test_programs_of_both_kinds_get_their_verdicts(tmp_path, runner):
    stdin, call = load(split="v1", data_dir=write(tmp_path, row(), functional())).problems
    assert verdict(runner, stdin, SUM) == "passed"
    assert verdict(runner, stdin, "print(3)") == "wrong_answer"
    assert verdict(runner, call, EVEN) == "passed"  # List is among the names that its grader imports
    assert verdict(runner, call, EVEN.replace("== 0", "== 1")) == "wrong_answer"
    assert verdict(runner, call, "def countEven(nums):\n    return sum(1 - n % 2 for n in nums)") == "passed"


def test_an_object_that_is_equal_to_everything_is_no_answer(tmp_path, runner):
    call = first(tmp_path, functional())
    code = "class All:\n    def __eq__(self, other): return True\ndef countEven(nums): return All()\n"
    assert verdict(runner, call, code) == "wrong_answer"


def test_an_exit_status_does_not_fail_a_script_and_neither_does_a_stray_return(tmp_path, runner):
    stdin = first(tmp_path, row())
    assert verdict(runner, stdin, SUM + "exit(1)") == "passed"
    assert verdict(runner, stdin, SUM + "return") == "passed"
    assert verdict(runner, stdin, SUM + "exit(1)", "strict") == "runtime_error"


def test_its_limits_are_six_seconds_and_an_end_at_the_first_failure(tmp_path):
    limits = load(split="v1", data_dir=write(tmp_path, row())).limits
    assert (limits.cpu_seconds, limits.stop_at_first_failure) == (6.0, True)


def test_a_hostile_pickle_is_refused_and_does_not_run(tmp_path, capsys):
    class Hostile:
        def __reduce__(self):
            return print, ("it ran",)

    hostile = base64.b64encode(zlib.compress(pickle.dumps(Hostile()))).decode()
    problem = first(tmp_path, row(private_test_cases=hostile))
    with pytest.raises(DatasetError, match=r"test.jsonl:1: tests in a pickle"):
        problem.suite  # noqa: B018 - reading it is what is tested
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"contest_date": "soon"}, "is no date"),
        ({"question_id": "a/b"}, "is no id"),
        ({"public_test_cases": "[{]"}, "must be a list"),
        ({"difficulty": 3}, "must be str"),
    ],
)
def test_a_malformed_row_is_refused_with_file_and_line(tmp_path, changes, why):
    with pytest.raises(DatasetError, match=f"test.jsonl:1: .*{why}"):
        first(tmp_path, row(**changes))


def test_a_row_that_occurs_twice_and_data_that_is_not_there_are_refused(tmp_path, monkeypatch):
    with pytest.raises(DatasetError, match="occurs twice"):
        first(tmp_path, row(), row())
    with pytest.raises(DatasetError, match=r"test2\.jsonl"):
        load(split="release_v2", data_dir=tmp_path)
    monkeypatch.delenv("RLTF_DATA", raising=False)
    with pytest.raises(DatasetError, match=r"put test\.jsonl"):
        load()


# Splits


@cases(
    ("split", "files", "first_date", "last_date"),
    [
        ("release_v1", FILES[:1], "0000", "9999"),
        ("release_v5", FILES[:5], "0000", "9999"),
        ("release_latest", FILES, "0000", "9999"),
        ("v6", FILES[5:], "0000", "9999"),
        ("v4_v5", FILES[3:5], "0000", "9999"),
        ("2024-08..2025-01", FILES, "2024-08", "2025-01"),
        ("release_v5:2024-08-01..", FILES[:5], "2024-08-01", "9999"),
        ("..2024-08", FILES, "0000", "2024-08"),
    ],
)
def test_a_split_names_files_and_dates(split, files, first_date, last_date):
    window = parse_split(split)
    assert (window.files, window.first, window.last) == (files, first_date, last_date)


@cases(
    "split", ["", "test", "release_v9", "v5_v4", "2025-01..2024-08", "release_v5:", "2024-08", "2024-13.."]
)
def test_what_is_no_split_is_refused(split):
    with pytest.raises(InputError):
        parse_split(split)


def test_a_window_takes_both_of_its_ends(tmp_path):
    dates = ["2024-07-31", "2024-08-01", "2025-01-31", "2025-02-01"]
    write(tmp_path, *[row(f"p{n}", contest_date=f"{date}T00:00:00") for n, date in enumerate(dates)])
    for name in FILES[1:]:
        write(tmp_path, name=name)
    found = load_benchmark("livecodebench", split="2024-08..2025-01", data_dir=tmp_path)
    assert [problem.task_id for problem in found.problems] == ["livecodebench/p1", "livecodebench/p2"]
    with pytest.raises(InputError, match="no problem in"):
        load(split="2026-01..", data_dir=tmp_path)


# Comparison


@cases(
    ("output", "expected", "right"),
    [
        ("1.0\n", "1.00", True),
        ("1e3", "1000", True),
        ("0.333", "0.3333", False),
        ("50000000000000001", "50000000000000000", False),
        ("  a b \n", "a b", True),
        ("a  b", "a b", False),
        ("1  2", "1 2.0", True),
        ("1\n\n2", "1\n2", False),
        ("YES", "yes", False),
        ("1 2 3", "1 2", False),
        ("nan", "NaN", False),
        ("sNaN", "1", False),
        ("", "", True),
        ("1\n" * 1000, "1", False),
    ],
)
def test_standard_output_is_compared_by_lines_and_decimals(output, expected, right):
    assert LCB.stdout_matches(output, expected) is right


@cases(
    ("value", "expected", "right"),
    [
        ((1, 2), [1, 2], True),
        ([(1, 2)], [[1, 2]], False),
        (1.0, 1, True),
        (0.1 + 0.2, 0.3, False),
        ("1", 1, False),
        ([1], [[1]], False),
    ],
)
def test_return_values_are_compared_without_a_tolerance(value, expected, right):
    assert LCB.value_matches(value, expected, wrapped=True) is right


def by_the_rule(output, expected):
    """The rule, as one would write it down."""

    def lines(text):
        return [line.strip() for line in text.strip().split("\n")]

    def numbers(line):
        return [Decimal(token) for token in line.split()]

    if len(lines(output)) != len(lines(expected)):
        return False
    for given, wanted in zip(lines(output), lines(expected), strict=True):
        try:
            if given != wanted and numbers(given) != numbers(wanted):
                return False
        except InvalidOperation:
            return False
    return True


def test_the_comparison_is_the_rule_on_thousands_of_pairs():
    draw = random.Random(0)
    tokens = ["1", "1.0", "01", "1e0", "-0", "0", "x", "nan", "1_0", "10", "inf", "Infinity", " ", "\t"]

    def text():
        return "\n".join(
            " ".join(draw.choices(tokens, k=draw.randrange(3))) for _ in range(draw.randrange(1, 4))
        )

    pairs = [(text(), text()) for _ in range(20_000)]
    assert {by_the_rule(*pair) for pair in pairs} == {True, False}
    assert [pair for pair in pairs if by_the_rule(*pair) is not LCB.stdout_matches(*pair)] == []


# Prompts


def test_its_chat_prompt_has_its_system_message_and_the_starter_code(tmp_path):
    benchmark = load(split="v1", data_dir=write(tmp_path, row(), functional()))
    chat = benchmark.prompts["chat"]
    pieces = chat.build(benchmark.problems[1])
    assert pieces[0].role == "system"
    user = "".join(piece.text for piece in pieces[1:])
    assert user.startswith(
        "### Question:\nPrint the sum.\n\n### Format: You will use the following starter code"
    )
    assert f"```python\n{STARTER}\n```" in user
    assert "# YOUR CODE HERE" in "".join(piece.text for piece in chat.build(benchmark.problems[0]))


def test_an_answer_is_what_stands_between_the_last_two_fences(tmp_path):
    chat = load(split="v1", data_dir=write(tmp_path, row())).prompts["chat"]
    answer = "```python\nfirst\n```\nor rather\n```python\nprint(1)\n```\n"
    assert extract(answer, chat.extraction).code == "print(1)"
    assert extract("```python\nprint(1)", chat.extraction).code == ""
