"""`rltf doctor`: what it says is what the runner found."""

import json

import pytest

from harness.commands import doctor
from rltf.cli import main


@pytest.mark.slow
def test_doctor_names_every_layer_and_a_rate(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--workers", "1", "--seconds", "0.2", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert set(found["isolation"]) | {"unprivileged user"} == set(doctor._MEANING)
    assert status == (0 if all(state == "on" for state in found["isolation"].values()) else 1)
    assert found["workers"] == 1
    assert found["programs_per_second"] > 0
    assert set(found["shortcuts"]) == {"pinned_bytes", "huge_text_bytes"}
    assert found["limits"]["cpu_seconds"] == 4.0


def test_a_missing_layer_is_named_with_its_reason_and_changes_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {
        "isolation": {
            **dict.fromkeys(doctor._MEANING, "on"),
            "landlock": "landlock: Function not implemented",
        },
        "workers": 2,
        "programs_per_second": 1234,
        "cgroup": ["pids"],
        "shortcuts": {"pinned_bytes": 0, "huge_text_bytes": 4 << 20},
        "limits": {"cpu_seconds": 4.0},
        "packages": {"numpy": "2.0"},
        "versions": {"python": "3.11"},
        "hardware": {"processors": 2},
    }
    monkeypatch.setattr(doctor, "examine", lambda *_: found)

    assert main(["doctor"]) == 1

    page = capsys.readouterr().out
    (line,) = (line for line in page.splitlines() if "landlock" in line)
    assert "MISSING" in line
    assert "Function not implemented" in line
    assert "1,234 programs/s" in page
    assert "slower by a fifth: no io_uring" in page
    assert "huge pages, 4,096 KiB" in page
