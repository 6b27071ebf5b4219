"""A server whose grader has ended: no verdict, a word on /health, and a new grader for the next program."""

import pytest

pytest.importorskip("prometheus_client")
pytest.importorskip("fastapi")
from starlette.testclient import TestClient

from harness.errors import InfrastructureError, InputError
from harness.runner.execution import Ending, Execution, TestExecution
from harness.server.app import create_app
from harness.server.settings import Settings
from harness.service import GradingService

BODY = {"code": "print(1)", "language": "python"}


@pytest.fixture
def served(monkeypatch):
    """A client, and the errors by which the runners end, one after the other."""
    errors = []

    class Mortal:
        def __init__(self, **_):
            self.layers = {}
            self.error = errors.pop(0) if errors else None

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def serve(self, requests, *, wake):
            for request in requests:
                if request is None:
                    continue
                if self.error is not None:
                    raise self.error
                yield request, Execution("execute", 0, Ending.OK, (TestExecution(Ending.OK),))

    monkeypatch.setattr("harness.service.Runner", Mortal)
    monkeypatch.setattr("harness.service._REOPEN_SECONDS", 0.0)
    settings = Settings(hosts=("testserver",))
    app = create_app(GradingService(1), settings, workers=1)
    service = app._app.state.service
    client = TestClient(app, raise_server_exceptions=False)

    def ask():
        answer = client.post("/run_code", json=BODY)
        if answer.status_code != 200:
            assert service._ended.wait(timeout=60)
        return answer

    return client, errors, ask


def test_the_next_program_is_graded(served):
    client, errors, ask = served
    errors.append(InfrastructureError("/secret/path"))
    with client:
        assert ask().status_code == 504
        assert ask().status_code == 200
        assert client.get("/health").status_code == 200


def test_health_says_that_the_grader_is_broken_and_has_it_opened_again(served):
    client, errors, ask = served
    errors += [InfrastructureError("/secret/path")] * 2
    with client:
        answer = ask()
        assert (answer.status_code, "secret" in answer.text) == (504, False)
        answer = client.get("/health")
        assert (answer.status_code, answer.json()) == (
            503,
            {"status": "broken", "cause": "InfrastructureError"},
        )
        client.app._app.state.service._ended.wait(timeout=60)
        assert client.get("/health").status_code == 200


def test_a_fault_of_the_servers_own_is_no_bad_request(served):
    client, errors, ask = served
    errors.append(InputError("/secret/verdicts.sqlite: not usable as a verdict cache"))
    with client:
        answer = ask()
    assert (answer.status_code, "secret" in answer.text) == (504, False)
