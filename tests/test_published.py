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
    assert len(ROWS) == 268
    for row in ROWS:
        assert 0 <= float(row["value_percent"]) <= 100, row
        assert row["source"], row
        assert row["where_in_source"], row
        assert row["confidence"] in {"two transcriptions agree", "one transcription"}, row
        assert row["critic_sampling"] in {"yes", "no"}, row
        assert row["benchmark"] in {"apps", "mbpp", "apps+"}, row


def test_the_file_in_results_is_the_one_that_ships():
    assert (ROOT / "results" / "baselines" / "published.csv").resolve() == FILE


def test_no_number_stands_twice():
    values = ("value_percent", "confidence", "note")
    keys = [tuple(value for name, value in row.items() if name not in values) for row in ROWS]
    assert len(set(keys)) == len(keys)


def test_pass_at_k_never_falls_as_k_grows():
    values = ("metric", "value_percent", "where_in_source", "confidence", "note")
    series: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in ROWS:
        kept = {name: value for name, value in row.items() if name not in values}
        series.setdefault(tuple(kept.values()), []).append(row)
    assert any(len(rows) > 2 for rows in series.values())
    for rows in series.values():
        for lower, higher in pairwise(sorted(rows, key=_k)):
            assert float(lower["value_percent"]) <= float(higher["value_percent"]), (lower, higher)


def test_the_total_of_apps_is_the_weighted_mean_of_its_difficulties_or_the_row_says_otherwise():
    groups: dict[tuple[str, ...], dict[str, dict[str, str]]] = {}
    for row in ROWS:
        if row["benchmark"] == "apps" and row["metric"].startswith("pass@"):
            names = ("setting", "system", "base_model", "size", "critic_sampling", "metric", "source")
            groups.setdefault(tuple(row[name] for name in names), {})[row["subset"]] = row
    whole = [group for group in groups.values() if len(group) == 4]
    assert len(whole) > 25
    for group in whole:
        value = {name: float(row["value_percent"]) for name, row in group.items()}
        mean = (value["introductory"] + 3 * value["interview"] + value["competition"]) / 5
        off = abs(mean - value["all"]) > 0.0101  # each of the four is rounded
        said = "the weighted mean of the three would be" in group["all"]["note"]
        assert off == said, (group["all"], mean)


def test_rltf_with_critic_sampling_has_the_numbers_that_add_up():
    found = {
        (row["metric"], row["subset"]): row["value_percent"]
        for row in ROWS
        if row["system"] == "RLTF" and row["critic_sampling"] == "yes"
    }
    assert found["pass@1", "all"] == "3.27"
    assert found["pass@5", "all"] == "7.8"
    assert len(found) == 8
