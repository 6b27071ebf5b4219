"""The plan of a training's memory: what trainers really hold, what is refused, what the docs say of it."""

import importlib.util
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from trainers import build_trainer, rows_of  # noqa: E402

from benchmarks.mini import load as load_mini  # noqa: E402
from harness.errors import InputError  # noqa: E402
from rltf.objectives.second_models import check_processes  # noqa: E402
from rltf.options.parse import make_config  # noqa: E402
from rltf.run import memory  # noqa: E402

ROOT = Path(__file__).parents[2]
BENCHMARK = load_mini(split="train", size=8)


@pytest.fixture
def make(tiny_checkpoint, tmp_path, length_grader, small_settings):
    def build(method, *settings, kind="gpt2", **fixed):
        settings = (*small_settings, "top_p=1", *settings)
        folder = tmp_path / method
        return build_trainer(
            tiny_checkpoint(kind), settings, folder, BENCHMARK, length_grader, method=method, **fixed
        )

    return build


def planned(trainer):
    held = memory.plan(memory.size_of(trainer.model), trainer.args, trainer.objective)
    return {each.name: each.size for each in held}


def taken(tensors):
    return sum(each.numel() * each.element_size() for each in tensors)


def optimiser_of(trainer):
    """Of its states' tensors, without the counters of steps."""
    states = trainer.optimizer.optimizer.state.values()
    return taken(each for state in states for each in state.values() if each.numel() > 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_the_plan_of_ppo_is_what_its_trainer_holds_after_a_step(make, kind):
    trainer = make("ppo", kind=kind, max_steps=1)
    plan = planned(trainer)
    trainer.train()
    head = taken(trainer.objective.models["value"].parameters())
    assert plan["policy"] == plan["gradients"] == taken(trainer.model.parameters())
    assert plan["reference"] == taken(trainer._reference._copy.parameters())
    assert plan["value head"] == 4 * head
    # The weight of the head has states like the policy's, its bias is a single number as counters are.
    assert optimiser_of(trainer) == plan["optimiser"] + 2 * (head - 4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_the_plan_of_a_critic_is_what_it_weighs(make, kind):
    trainer = make("coderl", "critic=frozen", kind=kind)
    weights = taken(trainer.objective.models["critic"].parameters())
    assert planned(trainer)["critic"] == weights
    assert planned(trainer)["critic's training"] == 3 * weights


def test_what_does_not_fit_is_refused_with_its_figure_before_anything_is_made(make, monkeypatch):
    assert make("rloo") is not None
    monkeypatch.setattr(memory, "free_on", lambda device: 10_000)
    monkeypatch.setattr("rltf.build.RLTFTrainer", None)  # not reached
    with pytest.raises(InputError, match=r"rloo needs .* GiB beside .*reference .* are free; .*lora_rank"):
        make("rloo")


def test_a_critic_is_trained_in_the_room_that_a_step_needs_later():
    parts = [memory.Held(name, size) for name, size in (("policy", 1), ("gradients", 2), ("optimiser", 4))]
    assert memory.at_once([*parts, memory.Held("critic's training", 3)]) == 7
    assert memory.at_once([*parts, memory.Held("critic's training", 30)]) == 31
    assert memory.at_once([*parts, memory.Held("sampler's cache", 9, is_sure=False)]) == 7


def test_with_lora_there_is_no_reference_and_few_gradients(make):
    pytest.importorskip("peft")
    plan = planned(make("rloo", "lora_rank=2"))
    assert "reference" not in plan
    assert plan["gradients"] < plan["policy"] / 5


@pytest.mark.slow
def test_a_reference_in_bfloat16_takes_half_and_stays_near_the_start(make):
    trainer = make("rloo", "frozen_dtype=bfloat16", max_steps=2)
    assert 2 * planned(trainer)["reference"] == planned(trainer)["policy"]
    assert planned(trainer)["reference"] == taken(trainer._reference._copy.parameters())
    trainer.train()
    apart = rows_of(trainer)[0]["sampled/reference_kl"]
    assert 0 < abs(apart) < 0.05
    assert {each.dtype for each in trainer.model.parameters()} == {torch.float32}


def test_runs_that_keep_the_references_type_have_the_identity_that_they_had():
    def identity(*settings):
        return make_config(None, settings, output_dir="x", max_steps=1, use_cpu=True).identity()

    assert "frozen_dtype" not in identity()
    assert identity("frozen_dtype=bfloat16")["frozen_dtype"] == "bfloat16"


def test_a_trained_model_of_a_methods_own_is_refused_where_it_would_not_be_trained():
    trained, frozen = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1).requires_grad_(False)
    own = [each for model in (trained, frozen) for each in model.parameters() if each.requires_grad]
    check_processes(own, 1)
    check_processes([], 2, wrapped=True)
    with pytest.raises(InputError, match="DeepSpeed and FSDP know nothing"):
        check_processes(own, 1, wrapped=True)


@pytest.mark.slow
def test_the_tables_in_the_docs_are_those_of_the_plan():
    spec = importlib.util.spec_from_file_location("memory_table", ROOT / "tools" / "memory_table.py")
    memory_table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(memory_table)
    page = memory_table.METHODS.read_text(encoding="utf-8")
    assert memory_table.written(page) == page, "make docs"
