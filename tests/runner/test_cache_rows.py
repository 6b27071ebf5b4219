"""The verdict cache: a row of any shape is one line; lost programs are not kept; it has a size."""

import json
import sqlite3
import zlib

import pytest

from harness.errors import InputError
from harness.runner import cache as module
from harness.runner.backend import Task
from harness.runner.cache import VerdictCache
from harness.runner.lost_programs import lost_outcome
from harness.types import ErrorInfo, Outcome, Status, TestOutcome

PROFILES = ("strict", "apps")
KEY = b"k" * 32
GOOD = Outcome(
    "mbpp/11",
    0,
    dict.fromkeys(PROFILES, Status.WRONG_ANSWER),
    (TestOutcome(dict.fromkeys(PROFILES, Status.WRONG_ANSWER), ErrorInfo("KeyError", "'a'", 3), 0.1),),
    cpu_seconds=0.1,
)


def packed(row):
    return zlib.compress(json.dumps(row).encode())


def row_of(cache, outcome=GOOD):
    cache.put(KEY, outcome)
    cache.flush()
    (data,) = cache._db.execute("SELECT outcome FROM verdicts").fetchone()
    return json.loads(zlib.decompress(data))


ODD = {
    "a list of verdicts": lambda row: packed({**row, "verdicts": ["strict"]}),
    "no verdicts": lambda row: packed({**row, "verdicts": {}}),
    "an unknown status": lambda row: packed({**row, "verdicts": {"strict": "fine", "apps": "fine"}}),
    "a list for a status": lambda row: packed({**row, "verdicts": {"strict": [], "apps": {}}}),
    "tests that are a number": lambda row: packed({**row, "tests": 5}),
    "a test that is a word": lambda row: packed({**row, "tests": ["passed"]}),
    "a test without a profile": lambda row: packed({**row, "tests": [{}]}),
    "an error that is a list": lambda row: packed({**row, "error": [1]}),
    "an endless time": lambda row: packed({**row, "cpu_seconds": float("inf")}),
    "a time that is a word": lambda row: packed({**row, "cpu_seconds": "1"}),
    "a negative memory": lambda row: packed({**row, "peak_memory_mib": -1}),
    "a failure of the grader": lambda row: packed({**row, "infrastructure_error": "no memory"}),
    "deep arrays": lambda row: zlib.compress(b"[" * 200_000),
    "null": lambda row: zlib.compress(b"null"),
    "an array": lambda row: packed([row]),
    "text": lambda row: "hello",
    "nothing": lambda row: None,
}


@pytest.mark.parametrize("shape", ODD)
def test_a_row_of_another_shape_is_one_line_that_names_the_file(tmp_path, shape):
    cache = VerdictCache(tmp_path)
    row = row_of(cache)
    assert cache.get(KEY) == GOOD
    with cache._db:
        cache._db.execute("UPDATE verdicts SET outcome = ?", (ODD[shape](row),))
    with pytest.raises(InputError, match=r"^\S+verdicts\.sqlite: [^\n]*remove it or name another folder$"):
        cache.get(KEY)
    cache.close()


def test_a_lost_program_is_not_kept(tmp_path):
    cache = VerdictCache(tmp_path)
    cache.put(KEY, lost_outcome(Task(0, "mbpp/11", 0, "", ""), 3, PROFILES, "gone"))
    assert cache.get(KEY) is None
    cache.put(KEY, GOOD)
    assert cache.get(KEY) == GOOD
    cache.close()


def test_a_file_beyond_its_size_is_brought_back_to_it_and_still_works(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_MIB", 1)
    with sqlite3.connect(tmp_path / "verdicts.sqlite") as db:
        VerdictCache(tmp_path).close()
        rows = [((number * 40503 % 65536).to_bytes(2, "big") * 16, b"x" * 4000) for number in range(1000)]
        db.executemany("INSERT INTO verdicts VALUES (?, ?)", rows)
    before = (tmp_path / "verdicts.sqlite").stat().st_size
    cache = VerdictCache(tmp_path)
    (left,) = cache._db.execute("SELECT count(*) FROM verdicts").fetchone()
    assert 100 < left < 400
    cache.put(KEY, GOOD)
    cache.close()
    assert (tmp_path / "verdicts.sqlite").stat().st_size < before / 2
    cache = VerdictCache(tmp_path)
    assert cache.get(KEY) == GOOD
    cache.close()
