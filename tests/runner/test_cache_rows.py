"""The verdict cache: a row of any shape is one line; lost programs are not kept; it has a size."""

import json
import sqlite3
import zlib
from dataclasses import replace

import pytest

from harness.compare import get_profiles
from harness.errors import InputError
from harness.run_store.records import outcome_row
from harness.runner import cache as module
from harness.runner import cache_key
from harness.runner.backend import Task
from harness.runner.cache import VerdictCache
from harness.runner.lost_programs import lost_outcome
from harness.types import (
    Checker,
    ErrorInfo,
    Limits,
    Outcome,
    Status,
    StdinTest,
    TestKind,
    TestOutcome,
    TestSuite,
)

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
    return json.loads(module._opened(KEY, data))


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
    "a time beyond any float": lambda row: packed({**row, "cpu_seconds": 10**400}),
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


def test_a_row_that_damage_has_put_under_another_key_is_no_verdict(tmp_path):
    cache = VerdictCache(tmp_path)
    cache.put(KEY, replace(GOOD, verdicts=dict.fromkeys(PROFILES, Status.PASSED)))
    cache.put(b"o" * 32, GOOD)
    cache.flush()
    with cache._db:
        ((passed,),) = cache._db.execute("SELECT outcome FROM verdicts WHERE key = ?", (KEY,))
        cache._db.execute("UPDATE verdicts SET outcome = ? WHERE key = ?", (passed, b"o" * 32))
    assert cache.get(KEY) is not None
    with pytest.raises(InputError, match="not the one that was kept under its key"):
        cache.get(b"o" * 32)
    cache.close()


def test_a_row_of_before_rows_were_bound_to_keys_is_read(tmp_path):
    cache = VerdictCache(tmp_path)
    with cache._db:
        cache._db.execute("INSERT INTO verdicts VALUES (?, ?)", (KEY, packed(outcome_row(GOOD))))
    assert cache.get(KEY) == GOOD
    cache.close()


SUITES = {
    "numbers by their spelling": {"exact_text": True},
    "a checker": {"checker": Checker("package.module:function", "1")},
    "more time": {"cpu_factor": 2.0},
    "a preamble": {"preamble": "import math", "exact_text": True},
}
SPELLED = [
    {"setup": "\0exact text"},
    {"setup": "\0checker package.module:function 1"},
    {"setup": "\x002.0"},
    {"entry_point": "\0import math", "setup": "exact text"},
]


def test_no_text_of_a_client_spells_what_another_suite_has_beside_its_tests():
    tests = [StdinTest("1", "2.50")]
    theirs = [TestSuite.pack(TestKind.STDIN, tests, **options) for options in SUITES.values()]
    clients = [TestSuite.pack(TestKind.STDIN, tests, **options) for options in SPELLED]
    everything = [*theirs, *clients, TestSuite.pack(TestKind.STDIN, tests)]
    assert len({suite.digest for suite in everything}) == len(everything)
    assert len({suite.content_digest for suite in everything}) == len(everything)


def test_a_clients_suite_that_spells_a_benchmarks_gets_and_leaves_no_verdict_of_it(grader):
    tests = [StdinTest("", "2.50")]
    lax = TestSuite.pack(TestKind.STDIN, tests, setup="\0exact text")
    exact = TestSuite.pack(TestKind.STDIN, tests, exact_text=True)
    for suite, status in ((lax, "passed"), (exact, "wrong_answer"), (lax, "passed")):
        assert grader.run("print(2.5)", suite).verdicts["strict"] == status


def test_a_programs_text_is_not_taken_for_another_programs_files(monkeypatch):
    class Text:
        """A digest that is text, as one in two hundred million is."""

        def __init__(self, data=b""):
            self.data = data

        def update(self, more):
            self.data += more

        def copy(self):
            return Text(self.data)

        def digest(self):
            return b"%032d" % len(self.data)

    monkeypatch.setattr(cache_key, "sha256", Text)
    keys = cache_key.Keys(Limits(), get_profiles(["strict"]))
    seen = []
    monkeypatch.setattr(Text, "digest", lambda self: seen.append(self.data) or b"%032d" % len(self.data))
    keys.key("code", "d" * 64, files={"a": b"1"})
    *_, with_files = seen
    keys.key("code" + (b"%032d" % len(seen[0])).decode() + repr([("a", b"1")]), "d" * 64)
    assert seen[-1] != with_files


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
