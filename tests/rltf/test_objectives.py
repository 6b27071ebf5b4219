"""The seam of objectives: one of the test's own, second models and their checkpoints, the table."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from trainers import WITHOUT_DROPOUT, build_trainer, rows_of, tensors  # noqa: E402

from benchmarks.mini import load as load_mini  # noqa: E402
from harness.errors import InputError  # noqa: E402
from rltf.objectives import OBJECTIVES, find_objective  # noqa: E402
from rltf.objectives.base import HIDDEN, REFERENCE, Objective  # noqa: E402
from rltf.rollout.records import TokenCredit  # noqa: E402
from rltf.run import checkpoints  # noqa: E402

BENCHMARK = load_mini(split="train", size=8)
"""Without dropout a policy gives the same numbers twice."""


class Valued(Objective):
    """A policy gradient with a value head on the policy's states; counts the groups that it has seen."""

    def __init__(self, options, training):
        super().__init__(options, training)
        self.groups = 0
        self.references = []

    @property
    def needs(self):
        return self.needs_always | {HIDDEN, REFERENCE}

    def set_up(self, model, tokenizer):
        self.models["value"] = torch.nn.Linear(model.get_input_embeddings().embedding_dim, 1)

    def credit(self, group):
        self.groups += 1
        return [
            {
                "whole": TokenCredit(each.feedback.pass_ratio - 0.5),
                "rising": TokenCredit(0.1, tuple(i / 10 for i in range(len(each.token_ids)))),
            }
            for each in group.rollouts
        ]

    def policy_loss(self, log_probs, batch):
        self.references.append(float((batch.reference_log_probs - log_probs.detach()).abs().max()))
        values = self.models["value"](batch.hidden).squeeze(-1)
        credit = batch.credit("whole") + batch.credit("rising")
        batch.notes["value"] = values.mean()
        return {
            "gain": -(credit * log_probs).sum() / batch.normalizer,
            "value": ((values - credit).square() * batch.targets).sum() / batch.normalizer,
        }

    def state_dict(self):
        return {"groups": self.groups}

    def load_state_dict(self, state):
        self.groups = state["groups"]


@pytest.fixture
def make(tiny_checkpoint, tmp_path, length_grader, small_settings, monkeypatch):
    """`make(kind, *settings)` gives a trainer of the objective above, or of another method."""
    monkeypatch.setitem(OBJECTIVES, "valued", "valued_objective:Valued")
    monkeypatch.setitem(sys.modules, "valued_objective", SimpleNamespace(Valued=Valued))

    def build(kind="gpt2", *settings, method="valued", out="run", **fixed):
        checkpoint = tiny_checkpoint(kind, **WITHOUT_DROPOUT[kind])
        settings = (*small_settings, *settings)
        return build_trainer(
            checkpoint, settings, tmp_path / out, BENCHMARK, length_grader, method=method, **fixed
        )

    return build


# --- an objective that nothing knows of ----------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_an_objective_of_ones_own_trains_and_its_terms_name_the_log(make, kind):
    trainer = make(kind, max_steps=2)
    trainer.train()
    first = rows_of(trainer)[0]
    assert {
        "loss/supervised",
        "loss/gain",
        "loss/value",
        "policy/value",
        "drawn/reward_rising",
    } <= first.keys()
    terms = [value for name, value in first.items() if name.startswith("loss/")]
    assert first["loss"] == pytest.approx(sum(terms), rel=1e-3)
    assert not any("coarse" in name for name in first)


@pytest.mark.slow
def test_its_model_is_trained_with_the_policy_and_in_the_checkpoint(make):
    trainer = make(max_steps=3)
    before = tensors(trainer)
    trainer.train()
    after = tensors(trainer)
    assert not torch.equal(before["value.weight"], after["value.weight"])
    assert Path(trainer.args.output_dir, "checkpoint-3", "objective", "value.safetensors").exists()


@pytest.mark.slow
def test_a_resumed_run_has_the_objectives_model_and_state_bit_for_bit(make):
    straight = make(out="straight")
    straight.train()
    make(max_steps=6, out="stopped").train()
    resumed = make(out="stopped")
    resumed.train(str(Path(resumed.args.output_dir, "checkpoint-3")))
    ends = tensors(straight), tensors(resumed)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert resumed.objective.groups == straight.objective.groups > 0


@pytest.mark.slow
def test_a_checkpoint_without_the_objectives_model_is_refused(make):
    trainer = make(max_steps=3)
    trainer.train()
    folder = Path(trainer.args.output_dir, "checkpoint-3")
    (folder / "objective" / "value.safetensors").unlink()
    with pytest.raises(InputError, match=r"value\.safetensors cannot be read"):
        make(max_steps=6).train(str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("settings", [(), ("lora_rank=2",)])
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_the_reference_is_the_policy_as_it_was_when_training_began(make, kind, settings):
    if settings:
        pytest.importorskip("peft")
    trainer = make(kind, *settings, "learning_rate=1e-2", max_steps=3)
    trainer.train()
    first, *_, last = trainer.objective.references
    assert first == pytest.approx(0, abs=1e-4)
    assert last > 1e-3
    assert all(each.training for each in trainer.model.modules())


@pytest.mark.slow
def test_the_reference_of_a_resumed_run_is_that_of_its_beginning(make):
    make("gpt2", "learning_rate=1e-2", max_steps=3).train()
    resumed = make("gpt2", "learning_rate=1e-2", max_steps=6)
    resumed.train(str(Path(resumed.args.output_dir, "checkpoint-3")))
    assert resumed.objective.references[0] > 1e-3


# --- terms beside those of RLTF ------------------------------------------------------------------


@pytest.mark.slow
def test_a_chosen_term_is_a_term_of_the_loss_of_rltf_too(make):
    trainer = make("gpt2", 'terms={"passed": 0.5, "lint": 0.1}', method="rltf", max_steps=2)
    trainer.train()
    first = rows_of(trainer)[0]
    assert {"loss/coarse", "loss/passed", "loss/lint", "sampled/reward_passed"} <= first.keys()
    assert first["sampled/reward_passed"] == pytest.approx(0.5 * first["sampled/passed"])


@pytest.mark.slow
def test_grpo_trains_with_a_divergence_and_goes_on_as_it_would_have(make):
    settings = ("beta=0.1", "top_p=1", "rl_share=1.0", "sampler=overlapped")
    straight = make("gpt2", *settings, method="grpo", out="straight")
    straight.train()
    make("gpt2", *settings, method="grpo", out="stopped").train()
    resumed = make("gpt2", *settings, method="grpo", out="stopped")
    resumed.train(str(Path(resumed.args.output_dir, "checkpoint-3")))
    ends = tensors(straight), tensors(resumed)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    rows = rows_of(straight)
    assert {"loss/policy", "loss/kl", "policy/ratio", "policy/clipped", "policy/kl"} <= rows[0].keys()
    assert rows[0]["policy/ratio"] == pytest.approx(1, abs=1e-4)
    assert rows[0]["policy/kl"] == pytest.approx(0, abs=1e-6) != rows[-1]["policy/kl"]


# --- the table -----------------------------------------------------------------------------------


def test_every_method_named_in_the_table_exists_and_says_what_it_is():
    for name in OBJECTIVES:
        assert issubclass(find_objective(name), Objective)
        assert find_objective(name).__doc__


def test_methods_are_listed_in_the_help_and_none_is_imported_for_it():
    code = (
        "import sys; from rltf.cli import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in sys.modules if name.startswith('rltf.objectives.')], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"what is learned: {', '.join(OBJECTIVES)}" in " ".join(done.stdout.split())
    assert done.stdout.splitlines()[-1] == "[] False"


def test_an_unknown_method_is_refused_with_those_that_exist():
    with pytest.raises(InputError, match=r"unknown method 'pgo'; available: rltf, sft, grpo, .*or 'module:"):
        find_objective("pgo")


def test_options_of_another_method_are_refused_from_python_too():
    from rltf.config import RLTFConfig
    from rltf.objectives.grpo import GRPOOptions

    with pytest.raises(InputError, match="objective is GRPOOptions, method rltf takes RewardConfig"):
        RLTFConfig(output_dir="unused", max_steps=1, use_cpu=True, objective=GRPOOptions())


# --- the example of CONTRIBUTING.md --------------------------------------------------------------


def test_the_example_of_an_objective_trains(make, monkeypatch):
    document = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [code] = [each for each in re.findall(r"```python\n(.*?)```", document, re.S) if "(Objective)" in each]
    module = ModuleType("my_package_example")
    exec(code, vars(module))
    monkeypatch.setitem(sys.modules, "my_package_example", module)
    trainer = make("gpt2", method="my_package_example:Reinforce", max_steps=2)
    trainer.train()
    assert "loss/policy" in rows_of(trainer)[0]


# --- checkpoints of other versions ---------------------------------------------------------------


@pytest.mark.slow
def test_a_checkpoint_of_another_version_is_refused_by_its_format_and_never_passed_over(make):
    trainer = make(max_steps=3)
    trainer.train()
    state = Path(trainer.args.output_dir, "checkpoint-3", "rltf_state_0.json")
    state.write_text(json.dumps(json.loads(state.read_text()) | {"format": 2}))
    with pytest.raises(InputError, match="has format 2, this version reads 3"):
        checkpoints.newest(Path(trainer.args.output_dir))
