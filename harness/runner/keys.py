"""What a verdict depends on, as a key: equal keys, equal verdicts."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from hashlib import sha256
from importlib import metadata
from typing import Any

from harness.compare import PROFILES, Profile
from harness.runner.server import PACKAGES
from harness.types import Limits

GRADER_VERSION = "4"
"""Raised whenever the runner may come to another outcome for the same program."""


def package_versions() -> dict[str, str]:
    """Versions of what programs may import beyond the standard library; "absent" where missing."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return versions


def grading_versions(profiles: Iterable[str]) -> dict[str, Any]:
    """`profiles` and `grader` of a `harness.evaluation.Plan`: all versions that a verdict depends on."""
    return {
        "profiles": {name: PROFILES[name].version for name in profiles},
        "grader": {"version": GRADER_VERSION, **package_versions()},
    }


class Keys:
    """Makes the keys of one runner's verdicts."""

    def __init__(self, limits: Limits, profiles: Sequence[Profile]) -> None:
        context = [
            GRADER_VERSION,
            platform.python_implementation(),
            platform.python_version(),
            platform.machine(),
            sorted(package_versions().items()),
            sorted(asdict(limits).items()),
            [(profile.name, profile.version) for profile in profiles],
        ]
        self._context = sha256(repr(context).encode())

    def key(self, code: str, suite_digest: str) -> bytes:
        """The key of a program's outcome on a suite; 32 bytes."""
        digest = self._context.copy()
        digest.update(suite_digest.encode())
        digest.update(code.encode(errors="surrogatepass"))
        return digest.digest()
