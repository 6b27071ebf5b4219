"""A run in other tools' formats (`rltf report --emit`)."""

import json

import pytest

from rltf.cli import main

P, W = "passed", "wrong_answer"


@pytest.fixture
def run(make_run):
    tasks = {"humaneval-plus/v0.1.10/0": [P, W], "humaneval-plus/v0.1.10/1": ["timed_out", P]}
    profiles = {"evalplus": "1", "evalplus-base": "1"}
    return make_run("run", tasks, benchmark="humaneval-plus", split="v0.1.10", profiles=profiles, ks=[1])


def emitted(capsys, run, name):
    assert main(["report", str(run), "--emit", name]) == 0
    return capsys.readouterr().out


def test_evalplus_gets_each_program_with_both_statuses(capsys, run):
    content = json.loads(emitted(capsys, run, "evalplus"))
    assert list(content["eval"]) == ["HumanEval/0", "HumanEval/1"]
    rows = content["eval"]["HumanEval/1"]
    assert [row["plus_status"] for row in rows] == ["timeout", "pass"]
    assert rows[0]["solution"].startswith("timed_out")
    assert set(rows[0]) == {
        "task_id", "solution", "base_status", "plus_status", "base_fail_tests", "plus_fail_tests",
    }  # fmt: skip
    assert content["pass_at_k"] == {"base": {"pass@1": 0.5}, "plus": {"pass@1": 0.5}}


def test_evalplus_own_count_over_the_file_gives_the_same_score(capsys, run):
    content = json.loads(emitted(capsys, run, "evalplus"))
    shares = [
        sum(row["plus_status"] == "pass" for row in rows) / len(rows) for rows in content["eval"].values()
    ]
    assert sum(shares) / len(shares) == content["pass_at_k"]["plus"]["pass@1"]


def test_lm_eval_gets_a_results_file(capsys, run):
    content = json.loads(emitted(capsys, run, "lm-eval"))
    scores = content["results"]["rltf_humaneval-plus"]
    assert scores["pass@1,evalplus"] == 0.5
    assert 0 <= scores["pass@1_stderr,evalplus"] < 0.5
    assert content["n-samples"]["rltf_humaneval-plus"] == {"original": 2, "effective": 2}
    assert content["versions"] == {"rltf_humaneval-plus": "1"}
    for name in ("configs", "n-shot", "higher_is_better", "config", "git_hash", "date", "model_name"):
        assert name in content


def test_the_hub_gets_its_yaml(capsys, run):
    yaml = pytest.importorskip("yaml")
    (entry,) = yaml.safe_load(emitted(capsys, run, "hub-yaml"))
    assert entry["dataset"] == {"id": "evalplus/humanevalplus", "task_id": "default"}
    assert entry["value"] == 50.0


def test_what_has_no_place_in_a_format_is_one_line(capsys, make_run, run):
    other = make_run("other", {"sums/1": [P]}, benchmark="sums")
    assert main(["report", str(other), "--emit", "evalplus"]) == 2
    assert main(["report", str(other), "--emit", "hub-yaml"]) == 2
    assert main(["report", str(other), str(run), "--emit", "lm-eval"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_reports_and_scores_are_there_as_json(capsys, run):
    assert main(["report", str(run), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {"pass@1"} <= {row["metric"] for row in rows}
