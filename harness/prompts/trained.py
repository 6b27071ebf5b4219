"""The prompt that a model was trained with, kept in its folder so that it is asked in the same way.

A trained model keeps its base's chat template whether it was trained with it or not; its files do not say.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.files import write_json
from harness.prompts.record import format_hash
from harness.types import PromptFormat

FILE = "rltf_prompt.json"


def note_trained(folder: Path, prompt_format: PromptFormat) -> None:
    """Write into a model's folder which format it was trained with."""
    noted = {
        "format": prompt_format.name,
        "version": prompt_format.version,
        "sha256": format_hash(prompt_format),
        "chat": prompt_format.chat,
    }
    write_json(folder / FILE, noted)


def trained_with(folder: Path) -> dict[str, Any] | None:
    """What `note_trained` wrote; None where there is nothing.

    Raises:
        InputError: If what is there was not written by it.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        noted = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file}: not readable ({error}); name a format with --format") from error
    if not isinstance(noted, dict) or not isinstance(noted.get("format"), str):
        raise InputError(f"{file} names no format; name one with --format, or delete the file")
    return noted
