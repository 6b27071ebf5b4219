"""Random rows, ids, file shapes and options of `rltf score`: a result or one line, never a traceback.

Covers: reading (`ProgramFile`), every program of a file accounted for. Does not cover: grading.
"""

import gzip
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pytest
from fuzzing import REFUSED, RESULT, bounded, ended
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.programs.row_fields import PROGRAM_FIELDS, REFERENCE_FIELDS
from harness.programs.source import ProgramFile
from harness.types import Benchmark, Problem, TestKind, TestSuite

BOUNDED = bounded(150)
EMPTY = TestSuite.pack(TestKind.STDIN, [])
PROBLEMS = [Problem(f"mbpp/{number}", "", lambda: EMPTY) for number in (11, 12, 13)]
MBPP = Benchmark("mbpp", "test", "1", PROBLEMS, "hash", "made here")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
CODES = st.sampled_from(
    ["x = 1\n", "def f(:", "```python\nx\n```", "    return 1\n", "\0", "\ud800", "\x1b[2J", ""]
)
IDS = st.sampled_from(
    [11, 12, 11.0, "11.0", "Mbpp/11", "mbpp_12_f", "0013", "apps/test/1", "\u202e11", "", None, 1e400]
)
FIELDS = st.sampled_from(
    (*PROGRAM_FIELDS, *REFERENCE_FIELDS, "test_list", "prompt", "filter", "sample_id", "split")
)
KEYS = st.sampled_from(["task_id", "problem_id", "question_id", "name", "id"])
ROWS = st.builds(
    lambda key, task, fields: {key: task} | fields,
    KEYS,
    IDS | VALUES,
    st.dictionaries(FIELDS, CODES | st.lists(CODES, max_size=3) | VALUES, max_size=4),
)
OPTIONS = st.fixed_dictionaries(
    {
        "refuse_bad": st.booleans(),
        "skip_unselected": st.booleans(),
        "program_field": st.none() | FIELDS,
        "extract": st.booleans(),
    }
)


def outcome(write: Any, options: dict[str, Any]) -> list[Any] | str:
    """What reading gives: the samples, or the one line of the refusal; anything else raises."""
    with tempfile.TemporaryDirectory() as folder:
        source = ProgramFile(write(Path(folder)), **options)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                source.fingerprint()
                found = list(source.read(MBPP))
        except InputError as error:
            line = " ".join(str(error).split())
            assert folder in line
            assert len(line) < 1000
            ended("rows of program files", REFUSED)
            return line
        ended("rows of program files", RESULT)
        assert found
        assert len({sample.key for sample in found}) == len(found)
        assert {sample.task_id for sample in found} <= {problem.task_id for problem in PROBLEMS}
        return found


def _lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _one_file(text: str | bytes, name: str = "rows.jsonl") -> Any:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(errors="surrogatepass"))
        return path

    return write


@pytest.mark.slow
@BOUNDED
@given(st.lists(ROWS | VALUES, max_size=4), OPTIONS, st.booleans())
def test_random_rows_are_samples_or_one_line(rows, options, document):
    outcome(_one_file(json.dumps(rows) if document else _lines(rows)), options)


@pytest.mark.slow
@BOUNDED
@given(
    st.dictionaries(IDS.map(str) | st.text(max_size=5), VALUES | ROWS | st.lists(CODES), max_size=3), OPTIONS
)
def test_random_documents_are_samples_or_one_line(document, options):
    outcome(_one_file(json.dumps(document)), options)


@BOUNDED
@given(
    st.binary(max_size=200),
    st.sampled_from(
        [b"", b"PAR1", b"PK\x03\x04", b"\x1f\x8b\x08\0", b'{"version": 2, "status": "x", "samples": ', b"["]
    ),
    OPTIONS,
)
def test_random_bytes_are_one_line(data, head, options):
    outcome(_one_file(head + data), options)


@pytest.mark.slow
@BOUNDED
@given(st.lists(ROWS, min_size=1, max_size=3), st.integers(0, 400), OPTIONS)
def test_files_that_are_cut_anywhere_are_samples_or_one_line(rows, size, options):
    outcome(_one_file(gzip.compress(_lines(rows).encode())[:size]), options)
    outcome(_one_file(_lines(rows).encode()[:size]), options)


@pytest.mark.slow
@BOUNDED
@given(
    st.lists(
        st.sampled_from(["Mbpp_11/0.py", "Mbpp_11/x.py", "11.json", "12.json", "a/b.py", "x.jsonl", "12.py"])
    ),
    CODES | VALUES.map(json.dumps) | ROWS.map(json.dumps),
    OPTIONS,
)
def test_random_folders_are_samples_or_one_line(names, content, options):
    def write(folder: Path) -> Path:
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content.encode(errors="surrogatepass"))
        return folder

    outcome(write, options)


@BOUNDED
@given(
    st.lists(st.tuples(st.sampled_from([11, 11.0, "Mbpp/12", "mbpp_13_g"]), CODES), min_size=1, max_size=8),
    st.booleans(),
)
def test_no_program_is_lost_on_the_way(pairs, nested):
    rows = [{"task_id": task, "completion": [code] if nested else code} for task, code in pairs]
    found = outcome(_one_file(_lines(rows)), {"refuse_bad": False})
    assert [sample.code for sample in found] == [code for _, code in pairs]
