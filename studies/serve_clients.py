"""`make serve-clients`: the clients of SandboxFusion that others use, against `rltf serve`.

    python studies/serve_clients.py [--verl VERSION] [--verl-tests FILE] [--out FILE]

In an environment of their own (`.venv-clients`): verl's client files, taken from its wheel without verl, and
the package `sandbox-fusion`, synchronous and asynchronous. Each is brought to every status that it knows of,
by a server that grades and by one whose grader fails. With `--verl-tests`, verl's own integration cases are
run as well: `test_sandbox_fusion_on_cpu.py` of its repository, below `tests/utils/reward_score`, of which the
one for C++ is left out. Exit status 1 if anything is not as it should be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from threading import Thread
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvicorn

from harness import Runner
from harness.errors import InfrastructureError
from harness.run_store import environment
from harness.server.app import create_app
from harness.server.settings import Settings
from harness.service import GradingService
from studies.serve_process import free_port, rltf_serve, started

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "results" / "reports" / "serve-clients.md"
VENV = ROOT / ".venv-clients"
PACKAGES = ["requests", "pytest", "sandbox-fusion==0.3.7"]
FILES = "verl/utils/reward_score/sandbox_fusion/"
LIMIT_CPU = 0.25
"""Seconds. verl has a case of 100 programs of ten seconds and more, 32 at a time, and waits half a minute for
each: by the clock, as the reference counts, all end in time; by CPU time, they do on eleven processors."""
LEFT_OUT = "test_integration_compile_error"
"""Of verl's cases: C++, which this server refuses."""


class Failing(Runner):
    """A runner that fails on every program, and starts nothing."""

    def serve(self, requests: Iterable[Any], *, wake: int | None = None) -> Generator[Any]:
        """Fail on the first."""
        for request in requests:
            if request is not None:
                raise InfrastructureError("made to fail")
            yield from ()


@contextmanager
def failing_server() -> Iterator[int]:
    """The port of a server on such a grader."""
    app = create_app(GradingService(runner=Failing()), Settings(), workers=1)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.05)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def prepared(version: str, folder: Path) -> Path:
    """The clients' environment, and a folder with verl's client files and nothing else of it.

    Raises:
        subprocess.CalledProcessError: If the packages can't be had.
    """
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    pip = [str(python), "-m", "pip", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", *PACKAGES], check=True)
    subprocess.run([*pip, "download", "--no-deps", "-d", folder, f"verl=={version}"], check=True)
    with zipfile.ZipFile(next(folder.glob("verl-*.whl"))) as wheel:
        wheel.extractall(folder, [name for name in wheel.namelist() if name.startswith(FILES)])
    return python


def played(python: Path, folder: Path, url: str, failing: str) -> list[dict[str, Any]]:
    """Rows of `serve_clients_cases.py`, which runs over there."""
    done = subprocess.run(
        [python, ROOT / "studies" / "serve_clients_cases.py", url, failing],
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=900,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def verl_cases(python: Path, folder: Path, url: str, tests: Path) -> list[tuple[str, str]]:
    """Names of verl's own cases that ask a server, and how they ended."""
    only = folder / "only"
    only.mkdir()
    (only / tests.name).write_bytes(tests.read_bytes())
    done = subprocess.run(
        [python, "-m", "pytest", "-v", "-p", "no:cacheprovider", only / tests.name],
        env={**os.environ, "PYTHONPATH": str(folder), "SANDBOX_FUSION_URL": f"{url}/run_code"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=1800,
    )
    rows = (
        line.partition("::")[2].split() for line in done.stdout.splitlines() if "::" in line and "%]" in line
    )
    return [(name, how) for name, how, *_ in rows]


async def run(args: argparse.Namespace) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """All of it."""
    port = free_port()
    command = rltf_serve(port, "--workers", "8", "--no-cache", "--limit-cpu", str(LIMIT_CPU))
    with tempfile.TemporaryDirectory() as name, failing_server() as failing:
        folder = Path(name)
        python = await asyncio.to_thread(prepared, args.verl, folder)
        async with started(command, port):
            url = f"http://127.0.0.1:{port}"
            rows = await asyncio.to_thread(played, python, folder, url, f"http://127.0.0.1:{failing}")
            cases = []
            if args.verl_tests:
                cases = await asyncio.to_thread(verl_cases, python, folder, url, args.verl_tests)
    return rows, cases


def failures(rows: Sequence[dict[str, Any]], cases: Sequence[tuple[str, str]]) -> list[str]:
    """What is not as it should be."""
    wrong = [f"{row['client']}, {row['case']}: {row['got']}" for row in rows if row["got"] != row["wanted"]]
    return wrong + [f"{name}: {how}" for name, how in cases if how != "PASSED" and name != LEFT_OUT]


def report(rows: Sequence[dict[str, Any]], cases: Sequence[tuple[str, str]], args: argparse.Namespace) -> str:
    """The page that is committed."""
    about = environment.describe()
    wrong = failures(rows, cases)
    lines = [
        "# SandboxFusion's clients against `rltf serve`",
        "",
        f"Made by `make serve-clients` on {date.today()}, commit {about['commit']}: the client files of verl"
        f" {args.verl},",
        f"by path, and {PACKAGES[-1]}, Python {about['versions']['python']}.",
        f"Not as it should be: {len(wrong)}." if wrong else "All as it should be.",
        "",
        "| client | what it asks | should get | got |",
        "|---|---|---|---|",
        *(f"| {row['client']} | {row['case']} | {row['wanted']} | {row['got']} |" for row in rows),
        "",
        "verl's compile error (-4) and SandboxFusion's compile results are for languages that are compiled:",
        "with Python the reference server gives a syntax error as a run with status 1, and so does this one.",
        "",
    ]
    if cases:
        lines += [
            f"verl's own cases, on a server with `--limit-cpu {LIMIT_CPU:g}`:",
            "",
            "| case | |",
            "|---|---|",
            *(f"| {name} | {'left out: C++' if name == LEFT_OUT else how.lower()} |" for name, how in cases),
        ]
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Ask, and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--verl", default="0.9.1", metavar="VERSION", help="whose client files (default: 0.9.1)"
    )
    parser.add_argument(
        "--verl-tests", type=Path, metavar="FILE", help="verl's own cases, from its repository"
    )
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    rows, cases = asyncio.run(run(args))
    args.out.write_text(report(rows, cases, args))
    wrong = failures(rows, cases)
    print(f"{args.out} written; {'; '.join(wrong) or 'all as it should be'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
