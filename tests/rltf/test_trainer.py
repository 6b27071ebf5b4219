"""The trainer on tiny models: its loss, its data, its log, its checkpoints; no processes, no downloads."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cases import cases

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from fakes import FakeGrader, outcome_of  # noqa: E402

from benchmarks.mini import load as load_mini  # noqa: E402
from harness.errors import InfrastructureError, InputError  # noqa: E402
from harness.models import Finish  # noqa: E402
from harness.models.hf.loading import load  # noqa: E402
from harness.models.hf.stopping import StopCriteria  # noqa: E402
from harness.prompts import find_format  # noqa: E402
from harness.types import Status  # noqa: E402
from rltf.build import make_trainer, with_adapters  # noqa: E402
from rltf.data.batch import collate, rollout_row  # noqa: E402
from rltf.monitoring.finite import are_finite  # noqa: E402
from rltf.objectives.accumulation import Normalizers, normalizers  # noqa: E402
from rltf.objectives.losses import entropy, policy_gradient_terms, supervised_loss, token_log_probs  # noqa: E402
from rltf.options.parse import make_config  # noqa: E402
from rltf.run import checkpoints  # noqa: E402

BENCHMARK = load_mini(split="train", size=8)


@pytest.fixture
def make(tiny_checkpoint, tmp_path, length_grader, small_settings):
    """`make(kind, *settings)` gives a trainer; `resume=True` in the folder of the one before."""

    def build(
        kind: str = "gpt2",
        *settings: str,
        benchmark=BENCHMARK,
        out: str = "run",
        adapt=False,
        grader=length_grader,
        model_options=None,
        **fixed,
    ):
        torch.set_num_threads(1)
        loaded = load(str(tiny_checkpoint(kind, **(model_options or {}))), device="cpu")
        fixed = {
            "output_dir": str(tmp_path / out),
            "use_cpu": True,
            "max_steps": 6,
            "disable_tqdm": True,
        } | fixed
        config = make_config(None, (*small_settings, *settings), **fixed)
        model = with_adapters(loaded.model, config) if adapt else loaded.model
        return make_trainer(
            model, loaded.tokenizer, config, benchmark, rewarding=benchmark.problems, grader=grader
        )

    return build


def batches(trainer, count):
    stream = iter(trainer.get_train_dataloader())
    return [next(stream) for _ in range(count)]


def weights(trainer):
    return {name: each.detach().clone() for name, each in trainer.model.named_parameters()}


def rows_of(trainer):
    path = Path(trainer.args.output_dir, "metrics.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- loss ----------------------------------------------------------------------------------------


def fill(trainer):
    trainer.callback_handler.on_train_begin(trainer.args, trainer.state, trainer.control)


@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_the_loss_is_the_sum_of_the_terms_each_on_its_own_rows(make, kind):
    trainer = make(kind)
    fill(trainer)
    trainer.model.eval()
    [batch] = batches(trainer, 1)
    loss, outputs = trainer.compute_loss(trainer.model, batch, return_outputs=True)
    assert (batch["supervised"], len(batch["labels"])) == (2, 4)
    sl, rl = slice(2), slice(2, 4)
    causal = kind == "gpt2"
    kept = outputs.logits.shape[1]  # of a causal model none of the prompts that all rows have in front
    labels = batch["labels"][:, -kept:]
    expected = supervised_loss(outputs.logits[sl], labels[sl], causal=causal, reduction="sum") + sum(
        policy_gradient_terms(
            outputs.logits[rl],
            labels[rl],
            {name: each[rl] for name, each in batch["values"].items()},
            batch["weights"]["fine"][rl].bool()[:, -kept:],
            causal=causal,
        ).values()
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    logged = trainer.meter.take()
    terms = sum(value for name, value in logged.items() if name.startswith("loss/"))
    assert terms == pytest.approx(loss.item(), rel=1e-5)
    assert logged["entropy"] == pytest.approx(entropy(outputs.logits, labels, causal=causal).item())


def test_a_seq2seq_model_is_asked_for_its_labels_shifted_by_its_own_start(make):
    trainer = make("t5")
    fill(trainer)
    trainer.model.eval()
    [batch] = batches(trainer, 1)
    ours = trainer._predict(trainer.model, batch).logits
    theirs = trainer.model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"]
    ).logits
    assert torch.equal(ours, theirs)


def test_no_logits_are_made_of_what_all_rows_have_before_their_programs(make):
    trainer = make("gpt2")
    fill(trainer)
    trainer.model.eval()
    [batch] = batches(trainer, 1)
    labels = batch["labels"]
    logits = trainer._predict(trainer.model, batch).logits
    first = min((row != -100).nonzero()[0].item() for row in labels)
    assert logits.shape[1] == labels.shape[1] - first + 1 < labels.shape[1]
    whole = trainer.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    ours, theirs = trainer._log_probs(logits, labels), token_log_probs(whole, labels, causal=True)
    torch.testing.assert_close(ours, theirs)


def test_padding_changes_no_loss(make):
    trainer = make("gpt2")
    fill(trainer)
    trainer.model.eval()
    [batch] = batches(trainer, 1)

    def widened(name, each):
        if isinstance(each, dict):
            return {key: widened(key, value) for key, value in each.items()}
        if not torch.is_tensor(each) or each.dim() < 2:
            return each
        return torch.nn.functional.pad(each, (0, 5), value=-100 if name == "labels" else 0)

    wider = {name: widened(name, each) for name, each in batch.items()}
    losses = [trainer.compute_loss(trainer.model, each).item() for each in (batch, wider)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


# --- accumulation --------------------------------------------------------------------------------

WITHOUT_DROPOUT = {
    "gpt2": {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
    "t5": {"dropout_rate": 0.0},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
@pytest.mark.parametrize(
    ("rows", "settings"),
    [
        (2, ["method=sft"]),
        (2, ["rl_share=1.0", "reduction=sum"]),
        (2, ["rl_share=1.0", "reduction=mean"]),
        (4, ["reduction=sum"]),
        (4, ["reduction=mean"]),
    ],
)
def test_rows_make_the_same_update_however_they_are_cut_into_micro_batches(make, kind, rows, settings):
    updates, losses = [], []
    for parts in (1, 2):
        trainer = make(
            kind,
            *settings,
            f"per_device_train_batch_size={rows // parts}",
            f"gradient_accumulation_steps={parts}",
            "optim=sgd",
            "max_grad_norm=0",
            "learning_rate=0.01",
            max_steps=1,
            out=f"parts-{parts}",
            model_options=WITHOUT_DROPOUT[kind],
        )
        before = weights(trainer)
        trainer.train()
        updates.append({name: each - before[name] for name, each in weights(trainer).items()})
        [row] = [row for row in rows_of(trainer) if "loss" in row]
        losses.append({name: value for name, value in row.items() if name.startswith("loss")})
    assert losses[0] == pytest.approx(losses[1], rel=1e-4, abs=1e-6)
    terms = sum(value for name, value in losses[0].items() if name.startswith("loss/"))
    assert losses[0]["loss"] == pytest.approx(terms, rel=1e-4)
    largest = max(float(each.abs().max()) for each in updates[0].values())
    assert largest > 0
    for name, each in updates[0].items():
        # Rows of unequal length: a mean of means would be some per cent off.
        torch.testing.assert_close(each, updates[1][name], rtol=1e-3, atol=1e-4 * largest)


def test_the_rows_of_a_step_are_dealt_by_length_and_none_is_lost(make):
    def rows(found):
        ids = [ids[mask.bool()].tolist() for each in found for ids, mask in _texts(each)]
        return sorted(map(tuple, ids))

    options = ("method=sft", "max_prompt_tokens=500", "max_new_tokens=64")
    drawn, dealt = (make("gpt2", *options).get_train_dataloader() for _ in range(2))
    one_by_one = [next(iter(drawn)) for _ in range(4)]
    together = dealt.step(4)
    assert rows(together) == rows(one_by_one)
    lengths = [int(mask.sum()) for each in together for _, mask in _texts(each)]
    assert lengths == sorted(lengths, reverse=True)
    padded = [sum(each["input_ids"].numel() for each in found) for found in (together, one_by_one)]
    assert padded[0] < padded[1]
    assert drawn.state() == dealt.state()


def _texts(batch):
    return zip(batch["input_ids"], batch["attention_mask"], strict=True)


def test_kinds_that_take_turns_weigh_as_many_micro_batches_as_they_have():
    def batch(supervised, rl, tokens):
        return {"supervised": supervised, "labels": [0] * (supervised + rl), "targets": tokens}

    batches = [batch(2, 0, (10, 0)), batch(0, 2, (0, 6)), batch(2, 0, (14, 0)), batch(0, 2, (0, 8))]
    # Four rows of each kind in two of four micro-batches: half of the mean over four rows.
    assert normalizers(batches, supervised="sum", rl="sum") == Normalizers(8, 8, 4)
    assert normalizers(batches, supervised="mean", rl="sum") == Normalizers(48, 8, 4)
    assert normalizers(batches[:1], supervised="mean", rl="mean") == Normalizers(10, 1, 1)


@pytest.mark.slow
def test_entropy_is_computed_for_the_steps_that_are_logged_and_for_no_others(make, monkeypatch):
    from rltf import trainer as module

    calls = []
    monkeypatch.setattr(module, "entropy", lambda *a, **k: calls.append(1) or torch.tensor(1.0))
    trainer = make("gpt2", "logging_steps=3", max_steps=6, method="sft")
    trainer.train()
    assert len(calls) == 2
    assert [row["entropy"] for row in rows_of(trainer) if "loss" in row] == [1.0, 1.0]


# --- data ----------------------------------------------------------------------------------------


def test_micro_batches_alternate_between_supervised_and_rl_as_in_the_released_code(make):
    trainer = make("gpt2", "mixing=alternate")
    fill(trainer)
    assert [batch["supervised"] for batch in batches(trainer, 4)] == [4, 0, 4, 0]


@pytest.mark.slow
def test_supervised_training_makes_no_programs(make):
    trainer = make("gpt2", method="sft")
    trainer.train()
    assert not any(name.startswith(("sampled", "drawn")) for row in rows_of(trainer) for name in row)


def test_the_supervised_weight_is_one_beside_rl_and_none_of_supervised_training(make):
    losses = []
    for weight in (1.0, 0.25):
        trainer = make("gpt2", method="sft", sl_weight=weight)
        trainer.model.eval()
        losses.append(trainer.compute_loss(trainer.model, *batches(trainer, 1)).item())
    assert losses[0] == losses[1]


@pytest.mark.slow
def test_the_buffer_is_refreshed_between_steps_and_never_after_the_last(make):
    trainer = make("gpt2", max_steps=4)
    trainer.train()
    rows = [row for row in rows_of(trainer) if "loss" in row]
    # Filled before step 1, refreshed after step 2; what comes after step 4 would be used by nobody.
    assert [row["step"] for row in rows if "sampled/programs" in row] == [1, 2]
    assert rows[0]["sampled/programs"] == 12
    assert [row["buffer/programs"] for row in rows] == [12, 16, 16, 16]
    assert rows[0]["buffer/staleness"] == 1
    assert rows[2]["buffer/staleness"] == (12 * 3 + 4 * 1) / 16


def same_for_all() -> FakeGrader:
    """Passes every program."""
    return FakeGrader(lambda job: outcome_of(job, Status.PASSED, profiles=("strict",)), profiles=("strict",))


EQUAL = ("baseline=group_mean", "fine=false", "keep_zero_advantage=false")


@pytest.mark.slow
@pytest.mark.parametrize("mixing", ["together", "alternate"])
def test_where_all_rewards_are_equal_solutions_go_on_being_learned_and_it_is_said(make, mixing):
    trainer = make("gpt2", *EQUAL, f"mixing={mixing}", grader=same_for_all(), max_steps=3)
    with pytest.warns(UserWarning, match="rewards are equal"):
        trainer.train()
    rows = [row for row in rows_of(trainer) if "loss" in row]
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert all("loss/supervised" in row and "loss/coarse" not in row for row in rows)
    assert rows[0]["sampled/zero_advantage"] == 1.0
    assert rows[0]["sampled/infrastructure_errors"] == 0
    assert all(row["buffer/programs"] == 0 for row in rows)


@pytest.mark.slow
def test_where_all_rewards_are_equal_and_no_solutions_are_learned_the_message_says_so(make):
    trainer = make("gpt2", *EQUAL, "rl_share=1.0", grader=same_for_all())
    with (
        pytest.warns(UserWarning, match="rewards are equal"),
        pytest.raises(InputError, match=r"all 12 programs so far .* all rewards are equal"),
    ):
        trainer.train()


# --- what is sampled is what is learned ----------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("stop", [(), ("\n", "a")])
@pytest.mark.parametrize("kind", ["gpt2", "t5", "qwen2", "llama"])
def test_rl_rows_are_the_sampled_tokens_and_the_model_gives_them_the_samplers_probabilities(
    make, kind, stop, monkeypatch
):
    sampled = {}
    read = StopCriteria.read

    def spying(self, prompt, tokens):
        found = read(self, prompt, tokens)
        sampled.setdefault(tuple(tokens), found)
        return found

    monkeypatch.setattr(StopCriteria, "read", spying)
    plain = find_format(BENCHMARK)
    benchmark = replace(BENCHMARK, prompts={plain.name: replace(plain, stop=stop)})
    # By name: a model with a chat template would be asked in another format.
    options = "rl_share=1.0", f"prompt_format={plain.name}"
    trainer = make(kind, *options, benchmark=benchmark, model_options=WITHOUT_DROPOUT.get(kind))
    fill(trainer)
    buffer = trainer._stream.buffer
    rollouts = buffer.draw(len(buffer))
    assert len(rollouts) == 12
    endings = trainer.processing_class
    trainer.model.eval()
    for each in rollouts:
        row = rollout_row(each)
        whole = next(tokens for tokens in sampled if tokens[: len(row.target)] == tuple(row.target))
        if len(row.target) < len(whole):  # something that is not the program follows it, and no end is taught
            assert endings.decode(whole[len(row.target) :], skip_special_tokens=True).strip()
        assert (endings.eos_token_id in row.target) == (endings.eos_token_id in whole[: len(row.target)])
        batch = collate([row], pad_id=0, seq2seq=kind == "t5")
        with torch.no_grad():
            logits = trainer._predict(trainer.model, batch).logits
        labels = batch["labels"][:, -logits.shape[1] :]
        ours = token_log_probs(logits, labels, causal=kind != "t5")[0]
        ours = ours[-len(each.token_ids) :]
        torch.testing.assert_close(ours, torch.tensor(each.log_probs), rtol=1e-4, atol=1e-4)
    if stop:
        stopped = [tokens for tokens, (_, finish) in sampled.items() if finish is Finish.STOP]
        assert any(endings.eos_token_id not in tokens for tokens in stopped)


# --- what is not finite --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_the_run_at_its_step_with_the_last_good_checkpoint(make):
    options = ["method=sft", "learning_rate=1e30", "max_grad_norm=0", "save_steps=1", "optim=sgd"]
    trainer = make("gpt2", *options, max_steps=4)
    with pytest.raises(
        InputError, match=r"step 2: the loss is not finite \(supervised nan\).*checkpoint-1 "
    ) as e:
        trainer.train()
    assert "learning_rate (it is 1e+30)" in str(e.value)
    out = Path(trainer.args.output_dir)
    assert [each.name for each in out.glob("checkpoint-*")] == ["checkpoint-1"]
    assert [row["step"] for row in rows_of(trainer)] == [1]
    resumed = make("gpt2", *options, max_steps=4)
    with pytest.raises(InputError, match="step 2: the loss is not finite"):
        resumed.train(str(checkpoints.newest(out)))


@pytest.mark.slow
def test_a_run_that_was_stopped_by_a_passing_fault_goes_on_from_its_checkpoint(make):
    straight = make("gpt2", out="straight")
    straight.train()
    broken = make("gpt2")
    broken.model.transformer.h[0].mlp.c_fc.weight.register_hook(
        lambda gradient: gradient * float("nan") if broken.state.global_step == 4 else gradient
    )
    with pytest.raises(InputError, match=r"step 5: the gradient is not finite \(of a loss of"):
        broken.train()
    found = checkpoints.newest(Path(broken.args.output_dir))
    assert found is not None
    assert found.name == "checkpoint-3"
    resumed = make("gpt2")
    resumed.train(str(found))
    ends = weights(straight), weights(resumed)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.slow
def test_an_update_that_breaks_the_weights_is_not_saved_and_nothing_is_sampled_from_it(make):
    trainer = make(
        "gpt2", "learning_rate=3e38", "optim=sgd", "max_grad_norm=0", "save_steps=1", "refresh_every=1"
    )
    with pytest.raises(
        InputError, match=r"step 1: the update makes weights that are not finite.*no checkpoint"
    ):
        trainer.train()
    assert not list(Path(trainer.args.output_dir).glob("checkpoint-*"))


@cases("bad", [float("nan"), float("inf"), -float("inf")])
def test_one_number_that_is_not_finite_is_found_among_many(bad):
    tensors = [torch.full((3, 5), 3e38), torch.zeros(0), torch.ones(7, dtype=torch.bfloat16)]
    assert are_finite(tensors)  # though their squares are not
    tensors[2][4] = bad
    assert not are_finite(tensors)


# --- log -----------------------------------------------------------------------------------------


def test_every_step_logs_what_the_trainer_promises(make):
    trainer = make("gpt2", max_steps=2)
    trainer.train()
    first = rows_of(trainer)[0]
    promised = {
        "step", "loss", "grad_norm", "learning_rate", "entropy",
        "loss/supervised", "loss/coarse", "loss/fine", "loss/adaptive",
        "sampled/passed", "sampled/failure", "sampled/error", "sampled/syntax_error", "sampled/pass_ratio",
        "sampled/reward_coarse", "sampled/reward_fine", "sampled/reward_adaptive", "sampled/tokens",
        "sampled/truncated", "sampled/infrastructure_errors", "drawn/passed", "drawn/reward_coarse",
        "buffer/staleness", "buffer/programs",
        "seconds/sampling", "seconds/grading", "seconds/learning", "seconds/batching", "seconds/total",
    }  # fmt: skip
    assert promised <= first.keys()
    shares = [first[f"sampled/{name}"] for name in ("passed", "failure", "error", "syntax_error")]
    assert sum(shares) == pytest.approx(1)
    kinds = [value for name, value in first.items() if name.startswith("sampled/subtype/")]
    assert sum(kinds) == pytest.approx(1)
    for front in ("sampled", "drawn"):
        scopes = [first[f"{front}/scope/{name}"] for name in ("global", "line", "ignore")]
        assert sum(scopes) == pytest.approx(1)


@pytest.mark.slow
def test_what_was_measured_before_training_is_in_no_line_of_its_log(make):
    trainer = make("gpt2", max_steps=1)
    trainer.meter.add("seconds/batching", 1e6)
    trainer.train()
    assert rows_of(trainer)[0]["seconds/batching"] < 1e6


@pytest.mark.slow
def test_tensorboard_gets_the_same_numbers(make):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer = make("gpt2", max_steps=2, report_to=["tensorboard"])
    trainer.train()
    [events] = Path(trainer.args.output_dir).rglob("events.out.tfevents.*")
    found = EventAccumulator(str(events))
    found.Reload()
    logged = [row["loss/supervised"] for row in rows_of(trainer) if "loss" in row]
    assert [each.value for each in found.Scalars("train/loss/supervised")] == pytest.approx(logged)


# --- checkpoints ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("gpt2", ["baseline=historical_best"]),
        ("t5", ["baseline=greedy", "gradient_accumulation_steps=2", "mixing=alternate"]),
        ("gpt2", ["buffer_rule=released", "temperatures=[0.6,1.0]", "refresh_every=1"]),
        ("gpt2", ["sampler=overlapped"]),
    ],
)
def test_a_resumed_run_ends_with_the_same_weights_bit_for_bit(make, kind, settings):
    straight, stopped = make(kind, *settings), make(kind, *settings, out="stopped")
    straight.train()
    # A schedule that ends at 6, and a stop after 3: what a kill after the checkpoint leaves behind.
    stopped.add_callback(stop_after(3))
    stopped.train()
    resumed = make(kind, *settings, out="stopped")
    folder = checkpoints.newest(Path(stopped.args.output_dir))
    assert folder is not None
    assert folder.name == "checkpoint-3"
    resumed.train(str(folder))
    ends = weights(straight), weights(resumed)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    strip = [
        [
            {k: v for k, v in row.items() if not k.startswith(("seconds", "train_", "total"))}
            for row in rows_of(each)
            if "loss" in row
        ]
        for each in (straight, resumed)
    ]
    assert strip[0] == strip[1]


def stop_after(step):
    from transformers import TrainerCallback

    class Stop(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            control.should_training_stop = state.global_step >= step

    return Stop()


@pytest.mark.slow
def test_a_checkpoint_at_the_end_is_loaded_and_not_trained_on(make):
    trained = make("gpt2", max_steps=3)
    trained.train()
    again = make("gpt2", max_steps=3)
    again.train(str(checkpoints.newest(Path(again.args.output_dir))))
    ends = weights(trained), weights(again)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.slow
def test_a_checkpoint_that_was_not_written_to_its_end_is_passed_over(make):
    trainer = make("gpt2")
    trainer.train()
    out = Path(trainer.args.output_dir)
    newest = checkpoints.newest(out)
    assert newest == out / "checkpoint-6"
    state = newest / "trainer_state.json"
    state.write_text(state.read_text()[:40])
    assert checkpoints.newest(out) == out / "checkpoint-3"
    state.unlink()
    assert checkpoints.newest(out) == out / "checkpoint-3"


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_the_checkpoint_before_is_whole(make, monkeypatch):
    trainer = make("gpt2")
    save, calls = type(trainer)._save_optimizer_and_scheduler, []

    def full(self, folder):
        calls.append(folder)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        save(self, folder)

    monkeypatch.setattr(type(trainer), "_save_optimizer_and_scheduler", full)
    with pytest.raises(InputError, match=r"checkpoint-6 cannot be written: .*No space left.*--resume"):
        trainer.train()
    found = checkpoints.newest(Path(trainer.args.output_dir))
    assert found is not None
    assert found.name == "checkpoint-3"


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OSError(28, "No space left on device"), "make room"),
        (PermissionError(13, "Permission denied"), "mend that"),
        (RuntimeError("[enforce fail at inline_container.cc:858] . PytorchStreamWriter failed"), "make room"),
    ],
)
def test_what_cannot_be_written_is_said_with_its_remedy(tmp_path, error, remedy):
    with pytest.raises(InputError, match=f"cannot be written: .*; {remedy}"), checkpoints.saving(tmp_path):
        raise error


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA error: device-side assert triggered"), InfrastructureError("ended"), KeyError(1)],
)
def test_what_is_no_failure_to_write_is_not_called_one(tmp_path, error):
    with pytest.raises(type(error)) as found, checkpoints.saving(tmp_path):
        raise error
    assert found.value is error


@pytest.mark.slow
def test_an_error_of_the_sampler_that_a_checkpoint_waits_for_is_the_samplers(make, monkeypatch):
    trainer = make("gpt2", "sampler=overlapped", "save_steps=2", "refresh_every=2")

    def fails(self):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(type(trainer._source), "wait_idle", fails)
    with pytest.raises(RuntimeError, match="CUDA error"):
        trainer.train()


@pytest.mark.slow
def test_resuming_with_another_number_of_processes_is_refused(make):
    trainer = make("gpt2", max_steps=3)
    trainer.train()
    folder = Path(trainer.args.output_dir, "checkpoint-3")
    with pytest.raises(InputError, match="as many processes as before"):
        checkpoints.read_state(folder, process=1)


# --- Trainer's own ways --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("settings", [["bf16=true"], ["gradient_checkpointing=true"]])
def test_precision_and_gradient_checkpointing_are_trainers(make, settings):
    trainer = make("gpt2", *settings, max_steps=2)
    before = weights(trainer)
    trainer.train()
    after = weights(trainer)
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert all(torch.isfinite(each).all() for each in after.values())


@pytest.mark.slow
def test_lora_trains_its_adapters_and_nothing_else(make):
    pytest.importorskip("peft")
    trainer = make("gpt2", "lora_rank=2", "learning_rate=0.01", max_steps=2, adapt=True)
    before = weights(trainer)
    trainer.train()
    changed = {name for name, each in weights(trainer).items() if not torch.equal(each, before[name])}
    assert changed
    assert all("lora_" in name for name in changed)
    assert (Path(trainer.args.output_dir) / "checkpoint-2" / "adapter_model.safetensors").exists()


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "settings", "message"),
    [
        ({"split": "test"}, [], "never for training"),
        ({"problems": []}, [], "has no problems"),
        ({}, ["buffer_size=400", "buffer_fill=400"], "8 problems with 4 programs each give 32"),
        ({}, ["max_new_tokens=10", "prompt_format=nonesuch"], "no prompt format"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_before_anything_is_computed(make, changes, settings, message):
    with pytest.raises(InputError, match=message):
        make("gpt2", *settings, benchmark=replace(BENCHMARK, **changes))
