"""CodeRL's objective and its critic on tiny models: what the critic reads, its training, resumed runs."""

import copy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from cases import cases

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from trainers import WITHOUT_DROPOUT, build_trainer, rows_of, tensors  # noqa: E402

from benchmarks.mini import load as load_mini  # noqa: E402
from harness.errors import InputError  # noqa: E402
from harness.models.hf.loading import load  # noqa: E402
from rltf.critic.files import load_critic, save_critic  # noqa: E402
from rltf.critic.fitting import fit, judged  # noqa: E402
from rltf.critic.model import Critic, LabelledProgram, Reading  # noqa: E402
from rltf.options.parse import make_config  # noqa: E402
from rltf.rewards.critic_options import CriticOptions  # noqa: E402

BENCHMARK = load_mini(split="train", size=8)
READING = Reading(classes=4, pooling="targets", after=False, scaled=True, width=12)
PROGRAMS = [
    LabelledProgram((5, 6, 7), (8, 9, 10, 11), 1),
    LabelledProgram((9, 12), (20, 21), 3),
    LabelledProgram((30, 31, 32, 33, 34), (40, 41, 42, 43, 44, 45), 0),
]


@pytest.fixture
def critic_of(tiny_checkpoint):
    """`critic_of(kind, **reading)` gives an untrained critic."""

    def build(kind="gpt2", **reading):
        loaded = load(str(tiny_checkpoint(kind, **WITHOUT_DROPOUT[kind])), device="cpu")
        torch.manual_seed(0)
        return Critic(loaded.model, replace(READING, **reading), pad_id=0).eval()

    return build


@pytest.fixture
def make(tiny_checkpoint, tmp_path, length_grader, small_settings):
    """`make(kind, *settings)` gives a trainer."""

    def build(kind="gpt2", *settings, method="coderl", out="run", **fixed):
        checkpoint = tiny_checkpoint(kind, **WITHOUT_DROPOUT[kind])
        settings = (*small_settings, *settings)
        return build_trainer(
            checkpoint, settings, tmp_path / out, BENCHMARK, length_grader, method=method, **fixed
        )

    return build


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


# --- what the critic reads -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gpt2", "t5", "llama"])
@pytest.mark.parametrize("after", [False, True])
def test_a_tokens_value_is_read_before_the_token_or_behind_it(critic_of, kind, after):
    critic = critic_of(kind, after=after)
    [first], _ = critic.judge(PROGRAMS[:1])
    changed = replace(PROGRAMS[0], program=(8, 9, 50, 11))
    [second], _ = critic.judge([changed])
    differs = [abs(a - b) > 1e-7 for a, b in zip(first, second, strict=True)]
    assert differs == [False, False, after, True]


@pytest.mark.parametrize("kind", ["gpt2", "t5", "llama"])
def test_before_and_after_are_the_same_states_one_token_apart(critic_of, kind):
    before, after = critic_of(kind), critic_of(kind, after=True)
    early, late = (each.token_logits(each(each.collate(PROGRAMS))) for each in (before, after))
    torch.testing.assert_close(early[0, 1:4], late[0, :3])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "t5", "llama"])
@pytest.mark.parametrize("pooling", ["all", "targets", "last"])
def test_a_program_has_the_same_class_and_values_whatever_it_is_batched_with(critic_of, kind, pooling):
    critic = critic_of(kind, pooling=pooling)
    together = critic.collate(PROGRAMS)
    classes = critic.class_logits(critic(together), together)
    for place, program in enumerate(PROGRAMS):
        alone = critic.collate([program])
        torch.testing.assert_close(critic.class_logits(critic(alone), alone)[0], classes[place])
    values, _ = judged(critic, PROGRAMS)
    assert [len(row) for row in values] == [4, 2, 6]
    for row, program in zip(values, PROGRAMS, strict=True):
        assert row == pytest.approx(critic.judge([program])[0][0], abs=1e-6)


def test_pooling_over_all_positions_sees_the_padding_and_last_the_state_behind_the_program(critic_of):
    logits = critic_of()(critic_of().collate(PROGRAMS))
    found = {}
    for pooling in ("all", "targets", "last"):
        critic = critic_of(pooling=pooling)
        batch = critic.collate(PROGRAMS[:1])
        assert batch["states"].shape[1] == (13 if pooling == "all" else 5)
        found[pooling] = critic.class_logits(critic(batch), batch)[0]
    torch.testing.assert_close(found["targets"], logits[0, :4].amax(dim=0))
    torch.testing.assert_close(found["last"], logits[0, 4])
    assert (found["all"] >= found["targets"] - 1e-6).all()
    assert (found["all"] > found["targets"] + 1e-6).any()


def test_states_of_a_model_with_tied_embeddings_are_scaled_as_its_own_output_layer_has_them(critic_of):
    model = critic_of("t5").backbone
    assert model.config.scale_decoder_outputs
    batch = critic_of("t5").collate(PROGRAMS[:1])
    states = model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        decoder_input_ids=batch["decoder_input_ids"],
        output_hidden_states=True,
    ).decoder_hidden_states[-1]
    for scaled, factor in ((True, 32**-0.5), (False, 1.0)):
        critic = critic_of("t5", scaled=scaled)
        torch.testing.assert_close(critic(batch), critic.head(states * factor))


# --- training it ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_fitting_learns_the_classes_and_leaves_neither_gradients_nor_random_state(critic_of, kind):
    critic = critic_of(kind).requires_grad_(False)
    before, state = copy.deepcopy(critic.state_dict()), torch.get_rng_state()
    options = {"batch_size": 2, "learning_rate": 3e-3}
    loss = fit(critic, PROGRAMS, steps=60, key="a", **options)
    assert fit(critic, PROGRAMS, steps=3, key="b", **options) < loss
    assert judged(critic, PROGRAMS)[1] == [1, 3, 0]
    assert torch.equal(state, torch.get_rng_state())
    assert all(each.grad is None and not each.requires_grad for each in critic.parameters())
    assert not torch.equal(before["head.0.weight"], critic.state_dict()["head.0.weight"])
    names = [name for name in before if "layer" in name or ".h." in name or "block" in name]
    assert any(not torch.equal(before[name], critic.state_dict()[name]) for name in names)


@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_a_critic_comes_back_from_its_folder_as_it_was(critic_of, tiny_checkpoint, tmp_path, kind):
    critic = critic_of(kind, pooling="last")
    tokenizer = load(str(tiny_checkpoint(kind, **WITHOUT_DROPOUT[kind])), device="cpu").tokenizer
    save_critic(critic, tokenizer, tmp_path, {"trained_on": "nothing"})
    found = load_critic(str(tmp_path), tokenizer, pad_id=0, device="cpu")
    assert found.reading == critic.reading
    assert judged(found, PROGRAMS) == judged(critic, PROGRAMS)


def test_a_critic_of_another_tokenizer_is_refused(critic_of, tiny_checkpoint, tmp_path):
    other = load(str(tiny_checkpoint("t5", **WITHOUT_DROPOUT["t5"])), device="cpu").tokenizer
    other.add_tokens(["another"])
    own = load(str(tiny_checkpoint("gpt2", **WITHOUT_DROPOUT["gpt2"])), device="cpu").tokenizer
    save_critic(critic_of("gpt2"), own, tmp_path, {})
    with pytest.raises(InputError, match="another tokenizer than the policy"):
        load_critic(str(tmp_path), other, pad_id=0, device="cpu")


# --- the objective -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
@pytest.mark.parametrize("critic", ["none", "constant", "frozen", "refreshed", "head"])
def test_every_critic_trains_and_names_its_terms(make, kind, critic):
    trainer = make(kind, f"critic={critic}", "critic_steps=2", max_steps=3)
    before = tensors(trainer)
    trainer.train()
    first = rows_of(trainer)[0]
    assert {"loss/supervised", "loss/policy", "sampled/reward_policy"} <= first.keys()
    assert ("loss/critic" in first) == (critic == "head")
    assert ("critic/accuracy" in first) == (critic in ("frozen", "refreshed"))
    if critic in ("frozen", "refreshed"):
        assert {"critic/constant_guess", "critic/value_passed", "critic/accuracy_passed"} <= first.keys()
    terms = [value for name, value in first.items() if name.startswith("loss/")]
    assert first["loss"] == pytest.approx(sum(terms), rel=1e-3)
    after = tensors(trainer)
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_constant_critic_multiplies_every_programs_reward_by_its_classs_value(make):
    plain, valued = (make("gpt2", f"critic={name}", "baseline=none") for name in ("none", "constant"))
    for trainer in (plain, valued):
        trainer.callback_handler.on_train_begin(trainer.args, trainer.state, trainer.control)
    constants = dict(zip((-1.0, -0.6, -0.3, 1.0), CriticOptions().critic_constant, strict=True))
    for one, other in zip(plain._stream.buffer._view(), valued._stream.buffer._view(), strict=True):
        credit = other.credit["policy"]
        assert one.credit["policy"].weights is None
        assert credit.value == one.credit["policy"].value
        assert set(credit.weights) == {constants[credit.value]}
        assert len(credit.weights) == len(other.token_ids)


def test_values_come_from_the_critic_and_are_stored_with_the_credit(make):
    trainer = make("gpt2", "critic=frozen")
    trainer.callback_handler.on_train_begin(trainer.args, trainer.state, trainer.control)
    critic = trainer.objective.models["critic"]
    order = ("syntax_error", "error", "failure", "passed")
    for each in trainer._stream.buffer._view():
        label = order.index(each.feedback.category)
        [expected], _ = critic.judge([LabelledProgram(each.prompt_ids, each.token_ids, label)])
        assert each.credit["policy"].weights == pytest.approx(expected, abs=1e-6)


def test_a_greedy_programs_reward_is_subtracted(make):
    trainer = make("gpt2", "critic=none")
    trainer.callback_handler.on_train_begin(trainer.args, trainer.state, trainer.control)
    rewards = {"syntax_error": -1.0, "error": -0.6, "failure": -0.3, "passed": 1.0}
    assert trainer.objective.baselines
    for each in trainer._stream.buffer._view():
        baseline = trainer.objective.baselines[each.task_id]
        assert each.credit["policy"].value == rewards[each.feedback.category] - baseline


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("gpt2", ("critic=frozen",)),
        ("t5", ("critic=frozen", "mixing=alternate", "refresh_every=none")),
        ("gpt2", ("critic=refreshed", "critic_steps=2", "sampler=overlapped")),
        ("t5", ("critic=head",)),
        ("gpt2", ("critic=head", "critic_classes=2", "reduction=sum")),
    ],
)
def test_a_resumed_run_ends_with_the_same_policy_and_critic(make, kind, settings):
    straight = make(kind, *settings, out="straight")
    straight.train()
    make(kind, *settings, out="stopped").train()
    resumed = make(kind, *settings, out="stopped")
    resumed.train(str(Path(resumed.args.output_dir, "checkpoint-3")))
    assert any(name.startswith("critic.") for name in tensors(straight))
    assert same(tensors(straight), tensors(resumed))
    assert straight.objective.state_dict() == resumed.objective.state_dict()


@pytest.mark.slow
def test_a_frozen_critic_stays_and_a_refreshed_one_goes_on(make):
    ends = {}
    for critic in ("frozen", "refreshed"):
        trainer = make("gpt2", f"critic={critic}", "critic_steps=2", out=critic)
        trainer.callback_handler.on_train_begin(trainer.args, trainer.state, trainer.control)
        made = copy.deepcopy(trainer.objective.models["critic"].state_dict())
        trainer.train()
        end = trainer.objective.models["critic"].state_dict()
        ends[critic] = all(torch.equal(made[name], end[name]) for name in made)
    assert ends == {"frozen": True, "refreshed": False}


@pytest.mark.slow
def test_coderl_ends_with_other_weights_than_rltf_and_each_critic_with_its_own(make):
    ends = []
    for method, critic in (
        ("rltf", "none"),
        ("coderl", "none"),
        ("coderl", "constant"),
        ("coderl", "frozen"),
    ):
        trainer = make("gpt2", f"critic={critic}", method=method, out=f"{method}-{critic}", max_steps=2)
        trainer.train()
        ends.append(dict(trainer.model.named_parameters()))
    assert not any(same(one, other) for i, one in enumerate(ends) for other in ends[:i])


@pytest.mark.slow
def test_without_refreshes_all_learn_from_the_programs_of_the_start(make):
    trainer = make("gpt2", "critic=constant", "refresh_every=none", max_steps=5)
    trainer.train()
    rows = rows_of(trainer)
    assert {row["buffer/programs"] for row in rows} == {12}
    assert sum("sampled/programs" in row for row in rows) == 1


@pytest.mark.slow
def test_micro_batches_take_turns_where_mixing_alternates(make):
    settings = ("critic=constant", "mixing=alternate", "gradient_accumulation_steps=1")
    trainer = make("gpt2", *settings, max_steps=4)
    trainer.train()
    kinds = [("loss/supervised" in row, "loss/policy" in row) for row in rows_of(trainer)]
    assert kinds == [(True, False), (False, True), (True, False), (False, True)]


def test_a_trained_critic_is_used_as_it_is(make, critic_of, tiny_checkpoint, tmp_path):
    folder = tmp_path / "critic"
    folder.mkdir()
    critic = critic_of("gpt2", pooling="last", after=True)
    tokenizer = load(str(tiny_checkpoint("gpt2", **WITHOUT_DROPOUT["gpt2"])), device="cpu").tokenizer
    save_critic(critic, tokenizer, folder, {})
    trainer = make("gpt2", f"critic_model={folder}", max_steps=2)
    trainer.train()
    found = trainer.objective.models["critic"]
    assert found.reading == critic.reading
    assert torch.equal(found.head[0].weight, critic.head[0].weight)


@pytest.mark.slow
def test_a_critic_can_be_made_of_a_given_model_of_the_family(make, tiny_checkpoint):
    start = tiny_checkpoint("gpt2", **WITHOUT_DROPOUT["gpt2"])
    make("gpt2", f"critic_model={start}", max_steps=1).train()
    with pytest.raises(InputError, match=r"another tokenizer|not of the policy's family"):
        make("gpt2", f"critic_model={tiny_checkpoint('t5', **WITHOUT_DROPOUT['t5'])}")


def test_an_untrained_critic_is_refused_in_several_processes(make):
    trainer = make("gpt2")
    objective = trainer.objective
    objective.training = SimpleNamespace(world_size=2, max_new_tokens=10, seed=0)
    with pytest.raises(InputError, match="rltf critic"):
        objective.set_up(trainer.model, trainer.processing_class)


def test_references_are_of_the_problems_that_supervised_rows_are_of(make):
    trainer = make("gpt2", "critic=none", "sl_problems=3", "max_prompt_tokens=800")
    solved = {tuple(row.prompt) for row in trainer._stream._solutions.draw(40)}
    found = trainer.objective.solutions(100)
    assert {tuple(prompt) for prompt, _ in found} == solved
    assert len(solved) == 3
    assert found == trainer.objective.solutions(100)
    assert trainer.objective.solutions(2) == found[:2]


@pytest.mark.slow
@pytest.mark.parametrize("critic", ["frozen", "head"])
def test_a_policy_with_adapters_has_a_critic_of_its_own(make, critic):
    pytest.importorskip("peft")
    trainer = make("gpt2", f"critic={critic}", "lora_rank=2", max_steps=2)
    trainer.train()
    names = dict(trainer.objective.models["critic"].named_parameters())
    assert names
    assert not any("lora" in name for name in names)


# --- the critic of RLTF --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("critic", ["constant", "frozen", "head"])
@pytest.mark.parametrize("order", ["inside", "outside"])
def test_rltf_takes_the_critics_values_and_goes_on_as_it_would_have(make, critic, order):
    released = ("baseline=greedy", "fine_alpha=one", "reduction=mean", "adaptive_mode=replace")
    settings = (f"critic={critic}", f"critic_fine_order={order}", *released)
    straight = make("gpt2", *settings, method="rltf", out="straight", max_steps=4)
    straight.train()
    resumed = make("gpt2", *settings, method="rltf", out="straight", max_steps=4)
    resumed.train(str(Path(resumed.args.output_dir, "checkpoint-3")))
    assert same(tensors(straight), tensors(resumed))
    plain = make("gpt2", *released, method="rltf", out="plain", max_steps=4)
    plain.train()
    assert not same(dict(plain.model.named_parameters()), dict(straight.model.named_parameters()))


def test_a_critic_that_is_not_used_leaves_a_runs_identity_as_it_was(make):
    without, with_one = make("gpt2", method="rltf").args, make("gpt2", "critic=constant", method="rltf").args
    assert not any(name.startswith("critic") for name in without.identity()["rewards"])
    assert with_one.identity()["rewards"]["critic"] == "constant"


@cases(
    ("settings", "words"),
    [
        (("critic=other",), "critic must be one of"),
        (("critic_constant=[1,2]",), "critic_constant needs four values"),
        (("critic=head", "critic_state=after"), "leave critic_state out"),
        (("critic_classes=3",), "critic_classes must be one of 4, 2"),
        (("critic_batch_size=0",), "critic_batch_size must be at least 1"),
    ],
)
def test_options_that_make_no_critic_are_refused_in_a_line(settings, words):
    for method in ("coderl", "rltf"):
        with pytest.raises(InputError, match=words):
            make_config(None, settings, method=method, output_dir="unused", max_steps=1, use_cpu=True)
