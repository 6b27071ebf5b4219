"""`make serve-throughput`: how many programs in a second `rltf serve` runs, and what bounds it.

    python studies/serve_throughput.py [--reference PORT] [--rounds N] [--seconds S] [--workers N]

In turn, for so many rounds: `/run_code` of a SandboxFusion server, if one listens at that port; `/run_code`
of ours; programs in batches through `/v1/grade`; the same programs straight through `Runner.run`. The same
client asks all servers, and its CPU time is told. A reference is started without its isolation by

    git clone https://github.com/bytedance/SandboxFusion && cd SandboxFusion && mkdir -p docs/build
    PYTHON/bin/uvicorn sandbox.server.server:app --port 18081

in an environment with what its `pyproject.toml` lists; it looks for a conda environment `sandbox-runtime`,
for which any folder above PYTHON will do that has `condabin` and a `bin/activate` that puts a Python onto the
path. Give it an empty HOME: bash reads ~/.bashrc for each of its programs, since their input is a socket.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import Job, Problem, Runner, TestSuite
from harness.run_store import environment
from harness.server.settings import SERVER_LIMITS
from harness.types import StdinTest, TestKind
from studies.http_client import Connection
from studies.kills import descendants
from studies.serve_process import cpu_seconds, free_port, rltf_serve, started

REPORT = Path(__file__).resolve().parents[1] / "results" / "reports" / "serve-throughput.md"
CONNECTIONS, BATCH, BATCHES = 32, 64, 4
TESTS = {"kind": "stdin", "tests": [{"input": "2\n", "output": "4\n"}]}
SUITE = TestSuite.pack(TestKind.STDIN, [StdinTest("2\n", "4\n")])
PROBLEM = Problem("double", "", load_suite=lambda: SUITE)
REFERENCE, OURS, GRADE, RUNNER = (
    "SandboxFusion, /run_code",
    "ours, /run_code",
    "ours, /v1/grade",
    "the runner",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One way, for some seconds."""

    rate: float
    """Programs in a second."""
    client: float
    """CPU milliseconds of the client for each program."""
    server: float
    """The same of the process that speaks HTTP."""
    below: float
    """The same of all processes below it: workers, fork servers, programs."""
    wrong: int = 0
    """Answers other than what the program prints, which do not count as programs run."""

    @property
    def cpu(self) -> float:
        """Of server and programs together."""
        return self.server + self.below


Ask = Callable[[Connection, int], Awaitable[int]]
"""Sends a request of that number; gives how many programs were run."""


async def asked(port: int, pid: int, seconds: float, one: Ask, connections: int) -> Measured:
    """Ask from so many connections for so long.

    Args:
        port: Of the server.
        pid: Of the server.
        seconds: For how long new requests are sent.
        one: What is sent.
        connections: How many ask at a time.
    """
    numbers, done, wrong = iter(range(10**9)), 0, 0
    end = time.monotonic() + seconds

    async def client() -> None:
        nonlocal done, wrong
        connection = Connection(port)
        while time.monotonic() < end:
            programs = await one(connection, next(numbers))
            done, wrong = done + programs, wrong + (programs == 0)
        connection.hang_up()

    begun, own, server, below = time.monotonic(), time.process_time(), *_cpu(pid)
    await asyncio.gather(*(client() for _ in range(connections)))
    took = time.monotonic() - begun
    server_after, below_after = _cpu(pid)
    per_program = 1000 / max(done, 1)
    return Measured(
        done / took,
        (time.process_time() - own) * per_program,
        (server_after - server) * per_program,
        (below_after - below) * per_program,
        wrong,
    )


def _cpu(pid: int) -> tuple[float, float]:
    """Of a server, without the children it has waited for, and of all below it, those included."""
    own = cpu_seconds(pid, waited=False)
    return own, cpu_seconds(pid) - own + sum(map(cpu_seconds, descendants(pid)))


async def run_code(connection: Connection, number: int) -> int:
    """One program in SandboxFusion's protocol; its time limit counts on the clock there, and ours is 10 s."""
    body = {"code": f"print({number} * 2)", "language": "python", "run_timeout": 30}
    answer = (await connection.post("/run_code", json.dumps(body).encode())).json()
    return int(answer["run_result"]["stdout"] == f"{number * 2}\n")


async def grade(connection: Connection, number: int) -> int:
    """A batch, every third program wrong."""
    body = json.dumps({"programs": [code_of(number * BATCH + each) for each in range(BATCH)], "tests": TESTS})
    rows = (await connection.post("/v1/grade", body.encode())).json()["outcomes"]
    if [row["verdicts"]["strict"] == "passed" for row in rows] != [
        is_right(number * BATCH + each) for each in range(BATCH)
    ]:
        raise SystemExit("a wrong verdict")
    return BATCH


def is_right(number: int) -> bool:
    """Whether a program is."""
    return number % 3 > 0


def code_of(number: int) -> str:
    """A program unlike any other."""
    return f"print(int(input()) * {2 if is_right(number) else 3})  # {number}"


def straight(runner: Runner, seconds: float) -> Measured:
    """The same programs through `Runner.run`."""

    def jobs() -> Iterator[Job]:
        number = 0
        while time.monotonic() < end:
            yield Job("double", number, code_of(number), PROBLEM)
            number += 1

    begun, done = time.monotonic(), 0
    own, end = time.process_time(), begun + seconds
    for outcome in runner.run(jobs()):
        done += 1
        if outcome.passed("strict") != is_right(int(outcome.sample_id)):
            raise SystemExit("a wrong verdict")
    return Measured(done / (time.monotonic() - begun), 0.0, (time.process_time() - own) * 1000 / done, 0.0)


async def run(args: argparse.Namespace) -> dict[str, list[Measured]]:
    """All rounds."""
    port, seconds = free_port(), args.seconds
    found: dict[str, list[Measured]] = {}
    command = rltf_serve(port, "--workers", str(args.workers), "--no-cache")
    with Runner(workers=args.workers, limits=SERVER_LIMITS, profiles=("strict",)) as runner:
        async with started(command, port) as server:
            ways: dict[str, Callable[[], Awaitable[Measured]]] = {
                OURS: lambda: asked(port, server.pid, seconds, run_code, CONNECTIONS),
                GRADE: lambda: asked(port, server.pid, seconds, grade, BATCHES),
                RUNNER: lambda: asyncio.to_thread(straight, runner, seconds),
            }
            if args.reference:
                pid = listener(args.reference)
                ways[REFERENCE] = lambda: asked(args.reference, pid, seconds, run_code, CONNECTIONS)
            for number in range(args.rounds + 1):
                for name, way in ways.items():
                    measured = await way()
                    print(f"{number} {name}: {measured}", flush=True)
                    if number:  # the first is for warming up
                        found.setdefault(name, []).append(measured)
    return found


def listener(port: int) -> int:
    """The process that listens at a port of 127.0.0.1."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {
        f"socket:[{line[9]}]" for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "0A"
    }
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if sockets & {str(fd.readlink()) for fd in (process / "fd").iterdir()}:
                return int(process.name)
        except OSError:
            continue
    raise SystemExit(f"nobody listens at port {port}")


def report(found: Mapping[str, list[Measured]], args: argparse.Namespace) -> str:
    """The page that is committed."""
    about = environment.describe()
    rows, packages = [], environment.versions("uvicorn", "fastapi")
    for name, each in found.items():
        rates = sorted(one.rate for one in each)
        cpu = [f"{median(getattr(one, part) for one in each):.2f}" for part in ("client", "server", "below")]
        if name == RUNNER:
            cpu[0] = cpu[2] = ""
        spread = f"{rates[0]:,.1f} to {rates[-1]:,.1f}"
        wrong = sum(one.wrong for one in each)
        rows.append(f"| {name} | {median(rates):,.1f} | {spread} | {' | '.join(cpu)} | {wrong} |")
    lines = [
        "# Programs in a second, over HTTP and without",
        "",
        f"Made by `make serve-throughput` on {date.today()}, commit {about['commit']}:",
        f"{args.rounds} rounds of {args.seconds:g} s for each way in turn,",
        f"{args.workers} workers, {CONNECTIONS} connections with a program each, {BATCHES} with batches of"
        f" {BATCH}; {about['hardware']['processors']} processors ({about['hardware']['processor']})",
        f"that client and servers share; Python {packages['python']}, uvicorn {packages['uvicorn']}, fastapi"
        f" {packages['fastapi']}. {args.note}".rstrip(),
        "",
        "| | programs/s, median | range | client, CPU ms a program | server, the same | below it, the same"
        " | wrong answers |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *rows,
        "",
        *ratios(found),
    ]
    return "\n".join(lines).rstrip() + "\n"


def ratios(found: Mapping[str, list[Measured]]) -> Iterator[str]:
    """Round by round, since the machine may be busier in one than in another."""
    for name, base, wanted in ((OURS, REFERENCE, 5.0), (GRADE, RUNNER, 0.7)):
        if base in found:
            each = sorted(a.rate / b.rate for a, b in zip(found[name], found[base], strict=True))
            yield (
                f"- {name} beside {base}: {median(each):.2f} times ({each[0]:.2f} to {each[-1]:.2f}); wanted:"
                f" at least {wanted:g}."
            )
    if REFERENCE in found:
        theirs, ours = (median(each.cpu for each in found[name]) for name in (REFERENCE, OURS))
        yield (
            f"- CPU time of a program through `/run_code`, server included: {theirs:.1f} ms there,"
            f" {ours:.1f} ms here: {theirs / ours:.1f} times. Other load of the machine hardly changes that."
        )
    for name in (OURS, GRADE):
        server, below = (median(getattr(each, part) for each in found[name]) for part in ("server", "below"))
        yield (
            f"- {name}: {100 * server / (server + below):.0f} % of the CPU time is the process that speaks"
            f" HTTP, the rest grading; one such process can give {1000 / server:,.0f} programs/s at most."
        )


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reference", type=int, metavar="PORT", help="of a SandboxFusion server")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--note", default="", help="a sentence for the report")
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    args.out.write_text(report(asyncio.run(run(args)), args))
    print(f"{args.out} written")


if __name__ == "__main__":
    main()
