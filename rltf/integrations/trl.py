"""GRPO of TRL's, with RLTF's line-level feedback: advantages per token instead of per completion.

    trainer = TokenFeedbackGRPOTrainer(model, reward_funcs=CodeReward("mbpp"), train_dataset=..., args=...)

What GRPO makes of the rewards stays as it is; tokens that an error is blamed on get a penalty besides. Works
with every loss of TRL's that takes advantages of shape (B, T). Does not cover: RLOO, whose loss is per
sequence; completions with tool calls or images.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import trl

from harness.errors import InputError
from harness.integrations.trl import CodeReward
from harness.models.hf.token_offsets import TokenSpans
from rltf.integrations.token_feedback import token_advantages

TESTED = ("1.16",)
"""Versions of TRL whose trainer has been run with this: it reaches into methods that TRL may change."""


class TokenFeedbackGRPOTrainer(trl.GRPOTrainer):  # type: ignore[name-defined,misc]  # exported lazily
    """GRPO with penalties on the tokens that errors are blamed on."""

    def __init__(
        self, *arguments: Any, fine_penalty: float = -0.3, length_ratio: bool = False, **options: Any
    ) -> None:
        """
        Args:
            arguments: Of `trl.GRPOTrainer`.
            fine_penalty: Added to the advantage of each blamed token; RLTF's value (Table 6).
            length_ratio: Scale it by T / blamed tokens, as the paper's α; the released code does not.
            options: Of `trl.GRPOTrainer`; one of `reward_funcs` must be a `CodeReward`.

        Raises:
            InputError: If TRL has another version than was tested, or there is no such reward.
        """
        check_version(version("trl"))
        super().__init__(*arguments, **options)
        rewards = [each for each in self.reward_funcs if isinstance(each, CodeReward)]
        if not rewards:
            raise InputError("TokenFeedbackGRPOTrainer needs a CodeReward among its reward_funcs")
        self._code_reward = rewards[0]
        self._fine_penalty, self._length_ratio = fine_penalty, length_ratio
        self._spans: TokenSpans | None = None

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """GRPO's batch, with `advantages` of shape (B, T)."""
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        mask = batch["completion_mask"]
        tokens = mask.new_zeros(mask.shape).to(batch["advantages"].dtype)
        rows = zip(self._code_reward.last, batch["completion_ids"].tolist(), mask.tolist(), strict=True)
        for row, (scored, ids, kept) in enumerate(rows):
            written = [token for token, is_kept in zip(ids, kept, strict=True) if is_kept]
            given = self._advantages_of(scored, written)
            tokens[row, : len(given)] = tokens.new_tensor(given)
        batch["advantages"] = (batch["advantages"][:, None] + tokens) * mask
        return batch

    def _advantages_of(self, scored: Any, ids: Sequence[int]) -> list[float]:
        text = self._decode(ids)
        if self._spans is None:
            tokenizer = self.processing_class
            anchor = tokenizer("a", add_special_tokens=False).input_ids
            self._spans = TokenSpans(self._decode, tokenizer.convert_ids_to_tokens, anchor[-1:])
        return token_advantages(
            scored,
            text,
            self._spans.find((), ids, text),
            profile=self._code_reward.scorer.profile,
            penalty=self._fine_penalty,
            length_ratio=self._length_ratio,
            truncated=bool(ids) and ids[-1] not in self._ends(),
        )

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self.processing_class.decode(list(ids), skip_special_tokens=True))

    def _ends(self) -> set[Any]:
        return {self.processing_class.eos_token_id, self.processing_class.pad_token_id}


def check_version(found: str) -> None:
    """Hold that TRL is one that this has been run with.

    Raises:
        InputError: If not.
    """
    if ".".join(found.split(".")[:2]) not in TESTED:
        raise InputError(
            f"TokenFeedbackGRPOTrainer was tested with trl {', '.join(TESTED)}, found {found};"
            f" pip install 'trl=={TESTED[-1]}.*'"
        )
