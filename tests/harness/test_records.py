"""Rows round-trip exactly; a run folder survives a kill at any byte and refuses what is not its own."""

import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from harness.errors import InfrastructureError, InputError
from harness.evaluate.sources import ExistingPrograms
from harness.files import replace_file
from harness.programs.sample import Sample
from harness.run_store.journal import OutcomeFile, RowFile
from harness.run_store.records import (
    outcome_from_row,
    outcome_row,
    read_outcomes,
    read_samples,
    write_samples,
)
from harness.run_store.run_folder import open_or_resume
from harness.types import Benchmark, ErrorInfo, Outcome, Problem, Status, TestKind, TestOutcome, TestSuite

ERROR = ErrorInfo("ValueError", "bad \ud800 é\0\n", None)
FULL = Outcome(
    "apps/test/3",
    "seven",
    {"strict": Status.WRONG_ANSWER, "apps": Status.PASSED},
    (
        TestOutcome({"strict": Status.WRONG_ANSWER, "apps": Status.PASSED}, None, 0.1 + 0.2, True),
        TestOutcome({"strict": Status.RUNTIME_ERROR, "apps": Status.PASSED}, ERROR, 1e-9, False),
        TestOutcome({"strict": Status.SYNTAX_ERROR, "apps": Status.PASSED}, ERROR, errors={"apps": None}),
        TestOutcome({"strict": Status.PASSED, "apps": Status.RUNTIME_ERROR}, errors={"apps": ERROR}),
    ),
    ERROR,
    1 / 3,
    2.5,
    None,
    True,
)
BARE = Outcome("mbpp/1", 0, {"strict": Status.NOT_RUN}, infrastructure_error="worker lost")
SUITE = TestSuite.pack(TestKind.STDIN, [])


def _outcome(number: int, error: str | None = None) -> Outcome:
    return Outcome("mbpp/1", number, {"strict": Status.PASSED}, infrastructure_error=error)


@pytest.mark.parametrize("outcome", [FULL, BARE])
def test_an_outcome_comes_back_exactly_from_its_row(outcome):
    assert outcome_from_row(json.loads(json.dumps(outcome_row(outcome)))) == outcome


def test_a_row_holds_the_names_that_readers_rely_on():
    row = outcome_row(FULL)
    assert row["verdicts"] == {"strict": "wrong_answer", "apps": "passed"}
    assert row["pass_ratio"] == {"strict": 0.25, "apps": 0.75}
    statuses = {"strict": "wrong_answer", "apps": "passed"}
    assert row["tests"][0] == statuses | {"error": None, "cpu_seconds": 0.1 + 0.2, "ran_inside": True}
    assert row["error"] == {"type": "ValueError", "message": ERROR.message, "line": None}


def test_samples_are_written_in_one_order_whatever_order_they_come_in(tmp_path):
    ranks = {"mbpp/2": 0, "mbpp/1": 1}
    expected = [("mbpp/2", 2), ("mbpp/2", 10), ("mbpp/2", "10"), ("mbpp/2", "2"), ("mbpp/1", 0)]
    contents = set()
    for seed in range(5):
        samples = [Sample(task, number, f"{task} {number} \ud800é\n") for task, number in expected]
        random.Random(seed).shuffle(samples)
        digest = write_samples(tmp_path / "samples.jsonl", iter(samples), ranks)
        contents.add((digest, (tmp_path / "samples.jsonl").read_bytes()))
    assert len(contents) == 1
    assert [sample.key for sample in read_samples(tmp_path / "samples.jsonl")] == expected
    assert {sample.code for sample in read_samples(tmp_path / "samples.jsonl")} == {s.code for s in samples}
    assert [path.name for path in tmp_path.iterdir()] == ["samples.jsonl"]


def test_a_bad_sample_leaves_no_file(tmp_path):
    def samples():
        yield Sample("mbpp/1", 0, "x")
        raise InputError("bad")

    with pytest.raises(InputError):
        write_samples(tmp_path / "samples.jsonl", samples(), {"mbpp/1": 0})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_journal_keeps_every_whole_row_wherever_a_kill_tears_it(tmp_path):
    final = tmp_path / "outcomes.jsonl"
    outcomes = OutcomeFile(final)
    for number in range(3):
        outcomes.append(_outcome(number))
    outcomes.close()
    whole = outcomes.journal.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(len(whole) + 1):
        outcomes.journal.write_bytes(whole[:size])
        kept = sum(end <= size for end in ends)
        resumed = OutcomeFile(final)
        assert len(resumed) == kept
        assert [resumed.is_graded(("mbpp/1", number)) for number in range(3)] == [n < kept for n in range(3)]
        reader = RowFile(final, lambda row: (row["task_id"], row["sample_id"]), read=False)
        reading = reader.new_rows()
        read = [next(reading)["sample_id"] for _ in range(kept)]
        for number in reversed(range(kept, 3)):
            resumed.append(_outcome(number))
        # Whoever read meanwhile, with the torn row in its buffer, gets whole rows, and each once.
        read += [row["sample_id"] for rows in (reading, reader.new_rows()) for row in rows]
        assert read == [*range(kept), *reversed(range(kept, 3))]
        assert resumed.journal.read_bytes().startswith(whole[:size])
        assert len(OutcomeFile(final)) == 3
        resumed.finish([("mbpp/1", number) for number in range(3)])
        assert final.read_bytes() == whole
        final.unlink()


def test_the_final_file_is_in_order_and_the_journal_goes(tmp_path):
    outcomes = OutcomeFile(tmp_path / "outcomes.jsonl")
    for number in (2, 0, 1):
        outcomes.append(_outcome(number))
    outcomes.finish([("mbpp/1", number) for number in range(3)])
    assert [outcome.sample_id for outcome in read_outcomes(outcomes.final)] == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["outcomes.jsonl"]
    assert all(outcomes.is_graded(("mbpp/1", number)) for number in range(3))


def test_what_the_grader_failed_on_is_tried_again_and_replaced(tmp_path):
    keys = [("mbpp/1", 0), ("mbpp/1", 1)]
    first = OutcomeFile(tmp_path / "outcomes.jsonl")
    first.append(_outcome(0, "worker lost"))
    first.append(_outcome(1))
    first.finish(keys)
    assert [outcome.infrastructure_error for outcome in read_outcomes(first.final)] == ["worker lost", None]
    second = OutcomeFile(first.final)
    assert [second.is_graded(key) for key in keys] == [False, True]
    second.append(_outcome(0))
    second.finish(keys)
    assert list(read_outcomes(second.final)) == [_outcome(0), _outcome(1)]


def test_a_row_damaged_on_disk_is_graded_again_and_spoils_no_other(tmp_path):
    outcomes = OutcomeFile(tmp_path / "outcomes.jsonl")
    for number in range(3):
        outcomes.append(_outcome(number))
    outcomes.close()
    lines = outcomes.journal.read_bytes().splitlines(keepends=True)
    outcomes.journal.write_bytes(lines[0] + b"\0" * 20 + b"\n" + lines[2])
    resumed = OutcomeFile(outcomes.final)
    assert [resumed.is_graded(("mbpp/1", number)) for number in range(3)] == [True, False, True]


def test_a_lost_job_is_an_error_and_never_a_shorter_file(tmp_path):
    outcomes = OutcomeFile(tmp_path / "outcomes.jsonl")
    outcomes.append(_outcome(0))
    with pytest.raises(InfrastructureError, match="no outcome for sample 1 of mbpp/1"):
        outcomes.finish([("mbpp/1", 0), ("mbpp/1", 1)])
    assert not outcomes.final.exists()
    assert OutcomeFile(outcomes.final).is_graded(("mbpp/1", 0))


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("old")

    def write(stream):
        stream.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(
        InputError, match=r"metrics\.json cannot be written: No space left on device; make room"
    ):
        replace_file(path, write)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


_FILL = """
import resource, signal, sys
from pathlib import Path
from harness.errors import InputError
from harness.run_store.journal import OutcomeFile
from harness.types import Outcome, Status
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
outcomes = OutcomeFile(Path(sys.argv[1], "outcomes.jsonl"))
try:
    for number in range(100):
        outcomes.append(Outcome("mbpp/1", number, {"strict": Status.PASSED}))
except InputError as error:
    sys.stdout.write(f"{number} {error}")
"""


def test_a_full_disk_is_one_line_and_what_was_graded_is_kept(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _FILL, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    number, message = done.stdout.split(" ", 1)
    assert "outcomes.journal.jsonl cannot be written: File too large; make room" in message
    assert (tmp_path / "outcomes.journal.jsonl").stat().st_size == 1000  # the last row is torn
    assert len(OutcomeFile(tmp_path / "outcomes.jsonl")) == int(number) > 0


class _Given:
    skipped = 0
    notices: ClassVar[list[str]] = []
    label = "given"

    def fingerprint(self) -> str:
        return "given"

    def read(self, benchmark):
        yield Sample("mbpp/1", 0, "x")


BENCHMARK = Benchmark("mbpp", "test", "1", [Problem("mbpp/1", "", lambda: SUITE)], "hash", "made here")


def _opened(path, identity=None, programs=None):
    return open_or_resume(path, identity or {}, ExistingPrograms(programs or _Given()), BENCHMARK)


def test_a_folder_refuses_other_inputs_and_names_what_differs(tmp_path):
    folder, identity = tmp_path / "run", {"limits": {"cpu_seconds": 4.0}, "programs": "a"}
    with _opened(folder, identity):
        pass
    with _opened(folder, identity) as run:
        assert run.keys == [("mbpp/1", 0)]
    with (
        pytest.raises(
            InputError, match=r"limits\.cpu_seconds was 4\.0, now it is 2\.0; choose another --out"
        ),
        _opened(folder, {"limits": {"cpu_seconds": 2.0}, "programs": "a"}),
    ):
        pass
    with (
        pytest.raises(InputError, match="seed was not set, now it is 1"),
        _opened(folder, identity | {"seed": 1}),
    ):
        pass


def test_a_folder_in_use_is_refused(tmp_path):
    with (
        _opened(tmp_path),
        pytest.raises(InputError, match="in use by another rltf process"),
        _opened(tmp_path),
    ):
        pass
    with _opened(tmp_path):
        pass  # free again


def test_outcomes_of_unknown_origin_are_refused(tmp_path):
    (tmp_path / "outcomes.jsonl").write_text("")
    with (
        pytest.raises(InputError, match=r"holds outcomes\.jsonl but no manifest"),
        _opened(tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    "content", ['{"task_id": "mbpp/1", "sample_id": 0, "code": "other"}\n', "{}\n", "\0", ""]
)
def test_changed_samples_are_refused(tmp_path, content):
    with _opened(tmp_path):
        pass
    (tmp_path / "samples.jsonl").write_text(content)
    with (
        pytest.raises(InputError, match=r"does not match the checksum in manifest\.json"),
        _opened(tmp_path),
    ):
        pass


@pytest.mark.parametrize("content", ["", "[]", '{"format": 99}', "\0", '{"format": 1, "identity": 2}'])
def test_a_foreign_manifest_is_refused(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with (
        pytest.raises(InputError, match=r"manifest\.json .*choose another --out"),
        _opened(tmp_path),
    ):
        pass


def test_refused_input_leaves_no_folder(tmp_path):
    class Bad(_Given):
        def read(self, benchmark):
            raise InputError("bad")

    with pytest.raises(InputError, match="bad"), _opened(tmp_path / "a" / "b", programs=Bad()):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), _opened(tmp_path / "file"):
        pass
