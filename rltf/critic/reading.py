"""How a critic reads, from the options. Does not cover: reading (`rltf.critic.model`)."""

from __future__ import annotations

from typing import Any

from rltf.critic.model import Reading
from rltf.rewards.critic_options import CriticOptions


def reading_of(options: CriticOptions, model: Any, *, width: int) -> Reading:
    """The options as they are for a model of one family.

    Args:
        options: Whose `critic_state` may be `family`.
        model: Causal or seq2seq.
        width: Tokens of the longest program.
    """
    after = options.critic_state == "after"
    if options.critic_state == "family":
        after = not model.config.is_encoder_decoder
    return Reading(options.critic_classes, options.critic_pooling, after, options.critic_scaled, width)
