"""Credit and options of the methods that compare within a group: their written rules, and what they refuse.

Does not cover: losses (`test_group_relative.py`), or training (`test_group_training.py`).
"""

import statistics
from dataclasses import fields, replace
from types import SimpleNamespace

import pytest
from cases import cases

from harness.errors import InputError
from harness.types import Outcome, Problem, Status, StdinTest, TestKind, TestOutcome, TestSuite
from rltf.objectives import find_objective
from rltf.objectives.base import REFERENCE
from rltf.objectives.grpo import GRPOOptions
from rltf.rewards.feedback import Category, Feedback, Scope
from rltf.rollout.records import MASKED, Group, Rollout, is_masked, is_zero

METHODS = ("grpo", "rloo", "dr_grpo", "dapo", "gspo")
TRAINING = {
    "sl_weight": 1.0,
    "samples_per_problem": 2,
    "temperatures": (1.0,),
    "top_p": 1.0,
    "top_k": 0,
    "max_new_tokens": 4,
    "per_device_train_batch_size": 4,
    "lora_rank": 0,
    "sampler": "inline",
    "terms": {},
    "term_options": {},
}


def made(method="grpo", options=None, **training):
    kind = find_objective(method)
    return kind(kind.Options(**(options or {})), SimpleNamespace(**(TRAINING | training)))


STATUS = {"strict": Status.WRONG_ANSWER}
SUITE = TestSuite.pack(TestKind.STDIN, [StdinTest("1\n", "2\n")])
PROBLEM = Problem("sums/train/0", "Add one.", load_suite=lambda: SUITE)
CODE = "a = 1\nb = a\n"


def rollout(number: int, ratio: float, line: int | None = None, **changes) -> Rollout:
    scope = Scope.IGNORE if line is None else Scope.LINE
    found = Rollout(
        task_id=PROBLEM.task_id,
        group=0,
        sample_id=number,
        prompt_ids=(1,),
        token_ids=tuple(map(ord, CODE)),
        log_probs=(-1.0,) * len(CODE),
        text=CODE,
        code=CODE,
        outcome=Outcome(PROBLEM.task_id, number, STATUS, (TestOutcome(STATUS),)),
        feedback=Feedback(Category.FAILURE, "wrong_answer", scope, line, ratio),
        lines_before=0,
        truncated=False,
        temperature=1.0,
        step=0,
        offsets=tuple((i, i + 1) for i in range(len(CODE))),
    )
    return replace(found, **changes)


def group_of(*ratios: float) -> Group:
    return Group(PROBLEM, [rollout(i, ratio) for i, ratio in enumerate(ratios)])


def values(credits_) -> list[float]:
    return [each["advantage"].value for each in credits_]


# --- advantages ----------------------------------------------------------------------------------


def test_the_reward_is_the_share_of_tests_where_no_terms_are_chosen():
    ratios = (1.0, 0.5, 0.0)
    group = group_of(*ratios)
    deviation = statistics.stdev(ratios) + 1e-4
    assert values(made().credit(group)) == pytest.approx([0.5 / deviation, 0, -0.5 / deviation])
    assert made().rewards(group) == [{"pass_rate": each} for each in ratios]


@pytest.mark.parametrize(
    ("method", "expected"),
    [("rloo", [0.75, 0.0, -0.75]), ("dr_grpo", [0.5, 0, -0.5])],
)
def test_methods_differ_in_what_they_compare_with_and_divide_by(method, expected):
    options = {"beta": 0.0} if method == "rloo" else {}
    assert values(made(method, options).credit(group_of(1.0, 0.5, 0.0))) == pytest.approx(expected)


def test_rewards_can_be_put_on_the_scale_of_all_that_is_new():
    groups = [group_of(1.0, -0.3), group_of(-0.6, -1.0)]
    found = made("grpo", {"scale": "batch"}).credit_groups(groups)
    assert [each for row in found for each in values(row)] == pytest.approx(
        [0.750886, -0.750886, 0.231042, -0.231042], abs=1e-6
    )
    found = made("rloo", {"beta": 0.0, "normalize_advantages": True}).credit_groups(groups)
    raw = [1.3, -1.3, 0.4, -0.4]
    over = statistics.stdev(raw) + 1e-4
    assert [each for row in found for each in values(row)] == pytest.approx([each / over for each in raw])


def test_terms_with_spans_take_no_part_in_the_groups_mean():
    group = Group(PROBLEM, [rollout(0, 1.0), rollout(1, 0.0, line=2)])
    found = made("dr_grpo", terms={"pass_rate": 2.0, "fine": 0.5}).credit(group)
    assert values(found) == [1.0, -1.0]
    assert [each["fine"].value for each in found] == [0.0, pytest.approx(-0.15)]
    marked = "".join(c for c, weight in zip(CODE, found[1]["fine"].weights, strict=True) if weight)
    assert marked == "b = a"
    assert not any(found[0]["fine"].weights)


# --- the written rules ---------------------------------------------------------------------------


@cases("method", METHODS)
def test_programs_of_equal_reward_teach_nothing_and_their_group_is_counted(method):
    objective = made(method, {"beta": 0.0})
    groups = [group_of(0.3, 0.3, 0.3), group_of(0.0, 1.0), group_of(0.5), Group(PROBLEM, [])]
    found = objective.credit_groups(groups)
    assert all(map(is_zero, found[0] + found[2]))
    assert not any(map(is_zero, found[1]))
    assert objective.prepare(groups)["sampled/degenerate_groups"] == pytest.approx(2 / 3)
    assert objective.prepare([])["sampled/degenerate_groups"] == 0


@cases("method", METHODS)
def test_what_the_grader_failed_on_is_missing_from_its_group_and_changes_no_others_comparison(method):
    objective = made(method, {"beta": 0.0})
    whole = values(objective.credit(group_of(1.0, 0.0)))
    left = Group(PROBLEM, [rollout(0, 1.0), rollout(3, 0.0)])  # samples 1 and 2 were lost
    assert values(objective.credit(left)) == whole


@cases("method", METHODS)
def test_equal_programs_in_a_group_each_count_and_are_logged(method):
    objective = made(method, {"beta": 0.0})
    texts = ("print(1)", "print(1)", "print(2)", "print(3)")
    ratios = (1.0, 1.0, 0.0, 0.0)
    group = Group(
        PROBLEM,
        [rollout(i, *each[1:], code=each[0]) for i, each in enumerate(zip(texts, ratios, strict=True))],
    )
    found = values(objective.credit(group))
    assert found[0] == found[1] == pytest.approx(-found[2])  # as many above the mean as below
    assert objective.prepare([group])["sampled/duplicates"] == 0.25


@cases("method", METHODS)
def test_truncated_programs_are_masked_on_request_and_still_count_in_their_group(method):
    group = Group(PROBLEM, [rollout(0, 1.0), rollout(1, 0.5), rollout(2, 0.0, line=2, truncated=True)])
    terms = {"pass_rate": 1.0, "fine": 1.0}
    plain, masked = (
        made(method, {"beta": 0.0, "mask_truncated": mask}, terms=terms).credit(group)
        for mask in (False, True)
    )
    assert masked[:2] == plain[:2]
    assert not is_masked(plain[2])
    assert is_masked(masked[2])
    assert is_zero(masked[2])
    assert masked[2].keys() == plain[2].keys()
    assert {each.weights for each in masked[2].values()} == {MASKED}


def test_the_tokens_of_a_masked_program_are_not_among_those_that_a_step_is_divided_by():
    pytest.importorskip("torch")
    from rltf.data.batch import collate, rollout_row

    group = Group(PROBLEM, [rollout(0, 1.0), rollout(1, 0.0, truncated=True)])
    for seq2seq in (False, True):
        counted = []
        for mask in (False, True):
            found = made("dapo", {"mask_truncated": mask}).credit(group)
            rows = [rollout_row(replace(r, credit=c)) for r, c in zip(group.rollouts, found, strict=True)]
            batch = collate(rows, pad_id=0, seq2seq=seq2seq)
            counted.append(batch["targets"])
        assert counted == [(0, 2 * len(CODE)), (0, len(CODE))]
        assert batch["weights"]["advantage"].sum(dim=1).tolist() == [len(CODE), 0]


def test_a_masked_program_is_masked_after_a_checkpoint():
    from rltf.rollout.rollout_rows import rollouts_of, rows_of

    truncated = rollout(0, 0.0, truncated=True)
    [found] = made("grpo", {"mask_truncated": True}).credit(Group(PROBLEM, [truncated]))
    [again] = rollouts_of(rows_of([replace(truncated, credit=found)]))
    assert is_masked(again.credit)


# --- options -------------------------------------------------------------------------------------


def test_the_defaults_are_those_of_the_papers():
    found = {method: find_objective(method).Options() for method in METHODS}
    assert {name: (each.clip_low, each.clip_high) for name, each in found.items()} == {
        "grpo": (0.2, 0.2), "rloo": (0.2, 0.2), "dr_grpo": (0.2, 0.2), "dapo": (0.2, 0.28),
        "gspo": (3e-4, 4e-4),
    }  # fmt: skip
    assert [each.aggregation for each in found.values()] == [
        "sequence_mean", "sequence_mean", "constant", "token_mean", "sequence_mean",
    ]  # fmt: skip
    assert [each.ratio for each in found.values()] == [
        "token", "sequence_sum", "token", "token", "sequence_mean",
    ]  # fmt: skip
    assert [each.beta for each in found.values()] == [0, 0.05, 0, 0, 0]
    assert [each.resample for each in found.values()] == [0, 0, 0, 3, 0]
    assert found["dr_grpo"].scale == "none"
    assert (found["rloo"].kl_in, found["rloo"].kl_estimator) == ("reward", "k1")


@cases("method", METHODS)
def test_a_reference_is_kept_in_each_step_only_where_the_loss_holds_it(method):
    assert REFERENCE not in made(method).needs
    loss = {"kl_in": "loss"} if method == "rloo" else {}
    assert REFERENCE in made(method, {"beta": 0.04} | loss).needs


@cases("method", METHODS)
@cases(
    ("training", "message"),
    [
        ({"samples_per_problem": 1}, "samples_per_problem of at least 2"),
        ({"top_p": 0.95}, "top_p=1 .*they are 0.95, 0, 1"),
        ({"top_k": 50}, "top_k=0"),
        ({"temperatures": (0.6, 1.0)}, "temperatures=1 .*0.6,1"),
    ],
)
def test_what_the_ratio_would_be_wrong_for_is_refused(method, training, message):
    with pytest.raises(InputError, match=message):
        made(method, **training)


def test_a_bound_below_the_clip_is_refused():
    with pytest.raises(InputError, match=r"delta must be at least 1 \+ clip_high \(1.28\), got 1.25"):
        made("dapo", {"delta": 1.25})


@pytest.mark.parametrize("sampler", ["overlapped", "process"])
def test_a_reference_that_would_learn_meanwhile_is_refused(sampler):
    with pytest.raises(InputError, match=f"pass sampler=inline .it is {sampler}., kl_in=loss, or beta=0"):
        made("rloo", lora_rank=4, sampler=sampler)
    made("rloo", lora_rank=4)
    made("rloo", {"kl_in": "loss"}, lora_rank=4, sampler=sampler)
    made("rloo", {"beta": 0.0}, lora_rank=4, sampler=sampler)


@cases("method", METHODS)
def test_every_option_of_a_method_says_what_it_is_where_it_is_first_named(method):
    import inspect

    kind = find_objective(method).Options
    texts = "".join(inspect.getsource(each) for each in kind.__mro__[:-1])
    for each in fields(kind):
        assert f"    {each.name}: " in texts


def config(*settings, method="grpo", **options):
    pytest.importorskip("transformers")
    from rltf.options.parse import make_config

    fixed = {"output_dir": "unused", "max_steps": 1, "use_cpu": True}
    return make_config("mini", settings, method=method, **(fixed | options))


def test_options_are_set_by_name_and_held_to_their_bounds():
    found = config("clip_high=0.28", "beta=0.04", "scale=none", 'terms={"passed": 1}')
    assert found.objective == replace(GRPOOptions(), clip_high=0.28, beta=0.04, scale="none")
    assert found.terms == {"passed": 1}
    assert found.identity()["objective"]["clip_high"] == 0.28
    assert config("delta=none").objective.delta is None
    assert config("delta=2", method="gspo").objective.delta == 2
    for setting, message in (
        ("clip_low=2", "clip_low must be at least 0 and at most 1"),
        ("delta=1", "delta must be above 1"),
        ("scale=some", "scale must be one of group, batch, none"),
        ("baseline=greedy", "baseline is an option of --method rltf or coderl; leave it out"),
        ("kl_in=loss", "kl_in is an option of --method rloo; leave it out"),
        ("clip_hihg=1", "did you mean clip_high"),
    ):
        with pytest.raises(InputError, match=message):
            config(setting)
    with pytest.raises(InputError, match=r"clip_high is an option of --method grpo or .*; leave it out"):
        config("clip_high=0.28", method="rltf")
    # A warm start has its training's settings.
    assert config("clip_high=0.28", method="sft").objective is None


@cases(
    ("settings", "least"),
    [
        (["sampler=inline", "refresh_every=3"], 2),
        (["sampler=overlapped", "refresh_every=3"], 5),
        (["sampler=process", "refresh_every=3"], 2),
        (["sampler=ray", "refresh_every=3"], 2),
    ],
)
@cases("method", ["rltf", "grpo"])
def test_an_age_that_programs_reach_before_others_come_is_refused(method, settings, least):
    assert config(*settings, f"max_staleness={least}", method=method).max_staleness == least
    with pytest.raises(InputError, match=f"raise it to {least}, or lower refresh_every"):
        config(*settings, f"max_staleness={least - 1}", method=method)


@cases("sampler", ["process", "ray"])
def test_training_waits_for_what_is_sampled_elsewhere_where_it_would_be_too_old_otherwise(sampler):
    for staleness, waits in (("none", False), ("5", False), ("4", True), ("2", True)):
        found = config(f"sampler={sampler}", "refresh_every=3", f"max_staleness={staleness}")
        assert found.waits_for_samples == waits


def test_options_of_samplers_on_a_cluster_are_theirs_alone_and_no_part_of_a_runs_identity():
    for settings, message in (
        (("samplers=2",), "samplers is for sampler=ray, and sampler is overlapped"),
        (("sampler=process", "sampler_gpus=0"), "sampler_gpus is for sampler=ray, and sampler is process"),
        (("sampler=ray", "sampler_device=cpu"), "sampler_device is for sampler=process"),
        (("sampler=ray", "samplers=0"), "samplers must be at least 1"),
        (("sampler=ray", "sampler_cpus=0"), "sampler_cpus must be above 0"),
    ):
        with pytest.raises(InputError, match=message):
            config(*settings)
    few = config("sampler=ray", "samplers=2", ray="10.0.0.1:6379")
    many = config("sampler=ray", "samplers=9", "sampler_cpus=2", "sampler_gpus=0", ray="10.0.0.2:6379")
    assert few.identity() == many.identity()


def test_a_run_without_a_limit_of_age_has_the_identity_that_it_had_before_there_was_one():
    assert "max_staleness" not in config().identity()
    assert config("max_staleness=9").identity()["max_staleness"] == 9
