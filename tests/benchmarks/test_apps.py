"""APPS: every rule of reading on a row made by hand, then counts on the real data."""

import gzip
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cases import cases

from benchmarks.apps import load
from benchmarks.apps.suite import PREAMBLE, make_suite
from harness import datasource
from harness.errors import DatasetError, InputError
from harness.registry import load_benchmark
from harness.types import CallTest, Problem, StdinTest, TestKind, TestSuite


def row(number=0, *, tests=None, **changes):
    base = {
        "problem_id": number,
        "question": f"question {number}",
        "solutions": json.dumps(["print(1)"]),
        "input_output": "" if tests is None else json.dumps(tests),
        "difficulty": "interview",
        "url": "",
        "starter_code": "",
    }
    return base | changes


def write(folder: Path, *rows, split="test") -> Path:
    (folder / "apps").mkdir(exist_ok=True)
    with gzip.open(folder / "apps" / f"{split}.jsonl.gz", "wt") as lines:
        lines.writelines(each if isinstance(each, str) else json.dumps(each) + "\n" for each in rows)
    return folder


def one(folder: Path, **changes) -> Problem:
    return load(data_dir=write(folder, row(**changes))).problems[0]


def suite(tests: object) -> TestSuite:
    return make_suite(json.dumps(tests), "here:1")


def call(inputs, outputs) -> CallTest:
    return suite({"fn_name": "f", "inputs": [inputs], "outputs": [outputs]}).tests()[0]


# What kind of tests


def test_without_fn_name_a_test_is_stdin_text():
    made = suite({"inputs": ["1\n"], "outputs": ["2\n"]})
    assert made.kind is TestKind.STDIN
    assert made.entry_point is None
    assert made.tests() == [StdinTest("1\n", "2\n")]


def test_with_fn_name_a_test_is_a_call():
    made = suite({"fn_name": "f", "inputs": [[1, "a"]], "outputs": [[2]]})
    assert made.kind is TestKind.CALL
    assert made.entry_point == "f"
    assert made.tests() == [CallTest([1, "a"], [2])]


@pytest.mark.parametrize("name", [None, ""])
def test_a_null_or_empty_fn_name_means_stdin(name):
    assert suite({"fn_name": name, "inputs": ["1"], "outputs": ["1"]}).kind is TestKind.STDIN


def test_starter_code_does_not_make_a_problem_call_based(tmp_path):
    problem = one(tmp_path, starter_code="def f(): pass", tests={"inputs": ["1"], "outputs": ["1"]})
    assert problem.suite.kind is TestKind.STDIN
    assert problem.starter_code == "def f(): pass"


def test_lists_of_lines_are_joined_without_a_newline_at_the_end():
    assert suite({"inputs": [["1", "2"]], "outputs": [["a", "b"]]}).tests() == [StdinTest("1\n2", "a\nb")]


def test_an_empty_list_of_lines_is_empty_text():
    assert suite({"inputs": [[]], "outputs": [["", ""]]}).tests() == [StdinTest("", "\n")]


@cases("bad", [3, None, ["1", 2], [["1"]]])
def test_a_stdin_problem_with_a_test_that_is_no_text_is_unscorable(bad):
    assert suite({"inputs": ["1", bad], "outputs": ["1", "1"]}).count == 0
    assert suite({"inputs": ["1", "1"], "outputs": [bad, "1"]}).count == 0


# Problems without tests


@cases("text", ["", " \n", "{}", "null", "[]", '{"inputs": [], "outputs": []}'])
def test_a_problem_without_tests_has_a_suite_of_count_zero(text):
    assert make_suite(text, "here:1").count == 0


def test_an_empty_list_of_calls_keeps_its_kind():
    made = suite({"fn_name": "f", "inputs": [], "outputs": []})
    assert (made.count, made.kind, made.entry_point) == (0, TestKind.CALL, "f")


def test_a_problem_without_tests_stays_in_the_benchmark(tmp_path):
    benchmark = load(data_dir=write(tmp_path, row(0), row(1, tests={"inputs": ["1"], "outputs": ["1"]})))
    assert [problem.suite.count for problem in benchmark.problems] == [0, 1]


# Repair of dictionaries


def test_integer_keys_of_a_first_argument_are_repaired():
    assert call([{"1": "a", "-2": "b"}], 0).args == [{1: "a", -2: "b"}]


def test_a_repaired_first_argument_drops_the_others():
    assert call([{"1": 2}, 7], 0).args == [{1: 2}]


def test_an_empty_dictionary_counts_as_repaired():
    assert call([{}, 7], {}) == CallTest([{}], [{}])


def test_one_key_that_is_no_integer_leaves_all_as_they_are():
    assert call([{"1": 2, "x": 3}, 7], {"1": 2, "x": 3}) == CallTest([{"1": 2, "x": 3}, 7], {"1": 2, "x": 3})
    assert call([], [{"1": 2, "x": 3}, 7]).expected == [{"1": 2, "x": 3}, 7]


def test_only_the_first_argument_is_repaired():
    assert call([5, {"1": 2}], 0).args == [5, {"1": 2}]


def test_inner_dictionaries_keep_their_string_keys():
    assert call([{"1": {"2": 3}}], [{"1": {"2": 3}}]) == CallTest([{1: {"2": 3}}], [{1: {"2": 3}}])


def test_a_bare_expected_dictionary_is_repaired_and_wrapped():
    assert call([], {"1": 2}).expected == [{1: 2}]


def test_an_expected_list_that_starts_with_a_dictionary_is_cut_to_it():
    assert call([], [{"1": 2}, 9]).expected == [{1: 2}]


@cases("value", [9, None, "1", [9], [], [[{"1": 2}]], 0.5])
def test_other_expected_values_stay_as_the_data_gives_them(value):
    assert call([], value).expected == value


# Numbers and text that are easily lost


@cases("digits", [640, 641, 4301, 9131])
@cases("sign", ["", "-"])
def test_integers_of_any_length_are_read_without_touching_the_interpreters_limit(digits, sign):
    limit = sys.get_int_max_str_digits()
    text = sign + "1" + "9" * (digits - 2) + "7"
    made = make_suite(f'{{"fn_name": "f", "inputs": [[{text}]], "outputs": [1]}}', "here:1")
    magnitude = 2 * 10 ** (digits - 1) - 3  # 19…97, said without decimal text
    assert made.tests()[0].args == [-magnitude if sign else magnitude]
    assert sys.get_int_max_str_digits() == limit


def test_lone_surrogates_survive(tmp_path):
    problem = one(
        tmp_path, tests={"inputs": ["\ud800"], "outputs": ["é"]}, solutions=json.dumps(["print('\ud800')"])
    )
    assert problem.suite.tests() == [StdinTest("\ud800", "é")]
    assert problem.solutions == ("print('\ud800')",)
    assert len(problem.suite.digest) == 64


# The benchmark


def test_a_problem_carries_what_the_row_says(tmp_path):
    solutions = ["print(1)", "print(2)"]
    problem = one(tmp_path, number=7, url="u", starter_code="s", solutions=json.dumps(solutions))
    assert problem.task_id == "apps/test/7"
    assert problem.question == "question 7"
    assert problem.difficulty == "interview"
    assert problem.starter_code == "s"
    assert problem.metadata == {"url": "u"}
    assert list(problem.solutions) == solutions


@pytest.mark.parametrize("text", ["", "[]"])
def test_a_problem_may_have_no_solution(tmp_path, text):
    assert list(one(tmp_path, solutions=text).solutions) == []


def test_null_and_absent_optional_columns_are_empty_text(tmp_path):
    without = row(0, starter_code=None, input_output=None)
    del without["url"]
    problem = load(data_dir=write(tmp_path, without)).problems[0]
    assert (problem.starter_code, problem.metadata["url"], problem.suite.count) == ("", "", 0)


def test_problems_come_in_id_order_whatever_the_files(tmp_path):
    benchmark = load(data_dir=write(tmp_path, row(10), row(9)))
    assert [problem.task_id for problem in benchmark.problems] == ["apps/test/9", "apps/test/10"]


def test_the_data_hash_follows_content_and_not_order(tmp_path):
    first = load(data_dir=write(tmp_path, row(0), row(1))).dataset_hash
    assert load(data_dir=write(tmp_path, row(1), row(0))).dataset_hash == first
    assert load(data_dir=write(tmp_path, row(0), row(2))).dataset_hash != first
    assert load(data_dir=write(tmp_path, row(0), row(1, url="u"))).dataset_hash != first
    moved = row(1, starter_code="u")  # the same text in another column
    assert (
        load(data_dir=write(tmp_path, row(0), moved)).dataset_hash
        != load(data_dir=write(tmp_path, row(0), row(1, url="u"))).dataset_hash
    )


def test_a_suites_digest_is_the_same_in_another_process(tmp_path):
    write(tmp_path, row(0, tests={"fn_name": "f", "inputs": [[{"2": 1, "1": 2}]], "outputs": [[1]]}))
    program = "import sys; from benchmarks.apps import load; " + (
        "print(load(data_dir=sys.argv[1]).problems[0].suite.digest)"
    )
    other = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert load(data_dir=tmp_path).problems[0].suite.digest == other


def test_the_preambles_parts_define_what_they_say_and_numpy_has_one_of_its_own():
    text = "".join(part.text for part in PREAMBLE)
    assert all(line.startswith(("import ", "from ")) for line in text.splitlines())
    assert [part.text for part in PREAMBLE if "numpy" in part.text] == ["import numpy as np\n"]
    for part in PREAMBLE:
        defined: dict = {}
        exec(part.text, defined)
        assert set(defined) - {"__builtins__"} <= set(part.names)
    names: dict = {}
    exec(text, names)
    promised = (
        "sys time itertools accumulate product permutations combinations collections Counter OrderedDict"
    )
    promised += " deque defaultdict ChainMap lru_cache math sqrt sin cos tan ceil fabs floor gcd exp log log2"
    promised += " fractions List Tuple np random heapq heappush heapify"
    assert set(promised.split()) <= set(names)
    assert not {"re", "bisect", "string", "Optional", "Dict", "Set", "inf", "reduce", "cache"} & set(names)


def test_both_kinds_of_suite_promise_the_preamble():
    for tests in ({"inputs": ["1"], "outputs": ["1"]}, {"fn_name": "f", "inputs": [[1]], "outputs": [1]}):
        assert suite(tests).preamble == PREAMBLE


# Where the data lies


def test_the_folder_may_be_the_benchmarks_own(tmp_path):
    write(tmp_path, row(0))
    assert load(data_dir=tmp_path / "apps").source == load(data_dir=tmp_path).source


def test_an_uncompressed_file_will_do(tmp_path):
    (tmp_path / "train.jsonl").write_text(json.dumps(row(3)) + "\n\n")
    assert [p.task_id for p in load(split="train", data_dir=tmp_path).problems] == ["apps/train/3"]


def test_the_environment_names_the_folder_where_no_argument_does(tmp_path, monkeypatch):
    monkeypatch.setenv("RLTF_DATA", str(write(tmp_path, row(4))))
    assert load().problems[0].task_id == "apps/test/4"


def test_the_argument_wins_over_the_environment(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("RLTF_DATA", str(write(tmp_path / "a", row(1))))
    assert load(data_dir=write(tmp_path / "b", row(2))).problems[0].task_id == "apps/test/2"


def test_a_given_folder_without_the_data_is_an_error_and_not_replaced(tmp_path, monkeypatch):
    full = tmp_path / "full"
    full.mkdir()
    monkeypatch.setenv("RLTF_DATA", str(write(full, row(1))))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"empty holds no apps data: expected test\.jsonl\.gz"):
        load(data_dir=tmp_path / "empty")


def test_the_original_folders_give_the_same_benchmark_as_the_rows(tmp_path):
    tests = {"fn_name": "f", "inputs": [[1]], "outputs": [[1]]}
    rows = [row(0, tests=tests, url="u", starter_code="def f(x):\r\n"), row(12, solutions="")]
    (tmp_path / "rows").mkdir()
    write(tmp_path / "rows", *rows)
    for each in rows:
        folder = tmp_path / "original" / "test" / f"{each['problem_id']:04d}"
        folder.mkdir(parents=True)
        (folder / "question.txt").write_bytes(each["question"].encode())
        metadata = {"difficulty": each["difficulty"], "url": each["url"]}
        (folder / "metadata.json").write_text(json.dumps(metadata))
        for key, name in (
            ("solutions", "solutions.json"),
            ("input_output", "input_output.json"),
            ("starter_code", "starter_code.py"),
        ):
            if each[key]:
                (folder / name).write_bytes(each[key].encode())
    expected, found = load(data_dir=tmp_path / "rows"), load(data_dir=tmp_path / "original")
    assert found.dataset_hash == expected.dataset_hash
    assert [p.task_id for p in found.problems] == ["apps/test/0", "apps/test/12"]
    assert found.problems[0].suite.tests() == expected.problems[0].suite.tests()
    assert found.problems[1].suite.count == 0


def test_a_problem_folder_without_a_question_is_named(tmp_path):
    (tmp_path / "test" / "0001").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"0001: no question\.txt"):
        load(data_dir=tmp_path)


def test_a_folder_without_problem_folders_is_named(tmp_path):
    (tmp_path / "test").mkdir()
    with pytest.raises(DatasetError, match="no problem folders"):
        load(data_dir=tmp_path)


def test_a_problem_folder_without_a_difficulty_is_named(tmp_path):
    folder = tmp_path / "test" / "0001"
    folder.mkdir(parents=True)
    (folder / "question.txt").write_text("q")
    with pytest.raises(DatasetError, match="0001: no 'difficulty'"):
        load(data_dir=tmp_path)


def test_without_a_folder_the_hubs_files_are_read(monkeypatch):
    datasets = pytest.importorskip("datasets")
    asked = {}

    def load_dataset(*args, **kwargs):
        asked.update(kwargs, args=args)
        return [row(3), row(2)]

    monkeypatch.delenv("RLTF_DATA", raising=False)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    benchmark = load(split="train")
    assert [problem.task_id for problem in benchmark.problems] == ["apps/train/2", "apps/train/3"]
    assert asked["args"] == ("parquet",)  # files, named one by one: no script of the hub's is run
    assert asked["split"] == "train"
    assert asked["data_files"]["train"].startswith("hf://datasets/codeparrot/apps@refs/convert/parquet/")
    assert asked["data_files"]["train"] == benchmark.source


def test_an_environment_folder_without_apps_falls_through_to_the_hub(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("RLTF_DATA", str(tmp_path))
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **kwargs: [row(3)])
    assert load().source.startswith("hf://")


def test_an_unreachable_hub_is_one_line_that_says_how_to_get_the_data(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def load_dataset(*args, **kwargs):
        raise ConnectionError("no\nnetwork")

    monkeypatch.delenv("RLTF_DATA", raising=False)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(
        DatasetError, match=r"ConnectionError: no network; put it .*data_dir or \$RLTF_DATA"
    ) as e:
        load()
    assert "\n" not in str(e.value)


def test_without_the_datasets_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.delenv("RLTF_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DatasetError, match=r"pip install 'rltf-harness\[hub\]'"):
        load()


# Malformed data


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ('{"problem_id": 1, \n', r"test\.jsonl\.gz:2: broken JSON"),
        ("[1]\n", r"test\.jsonl\.gz:2: expected a JSON object, got list"),
        (row(0), r":2: problem_id 0 occurs twice"),
        (row(1, problem_id="1"), r":2: 'problem_id' must be int, got str"),
        (row(1, question=5), r":2: 'question' must be str or NoneType, got int"),
        (row(1, starter_code=5), r":2: 'starter_code' must be str or NoneType, got int"),
        (row(1, solutions="[1"), r":2: 'solutions' is broken JSON"),
        (row(1, solutions="[1]"), r":2: 'solutions' must be a JSON list of program texts"),
        (row(1, solutions='"a"'), r":2: 'solutions' must be a JSON list of program texts"),
        (row(1, input_output="{"), r":2: input_output is broken JSON"),
        (row(1, input_output="[1]"), r":2: input_output must be a JSON object, got list"),
        (row(1, tests={"inputs": ["1"]}), r":2: input_output: no 'outputs' in the row"),
        (row(1, tests={"inputs": "1", "outputs": ["1"]}), r"'inputs' must be list, got str"),
        (row(1, tests={"inputs": ["1"], "outputs": []}), r":2: 1 inputs but 0 outputs"),
        (row(1, tests={"fn_name": 3, "inputs": [[]], "outputs": [1]}), r":2: fn_name must be a name, got 3"),
        (row(1, tests={"fn_name": "f", "inputs": [1], "outputs": [1]}), r":2: a call's input must be a list"),
    ],
)
def test_a_malformed_row_is_refused_with_its_file_and_line(tmp_path, second, message):
    with pytest.raises(DatasetError, match=message):
        load(data_dir=write(tmp_path, row(0), second))


@pytest.mark.parametrize("key", ["problem_id", "question", "solutions", "input_output", "difficulty"])
def test_a_missing_column_is_refused_with_its_file_and_line(tmp_path, key):
    incomplete = row(1)
    del incomplete[key]
    with pytest.raises(DatasetError, match=rf"test\.jsonl\.gz:2: no '{key}' in the row, it has"):
        load(data_dir=write(tmp_path, row(0), incomplete))


def test_a_file_cut_short_is_refused_by_name(tmp_path):
    path = write(tmp_path, *(row(n, question=str(n) * 50) for n in range(50))) / "apps" / "test.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DatasetError, match=r"test\.jsonl\.gz: unreadable after line \d+ .*get it again"):
        load(data_dir=tmp_path)


def test_a_file_that_is_no_gzip_is_refused_by_name(tmp_path):
    (tmp_path / "test.jsonl.gz").write_text("{}\n")
    with pytest.raises(DatasetError, match=r"test\.jsonl\.gz: unreadable after line 0"):
        load(data_dir=tmp_path)


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path):
    (tmp_path / "test.jsonl").write_bytes(json.dumps(row(0)).encode() + b'\n{"question": "\xff"}\n')
    with pytest.raises(DatasetError, match=r"test\.jsonl:2: broken JSON"):
        load(data_dir=tmp_path)


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no rows"):
        load(data_dir=write(tmp_path))


def test_an_unknown_split_names_the_splits():
    with pytest.raises(InputError, match="no split 'dev'; available: train, test"):
        load(split="dev")


def test_errata_name_problems_of_the_split_only(tmp_path):
    write(tmp_path, row(0))
    write(tmp_path, row(0), split="train")
    test = load(data_dir=tmp_path).errata
    assert {"apps/test/2748", "apps/test/4752"} <= set(test)
    assert all(task_id.startswith("apps/test/") and cause for task_id, cause in test.items())
    train = load(split="train", data_dir=tmp_path).errata
    assert all(task_id.startswith("apps/train/") for task_id in train)


# A few problems of many


@pytest.fixture
def parsed(monkeypatch, tmp_path):
    """The lines that were parsed since it was last cleared; with a cache of its own."""
    lines = []

    def parse_object(text, place):
        lines.append(int(place.rpartition(":")[2]))
        return json.loads(text)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(datasource, "parse_object", parse_object)
    return lines


def some(folder: Path, *ids: str, **options):
    return load_benchmark("apps", data_dir=folder, ids=ids or None, **options)


def test_one_problem_of_many_is_the_only_row_that_is_parsed_once_the_file_is_known(tmp_path, parsed):
    write(tmp_path, *(row(n) for n in reversed(range(20))))
    whole = load_benchmark("apps", data_dir=tmp_path)
    some(tmp_path, "3")  # reads all of the file: the hash is of all rows
    parsed.clear()
    found = some(tmp_path, "3")
    assert parsed == [17]
    assert [problem.task_id for problem in found.problems] == ["apps/test/3"]
    assert found.dataset_hash == whole.dataset_hash
    assert found.problems[0].suite.digest == whole.problems[3].suite.digest


def test_a_file_that_changes_is_read_anew_whatever_its_name_size_and_time(tmp_path, parsed):
    path = write(tmp_path, row(0), row(1)) / "apps" / "test.jsonl"
    lines = [json.dumps(row(number)) + "\n" for number in (0, 1)]
    path.with_suffix(".jsonl.gz").unlink()
    path.write_text("".join(lines))
    before = path.stat()
    first = some(tmp_path, "1").dataset_hash
    path.write_text("".join(lines).replace("question 0", "question 9"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert some(tmp_path, "1").dataset_hash == load(data_dir=tmp_path).dataset_hash != first


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"rows": [[1]], "data_hash": "a"}', b'{"rows": []}'])
def test_what_was_kept_of_a_file_may_be_damaged_or_lost(tmp_path, parsed, damage):
    write(tmp_path, row(0), row(1))
    first = some(tmp_path, "1")
    (kept,) = (tmp_path / "cache" / "rltf" / "data").iterdir()
    kept.write_bytes(damage)
    assert some(tmp_path, "1").dataset_hash == first.dataset_hash
    assert json.loads(kept.read_bytes())["rows"]


def test_a_cache_that_cannot_be_written_changes_nothing(tmp_path, parsed):
    write(tmp_path, row(0), row(1))
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert len(some(tmp_path, "1")) == 1


def test_what_is_asked_for_is_told_from_what_is_there(tmp_path, parsed):
    write(tmp_path, row(9, difficulty="competition"), row(10), row(11))
    assert [each.task_id for each in some(tmp_path, difficulty="interview").problems] == [
        "apps/test/10",
        "apps/test/11",
    ]
    with pytest.raises(InputError, match=r"its 3 ids run from apps/test/9 to apps/test/11"):
        some(tmp_path, "12")
    with pytest.raises(InputError, match="available: competition, interview"):
        some(tmp_path, difficulty="easy")


def test_a_row_is_refused_where_it_is_asked_for(tmp_path, parsed):
    write(tmp_path, row(0), row(1, input_output="{"))
    assert len(some(tmp_path, "0")) == 1
    with pytest.raises(DatasetError, match=r":2: input_output is broken JSON"):
        some(tmp_path, "1")
    write(tmp_path, row(0), row(0))
    with pytest.raises(DatasetError, match=r":2: problem_id 0 occurs twice"):
        some(tmp_path, "0")


def test_of_the_original_folders_a_few_problems_are_the_same(tmp_path, parsed):
    for number in (0, 1):
        folder = tmp_path / "apps" / "test" / f"{number:04}"
        folder.mkdir(parents=True)
        (folder / "question.txt").write_text(f"question {number}")
        (folder / "metadata.json").write_text('{"difficulty": "interview"}')
    assert some(tmp_path, "1").dataset_hash == load(data_dir=tmp_path).dataset_hash
    assert len(some(tmp_path, "1")) == 1


def test_importing_is_cheap():
    program = (
        "import sys, benchmarks.apps, benchmarks.mbpp, harness.registry; "
        "print(*{'datasets', 'numpy', 'pandas', 'torch', 'transformers', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# The real data


@pytest.fixture(scope="module")
def real(data_dir):
    return {split: load(split=split, data_dir=data_dir) for split in ("train", "test")}


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("split", "stdin", "call", "cases"), [("train", 1735, 2714, 25_788), ("test", 4902, 38, 104_348)]
)
def test_the_real_data_has_the_counts_of_its_readme(real, split, stdin, call, cases):
    suites = [problem.suite for problem in real[split].problems]
    assert len(suites) == 5000
    assert sum(each.count > 0 and each.kind is TestKind.STDIN for each in suites) == stdin
    assert sum(each.count > 0 and each.kind is TestKind.CALL for each in suites) == call
    assert sum(each.count for each in suites) == cases
    assert sum(each.count == 0 for each in suites) == 5000 - stdin - call


@pytest.mark.slow
@pytest.mark.data
def test_the_problems_without_tests_are_the_ones_that_the_data_says(real, data_dir):
    listed = json.loads((data_dir / "apps" / "MISSING_IO.json").read_text())["test"]
    empty = [int(p.task_id.rpartition("/")[2]) for p in real["test"].problems if not p.suite.count]
    assert empty == listed


@pytest.mark.slow
@pytest.mark.data
def test_the_long_integers_of_train_3028_are_read_whole(real):
    tests = real["train"].problems[3028].suite.tests()
    factorials = {test.args[0]: test.expected[0] for test in tests if test.args[0] >= 0}
    assert {3000, 10_000, 15_000} <= set(factorials)  # 9,131, 35,660 and 56,130 digits
    assert all(value == math.factorial(number) for number, value in factorials.items())


@pytest.mark.slow
@pytest.mark.data
def test_difficulties_follow_the_ids(real):
    for split, ranges in {
        "train": {"interview": (0, 2000), "competition": (2000, 2361), "introductory": (2361, 5000)},
        "test": {"interview": (0, 3000), "competition": (3000, 4000), "introductory": (4000, 5000)},
    }.items():
        for difficulty, (first, end) in ranges.items():
            assert {p.difficulty for p in real[split].problems[first:end]} == {difficulty}


@pytest.mark.slow
@pytest.mark.data
def test_the_suites_of_the_real_data_pair_inputs_and_outputs_as_the_rows_do(real, data_dir):
    with gzip.open(data_dir / "apps" / "test.jsonl.gz", "rt") as lines:
        for problem, line in zip(real["test"].problems, lines, strict=True):
            text = json.loads(line)["input_output"]
            if not text or problem.suite.kind is not TestKind.STDIN:
                continue
            data = json.loads(text)
            inputs = ["\n".join(i) if isinstance(i, list) else i for i in data["inputs"]]
            assert [test.input for test in problem.suite.tests()] == inputs


@pytest.mark.slow
@pytest.mark.data
def test_the_errata_of_the_seed_show_in_the_data(real):
    quoted = real["test"].problems[2748].suite.tests()
    assert all(test.args[0].startswith('"') and test.args[0].endswith('"') for test in quoted)
    wrapped = real["test"].problems[4752].suite.tests()
    assert all(isinstance(test.args[1], list) and len(test.args[1]) == 1 for test in wrapped)


@pytest.mark.slow
@pytest.mark.data
def test_loading_the_test_split_stays_far_below_the_hosts_memory(data_dir):
    # VmHWM and not ru_maxrss, which a process inherits from the one that started it.
    program = (
        "import sys; from benchmarks.apps import load; kept = load(data_dir=sys.argv[1]); "
        "[(p.suite.digest, p.solutions[:1]) for p in kept.problems]; "
        "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(data_dir)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) / 1024 < 256  # MiB; 100 measured, and the whole host must stay below 1,024
