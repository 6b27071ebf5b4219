"""The adapters called as their trainers call them: keyword by keyword, in threads, in other processes."""

import asyncio
import json
import multiprocessing
import pickle
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from harness import load_benchmark
from harness.errors import InfrastructureError, InputError
from harness.integrations import areal, openrlhf, options, slime, verl
from harness.integrations.scoring import Scorer
from harness.integrations.trl import AsyncCodeReward, CodeReward, answer_of, to_dataset
from harness.types import Outcome, Status

PAIRS = json.dumps({"inputs": ["1\n", "2\n"], "outputs": ["2\n", "3\n"]})
RIGHT = "<think>```python\nno\n```</think>Here:\n```python\nprint(int(input()) + 1)\n```\nDone."
HALF = "```python\nprint(2)\n```"
NONE = "I don't know."
CRASH = "```python\nprint(int(input()) + )\n```"


class Failing:
    """A grader whose every program is lost, `times` times each; then all pass."""

    def __init__(self, times):
        self.left, self.asked = times, 0

    def submit(self, job):
        self.asked += 1
        failed, self.left = self.left > 0, self.left - 1
        error = "worker lost" if failed else None
        verdict = Status.NOT_RUN if failed else Status.PASSED
        future = Future()
        tests = () if failed else (SimpleNamespace(statuses={"strict": verdict}),)
        outcome = Outcome(job.task_id, job.sample_id, {"strict": verdict}, tests, infrastructure_error=error)
        future.set_result(outcome)
        return future


@pytest.fixture(autouse=True, scope="module")
def _one_worker():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RLTF_WORKERS", "1")
        yield
    options.scorer_of.cache_clear()


def rewards_of(truth):
    return [
        each.reward for each in Scorer(workers=1).score_all([(a, truth) for a in (RIGHT, HALF, NONE, CRASH)])
    ]


@pytest.mark.parametrize("form", [str, json.loads])
def test_answers_are_scored_by_their_tests(form):
    assert rewards_of(form(PAIRS)) == [1.0, 0.0, 0.0, 0.0]
    ratio = Scorer(workers=1, reward="pass_ratio", no_code=-1.0)
    assert [each.reward for each in ratio.score_all([(HALF, PAIRS), ("", PAIRS)])] == [0.5, -1.0]


def test_a_ground_truth_that_cannot_be_read_is_no_reward():
    for truth in (None, "mbpp/11", {"a": 1}, [], {"inputs": [1], "outputs": []}):
        assert rewards_of(truth) == [None] * 4


def test_what_the_grader_failed_on_is_tried_again_and_then_no_reward():
    scorer = Scorer()
    scorer.use(Failing(2))
    (scored,) = scorer.score_all([(RIGHT, PAIRS)])
    assert scored.reward == 1.0
    scorer.use(grader := Failing(100))
    (scored,) = scorer.score_all([(RIGHT, PAIRS)])
    assert (scored.reward, scored.verdict("strict"), grader.asked) == (None, "infrastructure_error", 3)


@pytest.mark.parametrize("arguments", [{"reward": "x"}, {"extraction": "x"}, {"benchmark": "x"}])
def test_an_unknown_option_is_refused(arguments):
    with pytest.raises(InputError, match="available"):
        Scorer(**arguments)


# --- TRL ------------------------------------------------------------------------------------------


def test_trl_gets_a_reward_for_each_completion_and_the_same_keys_in_each_batch():
    reward, extra, metrics = CodeReward(tests_column="tests", workers=1), {}, {}
    messages = [{"role": "assistant", "content": RIGHT}, {"role": "tool", "content": "x"}]
    rewards = reward(
        prompts=["p"] * 5,
        completions=[messages, HALF, NONE, RIGHT, [{"role": "assistant", "content": None}]],
        completion_ids=[[1]] * 5,
        tests=[PAIRS, PAIRS, PAIRS, "broken", PAIRS],
        trainer_state=None,
        log_extra=extra.__setitem__,
        log_metric=metrics.__setitem__,
    )
    assert rewards == [1.0, 0.0, 0.0, None, 0.0]
    assert extra["verdict"] == ["passed", "wrong_answer", "syntax_error", "unscorable", "no_program"]
    assert metrics == {
        "harness/passed": 0.2, "harness/timed_out": 0.0, "harness/infrastructure_error": 0.0,
        "harness/no_program": 0.2, "harness/unscorable": 0.2,
    }  # fmt: skip


def test_trl_is_told_where_a_program_broke():
    extra = {}
    reward = CodeReward(tests_column="tests", workers=1)
    reward(completions=["```python\nx = 1\n1 / 0\n```"], tests=[PAIRS], log_extra=extra.__setitem__)
    assert extra == {"verdict": ["runtime_error"], "error": ["ZeroDivisionError line 2"]}


def test_a_reward_can_be_awaited_pickled_and_called_by_many_threads():
    reward = pickle.loads(pickle.dumps(AsyncCodeReward(tests_column="tests", workers=1)))
    assert asyncio.iscoroutinefunction(reward.__call__)
    assert reward.__name__ == "tests_passed"
    assert asyncio.run(reward(completions=[RIGHT, HALF], tests=[PAIRS] * 2)) == [1.0, 0.0]
    plain = CodeReward(tests_column="tests", workers=1)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: plain(completions=[RIGHT, HALF], tests=[PAIRS] * 2), range(16)))
    assert found == [[1.0, 0.0]] * 16


def _in_child(data, answers):
    answers.put(pickle.loads(data)(completions=[RIGHT, HALF], tests=[PAIRS] * 2))


@pytest.mark.slow
def test_a_pickled_reward_works_in_a_process_of_its_own():
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    data = pickle.dumps(CodeReward(tests_column="tests", workers=1))
    child = context.Process(target=_in_child, args=(data, answers))
    child.start()
    assert answers.get(timeout=120) == [1.0, 0.0]
    child.join()


def test_a_dataset_of_a_benchmark_names_its_problems_and_gold_solutions_are_worth_one():
    pytest.importorskip("datasets")
    benchmark = load_benchmark("mini", ids=["0-3"])
    rows = to_dataset(benchmark, chat=True)
    assert set(rows.column_names) == {"prompt", "task_id"}
    assert rows[0]["prompt"][-1]["role"] == "user"
    assert isinstance(to_dataset(benchmark, chat=False, prompt_format="chat")[0]["prompt"], str)
    gold = [f"```python\n{problem.solutions[0]}\n```" for problem in benchmark.problems]
    reward = CodeReward("mini", workers=1)
    assert reward(completions=gold, task_id=rows["task_id"]) == [1.0] * 4
    assert reward(completions=gold[:1], task_id=["mini/test/999999"]) == [None]


def test_a_column_that_is_missing_is_the_users_mistake():
    with pytest.raises(InputError, match="no column 'task_id'"):
        CodeReward("mini")(completions=[RIGHT], other=[1])
    with pytest.raises(InputError, match="needs a benchmark"):
        CodeReward()


def test_the_answer_is_the_assistants_last_text():
    talk = [
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": None, "tool_calls": []},
    ]
    assert [answer_of(each) for each in ("x", talk, [], None)] == ["x", "a", None, None]


# --- verl, slime, OpenRLHF, AReaL -----------------------------------------------------------------


def verl_score(answer, truth=PAIRS, **options):
    return verl.compute_score(
        data_source="apps", solution_str=answer, ground_truth=truth, extra_info={"num_turns": 1}, workers=1,
        reward_router_address=None, reward_model_tokenizer=None, **options,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:score 0 and infra_error 1")
def test_verl_gets_a_score_with_the_same_keys_whatever_happens():
    scores = [verl_score(*each) for each in ((RIGHT,), (HALF,), (NONE,), (CRASH,), (RIGHT, "broken"))]
    assert [score["score"] for score in scores] == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert len({tuple(score) for score in scores}) == 1
    assert [score["infra_error"] for score in scores] == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert [verl_score(answer)["no_program"] for answer in (RIGHT, "", " ")] == [0.0, 1.0, 1.0]
    assert [score["pass_ratio"] for score in scores] == [1.0, 0.5, 0.0, 0.0, 0.0]
    assert verl_score(HALF, reward="pass_ratio")["score"] == 0.5
    assert all(isinstance(value, float) for score in scores for value in score.values())


def test_verl_may_call_from_many_threads():
    found, threads = [], []
    for number in range(32):
        answer = (RIGHT, HALF)[number % 2]
        check = lambda answer=answer: found.append(verl_score(answer)["passed"] == (answer is RIGHT))  # noqa: E731
        threads.append(threading.Thread(target=check))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 32


def test_slime_gets_a_number_for_a_sample_and_a_list_for_a_group():
    samples = [SimpleNamespace(response=answer, label=PAIRS) for answer in (RIGHT, HALF)]
    assert asyncio.run(slime.custom_rm(None, samples[0], evaluation=False)) == 1.0
    assert asyncio.run(slime.custom_rm(None, samples)) == [1.0, 0.0]


def test_openrlhf_gets_numbers_for_queries():
    answer = openrlhf.reward_func(["P:" + RIGHT, "P:" + HALF], ["P:", "P:"], [PAIRS, PAIRS])
    assert set(answer) == {"rewards", "scores", "extra_logs"}
    assert [float(value) for value in answer["rewards"]] == [1.0, 0.0]


def test_areal_gets_a_number():
    assert areal.reward_fn("P", RIGHT, [1], [2], tests=PAIRS, other=1) == 1.0
    assert areal.reward_fn("P", HALF, [1], [2], answer=PAIRS) == 0.0
    with pytest.raises(InputError, match="no ground truth"):
        areal.reward_fn("P", HALF, [1], [2], other=1)


def test_trainers_without_a_value_for_no_reward_get_an_error():
    with pytest.raises(InfrastructureError, match="no reward"):
        areal.reward_fn("P", RIGHT, [1], [2], tests="broken")
    with pytest.raises(InfrastructureError, match="no reward"):
        openrlhf.reward_func([RIGHT], [""], ["broken"])
    with pytest.raises(InfrastructureError, match="no reward"):
        asyncio.run(slime.custom_rm(None, SimpleNamespace(response=RIGHT, label="broken")))
