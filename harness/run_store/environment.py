"""What a run ran on: versions, commit, hardware. For manifests and `rltf doctor`.

Covers: facts that explain a difference between two runs. Does not cover: names of hosts, users or folders.
"""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any


def describe() -> dict[str, Any]:
    """Versions, commit and hardware, as plain JSON values."""
    return {"versions": versions(), "commit": commit(), "hardware": hardware()}


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python, of the project, of what a verdict may depend on, and of `packages`."""
    found = {"python": platform.python_version(), "kernel": platform.release()}
    for name in ("rltf-harness", "numpy", "multiprocess", "pyseccomp", *packages):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def commit() -> str | None:
    """Commit of the checkout that this code runs from, `+changes` if changed; `None` outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    head = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return head and head + ("+changes" if changed else "")


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(root), *arguments],  # noqa: S607 - the user's own git, wherever it is
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def hardware() -> dict[str, Any]:
    """Processor, processors that this process may use, and memory in MiB; `None` where unknown."""
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "machine": platform.machine(),
        "processor": _field("/proc/cpuinfo", "model name"),
        "processors": len(affinity(0)) if affinity else os.cpu_count(),
        "memory_mib": _memory_mib(),
    }


def _memory_mib() -> int | None:
    text = _field("/proc/meminfo", "MemTotal")
    return int(text.split()[0]) // 1024 if text else None


def _field(path: str, name: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if line.startswith(name):
                    return line.partition(":")[2].strip()
    except OSError:
        return None
    return None
