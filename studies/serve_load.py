"""`make serve-load`: many clients for a long time, a tenth of them hostile, while workers are killed.

    python studies/serve_load.py [--requests N] [--seconds S] [--connections N] [--workers N] [--out FILE]

Starts an `rltf serve` with a queue that is too small for its clients, and asks until so many requests have
an answer. 503 and 504 are asked again, as clients do. Exit status 1 for an answer that is not right (a wrong
verdict, another program's output, another status), a 503 without Retry-After, anything left behind (programs,
descriptors, threads, processes, folders), or memory that grew by more than a tenth and 16 MiB from the first
quarter to the last.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import fmean

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.run_store import environment
from studies.http_client import Connection
from studies.kills import all_gone, children, descendants
from studies.serve_load_requests import Asked, honest, hostile_program, hostile_request
from studies.serve_process import Look, free_port, look, rltf_serve, started

REPORT = Path(__file__).resolve().parents[1] / "results" / "reports" / "serve-load.md"
HOSTILE_PROGRAMS, HOSTILE_REQUESTS, HANG_UPS = 0.05, 0.05, 0.02
"""Shares of the requests."""
LIMIT_CPU = 0.2
LOOK_SECONDS = 1.0
KILL_EVERY = 2000
"""Requests between two kills of a grader worker."""
MOST_GROWTH, MOST_GROWTH_MIB = 1.1, 16


@dataclass
class Load:
    """What has been seen."""

    wanted: int
    asked: int = 0
    answered: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    without_retry: int = 0
    hung_up: int = 0
    kills: int = 0
    looks: list[tuple[float, int, Look]] = field(default_factory=list)
    """Seconds, requests answered, what was seen."""
    left: list[str] = field(default_factory=list)
    """What was still there in the end."""

    def quarter(self, last: bool) -> list[tuple[float, int, Look]]:
        """The looks of the first or last quarter of the requests."""
        edge = self.answered / 4
        return [each for each in self.looks if (each[1] > 3 * edge if last else 0 < each[1] <= edge)]


async def client(port: int, load: Load, dice: random.Random, end: float) -> None:
    """One connection: asks, and asks again where it is told to."""
    connection = Connection(port)
    while load.asked < load.wanted and time.monotonic() < end:
        number, load.asked = load.asked, load.asked + 1
        lot = dice.random()
        if lot < HOSTILE_PROGRAMS:
            asked = hostile_program(dice, number)
        elif lot < HOSTILE_PROGRAMS + HOSTILE_REQUESTS:
            asked = hostile_request(dice)
        else:
            asked = honest(dice, number)
        if dice.random() < HANG_UPS:
            await _hang_up(connection, asked, dice)
            load.hung_up += 1
        else:
            await _ask(connection, asked, load, dice)
        load.answered += 1
    connection.hang_up()


async def _ask(connection: Connection, asked: Asked, load: Load, dice: random.Random) -> None:
    while True:
        try:
            answer = await connection.post(asked.path, asked.body, asked.headers)
        except OSError as error:
            if connection.reused:  # a server closes what was quiet for some seconds
                continue
            load.wrong.append(f"{asked.kind}: {type(error).__name__}")
            return
        load.statuses[answer.status] += 1
        if answer.status not in (503, 504):
            break
        if answer.status == 503 and not answer.headers.get("retry-after", "").isdecimal():
            load.without_retry += 1
        await asyncio.sleep(int(answer.headers.get("retry-after", "1")) * dice.uniform(0.5, 1.5))
    load.kinds[asked.kind] += 1
    if not asked.right(answer):
        load.wrong.append(f"{asked.kind} at {asked.path}: {answer.status} {answer.body[:300]!r}")


async def _hang_up(connection: Connection, asked: Asked, dice: random.Random) -> None:
    """In the middle of the request, or while it is answered."""
    body = asked.body if dice.random() < 0.5 else asked.body[: len(asked.body) // 2]
    with suppress(OSError):
        await connection.send(
            "POST", asked.path, body, {**asked.headers, "content-length": str(len(asked.body))}
        )
        await asyncio.sleep(dice.uniform(0, 0.1))
    connection.hang_up()


async def watch(pid: int, load: Load, started_at: float) -> None:
    """Look at the server again and again."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        load.looks.append((time.monotonic() - started_at, load.answered, look(pid)))


async def kill(pid: int, load: Load, dice: random.Random) -> None:
    """End a grader worker now and then."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if load.answered < (load.kills + 0.5) * KILL_EVERY:
            continue
        workers = [each for each in sorted(children(pid)) if descendants(each)]
        if workers:
            with suppress(ProcessLookupError):
                os.kill(dice.choice(workers), signal.SIGKILL)
                load.kills += 1


async def run(args: argparse.Namespace) -> Load:
    """All of it."""
    load, dice, port = Load(args.requests), random.Random(args.seed), free_port()
    with tempfile.TemporaryDirectory() as folder:
        bounds = ["--limit-cpu", str(LIMIT_CPU), "--max-queue", str(args.queue), "--max-body", "16"]
        command = rltf_serve(port, *bounds, "--workers", str(args.workers), "--cache", f"{folder}/cache")
        scratch = Path(folder) / "scratch"
        scratch.mkdir()
        async with started(command, port, env={**os.environ, "TMPDIR": str(scratch)}) as server:
            await asyncio.gather(*(_warm(port, number, dice) for number in range(args.connections)))
            before, started_at = await _idle(port, server.pid, load), time.monotonic()
            others = [
                asyncio.create_task(watch(server.pid, load, started_at)),
                asyncio.create_task(kill(server.pid, load, random.Random(args.seed))),
            ]
            clients = (
                client(port, load, random.Random(dice.getrandbits(64)), started_at + args.seconds)
                for _ in range(args.connections)
            )
            await asyncio.gather(*clients)
            for other in others:
                other.cancel()
            after = await _idle(port, server.pid, load)
            below = descendants(server.pid)
        load.left += [
            f"{name} {getattr(before, name)} before, {getattr(after, name)} after"
            for name in ("descriptors", "threads", "processes")
            if getattr(after, name) > getattr(before, name)
        ]
        if server.returncode != 0:
            load.left.append(f"exit status {server.returncode}")
        if not all_gone(below, 10):
            load.left.append("processes of a server that has ended")
        load.left += [f"scratch/{path.name}" for path in scratch.iterdir()]
    return load


async def _warm(port: int, number: int, dice: random.Random) -> None:
    """Each kind of request starts fork servers of its own in the workers, which stay."""
    connection, asked = Connection(port), honest(dice, -1 - number)
    with suppress(OSError):
        await connection.post(asked.path, asked.body)
    connection.hang_up()


async def _idle(port: int, pid: int, load: Load) -> Look:
    """The server once nothing waits or runs; what does so after half a minute was left behind."""
    for _ in range(60):
        await asyncio.sleep(0.5)
        connection = Connection(port)
        text = (await connection.get("/metrics")).body.decode()
        connection.hang_up()
        busy = [line for line in text.splitlines() if line.startswith("rltf_") and "ing_programs" in line]
        if all(float(line.split()[1]) == 0 for line in busy):
            break
    else:
        load.left += busy
    await asyncio.sleep(1)
    return look(pid)


def failures(load: Load) -> list[str]:
    """What did not hold; empty if all did."""
    found = {
        f"{len(load.wrong)} wrong answers": load.wrong,
        f"{load.without_retry} times 503 without Retry-After": load.without_retry,
        "no 503 was seen": load.statuses[503] == 0,
        "no worker was killed": load.kills == 0,
        f"left behind: {'; '.join(load.left)}": load.left,
        f"status 500: {load.statuses[500]} times": load.statuses[500],
    }
    grew = [
        f"memory of {name} grew from {first:.0f} to {last:.0f} MiB"
        for name, first, last in memory(load)
        if last > first * MOST_GROWTH and last > first + MOST_GROWTH_MIB
    ]
    return [text for text, holds in found.items() if holds] + grew


def memory(load: Load) -> Iterator[tuple[str, float, float]]:
    """Means over the first quarter of the requests and the last, MiB."""
    parts: dict[str, Callable[[Look], float]] = {
        "the server": lambda seen: seen.server_mib,
        "all below it": lambda seen: seen.below_mib,
    }
    for name, part in parts.items():
        first, last = (fmean(part(each[2]) for each in load.quarter(end)) for end in (False, True))
        yield name, first, last


def report(load: Load, args: argparse.Namespace) -> str:
    """The page that is committed."""
    about, seconds = environment.describe(), load.looks[-1][0]
    found = failures(load)
    refused = sum(count for kind, count in load.kinds.items() if kind.startswith("refused"))
    programs = sum(count for kind, count in load.kinds.items() if kind.startswith("hostile"))
    rows = [
        ("requests", f"{load.answered:,}"),
        ("of these hostile programs", f"{programs:,}"),
        ("hostile requests, each refused by its status", f"{refused:,}"),
        ("clients that hung up", f"{load.hung_up:,}"),
        ("kills of a grader worker", f"{load.kills:,}"),
        ("503, asked again", f"{load.statuses[503]:,}"),
        ("503 without Retry-After", f"{load.without_retry:,}"),
        ("504, asked again", f"{load.statuses[504]:,}"),
        ("wrong verdicts, outputs of others, other statuses", f"{len(load.wrong):,}"),
        ("requests/s", f"{load.answered / seconds:,.0f}"),
    ]
    quarters = [f"| {name}, MiB | {first:,.1f} | {last:,.1f} |" for name, first, last in memory(load)]
    peak = max(each[2].server_mib for each in load.looks)
    lines = [
        "# Many clients, a tenth of them hostile, while workers are killed",
        "",
        f"Made by `make serve-load` on {date.today()}, commit {about['commit']}, seed {args.seed}:",
        f"{args.connections} connections, a queue of {args.queue} programs, {args.workers} workers, limits of"
        f" {LIMIT_CPU:g} s, {seconds:,.0f} s in all,",
        f"on {about['hardware']['processors']} processors that the clients share.",
        f"Did not hold: {'; '.join(found)}." if found else "All held.",
        "",
        "| | |",
        "|---|---:|",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
        "| memory | first quarter | last quarter |",
        "|---|---:|---:|",
        *quarters,
        "",
        f"The server's process held {peak:,.0f} MiB at most.",
        "Once idle it had no more descriptors, threads and processes than before the load, and nothing in"
        " its queue;"
        if not load.left
        else "",
        "ended, it left no process and no folder." if not load.left else "",
        "",
        *(f"- `{text}`" for text in load.wrong[:20]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Ask, and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=1800.0, help="ask nothing more after this long")
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--queue", type=int, default=340, help="programs; fewer than the clients may send")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    load = asyncio.run(run(args))
    args.out.write_text(report(load, args))
    print(f"{args.out} written; {'; '.join(failures(load)) or 'all held'}")
    return 1 if failures(load) else 0


if __name__ == "__main__":
    raise SystemExit(main())
