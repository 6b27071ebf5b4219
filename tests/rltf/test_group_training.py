"""Training with the methods that compare within a group, on tiny models: log, weights, resuming, reference.

Does not cover: their losses (`test_group_relative.py`), or credit (`test_group_credit.py`).
"""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from trainers import WITHOUT_DROPOUT, build_trainer, rows_of  # noqa: E402

from benchmarks.mini import load as load_mini  # noqa: E402
from rltf.objectives.group_relative import GroupRelative  # noqa: E402
from rltf.rollout.records import Group  # noqa: E402
from rltf.run import checkpoints  # noqa: E402

METHODS = ("grpo", "rloo", "dr_grpo", "dapo", "gspo")
BENCHMARK = load_mini(split="train", size=8)


@pytest.fixture
def make(tiny_checkpoint, tmp_path, length_grader, small_settings):
    """`make(method, *settings)` gives a trainer whose micro-batches are of programs alone."""

    def build(method, *settings, kind="gpt2", out=None, **fixed):
        checkpoint = tiny_checkpoint(kind, **WITHOUT_DROPOUT[kind])
        settings = (*small_settings, "top_p=1", "rl_share=1.0", *settings)
        folder = tmp_path / (out or method)
        return build_trainer(checkpoint, settings, folder, BENCHMARK, length_grader, method=method, **fixed)

    return build


@pytest.fixture
def every_second_is_masked(monkeypatch):
    """As if half of the programs were truncated: those of tiny models nearly all are."""
    monkeypatch.setattr(GroupRelative, "is_masked", lambda self, rollout: rollout.sample_id % 2 == 0)


def weights(trainer):
    return {name: each.detach().clone() for name, each in trainer.model.named_parameters()}


def are_equal(ones, others):
    return all(torch.equal(ones[name], others[name]) for name in ones)


# --- the log and the weights ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_each_method_logs_its_own_terms_and_ends_with_weights_of_its_own(make, kind):
    ends = {}
    for method in ("rltf", *METHODS):
        trainer = make(method, kind=kind, max_steps=4, out=f"{kind}-{method}")
        trainer.train()
        ends[method] = weights(trainer)
        if method == "rltf":
            continue
        rows = rows_of(trainer)
        losses = {name for row in rows for name in row if name.startswith("loss/")}
        assert losses == {"loss/policy"}
        logged = {"policy/ratio", "policy/clipped", "sampled/degenerate_groups", "sampled/duplicates"}
        assert logged | {"hacks/prints_examples", "hacks/unsolvable_graded"} <= rows[0].keys()
        assert rows[0]["policy/ratio"] == pytest.approx(1, abs=1e-3)
        assert ("sampled/replaced_groups" in rows[0]) == (method == "dapo")
        assert ("sampled/reference_kl" in rows[0]) == (method == "rloo")
    names = list(ends)
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            assert not are_equal(ends[one], ends[other]), (one, other)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_with_a_reference_in_the_loss_the_divergence_is_a_term_that_grows_from_nothing(make, method):
    where = ["kl_in=loss"] if method == "rloo" else []
    trainer = make(method, "beta=0.1", "learning_rate=1e-2", *where)
    trainer.train()
    rows = rows_of(trainer)
    assert rows[0]["loss/kl"] == pytest.approx(0, abs=1e-4)
    assert abs(rows[-1]["policy/kl"]) > 1e-3
    assert rows[-1]["loss"] == pytest.approx(
        rows[-1]["loss/policy"] + rows[-1]["loss/kl"], rel=1e-3, abs=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_rows_make_the_same_update_however_they_are_cut_into_micro_batches(
    make, method, masked, kind, request
):
    if masked:
        request.getfixturevalue("every_second_is_masked")
    settings = ["kl_in=loss"] if method == "rloo" else ["beta=0.1"]
    updates = []
    for parts in (1, 2):
        trainer = make(
            method, *settings, f"per_device_train_batch_size={8 // parts}",
            f"gradient_accumulation_steps={parts}", "optim=sgd", "max_grad_norm=0", "learning_rate=0.01",
            kind=kind, max_steps=1, out=f"parts-{parts}",
        )  # fmt: skip
        before = weights(trainer)
        trainer.train()
        updates.append({name: each - before[name] for name, each in weights(trainer).items()})
    largest = max(float(each.abs().max()) for each in updates[0].values())
    assert largest > 0
    for name, each in updates[0].items():
        torch.testing.assert_close(each, updates[1][name], rtol=1e-3, atol=1e-4 * largest)


# --- the reference in the reward of RLOO ---------------------------------------------------------


@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_log_probabilities_of_rollouts_are_those_that_the_sampler_wrote_down(make, kind):
    trainer = make("rloo", kind=kind)
    trainer.callback_handler.on_train_begin(trainer.args, trainer.state, trainer.control)
    drawn = trainer._stream.buffer.draw(6)
    rollouts = [  # of unequal lengths, so that rows are padded
        replace(each, token_ids=each.token_ids[: 4 + i], log_probs=each.log_probs[: 4 + i])
        for i, each in enumerate(drawn)
    ]
    found = trainer.objective.reference_log_probs(rollouts)
    for row, each in zip(found, rollouts, strict=True):
        assert row.tolist() == pytest.approx(each.log_probs, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [(), ("lora_rank=2",)], ids=["weights", "lora"])
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_the_divergence_in_the_reward_is_from_the_start_with_lora_too(make, kind, settings):
    if settings:
        pytest.importorskip("peft")
    trainer = make("rloo", *settings, "learning_rate=3e-2", kind=kind)
    trainer.train()
    found = [row["sampled/reference_kl"] for row in rows_of(trainer) if "sampled/reference_kl" in row]
    assert found[0] == pytest.approx(0, abs=1e-5)
    assert found[-1] > 1e-3
    assert all(each.training for each in trainer.model.modules())


def test_the_divergence_is_subtracted_from_the_reward_before_the_group_is_compared(make):
    trainer = make("rloo", "beta=0.5")
    trainer.callback_handler.on_train_begin(trainer.args, trainer.state, trainer.control)
    group = trainer._stream.buffer.groups()[0]
    with torch.no_grad():  # now the start is far away from what wrote them
        for each in trainer._reference._copy.parameters():
            each.mul_(1.1)
    new = trainer.objective.reference_log_probs(group)
    kl = [sum(each.log_probs) - float(row.sum()) for each, row in zip(group, new, strict=True)]
    rewards = [each.feedback.pass_ratio - 0.5 * apart for each, apart in zip(group, kl, strict=True)]
    problem = next(each for each in BENCHMARK.problems if each.task_id == group[0].task_id)
    again = Group(problem, group)
    assert trainer.objective.prepare([again])["sampled/reference_kl"] != 0
    found = trainer.objective.credit(again)
    expected = [(len(group) * each - sum(rewards)) / (len(group) - 1) for each in rewards]
    assert [each["advantage"].value for each in found] == pytest.approx(expected, abs=1e-3)
    assert max(map(abs, kl)) > 0.1


# --- programs that are too old -------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("sampler", "allowed"), [("inline", 1), ("overlapped", 3)])
def test_no_program_is_learned_from_that_is_older_than_allowed(make, monkeypatch, sampler, allowed):
    from rltf.rollout.replay_buffer import OnlineBuffer

    ages = {}
    for limit in (None, allowed):
        trainer = make(
            "grpo", f"max_staleness={limit}", f"sampler={sampler}", max_steps=8, out=f"stale-{limit}"
        )
        drawn, draw = [], OnlineBuffer.draw

        def noted(buffer, count, *, trainer=trainer, drawn=drawn, draw=draw):
            found = draw(buffer, count)
            drawn.extend(trainer.state.global_step - each.step for each in found)
            return found

        monkeypatch.setattr(OnlineBuffer, "draw", noted)
        trainer.train()
        monkeypatch.undo()
        ages[limit] = max(drawn)
    assert ages[None] > allowed >= ages[allowed]
    assert sum(row.get("buffer/dropped_as_stale", 0) for row in rows_of(trainer)) > 0


# --- precision -----------------------------------------------------------------------------------


def test_what_sampling_wrote_down_stays_float32_under_deepspeed(make, monkeypatch):
    trainer = make("grpo")
    trainer.callback_handler.on_train_begin(trainer.args, trainer.state, trainer.control)
    batch = next(iter(trainer.get_train_dataloader()))
    monkeypatch.setattr(trainer, "is_deepspeed_enabled", True)
    plugin = SimpleNamespace(hf_ds_config=SimpleNamespace(dtype=lambda: torch.bfloat16))
    monkeypatch.setattr(
        trainer, "accelerator", SimpleNamespace(state=SimpleNamespace(deepspeed_plugin=plugin))
    )
    cast = super(type(trainer), trainer)._prepare_input(batch["old_log_probs"])
    assert cast.dtype is torch.bfloat16  # what Trainer would do, to 3 % of a ratio
    found = trainer._prepare_inputs(batch)
    assert torch.equal(found["old_log_probs"], batch["old_log_probs"])
    assert found["values"]["advantage"].dtype is torch.float32


# --- going on ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["inline", "overlapped"])
@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_ends_with_the_same_weights_bit_for_bit(make, method, sampler, every_second_is_masked):
    settings = ("max_staleness=5", f"sampler={sampler}")
    straight = make(method, *settings, out="straight")
    before = weights(straight)
    straight.train()
    assert not are_equal(before, weights(straight))
    stopped = make(method, *settings, out="stopped")
    stopped.train()
    resumed = make(method, *settings, out="stopped")
    resumed.train(str(Path(resumed.args.output_dir, "checkpoint-3")))
    assert are_equal(weights(straight), weights(resumed))
    names = ("loss/policy", "policy/ratio", "drawn/pass_ratio", "buffer/programs")
    lines = [[{name: row[name] for name in names} for row in rows_of(each)] for each in (straight, resumed)]
    assert lines[0] == lines[1]


def command_of(out, model, method):
    return [
        "train", "--out", str(out), "--model", str(model), "--benchmark", "mini", "--steps", "5",
        "--method", method, "--no-cache", "--workers", "1", "--eval-size", "1", "--seed", "1", "--set",
        "train_problems=12", "buffer_size=24", "buffer_fill=12", "refresh_every=2", "samples_per_problem=4",
        "max_new_tokens=8", "max_prompt_tokens=48", "per_device_train_batch_size=4", "logging_steps=1",
        "save_steps=2", "use_cpu=true", "cpu_seconds=0.5", "learning_rate=1e-3", "warmup_steps=0", "top_p=1",
    ]  # fmt: skip


# The one that draws prompts anew; all five are resumed above, in this process.
@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_weights(tiny_checkpoint, tmp_path):
    model = tiny_checkpoint("gpt2")
    started = [sys.executable, "-m", "rltf"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    straight = [*started, *command_of(tmp_path / "straight", model, "dapo")]
    subprocess.run(straight, env=environment, check=True, capture_output=True)
    command = [*started, *command_of(tmp_path / "killed", model, "dapo")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    for line in process.stderr:
        if line.startswith("step 3/5"):
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    assert checkpoints.newest(tmp_path / "killed").name == "checkpoint-2"
    assert not (tmp_path / "killed" / "model").exists()
    subprocess.run([*command, "--resume"], env=environment, check=True, capture_output=True)
    ends = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("straight", "killed")]
    assert ends[0] == ends[1]
