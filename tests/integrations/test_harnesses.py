"""Adapters for other harnesses, as far as they need none of them; `make integrations` runs the others."""

import json
from pathlib import Path

import pytest
import yaml

from harness import load_benchmark
from harness.errors import InfrastructureError, InputError
from harness.integrations import lm_eval, options
from harness.integrations.scoring import Scorer
from harness.targets import load_target


@pytest.fixture(autouse=True, scope="module")
def _forgotten():
    yield
    options.scorer_of.cache_clear()


def graded(documents, answers):
    """As lm-eval does: one document at a time, then all of them."""
    values = [
        lm_eval.process_results(doc, [each])["pass@1"] for doc, each in zip(documents, answers, strict=True)
    ]
    return lm_eval.pass_at_1(json.loads(json.dumps(values)))


def test_lm_eval_has_every_problem_in_the_words_of_rltf_eval_and_one_number_for_all_answers():
    documents = list(lm_eval.problems("mini", workers=1, pretrained="not ours")["test"])
    problems = load_benchmark("mini").problems
    assert [doc["task_id"] for doc in documents] == [problem.task_id for problem in problems]
    right, other = problems[0].solutions[0], problems[1].solutions[0]
    assert graded(documents[:2], [[right], [other + "\n)"]]) == 0.5
    assert graded(documents[:2], [[right, "no", right, "no"], [other] * 4]) == 0.75


def test_lm_eval_gets_no_number_where_the_grader_failed(monkeypatch):
    documents = list(lm_eval.problems("mini", workers=1)["test"])[:1]
    options.scorer_of.cache_clear()
    monkeypatch.setattr(Scorer, "_graded", lambda self, jobs: [_lost(job) for job in jobs])
    with pytest.raises(InfrastructureError):
        graded(documents, [["print(1)"]])


def _lost(job):
    from harness.types import Outcome, Status

    return Outcome(job.task_id, job.sample_id, {"strict": Status.NOT_RUN}, infrastructure_error="lost")


@pytest.mark.parametrize("name", ["code.yaml", "humaneval.yaml", "mbpp.yaml"])
def test_the_task_packs_functions_exist(name):
    class Loader(yaml.SafeLoader):
        pass

    named = []
    Loader.add_constructor("!function", lambda loader, node: named.append(loader.construct_scalar(node)))
    task = yaml.load(Path(lm_eval.FOLDER, name).read_text(), Loader)
    assert ("include" in task) == (not named)
    for each in named:
        assert callable(load_target(":".join(each.rsplit(".", 1))))


def test_a_scorer_takes_the_benchmarks_own_profile_and_reads_answers_in_its_format():
    benchmark = load_benchmark("mini")
    problem = benchmark.problems[0]
    scorer = Scorer(benchmark, profile=None, prompt_format="chat", workers=1)
    assert scorer.profile == benchmark.profiles[0]
    answer = f"Sure:\n```python\n{problem.solutions[0]}\n```"
    assert [each.reward for each in scorer.score_all([(answer, problem.task_id)])] == [1.0]
    brought = Scorer(profile="benchmarks.evalplus.profiles:EVALPLUS", workers=1)
    (scored,) = brought.score_all([("def f(): return 1", ["assert f() == 1"])])
    assert (scored.reward, brought.profile, scored.verdict("evalplus")) == (1.0, "evalplus", "passed")
    with pytest.raises(InputError, match="unknown profile"):
        Scorer(profile="nothing")


def test_verl_is_told_why_there_is_no_reward():
    from harness.integrations.verl import compute_score

    with pytest.warns(RuntimeWarning, match="infra_error 1 for mine, ground truth 42: .*got int"):
        assert compute_score("mine", "print(1)", 42)["infra_error"] == 1.0
