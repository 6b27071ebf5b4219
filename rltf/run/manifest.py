"""The folder of a training run: `training.json` says what it is, and a run of other inputs is refused.

Does not cover: what else lies in it (checkpoints, `metrics.jsonl`, `eval/`, `comparison.json`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.files import write_json
from harness.publish.tracked_run import FILE as TRACKED
from harness.run_store import environment
from harness.run_store.manifest import refuse_other_inputs
from rltf.config import RLTFConfig

MANIFEST = "training.json"
FORMAT = 1
"""Raised when `training.json` changes its meaning."""


def adopt_folder(
    out: Path, identity: Mapping[str, Any], config: RLTFConfig, *, resume: bool, command: str = ""
) -> None:
    """Make `out` the folder of this training, or find that it is.

    Args:
        out: It exists, and no other process works there (`harness.run_store.lock`).
        identity: What a resumed run must have as before; plain JSON values.
        config: Recorded in full.
        resume: Whether to go on with what lies there.
        command: Recorded.

    Raises:
        InputError: If it holds another training, or this one and `resume` was not asked for.
    """
    path, asked = out / MANIFEST, json.loads(json.dumps(identity))
    # A manifest alone, or with the ids of trackers, is a training that was refused before it began.
    if path.exists() and {each.name for each in out.iterdir()} - {MANIFEST, TRACKED}:
        if not resume:
            raise InputError(f"{out} holds a training run; pass --resume to go on, or choose another --out")
        return refuse_other_inputs(out, _read(path), asked)
    manifest = {
        "format": FORMAT,
        "identity": asked,
        "options": config.to_dict(),
        "command": command,
        **environment.describe(),
    }
    write_json(path, manifest, default=str, allow_nan=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes())["identity"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path} is not a manifest of ours; choose another --out") from None
