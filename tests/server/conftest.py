"""A server on a real runner, without a port."""

import pytest

from harness.types import Limits

LIMITS = Limits(cpu_seconds=1.0, load_cpu_seconds=1.0, wall_factor=2.0, memory_mib=512, output_mib=1)


@pytest.fixture(scope="module")
def client():
    pytest.importorskip("prometheus_client")
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

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
    with TestClient(create_app(service, settings, workers=2)) as client:
        yield client
