"""The released code's rise of the learning rate, as the trainer steps it."""

import pytest

pytest.importorskip("transformers")

import torch
from torch import nn

from rltf.options.parse import make_config
from rltf.trainer import RLTFTrainer


def rates(steps, *settings):
    """The learning rate of each step, of the schedule that the trainer makes."""
    trainer = RLTFTrainer.__new__(RLTFTrainer)  # of which a schedule needs no more than this
    trainer.args = make_config("released", settings, output_dir="unused", use_cpu=True, max_steps=steps)
    trainer.lr_scheduler = None
    trainer.optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=trainer.args.learning_rate)
    schedule = trainer.create_scheduler(steps)
    found = []
    for _ in range(steps):
        found.append(schedule.get_last_lr()[0])
        trainer.optimizer.step()
        schedule.step()
    return found


def test_the_released_preset_rises_by_the_logarithm_and_stays():
    found = rates(7, "warmup_steps=4", "learning_rate=1.0")
    # By hand: ln 1, ln 2, ln 3 and ln 4 over ln 4, then the rate itself.
    assert found == pytest.approx([0, 0.5, 0.79248, 1, 1, 1, 1], abs=1e-5)


def test_the_other_rise_is_linear():
    found = rates(
        6, "warmup_steps=4", "learning_rate=1.0", "lr_scheduler_type=constant_with_warmup", "warmup_log=false"
    )
    assert found == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1])


@pytest.mark.parametrize("steps", [0, 1])
def test_a_rise_has_two_steps_at_least(steps):
    assert rates(3, f"warmup_steps={steps}", "learning_rate=1.0") == pytest.approx([0, 1, 1])
