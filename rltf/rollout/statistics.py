"""Shares and means of programs, for the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rltf.rewards.feedback import Category, Feedback, Scope


def program_statistics(
    front: str, programs: Sequence[tuple[Feedback, Mapping[str, float]]]
) -> dict[str, float]:
    """Shares of categories, sub-types and scopes, mean pass ratio and mean rewards; empty for no programs.

    Args:
        front: Before every name: `sampled` gives `sampled/passed`.
        programs: With the named rewards that are to be averaged; one that a program does not have is 0.
    """
    n = len(programs)
    if not n:
        return {}
    categories = Counter(said.category for said, _ in programs)
    scopes = Counter(said.scope for said, _ in programs)
    subtypes = Counter(f"{said.category}.{said.subtype}" for said, _ in programs)
    return {
        **{f"{front}/{category}": categories[category] / n for category in Category},
        **{f"{front}/scope/{scope}": scopes[scope] / n for scope in Scope},
        **{f"{front}/subtype/{name}": count / n for name, count in sorted(subtypes.items())},
        f"{front}/pass_ratio": sum(said.pass_ratio for said, _ in programs) / n,
        **{
            f"{front}/reward_{name}": sum(rewards.get(name, 0.0) for _, rewards in programs) / n
            for name in dict.fromkeys(name for _, rewards in programs for name in rewards)
        },
    }
