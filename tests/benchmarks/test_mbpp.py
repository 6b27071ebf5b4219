"""MBPP: every rule of reading on a row made by hand, then counts on the real data."""

import ast
import json
import re
from pathlib import Path

import pytest
from cases import cases

from benchmarks.mbpp import load, load_sanitized, normalise_newlines
from harness.errors import DatasetError, InputError
from harness.types import AssertTest, Problem, TestKind


def row(number=11, **changes):
    base = {
        "text": f"task {number}",
        "code": "def f():\r\n  return 1",
        "task_id": number,
        "test_setup_code": "",
        "test_list": ["assert f() == 1", "assert f() != 2"],
        "challenge_test_list": [],
    }
    return base | changes


def clean_row(number=11, **changes):
    base = {
        "source_file": "s",
        "task_id": number,
        "prompt": f"clean task {number}",
        "code": "def f():\n  return 1",
        "test_imports": [],
        "test_list": ["assert f() == 1"],
    }
    return base | changes


def write(folder: Path, *rows) -> Path:
    (folder / "mbpp").mkdir(exist_ok=True)
    lines = [each if isinstance(each, str) else json.dumps(each) + "\n" for each in rows]
    (folder / "mbpp" / "mbpp.jsonl").write_text("".join(lines), newline="")
    return folder


def write_clean(folder: Path, content) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "sanitized-mbpp.json").write_text(text)
    return folder


def one(folder: Path, **changes) -> Problem:
    return load(data_dir=write(folder, row(**changes))).problems[0]


def sources(problem: Problem) -> list[str]:
    return [test.source for test in problem.suite.tests() if isinstance(test, AssertTest)]


def numbers(benchmark) -> list[int]:
    return [int(problem.task_id.removeprefix("mbpp/")) for problem in benchmark.problems]


def test_programs_for_evalplus_tasks_are_told_that_these_are_others(tmp_path):
    full = load(data_dir=write(tmp_path, row()))
    clean = load_sanitized(data_dir=write_clean(tmp_path, [clean_row()]))
    for benchmark, said in ((full, "--benchmark mbpp-sanitized"), (clean, "not EvalPlus' number")):
        (pattern,) = benchmark.foreign_ids
        assert re.fullmatch(pattern, "Mbpp/11")
        assert not re.fullmatch(pattern, "mbpp/11")
        assert said in benchmark.foreign_ids[pattern]


# One task


def test_a_task_carries_what_the_row_says(tmp_path):
    problem = one(tmp_path)
    assert problem.task_id == "mbpp/11"
    assert problem.question == "task 11"
    assert problem.difficulty is None
    assert problem.suite.kind is TestKind.ASSERTS
    assert sources(problem) == ["assert f() == 1", "assert f() != 2"]
    assert (problem.suite.preamble, problem.suite.setup, problem.suite.entry_point) == ("", "", None)
    assert list(problem.solutions) == ["def f():\n  return 1"]


def test_set_up_code_is_the_suites_set_up_and_no_preamble(tmp_path):
    suite = one(tmp_path, test_setup_code="root = Node(1) \r\nroot.left = Node(2)").suite
    assert suite.setup == "root = Node(1) \nroot.left = Node(2)"
    assert suite.preamble == ""


def test_a_task_whose_own_solution_is_slow_has_more_time(tmp_path):
    write(tmp_path, row(123), row(124))
    problems = load(split="all", data_dir=tmp_path).problems
    assert [problem.suite.cpu_factor for problem in problems] == [2.0, 1.0]


def test_challenge_tests_are_added_only_when_asked_for(tmp_path):
    write(tmp_path, row(challenge_test_list=["assert f() > 0"]))
    assert len(sources(load(data_dir=tmp_path).problems[0])) == 2
    with_challenge = load(data_dir=tmp_path, challenge=True).problems[0]
    assert sources(with_challenge) == ["assert f() == 1", "assert f() != 2", "assert f() > 0"]


def test_line_ends_of_tests_and_statements_become_newlines(tmp_path):
    problem = one(tmp_path, test_list=["assert f(\r\n) == 1"], text="a\r\nb")
    assert sources(problem) == ["assert f(\n) == 1"]
    assert problem.question == "a\nb"


@cases(
    ("raw", "expected"),
    [("a\r\nb", "a\nb"), ("a\rb", "a\nb"), ("a\r\r\nb", "a\n\nb"), ("a\n\rb\n", "a\n\nb\n")],
)
def test_carriage_returns_end_lines_as_they_do_for_pythons_compiler(raw, expected):
    assert normalise_newlines(raw) == expected
    text = ast.literal_eval(f'"""{raw}"""')
    assert text == expected


# Splits


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("prompt", [1, 10]),
        ("test", [11, 510]),
        ("validation", [511, 600]),
        ("train", [601, 974]),
        ("all", [1, 10, 11, 510, 511, 600, 601, 974]),
    ],
)
def test_splits_go_by_task_number_at_both_ends(tmp_path, split, expected):
    edges = [974, 601, 600, 511, 510, 11, 10, 1]
    benchmark = load(split=split, data_dir=write(tmp_path, *map(row, edges)))
    assert numbers(benchmark) == expected
    assert benchmark.split == split


def test_the_data_hash_is_the_whole_files_whatever_the_split_or_order(tmp_path):
    both = load(split="test", data_dir=write(tmp_path, row(11), row(601))).dataset_hash
    assert load(split="train", data_dir=tmp_path).dataset_hash == both
    assert load(data_dir=write(tmp_path, row(601), row(11))).dataset_hash == both
    assert load(data_dir=write(tmp_path, row(601, text="x"), row(11))).dataset_hash != both


def test_an_unknown_split_names_the_splits():
    with pytest.raises(
        InputError, match="mbpp has no split 'dev'; available: prompt, test, validation, train, all"
    ):
        load(split="dev")


def test_a_split_without_tasks_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no task of the train split"):
        load(split="train", data_dir=write(tmp_path, row(11)))


# Sanitized


def test_sanitized_tasks_have_their_own_statement_and_the_same_id(tmp_path):
    benchmark = load_sanitized(data_dir=write_clean(tmp_path, [clean_row(11)]))
    assert benchmark.name == "mbpp-sanitized"
    assert benchmark.problems[0].task_id == "mbpp/11"
    assert benchmark.problems[0].question == "clean task 11"


def test_sanitized_imports_run_after_the_program(tmp_path):
    rows = [clean_row(11, test_imports=["import math", "import re"])]
    suite = load_sanitized(data_dir=write_clean(tmp_path, rows)).problems[0].suite
    assert suite.setup == "import math\nimport re"
    assert suite.preamble == ""


# Where the data lies


def test_the_folder_may_be_the_benchmarks_own(tmp_path):
    write(tmp_path, row())
    assert load(data_dir=tmp_path / "mbpp").source == load(data_dir=tmp_path).source


def test_the_environment_names_the_folder_where_no_argument_does(tmp_path, monkeypatch):
    monkeypatch.setenv("RLTF_DATA", str(write(tmp_path, row(12))))
    assert numbers(load()) == [12]


def test_a_given_folder_without_the_data_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match=r"holds no mbpp data: expected mbpp\.jsonl or mbpp\.jsonl\.gz"):
        load(data_dir=tmp_path)
    with pytest.raises(DatasetError, match=r"expected sanitized-mbpp\.json in it"):
        load_sanitized(data_dir=tmp_path)


@pytest.mark.parametrize(
    ("loader", "config", "make"), [(load, "full", row), (load_sanitized, "sanitized", clean_row)]
)
def test_the_hub_gives_the_same_benchmark_as_the_file(tmp_path, monkeypatch, loader, config, make):
    datasets = pytest.importorskip("datasets")
    rows = [make(601), make(11)]
    local = loader(data_dir=write_clean(write(tmp_path, *rows), rows))
    asked = []

    def load_dataset(*args, **kwargs):
        asked.append((args, kwargs))
        return rows

    monkeypatch.delenv("RLTF_DATA", raising=False)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    remote = loader()
    assert asked == [(("google-research-datasets/mbpp", config), {"split": "prompt+test+validation+train"})]
    assert remote.dataset_hash == local.dataset_hash
    assert numbers(remote) == numbers(local) == [11]
    assert remote.source == f"google-research-datasets/mbpp, {config}"


def test_an_unreachable_hub_is_one_line_that_says_how_to_get_the_data(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def load_dataset(*args, **kwargs):
        raise FileNotFoundError("gone")

    monkeypatch.delenv("RLTF_DATA", raising=False)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(DatasetError, match=r"mbpp \(full\) not found here.*FileNotFoundError: gone; put it"):
        load()


# Malformed data


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ('{"task_id": \n', r"mbpp\.jsonl:2: broken JSON"),
        ("3\n", r"mbpp\.jsonl:2: expected a JSON object, got int"),
        (row(11), r":2: task_id 11 occurs twice"),
        (row(12, task_id="12"), r":2: 'task_id' must be int, got str"),
        (row(12, code=["x"]), r":2: 'code' must be str, got list"),
        (row(12, text=3), r":2: 'text' must be str, got int"),
        (row(12, test_list="assert f()"), r":2: 'test_list' must be list, got str"),
        (row(12, test_list=[1]), r":2: 'test_list' must be a list of source texts"),
        (row(12, test_setup_code=["x"]), r":2: 'test_setup_code' must be str, got list"),
        (row(700, code=["x"]), r":2: 'code' must be str, got list"),  # whatever the split
    ],
)
def test_a_malformed_row_is_refused_with_its_file_and_line(tmp_path, second, message):
    with pytest.raises(DatasetError, match=message):
        load(data_dir=write(tmp_path, row(11), second))


@pytest.mark.parametrize("key", list(row()))
def test_a_missing_column_is_refused_with_its_file_and_line(tmp_path, key):
    incomplete = row(12)
    del incomplete[key]
    with pytest.raises(DatasetError, match=rf"mbpp\.jsonl:2: no '{key}' in the row"):
        load(data_dir=write(tmp_path, row(11), incomplete))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[\n{},\n", r"sanitized-mbpp\.json:3: broken JSON"),
        ("{}", r"sanitized-mbpp\.json: expected a JSON list of objects"),
        ("[3]", r"sanitized-mbpp\.json: expected a JSON list of objects"),
        ([clean_row(11), {"task_id": 12}], r"sanitized-mbpp\.json element 1: no 'prompt' in the row"),
        ([clean_row(11, test_imports="import re")], r"element 0: 'test_imports' must be list, got str"),
        ([clean_row(11, test_imports=[1])], r"element 0: 'test_imports' must be a list of source texts"),
    ],
)
def test_a_malformed_sanitized_file_is_refused_by_name_and_place(tmp_path, content, message):
    with pytest.raises(DatasetError, match=message):
        load_sanitized(data_dir=write_clean(tmp_path, content))


def test_a_sanitized_file_that_is_not_utf8_is_refused_by_name(tmp_path):
    (tmp_path / "sanitized-mbpp.json").write_bytes(b'["\xff"]')
    with pytest.raises(DatasetError, match=r"sanitized-mbpp\.json: unreadable"):
        load_sanitized(data_dir=tmp_path)


# The real data


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("split", "full", "clean"),
    [
        ("prompt", (10, 30), (7, 25)),
        ("test", (500, 1500), (257, 776)),
        ("validation", (90, 270), (43, 129)),
        ("train", (374, 1122), (120, 394)),
        ("all", (974, 2922), (427, 1324)),
    ],
)
def test_the_real_data_has_the_counts_of_the_readme(data_dir, split, full, clean):
    for loader, expected in ((load, full), (load_sanitized, clean)):
        benchmark = loader(split=split, data_dir=data_dir)
        assert (len(benchmark), sum(p.suite.count for p in benchmark.problems)) == expected


@pytest.mark.data
def test_challenge_tests_of_the_real_data_are_16_in_11_tasks(data_dir):
    plain = load(split="all", data_dir=data_dir).problems
    challenged = load(split="all", data_dir=data_dir, challenge=True).problems
    more = [b.suite.count - a.suite.count for a, b in zip(plain, challenged, strict=True)]
    assert (sum(more), sum(each > 0 for each in more)) == (16, 11)


@pytest.mark.data
def test_every_real_test_is_one_assert_statement(data_dir):
    for benchmark in (
        load(split="all", data_dir=data_dir, challenge=True),
        load_sanitized(split="all", data_dir=data_dir),
    ):
        for problem in benchmark.problems:
            for source in sources(problem):
                (statement,) = ast.parse(source).body
                assert isinstance(statement, ast.Assert)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # theirs
def test_normalised_line_ends_leave_every_real_program_as_python_reads_it(data_dir):
    solutions = {p.task_id: p.solutions[0] for p in load(split="all", data_dir=data_dir).problems}
    for line in (data_dir / "mbpp" / "mbpp.jsonl").read_text().splitlines():
        published = json.loads(line)
        solution = solutions[f"mbpp/{published['task_id']}"]
        assert "\r" not in solution
        trees = [ast.dump(ast.parse(code), include_attributes=True) for code in (published["code"], solution)]
        assert trees[0] == trees[1]


@pytest.mark.data
def test_set_up_code_is_set_in_tasks_367_and_927_only(data_dir):
    benchmark = load(split="all", data_dir=data_dir)
    assert [p.task_id for p in benchmark.problems if p.suite.setup] == ["mbpp/367", "mbpp/927"]
    assert not any("\r" in p.suite.setup for p in benchmark.problems)


@pytest.mark.data
def test_sanitized_imports_are_13_times_math(data_dir):
    setups = [p.suite.setup for p in load_sanitized(split="all", data_dir=data_dir).problems]
    assert [each for each in setups if each] == ["import math"] * 13
