"""What the report on real data reads out of logs and processes; the logs here are written by hand."""

import importlib
import json
import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")


def _load(name: str):
    # The scripts import each other as they do when one of them is run.
    sys.path.insert(0, str(Path(__file__).parents[1]))
    try:
        return importlib.import_module(f"studies.{name}")
    finally:
        sys.path.pop(0)


report, memory = _load("real_data_report"), _load("memory")
Sample = memory.Sample

ROWS = [
    {"step": 1, "loss": 2.0, "sampled/programs": 8, "sampled/scope/line": 0.25, "seconds/total": 1.0},
    {"step": 2, "loss": 1.5, "seconds/total": 2.0, "seconds/learning": 1.5},
    {"step": 3, "loss": 1.0, "sampled/programs": 2, "sampled/scope/line": 1.0, "seconds/total": 1.0},
]


def test_shares_of_refreshes_are_weighed_by_their_programs():
    found = report.counts(ROWS, ["scope/line", "scope/global"])
    assert found == {"programs": 10, "scope/line": 4, "scope/global": 0}


def test_the_most_frequent_sub_type_comes_first():
    first = {"sampled/programs": 4, "sampled/subtype/error.b": 0.25, "sampled/subtype/passed.a": 0.75}
    second = {"sampled/programs": 4, "sampled/subtype/error.b": 0.75, "sampled/subtype/error.c": 0.25}
    assert list(report.subtypes([first, second]).items()) == [("error.b", 4), ("passed.a", 3), ("error.c", 1)]


def test_runs_are_equal_whatever_time_they_took_and_in_nothing_else():
    slower = [{**row, "seconds/total": 9.0} for row in ROWS]
    assert report.unequal_steps(ROWS, slower) == []
    slower[1]["loss"] += 1e-12
    assert report.unequal_steps(ROWS, slower[:2]) == [2, 3]


def test_seconds_are_summed_by_name():
    assert report.seconds(ROWS) == {"total": 4.0, "learning": 1.5}


def test_growth_compares_the_first_third_of_the_steps_with_the_last_and_leaves_out_what_is_around_them():
    before, after = [Sample(0, 9000, 0)] * 5, [Sample(9, 9000, 0)] * 5
    middle = [Sample(step, 100 + step, 50) for step in range(1, 9)]
    found = memory.growth([*before, *middle, *after], 9)
    assert (found.first, found.last, found.peak, found.samples) == (102, 107.5, 108, 5)
    assert memory.growth([*before, *middle], 9, "graders").last == 50
    assert memory.growth(before, 9) is None


def test_a_look_sees_this_process_and_the_steps_whose_lines_are_whole(tmp_path):
    lines = [json.dumps(row) for row in ROWS]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines[:2]) + "\n" + lines[2][:9])
    found = memory.look(os.getpid(), tmp_path)
    assert found.step == 2
    assert found.trainer > 1
    assert memory.resident(2**30) == 0
