"""A server on a real runner, with and without a port."""

import threading
import time
from contextlib import ExitStack, contextmanager

import pytest

from harness.types import Limits

LIMITS = Limits(cpu_seconds=1.0, load_cpu_seconds=1.0, wall_factor=2.0, memory_mib=512, output_mib=1)


@pytest.fixture(scope="module")
def application():
    pytest.importorskip("prometheus_client")
    pytest.importorskip("fastapi")
    from harness import GradingService, load_benchmark
    from harness.server.app import create_app
    from harness.server.settings import Settings

    settings = Settings(
        limits=LIMITS,
        profiles=("strict", "apps"),
        benchmarks=[load_benchmark("mini", ids=["0-2"])],
        hosts=("testserver",),
        most_waiting=200,
        most_body_mib=4,
    )
    service = GradingService(2, LIMITS, settings.profiles)
    return create_app(service, settings, workers=2)


@pytest.fixture(scope="module")
def client(application):
    from starlette.testclient import TestClient

    with TestClient(application) as client:
        yield client


@contextmanager
def on_a_port(application):
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def url(application):
    """The same on a port."""
    with on_a_port(application) as address:
        yield address


@pytest.fixture(scope="module")
def serving():
    """`serving(benchmark)`: address of a server that has this benchmark alone, for as long as the tests."""
    pytest.importorskip("prometheus_client")
    pytest.importorskip("fastapi")
    from harness import GradingService
    from harness.server.app import create_app
    from harness.server.settings import Settings

    with ExitStack() as stack:

        def serve(benchmark):
            settings = Settings(limits=LIMITS, benchmarks=[benchmark])
            service = GradingService(1, LIMITS, settings.profiles)
            return stack.enter_context(on_a_port(create_app(service, settings, workers=1)))

        yield serve
