"""`make serve-schema`: schemathesis against `rltf serve`, by its OpenAPI page.

    python studies/serve_schema.py [--max-examples N] [--seed N]

In an environment of its own (`.venv-schemathesis`). All its checks on our own routes; on those of other
protocols, which are as loose as the originals, that none fails and that answers are as the page says. Exit
status 1 if anything is found.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from studies.serve_process import free_port, rltf_serve, started

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv-schemathesis"
PACKAGE = "schemathesis==4.32.5"
# What a ground truth may be, and which tasks and profiles a server has, is not on the page: those are a 400.
CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 413, 503, 504]
"""
PASSES = (
    ("--include-tag", "native", "--checks", "all"),
    (
        *("--exclude-tag", "native", "--checks"),
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    ),
)


async def run(args: argparse.Namespace) -> int:
    """Both passes; the highest exit status."""
    program = VENV / "bin" / "schemathesis"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([VENV / "bin" / "pip", "install", "-qq", PACKAGE], check=True)
    port, found = free_port(), []
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder, "schemathesis.toml")
        configuration.write_text(CONFIGURATION)
        async with started(rltf_serve(port, "--no-cache", "--limit-cpu", "1"), port):
            for options in PASSES:
                command = [
                    *(program, "--config-file", configuration, "run"),
                    *(f"http://127.0.0.1:{port}/openapi.json", *options, "--continue-on-failure"),
                    *("--max-examples", str(args.max_examples), "--seed", str(args.seed)),
                    *("--request-timeout", "60", "--no-color"),
                ]
                done = await asyncio.to_thread(subprocess.run, command, check=False, cwd=folder)
                found.append(done.returncode)
    return max(found)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--max-examples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(main())
