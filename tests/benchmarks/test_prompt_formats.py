"""The prompts of APPS, MBPP and mini, held to the references' spelling letter by letter, on made-up problems.

On real data: that every problem can be put in every format, and what the worked examples of MBPP look like.
"""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from cases import cases

from benchmarks.apps.prompts import INFERENCE, TRAINING
from benchmarks.mbpp.prompts import ZERO_SHOT, ZERO_SHOT_FRAMED
from harness.errors import DatasetError, InputError
from harness.extraction import RULES
from harness.prompts import find_format, formats_of, make_prompt
from harness.prompts.examples import EXAMPLES
from harness.registry import load_benchmark
from harness.types import Problem, TestKind, TestSuite

BY_NAME = {problem.task_id.removeprefix("example/"): problem for problem in EXAMPLES}
Q = "Statement of {}.\nSecond line."


# APPS


@cases(
    ("name", "expected"),
    [
        ("stdin", "\nQUESTION:\n{q}\nUse Standard Input format\nANSWER:\n"),
        ("stdin-starter", "\nQUESTION:\n{q}\ndef f(x):\n\nUse Standard Input format\nANSWER:\n"),
        ("call", "\nQUESTION:\n{q}\nUse Call-Based format\nANSWER:\n"),
        ("call-starter", "\nQUESTION:\n{q}\ndef f(x):\n\nUse Call-Based format\nANSWER:\n"),
        ("no-tests", "\nQUESTION:\n{q}\nUse Standard Input format\nANSWER:\n"),
        ("no-tests-starter", "\nQUESTION:\n{q}\ndef f(x):\n\nUse Call-Based format\nANSWER:\n"),
    ],
)
def test_apps_inference_prompts_go_by_the_functions_name(name, expected):
    assert make_prompt(INFERENCE, BY_NAME[name]).text == expected.replace("{q}", Q.format(name))


@cases(
    ("name", "expected"),
    [
        ("stdin", "\nQUESTION:\n{q}\n\n\nUse Standard Input format\n\nANSWER:\n"),
        ("stdin-starter", "\nQUESTION:\n{q}\ndef f(x):\n\n\nUse Call-Based format\n\nANSWER:\n"),
        ("call", "\nQUESTION:\n{q}\n\n\nUse Standard Input format\n\nANSWER:\n"),
        ("call-starter", "\nQUESTION:\n{q}\ndef f(x):\n\n\nUse Call-Based format\n\nANSWER:\n"),
    ],
)
def test_apps_training_prompts_go_by_the_starter_code(name, expected):
    assert make_prompt(TRAINING, BY_NAME[name]).text == expected.replace("{q}", Q.format(name))


def test_a_function_without_any_tests_is_still_call_based():
    # 48 train problems of APPS name a function and have an empty list of tests.
    suite = TestSuite.pack(TestKind.CALL, [], entry_point="f")
    assert "Use Call-Based format" in make_prompt(INFERENCE, Problem("made/1", "q", lambda: suite)).text


@pytest.mark.parametrize(
    ("row", "starter", "line"),
    [
        ("", "def f(x):\n", "Use Call-Based format"),
        ("", "", "Use Standard Input format"),
        ('{"inputs": [], "outputs": []}', "def f(x):\n", "Use Standard Input format"),
        ('{"inputs": [], "outputs": [], "fn_name": "f"}', "def f(x):\n", "Use Call-Based format"),
    ],
)
def test_starter_code_decides_only_where_the_row_has_no_tests_at_all(row, starter, line, tmp_path):
    fields = {
        "problem_id": 0,
        "question": "q",
        "solutions": "",
        "input_output": row,
        "difficulty": "interview",
    }
    (tmp_path / "train.jsonl").write_text(json.dumps(fields | {"starter_code": starter}) + "\n")
    benchmark = load_benchmark("apps", split="train", data_dir=tmp_path)
    assert f"\n{line}\nANSWER:\n" in make_prompt(find_format(benchmark), benchmark.problems[0]).text


def test_only_the_question_of_apps_may_be_cut():
    for form in (INFERENCE, TRAINING):
        pieces = make_prompt(form, BY_NAME["stdin-starter"]).pieces
        assert [piece.text for piece in pieces if piece.cut] == [Q.format("stdin-starter")]


def test_apps_prompts_refuse_problems_with_asserts():
    with pytest.raises(InputError, match="stdin or call"):
        make_prompt(INFERENCE, BY_NAME["asserts"])


# MBPP


ROWS = [
    {"task_id": number, "text": f"Task {number}.", "code": f"def f{number}():\r\n  return {number}",
     "test_list": [f"assert f{number}() == {number}", f"assert f{number}() < 99", f"assert f{number}()"],
     "test_setup_code": "", "challenge_test_list": [f"assert f{number}() != 1"]}
    for number in (2, 3, 4, 11)
]  # fmt: skip


def mbpp(folder: Path, rows=ROWS, **options):
    (folder / "mbpp.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_benchmark("mbpp", data_dir=folder, **options)


def text(benchmark, form: str) -> str:
    return make_prompt(find_format(benchmark, form), benchmark.problems[0]).text


TESTS_11 = "assert f11() == 11\nassert f11() < 99\nassert f11()"


def test_austin_shows_three_solved_tasks_of_the_data_and_then_the_task(tmp_path):
    def task(number: int) -> str:
        tests = f"assert f{number}() == {number}\nassert f{number}() < 99\nassert f{number}()"
        return (
            f"You are an expert Python programmer, and here is your task: Task {number}."
            f" Your code should pass these tests:\n\n{tests}\n[BEGIN]\n"
        )

    shown = "".join(f"{task(n)}def f{n}():\n  return {n}\n[DONE]\n\n" for n in (2, 3, 4))
    assert text(mbpp(tmp_path), "austin-3shot") == shown + task(11)
    assert find_format(mbpp(tmp_path), "austin-3shot").stop == ("[DONE]",)


def test_austin_says_which_worked_examples_the_data_lacks(tmp_path):
    benchmark = mbpp(tmp_path, [ROWS[0], ROWS[3]])
    with pytest.raises(DatasetError, match="lacks 3, 4; get the whole file"):
        text(benchmark, "austin-3shot")
    assert text(benchmark, "zero-shot-tests")


def test_the_zero_shot_spelling_of_mbpp(tmp_path):
    expected = f"Task 11. Your code should satisfy these tests:\n\n{TESTS_11}"
    assert text(mbpp(tmp_path), "zero-shot-tests") == expected
    assert find_format(mbpp(tmp_path)).name == "zero-shot-tests"


def test_the_framed_spelling_is_the_zero_shot_one_as_apps_puts_a_question():
    problem = BY_NAME["asserts"]
    as_question = replace(BY_NAME["call"], question=make_prompt(ZERO_SHOT, problem).text)
    assert make_prompt(ZERO_SHOT_FRAMED, problem).text == make_prompt(INFERENCE, as_question).text
    assert ZERO_SHOT_FRAMED.stop == INFERENCE.stop


def test_the_docstring_spelling_of_mbpp_starts_the_program(tmp_path):
    assert text(mbpp(tmp_path), "docstring-1test") == '"""\nTask 11.\nassert f11() == 11\n"""\n'
    form = find_format(mbpp(tmp_path), "docstring-1test")
    assert form.in_program
    assert form.stop == ("\nclass", "\nassert", '\n"""', "\nprint", "\nif", "\n<|/", "\n```")


def test_challenge_tests_are_never_shown(tmp_path):
    from benchmarks.mbpp import load

    mbpp(tmp_path)
    benchmark = load(data_dir=tmp_path, challenge=True)
    assert benchmark.problems[0].suite.count == 4
    for form in formats_of(benchmark):
        assert "!= 1" not in text(benchmark, form)


def test_the_statement_of_mbpp_alone_may_be_cut(tmp_path):
    benchmark = mbpp(tmp_path)
    for form in formats_of(benchmark).values():
        pieces = make_prompt(form, benchmark.problems[0]).pieces
        assert [piece.text for piece in pieces if piece.cut] == ["Task 11."]


# mini


@pytest.mark.slow
def test_mini_is_put_as_apps_is():
    mini = load_benchmark("mini", ids=["0-29"])
    assert formats_of(mini)["inference"] is INFERENCE
    assert formats_of(mini)["training"] is TRAINING
    kinds = set()
    for problem in mini.problems:
        called = problem.suite.kind is TestKind.CALL
        kinds.add(called)
        for form in ("inference", "training"):
            found = make_prompt(find_format(mini, form), problem).text
            assert ("Use Call-Based format" in found) == called
    assert kinds == {True, False}


# All


def test_hashes_are_pinned_so_that_a_changed_prompt_raises_its_version():
    # A change here is a change of what models get: raise the format's version and log it in the README.
    found = {f"{form.name} {form.version}": make_prompt(form, problem).hash[:16] for form, problem in (
        (INFERENCE, BY_NAME["stdin"]), (TRAINING, BY_NAME["stdin"]),
        (ZERO_SHOT, BY_NAME["asserts"]), (ZERO_SHOT_FRAMED, BY_NAME["asserts"]))}  # fmt: skip
    assert found == PINNED


PINNED = {
    "inference 1": "cf14b6fbe9c063d1",
    "training 1": "133183045df45269",
    "zero-shot-tests 2": "9bd36b2275a7851a",
    "zero-shot-tests-framed 2": "43fc0a6b70ec157e",
}


@pytest.mark.parametrize("name", ["mini", "mbpp"])
def test_every_format_names_itself_a_source_and_a_rule(name, tmp_path):
    benchmark = mbpp(tmp_path) if name == "mbpp" else load_benchmark("mini")
    for known, form in formats_of(benchmark).items():
        assert form.name == known
        assert form.source
        assert form.extraction in RULES


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", ["mbpp", "mbpp-sanitized", "apps"])
def test_every_real_problem_can_be_put_in_every_format(name, data_dir):
    benchmark = load_benchmark(name, data_dir=data_dir)
    for form in formats_of(benchmark).values():
        for problem in benchmark.problems[:: 1 if name != "apps" else 25]:
            prompt = make_prompt(form, problem)
            assert problem.question.strip() in prompt.text
            assert "\r" not in prompt.text
    assert {form.name for form in formats_of(benchmark).values()} >= {"chat"}


@pytest.mark.data
def test_the_worked_examples_are_tasks_2_3_and_4_whatever_the_split(data_dir):
    prompts = set()
    for split in ("test", "validation"):
        benchmark = load_benchmark("mbpp", data_dir=data_dir, split=split)
        shown = make_prompt(find_format(benchmark, "austin-3shot"), benchmark.problems[0]).pieces[0].text
        prompts.add(sha256(shown.encode()).hexdigest())
        # Names alone: the data's text stays out of the repository.
        for name in ("similar_elements", "is_not_prime", "heap_queue_largest"):
            assert f"def {name}(" in shown
    assert len(prompts) == 1


@pytest.mark.slow
@pytest.mark.data
def test_rows_without_tests_are_told_from_rows_with_empty_lists(data_dir):
    problems = load_benchmark("apps", split="train", data_dir=data_dir).problems
    unnamed = [each for each in problems if not each.suite.count and each.suite.kind is TestKind.STDIN]
    empty = [each for each in unnamed if each.metadata.get("empty_input_output")]
    no_row = [each for each in unnamed if each not in empty]
    assert (len(no_row), len(empty)) == (196, 6)
    called = [each for each in no_row if "Use Call-Based" in make_prompt(INFERENCE, each).text]
    assert len(called) == sum(bool(each.starter_code) for each in no_row) == 195
    assert not any("Use Call-Based format\nANSWER" in make_prompt(INFERENCE, each).text for each in empty)
