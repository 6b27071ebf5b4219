"""What a critic gives an objective: the value q of each token, made when programs are new or in the loss.

`constant` needs no model. `frozen` and `refreshed` judge programs when they are collected, where their class
is known, and the values are stored with the credit. `head` reads the policy's own states in each step.
Covers: making the critic, training it on the first programs if it came untrained, and on the newest ones.
Does not cover: what the values weigh (`rltf.objectives.coderl`, `rltf.objectives.rltf`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from harness.errors import InputError
from rltf.critic.classes import ORDER, class_of, names_of
from rltf.objectives.base import GREEDY, HIDDEN, Example, Objective, RolloutBatch, TrainingOptions
from rltf.objectives.memory import (
    BFLOAT16,
    FITTING,
    FLOAT32,
    OwnModels,
    PolicySize,
    linear,
    trained_bytes,
    training_bytes,
)
from rltf.objectives.second_models import pad_id_of
from rltf.rewards.critic_options import CriticOptions
from rltf.rollout.records import Credit, Group, Rollout, TokenCredit

if TYPE_CHECKING:
    from torch import Tensor

    from rltf.critic.model import Critic, LabelledProgram, Reading

CRITIC = "critic"
"""Name of the model, and of the loss of `head`."""
_CLASS = "critic_class"
"""Credit that earns nothing, and whose weights say the program's class; for `head`."""
_KEY = tuple[int, int]


class TokenCritic:
    """The critic of one objective, which owns its models and says when."""

    def __init__(self, options: CriticOptions, objective: Objective) -> None:
        """`options`: of the objective, or a part of them."""
        self._options = options
        self._objective = objective
        self._trained = False
        self._refreshes = 0
        self._values: dict[_KEY, tuple[float, ...]] = {}

    @property
    def is_used(self) -> bool:
        """Whether tokens have values at all."""
        return self._options.is_used

    @property
    def needs(self) -> frozenset[str]:
        """The policy's states, for a head on them."""
        return frozenset({HIDDEN} if self._options.critic == "head" else ())

    @property
    def _has_model(self) -> bool:
        return self._options.critic in ("frozen", "refreshed")

    @property
    def _model(self) -> Critic:
        return cast("Critic", self._objective.models[CRITIC])

    def set_up(self, model: Any, tokenizer: Any) -> None:
        """Make the critic; as `Objective.set_up`.

        Raises:
            InputError: If it cannot be read, reads other tokens than the policy, or would be another in each
                of several processes.
        """
        models = self._objective.models
        if self._options.critic == "head":
            from rltf.critic.model import CriticHead  # noqa: PLC0415 - imports torch

            width = model.get_input_embeddings().weight.shape[1]
            models[CRITIC] = CriticHead(width, self._options.critic_classes).to(model.device)
        elif self._has_model:
            models[CRITIC] = self._made(model, tokenizer).eval().requires_grad_(False)
            self._check_processes()

    def own_checkpoints(self) -> Sequence[str]:
        """As `Objective.own_checkpoints`."""
        name = self._options.critic_model
        return (name,) if self._has_model and name is not None else ()

    def own_memory(self, policy: PolicySize) -> OwnModels:
        """As `Objective.own_memory`; a `critic_model` is taken to be of the policy's size."""
        options = self._options
        if not self._has_model and options.critic != "head":
            return {}
        from rltf.critic.files import is_critic  # noqa: PLC0415 - imports torch
        from rltf.critic.model import HEAD_WIDTH  # noqa: PLC0415 - the same

        head = linear(policy.width, HEAD_WIDTH) + linear(HEAD_WIDTH, options.critic_classes)
        if options.critic == "head":
            return {CRITIC: trained_bytes(head)}
        if options.critic == "frozen" and options.critic_model and is_critic(options.critic_model):
            narrow = self._objective.training.freezes_narrow
            return {CRITIC: policy.weights * (BFLOAT16 if narrow else FLOAT32)}
        weights = policy.weights + head
        return {CRITIC: weights * FLOAT32, FITTING: training_bytes(weights)}

    def _made(self, model: Any, tokenizer: Any) -> Any:
        from rltf.critic.files import load_critic, load_start  # noqa: PLC0415 - imports torch
        from rltf.critic.model import Critic  # noqa: PLC0415 - the same

        name, pad = self._options.critic_model, pad_id_of(tokenizer)
        if name is not None and (found := load_critic(name, tokenizer, pad_id=pad, device=model.device)):
            self._trained = True
            if self._options.critic == "frozen" and self._objective.training.freezes_narrow:
                found.backbone.bfloat16()
            return found
        if name is not None:
            return Critic(load_start(name, tokenizer, model), self._reading(model), pad_id=pad).to(
                model.device
            )
        own = copy.deepcopy(model)
        own = own.merge_and_unload() if hasattr(own, "merge_and_unload") else own
        return Critic(own, self._reading(model), pad_id=pad).to(model.device)

    def _reading(self, model: Any) -> Reading:
        from rltf.critic.reading import reading_of  # noqa: PLC0415 - imports torch

        return reading_of(self._options, model, width=self._objective.training.max_new_tokens)

    def _check_processes(self) -> None:
        if self._objective.training.world_size > 1 and not (
            self._trained and self._options.critic == "frozen"
        ):
            raise InputError(
                "a critic that is trained in several processes would be another in each; train it first with"
                " rltf critic, and pass critic=frozen critic_model=FOLDER"
            )

    # --- when programs are new -------------------------------------------------------------------

    def prepare(self, groups: Sequence[Group]) -> Mapping[str, float]:
        """Judge the new programs, and train on them where that is asked for; numbers for the log.

        Accuracy is that on programs which the critic has not seen, but for the first ones where it is trained
        on these.
        """
        rollouts = [each for group in groups for each in group.rollouts]
        if not self._has_model or not rollouts:
            return {}
        from rltf.critic.fitting import judged  # noqa: PLC0415 - imports torch

        critic = self._model
        programs = [self._program(each, critic.reading.classes) for each in rollouts]
        if not self._trained:
            self._fit(programs, self._first_steps(len(programs)))
            self._trained = True
        values, predicted = judged(critic, programs)
        labels = [each.label for each in programs]
        notes = _notes(labels, predicted, values, critic.reading.classes)
        if self._options.critic == "refreshed":
            self._refreshes += 1
            self._fit(programs, self._options.critic_steps)
            values, _ = judged(critic, programs)
        keys = [(each.group, each.sample_id) for each in rollouts]
        self._values = dict(zip(keys, values, strict=True))
        return notes

    def weights(self, rollout: Rollout) -> tuple[float, ...] | None:
        """The value of each of the rollout's tokens; `None` for 1, or where the loss decides."""
        options = self._options
        if options.critic == "constant":
            value = options.critic_constant[class_of(rollout.feedback.category)]
            return (value,) * len(rollout.token_ids)
        return self._values[rollout.group, rollout.sample_id] if self._has_model else None

    def credit(self, rollout: Rollout) -> Credit:
        """What the loss needs to know beside the values."""
        if self._options.critic != "head":
            return {}
        number = class_of(rollout.feedback.category, self._options.critic_classes)
        return {_CLASS: TokenCredit(0.0, (float(number),) * len(rollout.token_ids))}

    def _program(self, rollout: Rollout, classes: int) -> LabelledProgram:
        from rltf.critic.model import LabelledProgram  # noqa: PLC0415 - imports torch

        label = class_of(rollout.feedback.category, classes)
        return LabelledProgram(rollout.prompt_ids, rollout.token_ids, label)

    def _first_steps(self, programs: int) -> int:
        options = self._options
        each = int(programs * (1 + options.critic_references)) // options.critic_batch_size
        return max(1, options.critic_epochs * each)

    def _fit(self, programs: Sequence[LabelledProgram], steps: int) -> None:
        from rltf.critic.fitting import fit  # noqa: PLC0415 - imports torch

        options = self._options
        critic = self._model
        count = round(len(programs) * options.critic_references)
        references = _references(self._objective.solutions(count), critic.reading.classes)
        fit(
            critic,
            [*programs, *references],
            steps=steps,
            batch_size=options.critic_batch_size,
            learning_rate=options.critic_learning_rate,
            key=f"{self._objective.training.seed} critic {self._refreshes}",
        )

    # --- in the loss -----------------------------------------------------------------------------

    def in_loss(self, batch: RolloutBatch) -> tuple[Tensor | None, dict[str, Tensor]]:
        """With `head`: the values `[B, T]` without a gradient, and the head's own loss, by its name."""
        if self._options.critic != "head" or batch.hidden is None:
            return None, {}
        from torch.nn import functional  # noqa: PLC0415 - slow to import

        from rltf.critic.values import pooled, token_values  # noqa: PLC0415 - imports torch

        head = self._objective.models[CRITIC]
        logits = head(batch.hidden.detach().to(next(head.parameters()).dtype))
        classes = batch.weights[_CLASS].amax(dim=1).long()
        predicted = pooled(logits, batch.targets)
        # A mean over the step's programs, as far as a micro-batch knows their number.
        loss = functional.cross_entropy(predicted.float(), classes, reduction="sum") / batch.normalizer
        if self._objective.reduction == "mean":
            loss = loss * batch.targets.sum() / len(classes)
        batch.notes["critic_accuracy"] = (predicted.argmax(dim=1) == classes).float().mean()
        values = token_values(logits.detach(), classes)
        batch.notes["critic_value"] = (values * batch.targets).sum() / batch.targets.sum()
        return values, {CRITIC: loss}

    # --- checkpoints -----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"trained": self._trained, "refreshes": self._refreshes}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become the critic whose `state_dict` this is."""
        self._trained, self._refreshes = state["trained"], state["refreshes"]


def _references(examples: Sequence[Example], classes: int) -> list[LabelledProgram]:
    """Solutions in the class of passing programs; they are not run (as in the released code)."""
    from rltf.critic.model import LabelledProgram  # noqa: PLC0415 - imports torch

    label = class_of(ORDER[-1], classes)
    return [LabelledProgram(prompt, program, label) for prompt, program in examples]


def _notes(
    labels: list[int], predicted: list[int], values: Sequence[Sequence[float]], classes: int
) -> dict[str, float]:
    """How often the critic is right, beside a constant guess, and the mean value of each class's tokens."""
    from rltf.critic.values import class_report  # noqa: PLC0415 - imports torch

    report, names = class_report(predicted, labels), names_of(classes)
    found = {"critic/accuracy": report.accuracy, "critic/constant_guess": report.constant_guess}
    for number in report.counts:
        own = [each for label, row in zip(labels, values, strict=True) if label == number for each in row]
        found[f"critic/accuracy_{names[number]}"] = report.per_class[number]
        if own:
            found[f"critic/value_{names[number]}"] = sum(own) / len(own)
    return found


class CriticObjective(Objective):
    """An objective whose tokens a critic may value, and whose baseline may be a greedy program."""

    def __init__(self, options: CriticOptions, training: TrainingOptions) -> None:
        """`options` have a `baseline`, too."""
        super().__init__(options, training)
        self.critic = TokenCritic(options, self)

    @property
    def needs(self) -> frozenset[str]:
        """A greedy program where the baseline is one."""
        greedy = {GREEDY} if self.options.baseline == "greedy" else set()
        return self.needs_always | greedy | self.critic.needs

    def set_up(self, model: Any, tokenizer: Any) -> None:
        """The critic, if there is one."""
        self.critic.set_up(model, tokenizer)

    def own_checkpoints(self) -> Sequence[str]:
        """The critic's."""
        return self.critic.own_checkpoints()

    def own_memory(self, policy: PolicySize) -> OwnModels:
        """The critic's."""
        return self.critic.own_memory(policy)

    def prepare(self, groups: Sequence[Group]) -> Mapping[str, float]:
        """The critic judges the new programs."""
        return self.critic.prepare(groups)
