"""The peers that `integrations.py` runs, with the versions tested, and the table of what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.run_store import environment


@dataclass(frozen=True)
class Peer:
    """A trainer or harness, and how it is called here."""

    name: str
    package: str
    """`name==version` of the package index, or `owner/name@commit` for sources that are not there."""
    extra: str = ""
    """Of ours."""
    needs: tuple[str, ...] = ()
    """What its caller imports besides, where it is called by path; for a command, extras of ours."""
    by_path: bool = False
    torch: bool = False
    """Run where torch without CUDA can be had."""


PEERS = (
    Peer("trl", "trl==1.16.0", "trl,models", torch=True),
    Peer("verl", "verl==0.9.1", torch=True),
    Peer(
        "slime",
        "THUDM/slime@624b824a",
        needs=("aiohttp", "httpx", "pylatexenc", "sympy"),
        by_path=True,
        torch=True,
    ),
    Peer("openrlhf", "openrlhf==0.11.2", needs=("aiohttp",), by_path=True),
    Peer("areal", "areal==1.0.4", needs=("colorlog",), by_path=True),
    Peer("inspect", "inspect-ai==0.3.285", "inspect", needs=("openai",)),
    Peer("lm_eval", "lm-eval[api]==0.4.13", "lm-eval"),
)


@dataclass(frozen=True)
class Row:
    """What came of one peer on one Python."""

    peer: Peer
    python: str
    said: str
    callers: str = ""


def report(rows: Sequence[Row], benchmark: str, right: Sequence[float]) -> str:
    """The table: integration, tested version, Pythons."""
    versions = sorted({row.python for row in rows})
    heads = [
        "integration",
        "tested version",
        "its code that calls ours",
        *(f"Python {each}" for each in versions),
    ]
    lines = [
        "# Adapters, called by the trainers and harnesses themselves",
        "",
        f"Recorded answers to the first {len(right)} of {benchmark}; {sum(right):g} pass by `rltf eval`,",
        "chat format. Each peer's own code calls our adapter, in an environment of its own; equal: its",
        "rewards are `rltf eval`'s verdicts, answer by answer (lm-eval has one number). Called by path, with",
        "only what its caller imports, since the whole wants a GPU: "
        f"{', '.join(peer.name for peer in PEERS if peer.by_path)}.",
        "",
        f"| {' | '.join(heads)} |",
        "|" + "---|" * len(heads),
    ]
    for peer in PEERS:
        own = {row.python: row for row in rows if row.peer is peer}
        if own:
            callers = next((row.callers for row in own.values() if row.callers), "")
            cells = [own[each].said if each in own else "" for each in versions]
            lines.append(f"| {' | '.join([peer.name, peer.package, callers, *cells])} |")
    about = environment.describe()
    options = "--python PYTHON3.11 PYTHON3.12 PYTHON3.13 --sources slime=FOLDER"
    lines += ["", "## Made by", "", f"    make integrations ARGS='{options}'", ""]
    lines += [f"Machine: {', '.join(f'{name} {value}' for name, value in about['hardware'].items())}."]
    return "\n".join(lines) + "\n"
