"""PPO as PPOCoder has it (arXiv:2301.13816): a value head, GAE, both clipped losses, KL to the start.

A program's reward is the sum of the chosen terms, given at its last token (`coarse` where none is chosen:
+1, -0.3, -0.6, -1 by class); at every token the divergence from the policy that training began with is taken
off, times a coefficient that adapts. Terms with lines of their own are added to the whitened advantages.

Values belong to the moment at which a program enters the buffer: the policy reads it once, between two
steps, and advantages, returns and old values are kept with it. There the weights are at most one refresh
from those that sampled it, and no longer change under the programs of a refresh; the sampler, perhaps in
another process, has no value head; and with what is kept, a checkpoint resumes without computing it again.
Does not cover: ratios of a policy that was sampled with top-p or top-k (refused), several processes (the
head would drift apart, `rltf.objectives.second_models`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rltf.bounds import option
from rltf.objectives import gae
from rltf.objectives.base import (
    HIDDEN,
    ROLLOUT_REFERENCE,
    SCORES,
    Objective,
    RolloutBatch,
    TrainingOptions,
    check_own_probabilities,
)
from rltf.objectives.memory import OwnModels, PolicySize, linear, trained_bytes
from rltf.objectives.surrogate import aggregated, clipped_gain
from rltf.rewards.rltf import Reduction
from rltf.rewards.terms import TermValue, make_terms, names_with_spans, whole_value
from rltf.rollout.records import Credit, Group, Rollout, TokenCredit

if TYPE_CHECKING:
    from torch import Tensor

_VALUE = "value"
_REWARD = "reward"
_ADVANTAGE, _RETURN, _OLD_VALUE = _SCORES = ("_advantage", "_return", "_value")


@dataclass(frozen=True, slots=True)
class PPOOptions:
    """Options of `--method ppo`; "released" is PPOCoder's code."""

    gamma: float = option(1.0, at_least=0, at_most=1)
    """Discount of rewards (released: 1)."""
    lam: float = option(0.95, at_least=0, at_most=1)
    """λ of GAE (released: 0.95)."""
    clip: float = option(0.2, at_least=0, at_most=1)
    """How far from 1 the ratio still counts (released: 0.2)."""
    value_clip: float = option(0.2, at_least=0)
    """How far from the old value the new one still counts (released: 0.2)."""
    value_weight: float = option(1e-3, at_least=0)
    """α of the value loss (released: 0.001)."""
    value_states: Literal["shared", "detached"] = "shared"
    """Whether the value loss trains the policy's states too (both), or the head alone."""
    kl_weight: float = option(0.05, at_least=0)
    """β of the divergence from the start, at first (released: 0.05, its README 0.1); 0 keeps no reference."""
    kl_target: float = option(1.0, above=0)
    """Divergence of a program, in nats, that β is adapted to (released: 1)."""
    kl_horizon: float = option(10_000.0, at_least=0)
    """Programs in which β adapts (released: 10,000); 0 leaves it as it is."""
    whiten: gae.Whitening = "step"
    """Advantages, over all target tokens of a step, of each sequence (released), or not at all."""
    aggregation: Literal["token_mean", "sequence_mean"] = "token_mean"
    """The mean over all tokens of a step, or over sequences of the mean over their tokens (released, whose
    mini-batch is one sequence)."""
    truncated: Literal["graded", "left_out"] = "graded"
    """Completions that the length limit ended: rewarded at their last token like the others, as they were
    graded, or without any part in the losses. (Released: their first token alone, without a reward.)"""


class PPO(Objective):
    """Rewards are the chosen terms; `coarse` where none is."""

    Options: ClassVar[type[Any]] = PPOOptions

    def __init__(self, options: PPOOptions, training: TrainingOptions) -> None:
        """
        Raises:
            InputError: If tokens are not sampled from what the ratio is of.
        """
        super().__init__(options, training)
        self.terms = self.terms or make_terms({"coarse": 1.0})
        self.beta: float = options.kl_weight
        """Adapts."""
        self.divergence = 0.0
        """Of the newest programs from the start: the mean of their sums over tokens, in nats."""
        check_own_probabilities("ppo", training)

    @property
    def needs(self) -> frozenset[str]:
        """States for the head, and the reference where the rewards hold it."""
        reference = {ROLLOUT_REFERENCE} if self.options.kl_weight else set()
        return self.needs_always | {HIDDEN, SCORES} | reference

    def set_up(self, model: Any, tokenizer: Any) -> None:
        """Make the value head: linear, in float32, at 0 first, so that it starts without an opinion."""
        from torch import nn  # noqa: PLC0415 - imports torch

        head = nn.Linear(_width(model), 1)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        self.models[_VALUE] = head.to(model.device)

    def own_memory(self, policy: PolicySize) -> OwnModels:
        """The head."""
        return {"value head": trained_bytes(linear(policy.width, 1))}

    # --- credit ----------------------------------------------------------------------------------

    def credit(self, group: Group) -> list[Credit]:
        """The reward of the whole, places for what `score` finds, and the terms that name lines."""
        values = group.values_of(self.terms)
        spread = names_with_spans(values)
        return [self._credit(*each, spread) for each in zip(group.rollouts, values, strict=True)]

    def _credit(self, rollout: Rollout, values: Mapping[str, TermValue], spread: Sequence[str]) -> Credit:
        learned = float(not (rollout.truncated and self.options.truncated == "left_out"))
        return {
            _REWARD: TokenCredit(learned * whole_value(values)),
            # Values of 1, so that a program of reward 0 is not taken for one of which nothing can be learned.
            **{name: TokenCredit(learned) for name in _SCORES},
            **{
                name: TokenCredit(learned * values[name].value, rollout.tokens_of(values[name].spans or ()))
                for name in spread
            },
        }

    def score(self, batches: Iterable[RolloutBatch]) -> Iterator[Mapping[str, Tensor]]:
        """Advantages, returns and values of new programs; then β adapts to their divergence."""
        options, sums = self.options, []
        for batch in batches:
            values = self._values(batch)
            apart = _divergence(batch)
            rewards = gae.token_rewards(batch.values[_REWARD], apart, batch.targets, self.beta)
            found = gae.advantages(rewards, values, batch.targets, gamma=options.gamma, lam=options.lam)
            yield dict(zip(_SCORES, (found, found + values, values), strict=True))
            sums += apart.sum(dim=1).tolist()
        if not sums:
            return
        self.divergence = sum(sums) / len(sums)
        self.beta = gae.adapted(
            self.beta,
            self.divergence,
            target=options.kl_target,
            horizon=options.kl_horizon,
            programs=len(sums),
        )

    def _values(self, batch: RolloutBatch) -> Tensor:
        """`[B, T]`: of the head, 0 where there is no target."""
        assert batch.hidden is not None  # noqa: S101 - needed always
        hidden = batch.hidden.detach() if self.options.value_states == "detached" else batch.hidden
        values: Tensor = self.models[_VALUE](hidden.float()).squeeze(-1)
        return values * batch.targets

    # --- loss ------------------------------------------------------------------------------------

    def prepare_step(self, batches: Sequence[Mapping[str, Any]]) -> None:
        """Whiten the advantages of the step's RL rows together."""
        import torch  # noqa: PLC0415 - heavy

        with_programs = [each for each in batches if _ADVANTAGE in each["weights"]]
        masks = [_learned(each) for each in with_programs]
        if not with_programs:
            return
        if self.options.whiten != "step":
            for each, mask in zip(with_programs, masks, strict=True):
                found = gae.whitened(each["weights"][_ADVANTAGE], mask, self.options.whiten)
                each["weights"][_ADVANTAGE] = found
            return
        rows = [each["weights"][_ADVANTAGE][mask] for each, mask in zip(with_programs, masks, strict=True)]
        every = torch.cat(rows)[None]
        found = gae.whitened(every, torch.ones_like(every, dtype=torch.bool))[0]
        first = 0
        for each, mask, row in zip(with_programs, masks, rows, strict=True):
            each["weights"][_ADVANTAGE][mask] = found[first : first + len(row)]
            first += len(row)

    @property
    def reduction(self) -> Reduction:
        """Tokens, or sequences."""
        return "mean" if self.options.aggregation == "token_mean" else "sum"

    def policy_loss(self, log_probs: Tensor, batch: RolloutBatch) -> dict[str, Tensor]:
        """`policy` and `value`."""
        options = self.options
        scores = {name: batch.credit(name) for name in _SCORES}
        more = sum(batch.credit(name) for name in batch.values if name not in {_REWARD, *_SCORES})
        advantage = scores[_ADVANTAGE] + more
        ratio = (log_probs - batch.old_log_probs).exp()
        gain = clipped_gain(ratio, advantage, low=options.clip, high=options.clip)
        values = self._values(batch)
        error = gae.clipped_value_error(values, scores[_OLD_VALUE], scores[_RETURN], options.value_clip)
        self._note(batch, ratio=ratio, clipped=(gain < ratio * advantage).float(), value=values)
        learned = batch.values[_ADVANTAGE][:, None]
        return {
            "policy": -self._aggregated(gain * learned, batch),
            "value": options.value_weight * self._aggregated(error * learned, batch),
        }

    def _note(self, batch: RolloutBatch, **by_token: Tensor) -> None:
        count = batch.targets.sum()
        for name, each in by_token.items():
            batch.notes[name] = (each.detach() * batch.targets).sum() / count
        batch.notes["kl"] = batch.old_log_probs.new_tensor(self.divergence)
        batch.notes["kl_weight"] = batch.old_log_probs.new_tensor(self.beta)

    def _aggregated(self, values: Tensor, batch: RolloutBatch) -> Tensor:
        return aggregated(
            values,
            batch.targets,
            how=self.options.aggregation,
            normalizer=batch.normalizer,
            max_tokens=self.training.max_new_tokens,
        )

    # --- checkpoints -----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """β, and what it was last adapted to."""
        return {"beta": self.beta, "divergence": self.divergence}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take them."""
        self.beta, self.divergence = state["beta"], state["divergence"]


def _width(model: Any) -> int:
    """Of the last hidden states."""
    return int(model.get_output_embeddings().weight.shape[-1])


def _learned(batch: Mapping[str, Any]) -> Tensor:
    """`[B, T]`: the targets of a collated micro-batch that advantages are of."""
    from rltf.objectives.losses import IGNORE  # noqa: PLC0415 - imports torch

    targets: Tensor = (batch["labels"] != IGNORE) & (batch["values"][_ADVANTAGE] != 0)[:, None]
    return targets


def _divergence(batch: RolloutBatch) -> Tensor:
    """`[B, T]`: log of policy over reference; 0 without one."""
    if batch.reference_log_probs is None:
        return batch.old_log_probs * 0
    return (batch.old_log_probs - batch.reference_log_probs) * batch.targets
