"""Rollouts as plain JSON values, for checkpoints: a buffer holds thousands, and millions of tokens.

Sequences over tokens are packed, and the prompt of a group is kept once. Does not cover: which rollouts are
kept (`rltf.rollout.replay_buffer`).
"""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.run_store.records import outcome_from_row, outcome_row
from rltf.rewards.feedback import feedback_of
from rltf.rollout.records import Credit, Rollout, TokenCredit

_PLAIN = (
    "task_id", "group", "sample_id", "text", "code", "lines_before", "truncated", "temperature", "step",
)  # fmt: skip
_PACKED = {"token_ids": "i", "log_probs": "f"}
"""Codes of `array`: 4-byte integers, 4-byte floats."""


def rows_of(rollouts: Iterable[Rollout]) -> list[dict[str, Any]]:
    """Plain JSON values, a row each; the prompt of a group stands in the first of its rows."""
    prompts: dict[int, tuple[int, ...]] = {}
    rows = []
    for each in rollouts:
        prompt = None if prompts.get(each.group) == each.prompt_ids else _packed("i", each.prompt_ids)
        prompts[each.group] = each.prompt_ids
        rows.append({**_row_of(each), "prompt_ids": prompt})
    return rows


def rollouts_of(rows: Iterable[Mapping[str, Any]]) -> list[Rollout]:
    """The rollouts that `rows_of` made rows of; their offsets are gone."""
    prompts: dict[int, tuple[int, ...]] = {}
    found = []
    for row in rows:
        if row["prompt_ids"] is not None:
            prompts[row["group"]] = _unpacked("i", row["prompt_ids"])
        found.append(_rollout_of(row, prompts[row["group"]]))
    return found


def _row_of(rollout: Rollout) -> dict[str, Any]:
    return {
        **{name: getattr(rollout, name) for name in _PLAIN},
        **{name: _packed(code, getattr(rollout, name)) for name, code in _PACKED.items()},
        "outcome": outcome_row(rollout.outcome),
        "feedback": asdict(rollout.feedback),
        "credit": {name: [each.value, _packed_weights(each)] for name, each in rollout.credit.items()},
    }


def _rollout_of(row: Mapping[str, Any], prompt_ids: tuple[int, ...]) -> Rollout:
    values: dict[str, Any] = {name: row[name] for name in _PLAIN}
    values |= {name: _unpacked(code, row[name]) for name, code in _PACKED.items()}
    return Rollout(
        **values,
        prompt_ids=prompt_ids,
        outcome=outcome_from_row(row["outcome"]),
        feedback=feedback_of(row["feedback"]),
        credit=_credit_of(row["credit"]),
    )


def _packed_weights(credit: TokenCredit) -> list[str] | None:
    if credit.weights is None:
        return None
    code = "b" if {*credit.weights} <= {0.0, 1.0} else "f"
    return [code, _packed(code, [int(each) for each in credit.weights] if code == "b" else credit.weights)]


def _credit_of(row: Mapping[str, Any]) -> Credit:
    return {
        name: TokenCredit(value, None if packed is None else tuple(map(float, _unpacked(*packed))))
        for name, (value, packed) in row.items()
    }


def _packed(code: str, values: Sequence[float]) -> str:
    packed = array(code, values)
    if sys.byteorder == "big":
        packed.byteswap()
    return b64encode(packed.tobytes()).decode("ascii")


def _unpacked(code: str, text: str) -> tuple[Any, ...]:
    packed = array(code)
    packed.frombytes(b64decode(text))
    if sys.byteorder == "big":
        packed.byteswap()
    return tuple(packed)
