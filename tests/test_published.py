"""report/published.csv: every number has a source, a place and a believable value; there is one copy."""

import csv
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = ROOT / "harness" / "report" / "published.csv"
ROWS = list(csv.DictReader(FILE.open(encoding="utf-8")))


def _k(row: dict[str, str]) -> int:
    return int(row["metric"].removeprefix("pass@"))


def test_every_number_is_a_percentage_with_source_place_and_confidence():
    assert len(ROWS) == 81
    for row in ROWS:
        assert 0 <= float(row["value_percent"]) <= 100, row
        assert row["source"], row
        assert row["where_in_source"], row
        assert row["confidence"] in {"two transcriptions agree", "one transcription"}, row
        assert row["critic_sampling"] in {"yes", "no"}, row
        assert row["benchmark"] in {"apps", "mbpp"}, row


def test_the_file_in_results_is_the_one_that_ships():
    assert (ROOT / "results" / "baselines" / "published.csv").resolve() == FILE


def test_no_number_stands_twice():
    values = ("value_percent", "confidence", "note")
    keys = [tuple(value for name, value in row.items() if name not in values) for row in ROWS]
    assert len(set(keys)) == len(keys)


def test_pass_at_k_never_falls_as_k_grows():
    series: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in ROWS:
        names = ("benchmark", "setting", "system", "base_model", "critic_sampling", "subset", "source")
        series.setdefault(tuple(row[name] for name in names), []).append(row)
    assert any(len(rows) > 2 for rows in series.values())
    for rows in series.values():
        for lower, higher in pairwise(sorted(rows, key=_k)):
            assert float(lower["value_percent"]) <= float(higher["value_percent"]), (lower, higher)
