"""Checkpoints: our state beside Trainer's, which of them are whole, and what a failure to write one says.

A checkpoint is whole once Trainer's own state file, the last it writes, can be read: a process killed in
between leaves a folder that is passed over. Ours is plain JSON, one file for each process.
Does not cover: model, optimiser, scheduler and random states, which Trainer writes.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.files import replace_file

FORMAT = 3
"""Raised when our state changes its meaning. 2 (version 0.1) held experiences without their outcomes."""

_TRAINER_STATE = "trainer_state.json"


class OtherFormatError(InputError):
    """A checkpoint that another version wrote."""


def newest(output_dir: Path) -> Path | None:
    """The newest whole checkpoint; `None` if there is none.

    Raises:
        InputError: If another version wrote it: training would start anew without a word.
    """
    found = sorted(output_dir.glob("checkpoint-*"), key=_step, reverse=True)
    return next((folder for folder in found if is_whole(folder)), None)


def steps_of(checkpoint: Path) -> int:
    """Optimiser steps that a whole checkpoint has behind it."""
    return int(json.loads((checkpoint / _TRAINER_STATE).read_bytes())["global_step"])


def is_whole(checkpoint: Path) -> bool:
    """Whether it was written to its end.

    Raises:
        InputError: If another version wrote it.
    """
    try:
        steps_of(checkpoint)
        processes = int(read_state(checkpoint, 0)["processes"])
        return all((checkpoint / _name(process)).exists() for process in range(processes))
    except OtherFormatError:
        raise
    except (InputError, OSError, ValueError, KeyError, TypeError):
        return False


def write_state(checkpoint: Path, state: Mapping[str, Any], process: int) -> None:
    """Write our state of one process; it says how many `processes` there are."""
    text = json.dumps({"format": FORMAT, **state}, allow_nan=False)
    checkpoint.mkdir(parents=True, exist_ok=True)
    replace_file(checkpoint / _name(process), lambda stream: stream.write(text.encode("ascii")))


def read_state(checkpoint: Path, process: int) -> dict[str, Any]:
    """Our state of one process.

    Raises:
        InputError: If there is none: not our checkpoint, or one of fewer processes.
    """
    path = checkpoint / _name(process)
    try:
        state: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise InputError(
            f"{path} cannot be read; resume with as many processes as before, or choose another --out"
        ) from None
    if state.get("format") != FORMAT:
        raise OtherFormatError(
            f"{path} has format {state.get('format')}, this version reads {FORMAT}; finish the run with the"
            " version that began it, or start anew in another --out"
        )
    return state


@contextmanager
def saving(checkpoint: Path) -> Iterator[None]:
    """Turn a failure to write into one line; torch and safetensors have errors of their own for it.

    Other errors (of the device, of the sampler, bugs) are none of writing, and go on as they are.

    Raises:
        InputError: If the checkpoint cannot be written; the one before it is as it was.
    """
    try:
        yield
    except Exception as error:
        if not _is_of_writing(error):
            raise
        remedy = "make room" if _is_full(error) else "mend that"
        raise InputError(
            f"{checkpoint} cannot be written: {error}; {remedy}, then run the same command with --resume:"
            " the checkpoint before it is whole"
        ) from error


def _is_of_writing(error: Exception) -> bool:
    if isinstance(error, OSError):
        return not isinstance(error, ConnectionError | TimeoutError | ChildProcessError)
    if type(error).__name__ == "SafetensorError":
        return True
    # What torch.save raises has no class of its own, and the device's errors have the same.
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _TORCH_WRITING)


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    # Torch says of a disk that is full only how far it came.
    return isinstance(error, RuntimeError) or "No space left" in str(error)


_TORCH_WRITING = ("PytorchStreamWriter", "inline_container", "iostream", "file write failed")


def _name(process: int) -> str:
    return f"rltf_state_{process}.json"


def _step(folder: Path) -> int:
    number = folder.name.rpartition("-")[2]
    return int(number) if number.isdigit() else -1
