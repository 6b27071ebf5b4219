"""The losses of the group-relative methods against an installed TRL, on random tensors; for development.

TRL is no dependency: its attributes change between versions, so this is held to 1.16 and skipped without it.
Its numbers on fixed tensors are in `test_group_relative.py`, which always runs. No model and no accelerator:
TRL's own `_compute_loss` is called on a trainer that was never initialised but has what it reads.
"""

import importlib.metadata
from collections import defaultdict
from types import SimpleNamespace

import pytest
from cases import cases

torch = pytest.importorskip("torch")
trl = pytest.importorskip("trl")
if not importlib.metadata.version("trl").startswith("1.16."):
    pytest.skip("written for trl>=1.16,<1.17", allow_module_level=True)

from rltf.objectives import find_objective  # noqa: E402
from rltf.objectives.base import RolloutBatch  # noqa: E402

GROUPS, SIZE, TOKENS, LONGEST = 3, 4, 7, 16


class Accelerator:
    """One process."""

    num_processes = 1
    sync_gradients = True

    def reduce(self, tensor, reduction="sum"):
        return tensor

    def gather(self, tensor):
        return tensor


def trainer(kind, log_probs, **attributes):
    made = object.__new__(kind)
    fixed = {
        "accelerator": Accelerator(),
        "model": SimpleNamespace(training=True),
        "_metrics": {"train": defaultdict(list)},
        "aux_loss_enabled": False,
        "top_entropy_quantile": 1.0,
        "off_policy_mask_threshold": None,
        "use_vllm": False,
        "_entropy_bonus_enabled": False,
        "current_gradient_accumulation_steps": 1,
        "max_completion_length": LONGEST,
        "_get_per_token_logps_and_entropies": lambda *_, **__: (log_probs, torch.zeros_like(log_probs), None),
    }
    for name, value in (fixed | attributes).items():
        setattr(made, name, value)
    return made


def random_case(seed):
    torch.manual_seed(seed)
    rows = GROUPS * SIZE
    new, old, ref = (-2 * torch.rand(3, rows, TOKENS, dtype=torch.float64)).unbind(0)
    old = new + 0.3 * (old - new)
    mask = torch.arange(TOKENS) < torch.randint(1, TOKENS + 1, (rows, 1))
    return new, old, ref, mask, torch.randn(GROUPS, SIZE, dtype=torch.float64)


def ours(method, case, **options):
    new, old, ref, mask, rewards = case
    kind = find_objective(method)
    training = SimpleNamespace(
        samples_per_problem=SIZE, temperatures=(1.0,), top_p=1.0, top_k=0, max_new_tokens=LONGEST,
        sl_weight=1.0, per_device_train_batch_size=4, lora_rank=0, sampler="inline", terms={},
        term_options={},
    )  # fmt: skip
    objective = kind(kind.Options(**options), training)
    advantages = [each for row in objective.advantages(rewards.tolist()) for each in row]
    new = new.clone().requires_grad_()
    batch = RolloutBatch(
        targets=mask,
        old_log_probs=old * mask,
        values={"advantage": torch.tensor(advantages, dtype=torch.float64)},
        weights={},
        normalizer=float(mask.sum() if objective.reduction == "mean" else len(mask)),
        reference_log_probs=ref * mask,
    )
    loss = sum(objective.policy_loss(new * mask, batch).values())
    loss.backward()
    return loss.item(), new.grad


def inputs_of(case, **more):
    _, _, _, mask, _ = case
    ids = torch.zeros(mask.shape, dtype=torch.long)
    return {
        "prompt_ids": ids, "prompt_mask": ids, "completion_ids": ids, "completion_mask": mask.long(), **more,
    }  # fmt: skip


def theirs(case, *, scale, loss_type, low, high, level="token", beta=0.0, delta=None, bias=False):
    new, old, ref, mask, rewards = case
    above = rewards - rewards.mean(dim=1, keepdim=True)
    over = {"none": 1.0, "group": rewards.std(dim=1, keepdim=True) + 1e-4, "batch": rewards.std() + 1e-4}[
        scale
    ]
    new = new.clone().requires_grad_()
    args = SimpleNamespace(delta=delta, use_bias_correction_kl=bias, steps_per_generation=1)
    made = trainer(
        trl.GRPOTrainer, new, args=args, loss_type=loss_type, epsilon_low=low, epsilon_high=high, beta=beta,
        importance_sampling_level=level,
    )  # fmt: skip
    loss = made._compute_loss(
        None,
        inputs_of(
            case,
            advantages=(above / over).flatten(),
            old_per_token_logps=old,
            ref_per_token_logps=ref,
            num_items_in_batch=mask.sum().double(),
        ),
    )
    loss.backward()
    return loss.item(), new.grad


CASES = {
    "grpo": ("grpo", {}, {"scale": "group", "loss_type": "grpo", "low": 0.2, "high": 0.2}),
    "grpo, scale of the batch, two-sided": (
        "grpo", {"scale": "batch", "delta": 1.3},
        {"scale": "batch", "loss_type": "grpo", "low": 0.2, "high": 0.2, "delta": 1.3},
    ),
    "grpo with kl": (
        "grpo", {"beta": 0.04},
        {"scale": "group", "loss_type": "grpo", "low": 0.2, "high": 0.2, "beta": 0.04},
    ),
    "grpo with kl times the ratio": (
        "grpo", {"beta": 0.04, "kl_times_ratio": True},
        {"scale": "group", "loss_type": "grpo", "low": 0.2, "high": 0.2, "beta": 0.04, "bias": True},
    ),
    "dr_grpo": ("dr_grpo", {}, {"scale": "none", "loss_type": "dr_grpo", "low": 0.2, "high": 0.2}),
    "dapo": ("dapo", {}, {"scale": "group", "loss_type": "dapo", "low": 0.2, "high": 0.28}),
    "dapo with kl": (
        "dapo", {"beta": 0.1}, {"scale": "group", "loss_type": "dapo", "low": 0.2, "high": 0.28, "beta": 0.1},
    ),
    "gspo": (
        "gspo", {"clip_low": 0.03, "clip_high": 0.04},
        {"scale": "group", "loss_type": "grpo", "low": 0.03, "high": 0.04, "level": "sequence"},
    ),
    "gspo as by default": (
        "gspo", {}, {"scale": "group", "loss_type": "grpo", "low": 3e-4, "high": 4e-4, "level": "sequence"},
    ),
    "gspo, sums of sequences": (
        "gspo", {"aggregation": "sequence_sum", "clip_low": 0.03},
        {"scale": "group", "loss_type": "luspo", "low": 0.03, "high": 4e-4, "level": "sequence"},
    ),
}  # fmt: skip


@cases("seed", [1, 2, 3])
@cases("name", CASES)
def test_loss_and_gradient_are_those_of_trl(name, seed):
    method, options, their_options = CASES[name]
    case = random_case(seed)
    found, expected = ours(method, case, **options), theirs(case, **their_options)
    assert found[0] == pytest.approx(expected[0], abs=1e-5)
    torch.testing.assert_close(found[1], expected[1], atol=1e-5, rtol=0)
    assert expected[1].any() or "default" in name


@cases("seed", [1, 2, 3])
def test_the_loss_and_gradient_of_rloo_are_those_of_trl(seed):
    case = random_case(seed)
    new, old, _, mask, rewards = case
    others = (rewards.sum(dim=1, keepdim=True) - rewards) / (SIZE - 1)
    made = trainer(trl.RLOOTrainer, new := new.clone().requires_grad_(), epsilon_low=0.2, epsilon_high=0.2)
    more = {"advantages": (rewards - others).flatten(), "old_logps": (old * mask).sum(1)}
    loss = made._compute_loss(None, inputs_of(case, **more))
    loss.backward()
    found = ours("rloo", case, beta=0.0)
    assert found[0] == pytest.approx(loss.item(), abs=1e-5)
    torch.testing.assert_close(found[1], new.grad, atol=1e-5, rtol=0)
    assert new.grad.any()
