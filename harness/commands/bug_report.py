"""What `rltf doctor --report` prints: what an issue needs to know of a machine, as Markdown.

Covers: versions, hardware, isolation, installed extras; whatever names this user, host or home is replaced.
Does not cover: environment variables, of which only the names of ours are shown, since values may be secrets.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.run_store.environment import commit, hardware, versions

_PACKAGES = (
    "torch",
    "transformers",
    "accelerate",
    "peft",
    "trl",
    "datasets",
    "huggingface_hub",
    "gguf",
    "ray",
    "fastapi",
    "uvicorn",
    "pandas",
    "rich",
    "jinja2",
)
_VARIABLES = ("RLTF_", "HF_", "CUDA_VISIBLE", "OMP_NUM", "PYTHONPATH")
"""Beginnings of names that explain differences."""


def bug_report(examine: Callable[[], Mapping[str, Any]]) -> str:
    """The Markdown.

    Args:
        examine: Gives what `rltf doctor --json` prints.
    """
    try:
        found, failed = examine(), ""
    except HarnessError as error:
        found, failed = {}, f"Nothing can be graded here: {error}"
    about = {
        "rltf-harness": f"{_version('rltf-harness')}, commit {commit() or 'unknown'}",
        "Python": f"{platform.python_version()} ({platform.python_implementation()}, {sys.platform})",
        "libc": " ".join(platform.libc_ver()) or "unknown",
        "container": _container(),
        **{name: value for name, value in hardware().items() if value is not None},
        "GPUs": _gpus(),
        "programs graded a second": found.get("programs_per_second", "-"),
        "workers": found.get("workers", "-"),
        "control group": ", ".join(found.get("cgroup", ())) or "none",
    }
    packages = {**versions(), **{name: _version(name) for name in _PACKAGES}}
    packages = {name: version for name, version in packages.items() if name not in ("python", "rltf-harness")}
    sections = [
        _table("Machine", about.items()),
        _table("Isolation", found.get("isolation", {}).items()),
        _table("Packages", packages.items()),
        _table("Environment variables that are set", ((name, "set") for name in _set_variables())),
    ]
    text = "\n".join(["### `rltf doctor --report`\n", *([f"{failed}\n"] if failed else []), *sections])
    return without_names(text)


def without_names(text: str) -> str:
    """`text` without the home, the user and the host that it may name."""
    for name, instead in ((str(Path.home()), "~"), (socket.gethostname(), "HOST"), (_user(), "USER")):
        # A short or common word would be found everywhere; `root` names nobody.
        if len(name) > 2 and name not in ("root", "localhost"):
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", instead, text)
    return text


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name for this number
        return ""


def _set_variables() -> list[str]:
    return sorted(name for name in os.environ if name.startswith(_VARIABLES))


def _container() -> str:
    signs = {"/.dockerenv": "Docker", "/run/.containerenv": "Podman", "/.singularity.d": "Singularity"}
    return next((name for path, name in signs.items() if Path(path).exists()), "none seen")


def _gpus() -> str:
    """By torch, if it is installed: the driver's own tools may be missing."""
    try:
        import torch  # noqa: PLC0415 - seconds to import
    except ImportError:
        return "unknown: no torch"
    if not torch.cuda.is_available():
        return f"none that torch {torch.__version__} can use"
    names = [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]
    return f"{', '.join(names)} (CUDA {torch.version.cuda})"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _table(title: str, rows: Iterable[tuple[str, Any]]) -> str:
    lines = [f"| {name} | {str(value).replace('|', '/')} |" for name, value in rows]
    if not lines:
        return ""
    return "\n".join([f"| {title} | |", "|---|---|", *lines, ""])
