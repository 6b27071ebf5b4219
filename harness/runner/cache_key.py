"""What a verdict depends on, as a key: equal keys, equal verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from harness.compare import Profile, get_profiles
from harness.runner.backend import WorkerInfo, info_here, package_versions
from harness.types import Limits

__all__ = ["GRADER_VERSION", "Keys", "grading_versions", "package_versions"]
GRADER_VERSION = "6"
"""Raised whenever the runner may come to another outcome for the same program."""


def grading_versions(profiles: Iterable[str]) -> dict[str, Any]:
    """`profiles` and `grader` of a `harness.evaluate.evaluation.Plan`: all versions that a verdict depends
    on."""
    return {
        "profiles": {profile.name: profile.version for profile in get_profiles(profiles)},
        "grader": {"version": GRADER_VERSION, **package_versions()},
    }


class Keys:
    """Makes the keys of one runner's verdicts."""

    def __init__(self, limits: Limits, profiles: Sequence[Profile], info: WorkerInfo | None = None) -> None:
        """
        Args:
            limits: Of jobs that have none of their own.
            profiles: That decide.
            info: Where the programs run, whose versions matter; by default here.
        """
        self._limits, self._profiles, self._info = limits, profiles, info or info_here()
        self._contexts = {limits: self._context(limits)}

    def _context(self, limits: Limits) -> Any:
        info = self._info
        context = [
            GRADER_VERSION,
            info.implementation,
            info.python,
            info.machine,
            sorted(info.packages.items()),
            sorted(asdict(limits).items()),
            [(profile.name, profile.version) for profile in self._profiles],
        ]
        return sha256(repr(context).encode())

    def key(
        self,
        code: str,
        suite_digest: str,
        limits: Limits | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> bytes:
        """The key of a program's outcome on a suite, with the limits and files of its job; 32 bytes."""
        limits = limits or self._limits
        if limits not in self._contexts:
            self._contexts[limits] = self._context(limits)
        digest = self._contexts[limits].copy()
        digest.update(suite_digest.encode())
        digest.update(code.encode(errors="surrogatepass"))
        if files:
            # Of a digest, not behind it: a program may look for a text that is its own digest, and files.
            digest = sha256(digest.digest() + repr(sorted(files.items())).encode(errors="surrogatepass"))
        key: bytes = digest.digest()
        return key
