"""Options by name: from a preset and `name=value` texts to an `RLTFConfig`.

Covers: every option of `RLTFConfig` (and so of `TrainingArguments`) and of the method, by its own name, and
those of reward terms as `term.name`; a value that an option cannot have is one line, before anything is
loaded.
Does not cover: what the options mean; their docstrings say that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_type_hints

from harness.errors import HarnessError, InputError
from rltf.bounds import ELSEWHERE
from rltf.objectives import OBJECTIVES, find_objective
from rltf.objectives.base import ROLLOUTS
from rltf.options.values import read_value
from rltf.presets import PRESETS
from rltf.rewards.rltf import PAPER, RewardConfig
from rltf.rewards.terms import find_term

if TYPE_CHECKING:
    from rltf.config import RLTFConfig
    from rltf.objectives.base import Objective


def make_config(
    preset: str | None, settings: Iterable[str] = (), *, warm_start_of: str | None = None, **fixed: Any
) -> RLTFConfig:
    """The configuration of a preset with changes.

    Args:
        preset: One of `rltf.presets.PRESETS`; `None` for the defaults of `RLTFConfig`.
        settings: `name=value`, the value as its option's type writes it: `learning_rate=1e-5`, `bf16=false`,
            `baseline=greedy`, `temperatures=[0.6,1.0]`.
        warm_start_of: The method of the training that this is a stage before; its options are passed over.
        fixed: Options that stand above both.

    Raises:
        InputError: If a preset, option or value is not known, or options do not go together.
    """
    from rltf.config import RLTFConfig  # noqa: PLC0415 - the same
    from rltf.options.buildable import check_buildable  # noqa: PLC0415 - imports torch

    options = preset_options(preset)
    kinds = _kinds(RLTFConfig)
    given = dict(map(_split, settings))
    method = fixed.get("method") or given.get("method") or options.get("method") or "rltf"
    kind = find_objective(method)
    own = get_type_hints(kind.Options)
    offline = ROLLOUTS not in kind.needs_always
    found: dict[str, Any] = {}
    term_options: dict[str, dict[str, Any]] = {}
    for name, text in given.items():
        term, dot, option = name.rpartition(".")
        if dot:
            term_options.setdefault(term, {})[option] = _term_value(term, option, text)
        elif name in own:
            found[name] = read_value(name, text, own[name])
        elif name in _REWARD_OPTIONS and (name in _SHARED or offline):
            options["rewards"] = _with_rewards(options, {name: read_value(name, text, _REWARD_OPTIONS[name])})
        elif name in ELSEWHERE:
            raise InputError(f"{name} is not set like this: {ELSEWHERE[name]}")
        elif name in kinds:
            options[name] = read_value(name, text, kinds[name])
        else:
            others = (*OBJECTIVES, warm_start_of or given.get("method") or method)
            _check_other_method(name, text, kind, others, kinds)
    try:
        if kind.Options is RewardConfig:
            options["rewards"] = _with_rewards(options, found)
        else:
            chosen = options.get("objective") if options.get("method", method) == method else None
            options["objective"] = _with_options(chosen, kind.Options, found)
        if term_options:
            before = options.get("term_options", {})
            options["term_options"] = before | {
                term: before.get(term, {}) | changes for term, changes in term_options.items()
            }
        config = RLTFConfig(**(options | fixed))
    except HarnessError:
        raise
    # Trainer's options are checked by Trainer, accelerate and DeepSpeed, each with errors of its own.
    except Exception as error:
        names = f" ({', '.join(given)})" if given else ""
        said = str(error) or type(error).__name__
        raise InputError(f"these options do not go together{names}: {said}") from None
    check_buildable(config)
    return config


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
_SHARED = ("feedback",)
"""Of those, what all methods that sample programs have."""


def _with_rewards(options: Mapping[str, Any], changes: Mapping[str, Any]) -> RewardConfig:
    before: RewardConfig = options.get("rewards", PAPER)
    return replace(before, **changes)


def _with_options(preset: Any, kind: type[Any], changes: Mapping[str, Any]) -> Any:
    """Options of a method over those that a preset has for it; `None` for the defaults."""
    if isinstance(preset, Mapping):  # so that the table of presets imports no method
        return kind(**{**preset, **changes})
    if isinstance(preset, kind):
        return replace(preset, **changes)
    return kind(**changes) if changes else None


def _term_value(term: str, option: str, text: str) -> Any:
    """The value of `term.option`."""
    hints = get_type_hints(find_term(term))
    if option not in hints:
        known = ", ".join(hints) or "none"
        raise InputError(f"unknown option {term}.{option}; the options of {term} are: {known}")
    return read_value(f"{term}.{option}", text, hints[option])


def _check_other_method(
    name: str, text: str, kind: type[Objective], others: Iterable[str], kinds: Mapping[str, Any]
) -> None:
    """Refuse an option of another method, but where there are no programs to use it on: pass over it there.

    A supervised warm start has the settings of the training that it is for.
    """
    owners = {each: get_type_hints(find_objective(each).Options) for each in dict.fromkeys(others)}
    owners = {each: hints for each, hints in owners.items() if name in hints}
    if not owners:
        raise _unknown(name, kinds, get_type_hints(kind.Options))
    if ROLLOUTS in kind.needs_always:
        raise InputError(f"{name} is an option of --method {' or '.join(owners)}; leave it out")
    for hints in owners.values():
        read_value(name, text, hints[name])


def _kinds(config: type[RLTFConfig]) -> dict[str, Any]:
    """The type of each option."""
    hints = get_type_hints(config)
    kinds = {each.name: hints[each.name] for each in fields(config) if each.init}
    # Trainer's also take text: a file of settings, but not where they are arguments of a function.
    arguments = {name: dict[str, Any] | None for name in kinds if name.endswith("_kwargs")}
    # It also takes what it is not annotated with: whether to.
    return kinds | arguments | {"lr_scheduler_type": config.schedules(), "fsdp": bool | str | None}


def _split(setting: str) -> tuple[str, str]:
    name, equals, text = setting.partition("=")
    if not equals:
        raise InputError(f"{setting!r} is no option; write name=value, for example learning_rate=1e-5")
    return name.strip(), text


def _unknown(name: str, kinds: Mapping[str, Any], own: Mapping[str, Any]) -> InputError:
    near = get_close_matches(name, [*kinds, *own], n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else "; see rltf/config.py for the names"
    return InputError(f"unknown option {name!r}{hint}")
