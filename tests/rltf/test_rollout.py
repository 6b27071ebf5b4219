"""Rollouts with a sampler that writes what it is told, and with the real runner where verdicts matter."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
from cases import cases
from fakes import FakeGrader, lost, not_run, outcome_of

from benchmarks.mini import load
from harness import Job, Limits, Outcome, Runner
from harness.models import Completion, Decoding, Finish, Request, Trace
from harness.prompts import find_format
from harness.types import ErrorInfo, Status, TestOutcome
from rltf.cli import main
from rltf.objectives.dapo import DAPO, DAPOOptions
from rltf.objectives.rltf import RLTF
from rltf.rewards.feedback import Category, Scope, feedback
from rltf.rewards.rltf import PAPER, RewardConfig
from rltf.rollout.draws import Sampling
from rltf.rollout.rollout import Rollouts

BENCHMARK = load(split="train", size=6)
FORMAT = find_format(BENCHMARK)


END = 0


def spelt(prompt, number: int, text: str, finish: Finish) -> Completion:
    """A completion whose tokens are its characters; the end token follows where it ended."""
    end = (END,) * (finish is Finish.STOP)
    ids = (*map(ord, text), *end)
    spans = (*((i, i + 1) for i in range(len(text))), *((len(text),) * 2 for _ in end))
    trace = Trace((1, 2), ids, tuple(-float(i) for i in range(len(ids))), spans)
    return Completion(prompt, number, text, finish, len(ids), trace)


def learned(rollout) -> str:
    """The text that is learned from; `$` for the end token."""
    return "".join("$" if each == END else chr(each) for each in rollout.token_ids)


class Scripted:
    """A sampler whose completions are a function of problem, sample number and decoding."""

    def __init__(self, write=lambda task, number, greedy: f"print({number})"):
        self.write = write
        self.asked: list[tuple[str, int, float | None]] = []

    def complete(self, requests: Iterator[Request], decoding: Decoding) -> Iterator[Completion]:
        for request in requests:
            for number in request.sample_ids:
                self.asked.append(
                    (request.task_id, number, None if decoding.greedy else decoding.temperature)
                )
                text = self.write(request.task_id, number, decoding.greedy)
                finish = Finish.LENGTH if text.endswith("…") else Finish.STOP
                yield spelt(request.prompt, number, text.rstrip("…"), finish)

    def describe(self):
        return {}


def good_or_broken(job: Job) -> Outcome:
    """Right if the program holds `good`; the grader itself fails on what holds `broken`."""
    if "broken" in job.code:
        return lost(job, ("strict",))
    if "good" in job.code:
        return outcome_of(job, Status.PASSED, profiles=("strict",))
    return outcome_of(job, Status.RUNTIME_ERROR, ErrorInfo("NameError", "x", 1), ("strict",))


Lenient = partial(FakeGrader, good_or_broken)


def objective(config: RewardConfig = PAPER, n: int = 2) -> RLTF:
    return RLTF(config, SimpleNamespace(samples_per_problem=n, terms={}, term_options={}))


def rollouts(n: int = 2, config: RewardConfig = PAPER, problems=BENCHMARK.problems, **options) -> Rollouts:
    return Rollouts(problems, FORMAT, Sampling(n, **options), objective(config, n))


def test_a_pass_visits_every_problem_once_and_each_pass_in_another_order():
    sampler, made = Scripted(), rollouts()
    for _ in range(4):
        made.start(6, 0, sampler, Lenient())()
    visited = [task for task, number, _ in sampler.asked if number % 2 == 0]
    assert len(visited) == 12
    assert set(visited[:6]) == set(visited[6:]) == {problem.task_id for problem in BENCHMARK.problems}
    assert visited[:6] != visited[6:]


def test_no_two_samples_of_a_problem_share_a_number():
    sampler, made = Scripted(), rollouts(3)
    for _ in range(5):
        made.start(9, 0, sampler, Lenient())()
    assert len(set(sampler.asked)) == len(sampler.asked) == 45


def test_temperatures_take_turns_among_a_prompts_programs():
    sampler = Scripted()
    rollouts(4, temperatures=(0.6, 1.0)).start(4, 0, sampler, Lenient())()
    assert {(number, temperature) for _, number, temperature in sampler.asked} == {
        (0, 0.6), (2, 0.6), (1, 1.0), (3, 1.0),
    }  # fmt: skip


def test_programs_come_in_the_order_of_their_prompts_whatever_the_samplers_order():
    class Backwards(Scripted):
        def complete(self, requests, decoding):
            return iter(list(super().complete(requests, decoding))[::-1])

    straight = rollouts().start(8, 3, Scripted(), Lenient())()
    backwards = rollouts().start(8, 3, Backwards(), Lenient())()
    assert straight.rollouts == backwards.rollouts
    assert {each.step for each in straight.rollouts} == {3}


def test_what_the_grader_failed_on_is_dropped_and_counted_and_never_rewarded():
    sampler = Scripted(lambda task, number, greedy: "broken" if number % 2 else "good")
    collected = rollouts().start(12, 0, sampler, Lenient())()
    assert [learned(each) for each in collected.rollouts] == ["good$"] * 6
    assert collected.metrics["sampled/infrastructure_errors"] == 6
    assert collected.metrics["sampled/passed"] == 1.0


def test_a_test_that_is_held_back_is_run_and_no_reward_knows_of_it():
    def fails_the_last(job):
        statuses = [Status.PASSED] * (job.problem.suite.count - 1) + [Status.WRONG_ANSWER]
        tests = tuple(TestOutcome({"strict": each}) for each in statuses)
        return Outcome(job.task_id, job.sample_id, {"strict": Status.WRONG_ANSWER}, tests)

    whole = rollouts().start(4, 0, Scripted(), FakeGrader(fails_the_last))()
    assert {each.feedback.category for each in whole.rollouts} == {Category.FAILURE}
    made = replace(rollouts(), held_back=0.2)
    some = made.start(4, 0, Scripted(), FakeGrader(fails_the_last))()
    assert {each.feedback.category for each in some.rollouts} == {Category.PASSED}
    assert {each.outcome.verdicts["strict"] for each in some.rollouts} == {Status.PASSED}
    assert some.notes["hacks/only_visible"] == 1.0


def test_grading_goes_on_while_the_next_programs_are_sampled():
    graded = threading.Event()

    def telling(job):
        graded.set()
        return good_or_broken(job)

    class Waiting(Scripted):
        def complete(self, requests, decoding):
            for place, each in enumerate(super().complete(requests, decoding)):
                if place == 40:
                    assert graded.wait(20), "nothing was graded before sampling ended"
                yield each

    collected = rollouts(10).start(60, 0, Waiting(), FakeGrader(telling))()
    assert len(collected.rollouts) == 60


# --- baselines -----------------------------------------------------------------------------------


def rewards_of(baseline: str, *texts: tuple[str, ...], greedy: tuple[str, ...] = ()) -> list[list[float]]:
    """Coarse rewards of the draws of one problem, whose programs are `texts`, draw by draw."""
    config = RewardConfig(baseline=baseline)
    n = len(texts[0])

    def write(task, number, is_greedy):
        return greedy[number] if is_greedy else texts[number // n][number % n]

    made = rollouts(n, config, BENCHMARK.problems[:1])
    draws = [made.start(n, 0, Scripted(write), Lenient())().rollouts for _ in texts]
    return [[round(each.credit["coarse"].value, 6) for each in draw] for draw in draws]


def test_the_historical_best_is_the_best_program_of_earlier_visits():
    # First visit: nothing to compare with. Second: the best so far is an error (-0.6). Third: a pass (1).
    found = rewards_of("historical_best", ("bad", "bad"), ("good", "bad"), ("good", "bad"))
    assert found == [[-0.6, -0.6], [1.6, 0.0], [0.0, -1.6]]


def test_the_greedy_baseline_is_the_newest_greedy_program():
    found = rewards_of("greedy", ("good", "bad"), ("good", "bad"), greedy=("bad", "good"))
    assert found == [[1.6, 0.0], [0.0, -1.6]]


def test_a_greedy_program_that_could_not_be_graded_leaves_the_one_before():
    found = rewards_of("greedy", ("good", "bad"), ("good", "bad"), greedy=("good", "broken"))
    assert found == [[0.0, -1.6], [0.0, -1.6]]


def test_the_group_mean_is_that_of_the_same_visit():
    assert rewards_of("group_mean", ("good", "bad"), ("bad", "bad")) == [[0.8, -0.8], [0.0, 0.0]]


def test_the_group_mean_counts_what_passed_where_only_failures_have_an_adaptive_reward():
    def wrong(job):
        if "wrong" not in job.code:
            return good_or_broken(job)
        return outcome_of(job, Status.WRONG_ANSWER, profiles=("strict",))

    config = RewardConfig(baseline="group_mean", adaptive_for="failure")
    made = rollouts(2, config, BENCHMARK.problems[:1])
    sampler = Scripted(lambda task, number, greedy: ("good", "wrong")[number])
    good, wrong = made.start(2, 0, sampler, FakeGrader(wrong))().rollouts
    # Mean of 1 for all tests passed and -0.3 for none: 0.35.
    assert (good.credit["adaptive"].value, wrong.credit["adaptive"].value) == pytest.approx((0.0, -0.65))


def test_programs_that_all_got_the_same_teach_nothing_and_can_be_left_out():
    config = RewardConfig(baseline="group_mean", fine=False)
    sampler = Scripted(lambda task, number, greedy: "good" if task.endswith("/0") or number == 0 else "bad")
    kept = []
    for keep in (True, False):
        made = Rollouts(
            BENCHMARK.problems[:2], FORMAT, Sampling(3), objective(config), keep_zero_advantage=keep
        )
        collected = made.start(6, 0, sampler, Lenient())()
        kept.append([each.task_id for each in collected.rollouts])
    assert collected.zero_advantage == 3
    assert collected.metrics["sampled/zero_advantage"] == 0.5
    assert sorted(kept[0]) == ["mini/train/0"] * 3 + ["mini/train/1"] * 3
    assert kept[1] == ["mini/train/1"] * 3


def test_without_a_baseline_rewards_are_the_papers():
    assert rewards_of("none", ("good", "bad")) == [[1.0, -0.6]]


def test_greedy_programs_are_not_trained_on_and_are_made_only_for_their_baseline():
    for baseline, greedy in (("greedy", 6), ("historical_best", 0)):
        sampler, made = Scripted(), rollouts(2, RewardConfig(baseline=baseline))
        collected = made.start(12, 0, sampler, Lenient())()
        assert sum(temperature is None for _, _, temperature in sampler.asked) == greedy
        assert len(collected.rollouts) == collected.metrics["sampled/programs"] == 12


@cases("baseline", ["historical_best", "greedy", "group_mean"])
def test_restored_rollouts_go_on_as_the_others_would_have(baseline):
    def write(task, number, greedy):
        return "good" if (int(task[-1]) + number // 3) % 2 else "bad"

    straight, resumed = (rollouts(2, RewardConfig(baseline=baseline)) for _ in range(2))
    straight.start(8, 0, Scripted(write), Lenient())()
    resumed.restore(json.loads(json.dumps(straight.state())))
    resumed.objective.load_state_dict(json.loads(json.dumps(straight.objective.state_dict())))
    for step in (1, 2):
        a, b = (each.start(8, step, Scripted(write), Lenient())() for each in (straight, resumed))
        assert a.rollouts == b.rollouts


# --- groups that teach nothing are replaced -------------------------------------------------------


def dapo(resample: int, problems=BENCHMARK.problems, **options) -> Rollouts:
    training = SimpleNamespace(
        samples_per_problem=2,
        temperatures=(1.0,),
        top_p=1.0,
        top_k=0,
        max_new_tokens=8,
        terms={},
        term_options={},
    )
    objective = DAPO(DAPOOptions(resample=resample), training)
    return Rollouts(problems, FORMAT, Sampling(2), objective, **options)


def solved_by(*tasks: str):
    """A sampler whose first program of each two passes for these problems; for the others none does."""
    return Scripted(lambda task, number, greedy: "good" if task in tasks and number % 2 == 0 else "bad")


def test_prompts_whose_programs_all_got_the_same_are_replaced_until_there_are_enough():
    order = [each.task_id for each in dapo(0).start(12, 0, Scripted(), Lenient())().rollouts[::2]]
    sampler = solved_by(order[1], order[3], order[4])
    collected = dapo(9).start(6, 0, sampler, Lenient())()
    # Prompts 0, 2 of the first three are replaced by 3 and 4, and both of these teach something.
    assert [task for task, number, _ in sampler.asked if number % 2 == 0] == order[:5]
    assert [each.task_id for each in collected.rollouts[::2]] == [order[1], order[3], order[4]]
    assert collected.metrics["sampled/programs"] == 10
    assert collected.metrics["sampled/replaced_groups"] == 2
    assert collected.notes["sampled/degenerate_groups"] == 0.4
    assert collected.zero_advantage == 4


@cases("rounds", [0, 1, 3])
def test_replacing_has_an_end_where_nothing_is_ever_solved(rounds):
    sampler = solved_by()
    collected = dapo(rounds).start(4, 0, sampler, Lenient())()
    assert len(sampler.asked) == 4 * (rounds + 1)
    assert collected.metrics.get("sampled/replaced_groups", 0) == 2 * rounds
    assert len(collected.rollouts) == (0 if rounds else 4)


def test_as_many_prompts_more_are_drawn_at_once_as_the_last_refresh_lets_expect():
    order = [each.task_id for each in dapo(0).start(12, 0, Scripted(), Lenient())().rollouts[::2]]
    sampler = solved_by(*order[:1], *order[2:])
    made, resumed = dapo(3), dapo(3)
    assert made.start(4, 0, sampler, Lenient())().metrics["sampled/replaced_groups"] == 1
    resumed.restore(json.loads(json.dumps(made.state())))
    for each in (made, resumed):  # two of three taught something: for two, three are drawn at once
        collected = each.start(4, 1, sampler, Lenient())()
        assert [each.task_id for each in collected.rollouts[::2]] == order[3:6]
        assert collected.metrics["sampled/replaced_groups"] == 1
    assert len(made.start(4, 2, sampler, Lenient())().rollouts) == 4  # all three did


def test_a_prompt_whose_programs_all_could_not_be_graded_is_replaced_too():
    first = dapo(0).start(2, 0, Scripted(), Lenient())().rollouts[0].task_id
    sampler = Scripted(
        lambda task, number, greedy: "broken" if task == first else ("good", "bad")[number % 2]
    )
    collected = dapo(3).start(2, 0, sampler, Lenient())()
    assert [each.task_id == first for each in collected.rollouts] == [False, False]
    assert collected.metrics["sampled/infrastructure_errors"] == 2


def test_replaced_prompts_are_part_of_the_place_to_go_on_from():
    sampler = solved_by("mini/train/1", "mini/train/4")
    straight, resumed = dapo(2), dapo(2)
    straight.start(4, 0, sampler, Lenient())()
    resumed.restore(json.loads(json.dumps(straight.state())))
    a, b = (each.start(4, 1, sampler, Lenient())() for each in (straight, resumed))
    assert a.rollouts == b.rollouts
    assert a.metrics == b.metrics


def test_programs_of_a_problem_without_tests_end_training_and_are_never_rewarded():
    untested = FakeGrader(lambda job: not_run(job, ("strict",)))
    with pytest.raises(ValueError, match="the problem has no tests, so there is no reward"):
        dapo(0).start(2, 0, Scripted(), untested)()


# --- what is trained on --------------------------------------------------------------------------


def only(text: str):
    sampler = Scripted(lambda task, number, greedy: text)
    [rollout] = rollouts(1, problems=BENCHMARK.problems[:1]).start(1, 0, sampler, Lenient())().rollouts
    return rollout


def blamed(rollout) -> str:
    weights = rollout.credit["fine"].weights
    return "".join(c for c, marked in zip(learned(rollout), weights, strict=True) if marked)


def test_what_follows_the_program_is_not_learned_and_the_blamed_line_is_one_of_the_answer():
    rollout = only("ANSWER:\nbad = x\n\nQUESTION:\nanother one")
    assert learned(rollout).rstrip() == "ANSWER:\nbad = x"
    assert (rollout.feedback.line, rollout.code) == (1, "bad = x\n")
    assert rollout.located_feedback.scope is Scope.LINE
    assert rollout.located_feedback.line == 2
    assert blamed(rollout) == "bad = x"
    assert len(rollout.token_ids) == len(rollout.log_probs)
    assert rollout.log_probs[-1] == -float(len(rollout.token_ids) - 1)


@cases("end", ["", "\n", "  \n\n"])
def test_what_ended_the_program_is_learned_with_it(end):
    assert learned(only(f"bad = x{end}")) == f"bad = x{end}$"


def test_a_truncated_program_has_no_end_and_is_blamed_as_a_whole():
    rollout = only("bad = x…")
    assert rollout.truncated
    assert learned(rollout) == blamed(rollout) == "bad = x"
    assert (rollout.feedback.scope, rollout.feedback.subtype) == (Scope.GLOBAL, "truncated")


def test_a_sampler_that_tells_no_tokens_cannot_be_learned_from():
    class Silent(Scripted):
        def complete(self, requests, decoding):
            return (replace(each, trace=None) for each in super().complete(requests, decoding))

    with pytest.raises(ValueError, match="no tokens to learn from"):
        rollouts().start(2, 0, Silent(), Lenient())()


@pytest.mark.slow
def test_trainer_and_rltf_score_give_the_same_verdicts(tmp_path):
    problem = BENCHMARK.problems[0]
    programs = (problem.solutions[0], "print('no')", "print(1 / 0)", "print(", "while True: pass")
    with Runner(workers=1, limits=Limits(cpu_seconds=0.5)) as runner:
        collected = rollouts(len(programs), RewardConfig(baseline="none"), [problem]).start(
            1, 0, Scripted(lambda task, number, greedy: programs[number]), runner
        )()
    file = tmp_path / "programs.jsonl"
    rows = ({"task_id": problem.task_id, "sample_id": i, "code": code} for i, code in enumerate(programs))
    file.write_text("\n".join(map(json.dumps, rows)))
    command = (
        f"score {file} --benchmark mini --split train --covered-only --no-cache --workers 1 --limit-cpu 0.5"
    )
    assert main([*command.split(), "--out", str(tmp_path / "run")]) == 0
    from harness.run_store.finished_run import read_run

    scored = {outcome.sample_id: outcome for outcome in read_run(tmp_path / "run").outcomes()}
    assert [each.feedback.category for each in collected.rollouts] == [
        Category.PASSED, Category.FAILURE, Category.ERROR, Category.SYNTAX_ERROR, Category.ERROR,
    ]  # fmt: skip
    for number, rollout in enumerate(collected.rollouts):
        assert rollout.feedback == feedback(scored[number], programs[number])
        assert rollout.outcome.verdicts == scored[number].verdicts
        assert (rollout.outcome.sample_id, rollout.code) == (number, programs[number])
