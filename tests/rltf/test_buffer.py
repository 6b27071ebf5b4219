"""The online buffer against its rules, written out with numbers in place of programs."""

import json

import pytest
from cases import cases

from harness.errors import InputError
from harness.types import ErrorInfo, Outcome, Status, TestOutcome
from rltf.rewards.feedback import Category, Feedback, Scope
from rltf.rollout.records import Rollout, TokenCredit
from rltf.rollout.replay_buffer import OnlineBuffer

FAILED = {"strict": Status.RUNTIME_ERROR}
ERROR = ErrorInfo("NameError", "name 'é' is not defined", 2)


def rollout(number: int, step: int = 0, group: int | None = None) -> Rollout:
    task = f"task/{number}"
    return Rollout(
        task_id=task,
        group=number if group is None else group,
        sample_id=number,
        prompt_ids=(5, 70_000),
        token_ids=(number, 2),
        log_probs=(-0.5, -(2.0**-140)),  # the second is a float32 of the smallest kind
        text="x = é\ud800\n",
        code="x = é\ud800",
        outcome=Outcome(task, number, FAILED, (TestOutcome(FAILED, ERROR, 0.1),), ERROR),
        feedback=Feedback(Category.ERROR, "name_error", Scope.LINE, 2, 0.25),
        lines_before=0,
        truncated=bool(number % 2),
        temperature=0.7,
        step=step,
        credit={
            "coarse": TokenCredit(-0.6),
            "fine": TokenCredit(-0.3, (1.0, 0.0)),
            "shaped": TokenCredit(0.1, (0.25, 0.5)),
        },
        offsets=((0, 1), (1, 6)),
    )


def batch(*numbers: int, step: int = 0) -> list[Rollout]:
    return [rollout(number, step) for number in numbers]


def numbers(buffer: OnlineBuffer, count: int) -> list[int]:
    return [int(each.task_id.rpartition("/")[2]) for each in buffer.draw(count)]


def test_the_queue_drops_the_oldest():
    buffer = OnlineBuffer(4)
    buffer.add(batch(0, 1, 2))
    buffer.add(batch(3, 4, 5))
    assert sorted(numbers(buffer, 4)) == [2, 3, 4, 5]


def test_a_refresh_larger_than_the_queue_keeps_its_newest():
    buffer = OnlineBuffer(2)
    buffer.add(batch(0))
    buffer.add(batch(1, 2, 3))
    assert sorted(numbers(buffer, 2)) == [2, 3]


def test_everything_is_drawn_once_before_anything_is_drawn_twice():
    buffer = OnlineBuffer(5)
    buffer.add(batch(0, 1, 2, 3, 4))
    drawn = numbers(buffer, 10)
    assert sorted(drawn[:5]) == sorted(drawn[5:]) == [0, 1, 2, 3, 4]
    assert drawn[:5] != drawn[5:]


def test_the_released_pool_never_grows_and_loses_whole_refreshes_first():
    buffer = OnlineBuffer(100, rule="released")
    buffer.add(batch(0, 1))
    buffer.add(batch(2))
    left_of_the_first = {0, 1} & set(numbers(buffer, 2))
    assert len(buffer) == 2
    assert len(left_of_the_first) == 1
    buffer.add(batch(3))
    assert sorted(numbers(buffer, 2)) == [2, 3]


def test_the_released_pool_is_replaced_by_a_larger_refresh():
    buffer = OnlineBuffer(100, rule="released")
    buffer.add(batch(0, 1))
    buffer.add(batch(2, 3, 4))
    assert sorted(numbers(buffer, 3)) == [2, 3, 4]


def test_the_released_first_fill_is_kept_whole_but_its_newest_are_drawn():
    buffer = OnlineBuffer(2, rule="released")
    buffer.add(batch(0, 1, 2, 3))
    assert sorted(numbers(buffer, 2)) == [2, 3]
    buffer.add(batch(4, 5))  # pushes out two of the four, not what was on view
    assert sorted(numbers(buffer, 2)) == [4, 5]


def test_staleness_is_the_mean_age_in_steps():
    buffer = OnlineBuffer(4)
    buffer.add(batch(0, step=0))
    buffer.add(batch(1, step=6))
    assert buffer.staleness(10) == 7


@cases("rule", ["queue", "released"])
@cases("drawn", [0, 3, 6, 8])
def test_a_restored_buffer_draws_what_the_other_would_have_drawn(rule, drawn):
    def fill(buffer: OnlineBuffer) -> None:
        buffer.add(batch(0, 1, 2, 3, 4, 5))
        buffer.add(batch(6, 7))
        buffer.draw(drawn)

    straight, stopped, resumed = (OnlineBuffer(6, rule=rule, seed=3) for _ in range(3))
    fill(straight)
    fill(stopped)
    resumed.restore(json.loads(json.dumps(stopped.state())))
    for more in ([], batch(8, 9, 10)):
        straight.add(more)
        resumed.add(more)
        assert straight.draw(9) == resumed.draw(9)


def test_an_empty_buffer_says_why_nothing_can_be_drawn():
    with pytest.raises(InputError, match="no program could be graded"):
        OnlineBuffer(3).draw(1)


def test_programs_that_all_earned_the_same_are_no_failure_of_the_grader():
    buffer = OnlineBuffer(3)
    buffer.add([], zero_advantage=4)
    restored = OnlineBuffer(3)
    restored.restore(json.loads(json.dumps(buffer.state())))
    for each in (buffer, restored):
        with pytest.raises(InputError, match=r"all 4 programs .* all rewards are equal"):
            each.draw(1)


@pytest.mark.parametrize(
    ("capacity", "rule", "message"), [(0, "queue", "at least 1"), (3, "lifo", "unknown")]
)
def test_a_buffer_that_cannot_be_is_refused(capacity, rule, message):
    with pytest.raises(InputError, match=message):
        OnlineBuffer(capacity, rule=rule)


def test_rollouts_of_a_prompt_stay_together_and_their_prompt_is_kept_once():
    buffer = OnlineBuffer(4)
    buffer.add([rollout(number, group=number // 3) for number in (0, 1, 2, 3, 4, 5)])
    buffer.draw(3)
    assert [[each.sample_id for each in group] for group in buffer.groups()] == [[2], [3, 4, 5]]
    state = json.loads(json.dumps(buffer.state()))
    [rows] = state["refreshes"]
    assert [row["prompt_ids"] is not None for row in rows] == [True, True, False, False]
    restored = OnlineBuffer(4)
    restored.restore(state)
    assert restored.groups() == buffer.groups()


# --- age -----------------------------------------------------------------------------------------


def test_programs_of_policies_before_a_step_are_dropped_and_the_rest_is_drawn_once_each():
    buffer = OnlineBuffer(8)
    buffer.add(batch(0, 1, step=0))
    buffer.add(batch(2, 3, 4, step=5))
    buffer.draw(1)
    assert buffer.drop_before(0) == 0
    assert buffer.drop_before(5) == 2
    assert sorted(numbers(buffer, 3)) == [2, 3, 4]


def test_nothing_dropped_leaves_the_order_of_drawing_as_it_was():
    plain, asked = OnlineBuffer(8), OnlineBuffer(8)
    for each in (plain, asked):
        each.add(batch(0, 1, 2, 3, 4, step=3))
        each.draw(2)
    asked.drop_before(3)
    assert numbers(plain, 3) == numbers(asked, 3)


def test_a_buffer_restored_after_programs_were_dropped_draws_what_the_other_does():
    buffer = OnlineBuffer(8, seed=4)
    buffer.add(batch(0, 1, step=0))
    buffer.add(batch(2, 3, 4, step=5))
    buffer.drop_before(5)
    buffer.draw(1)
    again = OnlineBuffer(8, seed=4)
    again.restore(json.loads(json.dumps(buffer.state())))
    assert again.too_old == 2
    assert numbers(buffer, 7) == numbers(again, 7)


def test_a_buffer_of_which_all_became_too_old_says_so():
    buffer = OnlineBuffer(8)
    buffer.add(batch(0, 1, step=0))
    buffer.drop_before(1)
    with pytest.raises(InputError, match="2 so far became older than max_staleness"):
        buffer.draw(1)
