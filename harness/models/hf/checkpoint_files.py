"""What lies in a checkpoint's folder, before a library opens it.

Covers: what `MODEL` means (a hub id, a folder, a GGUF file, a PEFT adapter's folder), files that are only
pointers to files, shards that are missing, a digest of the content.
Does not cover: reading weights (`harness.models.hf.loading`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from harness.errors import InputError

ADAPTER_CONFIG = "adapter_config.json"
_CONTENT = (".safetensors", ".bin", ".pt", ".json", ".model", ".txt", ".jinja", ".py", ".gguf")
_POINTER = b"version https://git-lfs.github.com/spec/"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model", "tokenizer_config.json")


@dataclass(frozen=True, slots=True)
class Source:
    """Where model, adapter and tokenizer come from."""

    model: str
    """Hub id or folder."""
    gguf_file: str | None = None
    """In it: the file with weights, config and tokenizer."""
    adapter: str | None = None
    """Hub id or folder."""


def source_of(name: str, *, adapter: str | None = None, gguf_file: str | None = None) -> Source:
    """What `name` means, with the options beside it.

    A GGUF file may be named itself, or by its folder if it is the only one there. The folder of an adapter,
    such as `model/` of a training with LoRA, names its base itself.

    Raises:
        InputError: If a folder holds no checkpoint, or something in it is only a pointer.
    """
    path = Path(name)
    if path.is_file():
        if path.suffix != ".gguf":
            raise InputError(f"{name} is a file; name the folder of the checkpoint, or a .gguf file")
        _refuse_pointer(path)
        return Source(str(path.parent), path.name, adapter)
    if not path.is_dir():
        return Source(name, gguf_file, adapter)
    _check_files(path)
    if gguf_file is not None:
        if not (path / gguf_file).is_file():
            raise InputError(f"{path / gguf_file} is not there; {_named(path)}")
    elif not (path / "config.json").exists():
        if (path / ADAPTER_CONFIG).exists():
            return _from_adapter(name, read_json(path / ADAPTER_CONFIG), adapter)
        gguf_file = _only_gguf(path)
    return Source(name, gguf_file, adapter)


def _only_gguf(folder: Path) -> str | None:
    """The one GGUF file of a folder; None if it has none, which is for the library to say."""
    files = sorted(folder.glob("*.gguf"))
    if len(files) > 1:
        raise InputError(f"{folder} holds {len(files)} GGUF files; choose with --gguf-file: {_named(folder)}")
    return files[0].name if files else None


def _from_adapter(name: str, config: dict[str, Any], adapter: str | None) -> Source:
    base = config.get("base_model_name_or_path")
    if adapter is not None:
        raise InputError(
            f"{name} is an adapter itself; name its base as MODEL and one adapter with --adapter"
        )
    if not isinstance(base, str) or not base:
        raise InputError(
            f"{name} is an adapter that names no base; pass the base as MODEL and --adapter {name}"
        )
    if Path(base).is_absolute() and not Path(base).exists():
        raise InputError(
            f"{name} is an adapter of {base}, which is not there; pass the base as MODEL and --adapter {name}"
        )
    found = source_of(base)
    if found.adapter is not None:
        raise InputError(f"{name} is an adapter of {base}, which is an adapter too; merge that one first")
    return Source(found.model, found.gguf_file, name)


def _named(folder: Path) -> str:
    names = sorted(file.name for file in folder.glob("*.gguf"))
    return ", ".join(names[:8]) or "the folder holds no .gguf file"


def read_json(file: Path) -> dict[str, Any]:
    """The table in a file.

    Raises:
        InputError: If there is none in it.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file}: not readable ({error})") from error
    if not isinstance(found, dict):
        raise InputError(f"{file}: not a table but {type(found).__name__}")
    return found


def check_weights(folder: Path) -> None:
    """
    Raises:
        InputError: If no file of weights lies there.
    """
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
        raise InputError(f"{folder} holds no weights (model.safetensors, or pytorch_model.bin)")


def has_tokenizer(folder: str) -> bool:
    """Whether a tokenizer lies there."""
    return any((Path(folder) / name).is_file() for name in _TOKENIZERS[:-1])


def _check_files(folder: Path) -> None:
    for file in _files(folder):
        _refuse_pointer(file)
    for index in (*folder.glob("*.safetensors.index.json"), *folder.glob("*.bin.index.json")):
        table = read_json(index).get("weight_map")
        shards = {str(each) for each in table.values()} if isinstance(table, dict) else set()
        missing = sorted(name for name in shards if not (folder / name).is_file())
        if missing:
            raise InputError(
                f"{folder}: {len(missing)} of {len(shards)} files of weights are missing ({missing[0]}),"
                f" which {index.name} names; fetch the checkpoint again"
            )


def _refuse_pointer(file: Path) -> None:
    try:
        with file.open("rb") as opened:
            start = opened.read(len(_POINTER))
    except OSError as error:
        raise InputError(f"{file}: not readable ({error.strerror})") from error
    if start == _POINTER:
        raise InputError(
            f"{file} is a pointer of git-lfs and not the file itself; run git lfs pull in {file.parent}"
        )
    if not start and file.suffix in (".safetensors", ".bin", ".gguf", ".json"):
        raise InputError(f"{file} is empty; fetch the checkpoint again")


def _files(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.iterdir()):
        if file.suffix in _CONTENT and file.is_file():
            yield file


def digest(folder: Path, gguf_file: str | None = None) -> str:
    """Over the names and contents of a checkpoint's files, those of an optimiser left out, and of GGUF files
    all but the one that is used."""
    total = sha256()
    for file in _files(folder):
        unused = file.suffix == ".gguf" and file.name != gguf_file
        if not unused and not file.name.startswith(("optimizer", "scheduler", "trainer")):
            with file.open("rb") as opened:
                total.update(file.name.encode() + file_digest(opened, "sha256").digest())
    return total.hexdigest()
