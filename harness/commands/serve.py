"""`rltf serve`: grade over HTTP.

Covers: the arguments, listening, ending. What is served is `harness.server`.

Importing this costs nothing: the parser is built for every `rltf --help`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from harness.commands.options import add_cache, cache_of, positive_float, positive_int
from harness.errors import InputError
from harness.integrations import TOKEN_VARIABLE

if TYPE_CHECKING:
    from harness.server.settings import Settings

_EPILOG = """\
Routes: /v1/grade (our own, described at /docs), SandboxFusion's /run_code and /submit, ScaleBox's
/common_evaluate_batch and /common_evaluate, open-instruct's /test_program and /test_program_stdio, slime's
/rm, OpenRLHF's /get_reward, /v1/ping, /health, and /metrics for Prometheus. See docs/serve.md.

A full queue is answered with status 503 and Retry-After, a failure of the grader with 504: neither is a
verdict.
"""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `serve` to the sub-commands."""
    parser = commands.add_parser(
        "serve",
        help="grade programs over HTTP",
        description="Grade programs over HTTP, for trainers and other programs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080, metavar="N", help="default: 8080")
    parser.add_argument(
        "--workers", type=positive_int, metavar="N", help="programs at a time (default: processors)"
    )
    parser.add_argument(
        "--benchmark",
        action="append",
        default=[],
        metavar="NAME[:SPLIT]",
        help="whose problems clients may name; may be repeated",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="benchmark data (default: $RLTF_DATA)")
    parser.add_argument(
        "--profile",
        action="append",
        metavar="NAME",
        help="comparison profiles; the first decides where a protocol has one verdict (default: strict)",
    )
    _add_bounds(parser)
    add_cache(parser)
    parser.set_defaults(run=run)


def _add_bounds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--limit-cpu",
        type=positive_float,
        default=10.0,
        metavar="SECONDS",
        help="CPU time for each test that no client gets more of (default: 10)",
    )
    parser.add_argument(
        "--memory",
        type=positive_int,
        default=4096,
        metavar="MIB",
        help="memory that no client's program gets more of (default: 4096)",
    )
    parser.add_argument(
        "--max-queue",
        type=positive_int,
        default=4096,
        metavar="N",
        help="programs that wait or run; beyond, status 503 (default: 4096)",
    )
    parser.add_argument(
        "--max-body", type=positive_int, default=64, metavar="MIB", help="of a request (default: 64)"
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which clients reach this server; addresses and localhost always work",
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"holds what clients must send as Authorization: Bearer … (or ${TOKEN_VARIABLE})",
    )
    parser.add_argument(
        "--grace",
        type=positive_int,
        default=30,
        metavar="SECONDS",
        help="time for requests under way when the server is stopped (default: 30)",
    )


def run(args: argparse.Namespace, _command: Sequence[str]) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit status."""
    try:
        import fastapi as _fastapi  # noqa: F401, PLC0415 - the parser is built without
        import prometheus_client as _prometheus  # noqa: F401, PLC0415
        import uvicorn  # noqa: PLC0415
    except ImportError as error:
        raise InputError(f"{error.name} is missing: pip install 'rltf-harness[serve]'") from None
    from harness.commands.places import listening  # noqa: PLC0415
    from harness.machine_limits import available_processors  # noqa: PLC0415
    from harness.server.app import create_app  # noqa: PLC0415
    from harness.service import GradingService  # noqa: PLC0415

    settings = settings_of(args)
    workers = args.workers or available_processors()
    service = GradingService(workers, settings.limits, settings.profiles, cache_of(args))
    if args.host not in _LOOPBACK and settings.token is None:
        sys.stderr.write(
            "rltf: warning: anyone who reaches this address may run programs; see --token-file\n"
        )
    config = uvicorn.Config(
        create_app(service, settings, workers=workers),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=args.grace,
        server_header=False,
    )
    # Once it has stopped, uvicorn sends itself the signal that it was stopped by; this is an orderly end.
    signal.signal(signal.SIGTERM, _end)
    # Before uvicorn, which would tell what is wrong with either in a log of its own.
    with listening(args.host, args.port) as listener, service:
        port = listener.getsockname()[1]
        sys.stderr.write(
            f"rltf: serving on http://{args.host}:{port} with {workers} workers; /docs describes it\n"
        )
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:
            return 0
    return 0


def _end(number: int, _: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


def settings_of(args: argparse.Namespace) -> Settings:
    """What the arguments ask for.

    Raises:
        InputError: If a benchmark or profile is unknown, or the token can't be read.
    """
    from harness.registry import load_benchmark  # noqa: PLC0415
    from harness.runner.cache_key import grading_versions  # noqa: PLC0415
    from harness.server.settings import PROGRAM_TESTS, SERVER_LIMITS, Settings  # noqa: PLC0415

    profiles = tuple(args.profile or ("strict",))
    grading_versions(profiles)
    benchmarks = []
    for named in args.benchmark:
        name, _, split = named.partition(":")
        benchmarks.append(load_benchmark(name, split=split or None, data_dir=args.data))
    limits = replace(
        SERVER_LIMITS,
        cpu_seconds=args.limit_cpu,
        load_cpu_seconds=args.limit_cpu,
        program_cpu_seconds=args.limit_cpu * PROGRAM_TESTS,
        memory_mib=args.memory,
    )
    return Settings(
        limits=limits,
        profiles=profiles,
        benchmarks=benchmarks,
        most_waiting=args.max_queue,
        most_body_mib=args.max_body,
        token=_token(args.token_file),
        hosts=tuple(args.allow_host),
    )


def _token(path: Path | None) -> str | None:
    """The token; not an argument, since other users see those."""
    if path is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--token-file {path}: {error}") from None
    if not token:
        raise InputError(f"--token-file {path}: it is empty; write a token into it")
    return token
