"""Program files: every shape is read, every defect is named by file, line and fix before anything is run."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.programs import json_stream
from harness.programs.source import MAX_PROGRAM, ProgramFile, ReferenceSolutions, Sample
from harness.types import Benchmark, Problem, TestKind, TestSuite

EMPTY = TestSuite.pack(TestKind.STDIN, [])


def _benchmark(*task_ids: str, name: str = "apps", split: str = "test") -> Benchmark:
    ids = task_ids or ("apps/test/3", "apps/test/5", "apps/test/65")
    return Benchmark(name, split, "1", [Problem(i, "", lambda: EMPTY) for i in ids], "hash", "made here")


MBPP = _benchmark("mbpp/11", "mbpp/12", name="mbpp")


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., list[tuple[Any, ...]]]:
    def _read(
        content: bytes | str, benchmark: Benchmark | None = None, **options: Any
    ) -> list[tuple[Any, ...]]:
        path = tmp_path / "programs"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        samples = ProgramFile(path, **options).read(benchmark or _benchmark())
        return [(sample.task_id, sample.sample_id, sample.code) for sample in samples]

    return _read


def _lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_our_rows_keep_their_sample_ids_and_order(read):
    rows = [{"task_id": "apps/test/5", "sample_id": i, "code": str(i)} for i in (7, 0, "seven")]
    assert read(_lines(*rows)) == [
        ("apps/test/5", 7, "7"),
        ("apps/test/5", 0, "0"),
        ("apps/test/5", "seven", "seven"),
    ]


def test_rows_without_a_sample_id_are_numbered_per_problem(read):
    rows = [
        {"task_id": task, "code": code}
        for task, code in (("mbpp/11", "a"), ("mbpp/12", "b"), ("mbpp/11", "c"))
    ]
    assert read(_lines(*rows), MBPP) == [("mbpp/11", 0, "a"), ("mbpp/12", 0, "b"), ("mbpp/11", 1, "c")]


def test_evalplus_and_humaneval_rows_are_whole_programs(read):
    rows = [{"task_id": "Mbpp/11", "solution": "s"}, {"task_id": "MBPP/12", "completion": "c", "extra": None}]
    assert read(_lines(*rows), MBPP) == [("mbpp/11", 0, "s"), ("mbpp/12", 0, "c")]


def test_dataset_rows_may_hold_one_program_or_several(read):
    rows = [
        {"problem_id": 65, "split": "test", "codes": ["a", "b"], "results": [[True], [False]]},
        {"problem_id": 3, "source": "chatgpt", "code": "c", "reference": "CRASH"},
    ]
    assert read(_lines(*rows)) == [
        ("apps/test/65", 0, "a"),
        ("apps/test/65", 1, "b"),
        ("apps/test/3", 0, "c"),
    ]


@pytest.mark.parametrize("spelling", ["apps/test/65", "65", 65, "0065", "apps/65", "APPS/test/65", " 65 "])
def test_a_problem_is_found_by_every_spelling_of_its_id(read, spelling):
    assert read(_lines({"task_id": spelling, "code": "x"})) == [("apps/test/65", 0, "x")]


def test_a_variant_answers_to_the_name_of_its_family(read):
    variant = _benchmark("mbpp-sanitized/11", name="mbpp-sanitized")
    assert read(_lines({"task_id": "Mbpp/11", "code": "x"}), variant) == [("mbpp-sanitized/11", 0, "x")]


def test_bigcode_lists_go_by_place_in_the_selection(read):
    lists = json.dumps([["a", "b"], [], "c"], indent=2)
    assert read(lists) == [("apps/test/3", 0, "a"), ("apps/test/3", 1, "b"), ("apps/test/65", 0, "c")]


def test_apps_dictionaries_go_by_problem_id(read):
    assert read('{"65": ["a", "b"], "3": "c"}') == [
        ("apps/test/65", 0, "a"),
        ("apps/test/65", 1, "b"),
        ("apps/test/3", 0, "c"),
    ]


def test_an_array_of_rows_is_read_like_lines(read):
    assert read('\n [ {"task_id": "3", "code": "a"},\n{"task_id": "5", "code": "b"} ]\n') == [
        ("apps/test/3", 0, "a"),
        ("apps/test/5", 0, "b"),
    ]


@pytest.mark.parametrize("content", ['{"65": ["a"]}', '{"task_id": 65, "code": "a"}\n', '[[], [], ["a"]]'])
def test_compression_and_byte_order_marks_are_told_by_content_not_by_name(read, content):
    expected = [("apps/test/65", 0, "a")]
    assert read(gzip.compress(content.encode())) == expected
    assert read(b"\xef\xbb\xbf" + content.encode()) == expected
    assert read(gzip.compress(content.encode()[:9]) + gzip.compress(content.encode()[9:])) == expected


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_a_document_reads_the_same_whatever_the_size_of_its_pieces(read, monkeypatch, chunk):
    document = json.dumps({"65": ['é"\\ \u2028 ] } \n', "b"], "3": []}, indent=1, ensure_ascii=False)
    monkeypatch.setattr(json_stream, "_CHUNK", chunk)
    assert read(document) == [("apps/test/65", 0, 'é"\\ \u2028 ] } \n'), ("apps/test/65", 1, "b")]


def test_a_document_is_not_held_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(json_stream, "_CHUNK", 1 << 10)
    path = tmp_path / "big.json"
    path.write_text(json.dumps({str(i): ["x" * 1000] for i in range(100)}))
    pieces = json_stream.read_pieces(path)
    assert next(pieces).key == "0"
    frame = pieces.gi_yieldfrom.gi_frame
    assert len(frame.f_locals["text"]._text) < 8_000


def _row(**changes: Any) -> str:
    return _lines({"task_id": "3", "code": "ok"}, {"task_id": "5", "code": "x"} | changes)


DEFECTS = {
    "an unknown id": (_row(task_id="apps/test/4"), "line 2: unknown problem 'apps/test/4'", "3 problems"),
    "another benchmark's id": (
        _row(task_id="HumanEval/5"),
        "line 2: unknown problem 'HumanEval/5'",
        "--benchmark",
    ),
    "another split": (_row(split="train"), "line 2: problem '5' is of split 'train'", "--split train"),
    "another split in the id": (_row(task_id="apps/train/5"), "line 2: ", "--split train"),
    "no id": (_lines({"code": "x"}), "line 1: no problem", "task_id"),
    "no program": (
        _lines({"task_id": "3", "text": "x"}),
        "line 1: no program: keys are 'task_id', 'text'",
        "code",
    ),
    "a program that is no text": (_row(code=None), "line 2: code: a program is a null", "string"),
    "a list that holds no texts": (_row(code=["a", 1]), "line 2: code: a program is a number", "string"),
    "an id that is no name": (_row(task_id=[3]), "line 2: task_id is a list", "string"),
    "an id that is a boolean": (_row(task_id=True), "line 2: task_id is a boolean", "string"),
    "a sample id that is no name": (_row(sample_id=1.5), "line 2: sample_id is a number", "leave it out"),
    "one sample id for many": (
        _row(code=["a", "b"], sample_id=0),
        "line 2: one sample_id",
        "one row per program",
    ),
    "a row that is no object": ('{"task_id": "3", "code": "x"}\n"text"\n', "line 2: a string", "task_id"),
    "broken JSON": (
        '{"task_id": "3", "code": "x"}\n{"task_id": "5", \n',
        "line 2: not JSON",
        "one JSON object per line",
    ),
    "a torn last line": ('{"task_id": "3", "code": "x"}\n{"task_id": "5', "line 2: not JSON", "cut off"),
    "a raw NUL byte": (
        '{"task_id": "3", "code": "x"}\n{"task_id": "5\0"}\n',
        "line 2: holds a NUL byte",
        "remove",
    ),
    "an escaped NUL": (
        _row(code="a\nb\0"),
        "line 2: the program holds a NUL character (its line 2)",
        "--bad-programs",
    ),
    "a lone surrogate": (_row(code="\ud800"), "line 2: the program holds a lone surrogate", "--bad-programs"),
    "an over-long program": (
        _row(code="#" * (MAX_PROGRAM + 1)),
        "line 2: the program has 1,048,577 bytes",
        "--bad",
    ),
    "bytes that are no UTF-8": (_row().encode()[:-1] + b'\xff"}\n', "line 2: not UTF-8", "save"),
    "surrogates as bytes": (b'{"task_id": "3", "code": "\xed\xa0\x80"}\n', "line 1: not UTF-8", "save"),
    "UTF-16": (_row().encode("utf-16"), "line 1: the text is UTF-16", "UTF-8"),
    "a repeated sample id": (
        _lines(
            {"task_id": "3", "sample_id": 0, "code": "x"},
            {"task_id": "apps/test/3", "sample_id": 0, "code": "y"},
        ),
        "line 2: sample 0 of apps/test/3 was already given on line 1",
        "own sample_id",
    ),
    "numbering that meets a given id": (
        _lines({"task_id": "3", "sample_id": 1, "code": "x"}, {"task_id": "3", "code": "y"}),
        "line 2: sample 1 of apps/test/3 was already given",
        "leave all of them out",
    ),
    "nothing": ("", "holds no programs", "task_id"),
    "blank lines only": ("\n \n", "holds no programs", "task_id"),
    "an empty array": ("[]", "holds no programs", "task_id"),
    "an array with nothing in its lists": ("[[], []]", "holds no programs", "task_id"),
    "too many lists": ('[["a"], ["b"], ["c"],\n ["d"]]', "line 2: element 3", "3 problems are selected"),
    "a document that ends early": ('{"3": ["a"],\n "5": ["b"', "line 2: not JSON", "cut off"),
    "a document without its end": ('[["a"],\n["b"]\n', "line 3: the document ends early", "cut off"),
    "a document with a tail": ('[["a"]]\n[["b"]]', "line 2: more text after the end", "one document"),
    "a broken document": ('[["a"],\n["b" "c"],\n["d"]]', "line 2: not JSON", "mend"),
    "a document with a NUL": ('[["a"],\n["b\0"]]', "line 2: holds a NUL byte", "remove"),
    "a document that is no UTF-8": (b'[["a"],\n["\xff"]]', "line 2: not UTF-8", "save"),
    "an unknown id in a document": ('{"3": ["a"],\n"4": ["b"]}', "line 2: unknown problem '4'", "3 problems"),
    "a bad program in a document": (
        '{"3": ["a"],\n"5": [7]}',
        "line 2: problem '5': a program is a number",
        "string",
    ),
    "nesting without end": ("[" * 100_000, "line 1: ", "mend"),
    "nesting without end in a row": ('{"a":' * 100_000, "line 1: ", "mend"),
    "a number without end": ('{"task_id": ' + "1" * 5000 + "}", "line 1: ", "mend"),
    "a truncated gzip file": (gzip.compress(_row().encode() * 99)[:-12], "ends early", "copy"),
    "a damaged gzip file": (b"\x1f\x8b\x08\0" + b"\xff" * 99, "damaged gzip", "copy"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_named_with_its_line_and_fix(read, defect):
    content, problem, fix = DEFECTS[defect]
    with pytest.raises(InputError) as caught:
        read(content)
    message = str(caught.value)
    assert problem in message
    assert fix in message
    assert "programs" in message  # the file
    assert len(message) < 400


@pytest.mark.parametrize(("name", "problem"), [("none.jsonl", "does not exist"), (".", "is a directory")])
def test_a_missing_file_and_a_directory_are_named(tmp_path, name, problem):
    source = ProgramFile(tmp_path / name)
    with pytest.raises(InputError, match=problem):
        list(source.read(_benchmark()))
    with pytest.raises(InputError, match=problem):
        source.fingerprint()


def test_a_line_beyond_all_bounds_is_refused_without_being_held(read, monkeypatch):
    monkeypatch.setattr(json_stream, "MAX_PIECE", 1000)
    with pytest.raises(InputError, match="line 2: longer than"):
        read('{"task_id": "3", "code": "x"}\n' + _lines({"task_id": "5", "code": "x" * 1000}))
    with pytest.raises(InputError, match="an element of more than"):
        read(json.dumps({"3": ["x" * 600_000]}))


@pytest.mark.parametrize("code", ["a\0", "\ud800", "#" * (MAX_PROGRAM + 1)])
def test_bad_programs_can_be_kept_for_the_runner_to_grade(read, code):
    assert read(_lines({"task_id": "3", "code": code}), refuse_bad=False) == [("apps/test/3", 0, code)]


def test_a_program_of_exactly_the_limit_is_accepted(read):
    (sample,) = read(_lines({"task_id": "3", "code": "#" * MAX_PROGRAM}))
    assert len(sample[2]) == MAX_PROGRAM


def test_rows_outside_a_selection_are_left_out_and_counted(tmp_path):
    path = tmp_path / "programs"
    path.write_text(_lines({"task_id": "3", "code": "a"}, {"problem_id": 4, "codes": ["b", "c"]}))
    source = ProgramFile(path, skip_unselected=True)
    assert list(source.read(_benchmark())) == [Sample("apps/test/3", 0, "a")]
    assert source.skipped == 2


def test_a_selection_that_leaves_nothing_is_an_error(read):
    with pytest.raises(InputError, match="none of its 1 programs is for one of the 3 selected problems"):
        read(_lines({"task_id": "4", "code": "a"}), skip_unselected=True)


def test_an_id_of_two_splits_has_to_be_written_out(read):
    both = _benchmark("apps/train/5", "apps/test/5", split="all")
    with pytest.raises(InputError, match="may be apps/train/5 or apps/test/5"):
        read(_lines({"task_id": 5, "code": "x"}), both)
    assert read(_lines({"problem_id": 5, "split": "train", "code": "x"}), both) == [("apps/train/5", 0, "x")]


def test_a_fingerprint_changes_with_the_content_alone(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("x")
    two.write_text("x")
    assert ProgramFile(one).fingerprint() == ProgramFile(two).fingerprint()
    two.write_text("y")
    assert ProgramFile(one).fingerprint() != ProgramFile(two).fingerprint()


def test_reference_solutions_are_the_first_or_all_and_need_not_exist():
    problems = [
        Problem("mbpp/1", "", lambda: EMPTY, load_solutions=lambda: ["a", "b"]),
        Problem("mbpp/2", "", lambda: EMPTY),
    ]
    benchmark = Benchmark("mbpp", "test", "1", problems, "hash", "made here")
    assert list(ReferenceSolutions().read(benchmark)) == [Sample("mbpp/1", 0, "a")]
    assert list(ReferenceSolutions(every=True).read(benchmark)) == [
        Sample("mbpp/1", 0, "a"),
        Sample("mbpp/1", 1, "b"),
    ]
