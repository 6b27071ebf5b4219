"""Training objectives: what `rltf train --method NAME` can be, each with its credit, loss, options and state.

Adding one is a file with a class derived from `rltf.objectives.base.Objective`, and an entry here.
Importing this costs nothing: the classes are named by strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rltf.validation import find_class

if TYPE_CHECKING:
    from rltf.objectives.base import Objective

OBJECTIVES: Mapping[str, str] = {
    "rltf": "rltf.objectives.rltf:RLTF",
    "sft": "rltf.objectives.sft:SFT",
    "grpo": "rltf.objectives.grpo:GRPO",
    "rloo": "rltf.objectives.rloo:RLOO",
    "dr_grpo": "rltf.objectives.dr_grpo:DrGRPO",
    "dapo": "rltf.objectives.dapo:DAPO",
    "gspo": "rltf.objectives.gspo:GSPO",
    "coderl": "rltf.objectives.coderl:CodeRL",
    "ppo": "rltf.objectives.ppo:PPO",
}
"""Name to `module:class`. One of your own needs no entry here: `--method my_package.my_module:MyClass`."""


def find_objective(name: str) -> type[Objective]:
    """The class of a method.

    Raises:
        InputError: If there is none.
    """
    found: type[Objective] = find_class("method", name, OBJECTIVES)
    return found
