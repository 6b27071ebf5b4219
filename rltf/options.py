"""Options by name: from a preset and `name=value` texts to an `RLTFConfig`.

Covers: every option of `RLTFConfig` (and so of `TrainingArguments`) and of `RewardConfig`, by its own name.
Does not cover: what the options mean; their docstrings say that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from harness.errors import InputError
from rltf.presets import PRESETS
from rltf.rewards import PAPER, RewardConfig

if TYPE_CHECKING:
    from rltf.config import RLTFConfig


def make_config(preset: str | None, settings: Iterable[str] = (), **fixed: Any) -> RLTFConfig:
    """The configuration of a preset with changes.

    Args:
        preset: One of `rltf.presets.PRESETS`; `None` for the defaults of `RLTFConfig`.
        settings: `name=value`; the value as JSON, or a bare word: `learning_rate=1e-5`, `baseline=greedy`.
        fixed: Options that stand above both.

    Raises:
        InputError: If a preset, option or value is not known.
    """
    from rltf.config import RLTFConfig  # noqa: PLC0415 - imports torch

    options = preset_options(preset)
    reward_options: dict[str, Any] = {}
    known = {each.name for each in fields(RLTFConfig) if each.init} - {"output_dir", "rewards"}
    for name, value in map(_parsed, settings):
        if name in _REWARD_OPTIONS:
            reward_options[name] = _checked(name, value)
        elif name in known:
            options[name] = value
        else:
            near = get_close_matches(name, [*known, *_REWARD_OPTIONS], n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else "; see rltf/config.py for the names"
            raise InputError(f"unknown option {name!r}{hint}")
    options["rewards"] = replace(options.get("rewards", PAPER), **reward_options)
    try:
        return RLTFConfig(**(options | fixed))
    except (TypeError, ValueError, ImportError) as error:
        raise InputError(f"these options do not go together: {error}") from None


def preset_options(name: str | None) -> dict[str, Any]:
    """The options of a preset; none for `None`.

    Raises:
        InputError: If there is no preset of that name.
    """
    if name is None:
        return {}
    if name not in PRESETS:
        raise InputError(f"unknown preset {name!r}; available: {', '.join(PRESETS)}")
    return dict(PRESETS[name])


_REWARD_OPTIONS: Mapping[str, Any] = get_type_hints(RewardConfig)


def _parsed(setting: str) -> tuple[str, Any]:
    name, equals, text = setting.partition("=")
    if not equals:
        raise InputError(f"{setting!r} is no option; write name=value, for example learning_rate=1e-5")
    try:
        return name.strip(), json.loads(text)
    except ValueError:
        return name.strip(), text


def _checked(name: str, value: Any) -> Any:
    """A reward option's value, if it is one of those that the option can have."""
    kind = _REWARD_OPTIONS[name]
    allowed = get_args(kind)
    if allowed:
        if value not in allowed:
            raise InputError(f"unknown {name} {value!r}; available: {', '.join(allowed)}")
        return value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind):
        raise InputError(
            f"{name} must be a {kind.__name__}, got {value!r}; write {name}=true or {name}=false"
        )
    return value
