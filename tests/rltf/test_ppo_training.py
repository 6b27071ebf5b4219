"""PPO in the trainer: what is stored with new programs, its log, and resumed runs to the bit."""

import os
import signal
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from trainers import WITHOUT_DROPOUT, build_trainer, rows_of, tensors  # noqa: E402
from transformers import TrainerCallback  # noqa: E402

from benchmarks.mini import load as load_mini  # noqa: E402
from rltf.run import checkpoints  # noqa: E402

BENCHMARK = load_mini(split="train", size=8)


@pytest.fixture
def make(tiny_checkpoint, tmp_path, length_grader, small_settings):
    """`make(kind, *settings)` gives a trainer with PPO."""

    def build(kind="gpt2", *settings, out="run", method="ppo", **fixed):
        checkpoint = tiny_checkpoint(kind, **WITHOUT_DROPOUT[kind])
        settings = (*small_settings, "top_p=1", *settings)
        return build_trainer(
            checkpoint, settings, tmp_path / out, BENCHMARK, length_grader, method=method, **fixed
        )

    return build


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
@pytest.mark.parametrize("settings", [(), ("whiten=sequence", "aggregation=sequence_mean", "kl_weight=0")])
def test_ppo_trains_and_logs_its_own_terms(make, kind, settings):
    trainer = make(kind, *settings, max_steps=4)
    trainer.train()
    rows = rows_of(trainer)
    assert {"loss/policy", "loss/value", "policy/ratio", "policy/kl_weight", "seconds/scoring"} <= {*rows[0]}
    assert rows[0]["policy/ratio"] == pytest.approx(1, abs=1e-4)
    assert "drawn/reward_reward" in rows[0]
    assert not any("reward__" in name for name in rows[0])
    assert trainer.objective.models["value"].weight.abs().max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_what_is_stored_of_a_program_is_its_return_before_anything_was_learned(make, kind):
    """At first the head says 0 and the policy is the reference: rewards lie at the last token alone."""
    trainer = make(kind, "lam=1", max_steps=1)
    trainer.train()
    stored = [each for group in trainer._stream.buffer.groups() for each in group]
    assert stored
    for each in stored:
        reward = each.credit["reward"].value
        assert reward in {1.0, -0.3, -0.6, -1.0}
        for name, expected in (("_advantage", reward), ("_return", reward), ("_value", 0.0)):
            weights = each.credit[name].weights
            assert len(weights) == len(each.token_ids)
            assert weights == pytest.approx([expected] * len(weights), abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_a_resumed_run_has_the_same_weights_head_and_coefficient(make, kind):
    settings = ("sampler=overlapped", "kl_horizon=50", "learning_rate=1e-2")
    straight = make(kind, *settings, out="straight")
    straight.train()
    make(kind, *settings, out="stopped", max_steps=6).train()
    resumed = make(kind, *settings, out="stopped")
    resumed.train(str(Path(resumed.args.output_dir, "checkpoint-3")))
    ends = tensors(straight), tensors(resumed)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert resumed.objective.state_dict() == straight.objective.state_dict()
    assert straight.objective.beta != 0.05
    assert straight.objective.divergence != 0


class _Kill(TrainerCallback):
    """Ends the process as `kill -9` does, between two checkpoints."""

    def on_step_end(self, args, state, control, **_):
        if state.global_step == 5:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_to_the_same_weights(make):
    settings = ("kl_horizon=50", "learning_rate=1e-2", "sampler=overlapped")
    child = os.fork()
    if not child:
        trainer = make("gpt2", *settings, out="killed")
        trainer.add_callback(_Kill())
        trainer.train()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    resumed = make("gpt2", *settings, out="killed")
    resumed.train(str(checkpoints.newest(Path(resumed.args.output_dir))))
    straight = make("gpt2", *settings, out="straight")
    straight.train()
    ends = tensors(straight), tensors(resumed)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert resumed.objective.state_dict() == straight.objective.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_with_adapters_the_reference_is_the_policy_without_them(make, kind):
    pytest.importorskip("peft")
    trainer = make(kind, "lora_rank=2", "learning_rate=1e-2", "kl_horizon=50", max_steps=5)
    before = tensors(trainer)
    trainer.train()
    after = tensors(trainer)
    assert trainer._reference._copy is None
    assert trainer.objective.divergence != 0
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all("lora_" in name or name.startswith("value.") for name in moved)


def test_truncated_completions_can_be_left_out(make):
    trainer = make("gpt2", "truncated=left_out", max_steps=2)
    trainer.train()
    stored = [each for group in trainer._stream.buffer.groups() for each in group]
    assert {each.credit["_advantage"].value for each in stored if each.truncated} == {0.0}
    assert all(each.credit["_advantage"].value == 1.0 for each in stored if not each.truncated)
    assert all(torch.isfinite(each).all() for each in tensors(trainer).values())


@pytest.mark.slow
def test_terms_with_lines_are_added_to_advantages_and_the_others_to_the_reward(make):
    trainer = make("gpt2", 'terms={"coarse": 1, "fine": 0.5}', max_steps=2)
    trainer.train()
    stored = [each for group in trainer._stream.buffer.groups() for each in group]
    assert {"reward", "fine", "_advantage"} <= stored[0].credit.keys()
    assert {each.credit["reward"].value for each in stored} <= {1.0, -0.3, -0.6, -1.0}


@pytest.mark.slow
def test_ppo_ends_with_other_weights_than_rltf(make):
    ends = []
    for method in ("ppo", "rltf"):
        trainer = make("gpt2", method=method, out=method, max_steps=2)
        trainer.train()
        ends.append(tensors(trainer))
    assert any(not torch.equal(each, ends[1][name]) for name, each in ends[0].items() if name in ends[1])
