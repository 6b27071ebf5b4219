"""The critic: a model of the policy's family, and a small head on the states of the program's tokens.

A program of T tokens has T+1 states, S_0 to S_T: S_t has seen the prompt and its first t tokens. Before token
t stands S_(t-1), after it S_t. The head is Linear(D, 128), ReLU, Linear(128, C) on each (CodeRL's
modeling_t5.py, 1468). Covers: both families, and which positions predict the class of the whole program.
Does not cover: training (`rltf.critic.fitting`), files (`rltf.critic.files`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harness.models.positions import ContextWindow
from rltf.critic.values import pooled, token_values
from rltf.rewards.critic_options import Pooling

HEAD_WIDTH = 128


@dataclass(frozen=True, slots=True)
class LabelledProgram:
    """A program as the critic reads it, and the class that it has."""

    prompt: Sequence[int]
    """Token ids in front of it, as the policy reads them."""
    program: Sequence[int]
    """Token ids, the end token included where it was written."""
    label: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How a critic reads; part of what it is, since it was trained so."""

    classes: int
    pooling: Pooling
    after: bool
    """A token's value is read behind it."""
    scaled: bool
    width: int
    """With pooling `all`, positions of a program with its padding."""


class CriticHead(nn.Sequential):
    """`[…, D]` to `[…, C]`."""

    def __init__(self, states: int, classes: int) -> None:
        super().__init__(nn.Linear(states, HEAD_WIDTH), nn.ReLU(), nn.Linear(HEAD_WIDTH, classes))


class Critic(nn.Module):
    """Predicts the class of a program from each of its beginnings."""

    def __init__(self, backbone: Any, reading: Reading, *, pad_id: int) -> None:
        """
        Args:
            backbone: Causal or seq2seq, of transformers; its output layer is not used.
            reading: How it reads.
            pad_id: Fills up batches.
        """
        super().__init__()
        self.backbone = backbone
        self.reading = reading
        self._pad = pad_id
        self._seq2seq = bool(backbone.config.is_encoder_decoder)
        width = backbone.get_input_embeddings().weight.shape[1]
        self.head = CriticHead(width, reading.classes)
        self._scale = 1.0
        if reading.scaled and getattr(backbone.config, "scale_decoder_outputs", False):
            self._scale = float(width) ** -0.5

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.head.parameters()).device

    @property
    def _dtype(self) -> torch.dtype:
        """Of the head; the model's may be narrower."""
        return next(self.head.parameters()).dtype

    def collate(self, programs: Sequence[LabelledProgram]) -> dict[str, Tensor]:
        """Programs side by side: what `forward` takes, B programs of up to W tokens.

        With pooling `all` every program is padded to the same width, whatever else is in the batch, so that
        its class does not depend on its neighbours; only a model's context can make it narrower.
        """
        width = max(len(each.program) for each in programs)
        if self.reading.pooling == "all":
            width = max(width, min(self.reading.width, self._room(programs)))
        return {
            name: each.to(self.device)
            for name, each in {
                **(self._seq2seq_inputs if self._seq2seq else self._causal_inputs)(programs, width),
                "lengths": torch.tensor([len(each.program) for each in programs]),
                "labels": torch.tensor([each.label for each in programs]),
            }.items()
        }

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Logits of all states; `[B, W+1, C]`, those from S_T+1 on behind padding."""
        states = self._decoded(batch) if self._seq2seq else self._continued(batch)
        found: Tensor = self.head((states * self._scale).to(self._dtype))
        return found

    def token_logits(self, logits: Tensor) -> Tensor:
        """Of the state that each token's value is read from; `[B, W, C]`."""
        return logits[:, 1:] if self.reading.after else logits[:, :-1]

    def class_logits(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Of the whole program; `[B, C]`.

        Args:
            logits: As `forward` gives them.
            batch: Which they are of.
        """
        lengths, pooling = batch["lengths"], self.reading.pooling
        if pooling == "last":
            return logits[torch.arange(len(logits), device=logits.device), lengths]
        places = self.token_logits(logits)
        if pooling == "all":
            return places.amax(dim=1)
        positions = torch.arange(places.shape[1], device=logits.device)
        return pooled(places, positions[None] < lengths.clamp(min=1)[:, None])

    @torch.no_grad()
    def judge(self, programs: Sequence[LabelledProgram]) -> tuple[list[tuple[float, ...]], list[int]]:
        """The value of each token under the program's own class, and the class that it is taken for."""
        batch = self.collate(programs)
        logits = self(batch)
        values = token_values(self.token_logits(logits), batch["labels"]).cpu()
        predicted = self.class_logits(logits, batch).argmax(dim=1).tolist()
        rows = zip(values, programs, strict=True)
        return [tuple(row[: len(each.program)].tolist()) for row, each in rows], predicted

    # --- inputs ----------------------------------------------------------------------------------

    def _room(self, programs: Sequence[LabelledProgram]) -> int:
        """Tokens that the model's context leaves to a program, beside the longest prompt."""
        window = ContextWindow.of(self.backbone)
        if window.for_answer is None:
            return self.reading.width
        prompt = 0 if self._seq2seq else max(len(each.prompt) for each in programs)
        return window.for_answer - prompt - 1

    def _seq2seq_inputs(self, programs: Sequence[LabelledProgram], width: int) -> dict[str, Tensor]:
        start = self.backbone.config.decoder_start_token_id
        given = [[start, *each.program] for each in programs]
        return {
            **_padded([list(each.prompt) for each in programs], self._pad),
            "decoder_input_ids": _padded(given, self._pad, width + 1)["input_ids"],
        }

    def _causal_inputs(self, programs: Sequence[LabelledProgram], width: int) -> dict[str, Tensor]:
        given = [[*each.prompt, *each.program] for each in programs]
        longest = max(len(each.prompt) for each in programs) + width
        before = torch.tensor([len(each.prompt) - 1 for each in programs])
        return {
            **_padded(given, self._pad, longest),
            "states": before[:, None] + torch.arange(width + 1)[None],
        }

    # --- states ----------------------------------------------------------------------------------

    def _decoded(self, batch: dict[str, Tensor]) -> Tensor:
        mask = batch["attention_mask"]
        read = self.backbone.get_encoder()(input_ids=batch["input_ids"], attention_mask=mask)
        found: Tensor = self.backbone.get_decoder()(
            input_ids=batch["decoder_input_ids"],
            encoder_hidden_states=read.last_hidden_state,
            encoder_attention_mask=mask,
            use_cache=False,
        ).last_hidden_state
        return found

    def _continued(self, batch: dict[str, Tensor]) -> Tensor:
        states: Tensor = self.backbone.base_model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False
        ).last_hidden_state
        places = batch["states"][:, :, None].expand(-1, -1, states.shape[2])
        return states.gather(1, places)


def _padded(rows: Sequence[Sequence[int]], pad: int, width: int | None = None) -> dict[str, Tensor]:
    longest = max(map(len, rows)) if width is None else width
    ids = torch.full((len(rows), longest), pad)
    mask = torch.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row, dtype=ids.dtype)
        mask[place, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}
