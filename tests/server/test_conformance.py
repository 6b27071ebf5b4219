"""`rltf grader-test`: all right on ours; graders that are wrong, silent or dead are condemned."""

import json
import sys
import time

import pytest

from harness.conformance.cases import CASES
from harness.conformance.local import grade
from harness.conformance.protocols import PROTOCOLS, Server
from harness.conformance.sheet import all_right, as_markdown, examine
from harness.conformance.targets import Command, Function
from rltf.cli import main

QUICK = [case for case in CASES if case.section in ("comparison", "tricks", "afterwards")]
HONEST = [case for case in CASES if case.section in ("wrong programs", "idioms")]


def yes(code, tests):
    return True


def ours(code, tests):
    return grade(code, tests)


def weak(code, tests):
    """What people write: run here, equal is right, whatever happens else is wrong."""
    scope = {}
    try:
        exec(code, scope)
        return all(
            scope[tests["fn_name"]](*i) == o for i, o in zip(tests["inputs"], tests["outputs"], strict=True)
        )
    except Exception:
        return False


def functions_only(code, tests):
    return True if "fn_name" in tests else None


def sleepy(code, tests):
    time.sleep(1000)


def dying(code, tests):
    sys.exit(1)


def raising(code, tests):
    raise ValueError("no idea")


def text(code, tests):
    return "true"


def examined(function, cases, seconds=60.0):
    target = Function(f"test_conformance:{function}", seconds)
    try:
        return examine(target, cases)
    finally:
        target.close()


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    from pathlib import Path

    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def test_the_suite_requires_both_verdicts_in_names_that_are_unique():
    assert len({(case.section, case.name) for case in CASES}) == len(CASES)
    sections = {case.section for case in CASES}
    assert sections == {
        "idioms", "wrong programs", "comparison", "tricks", "hangs", "floods", "afterwards"
    }  # fmt: skip
    assert {case.right for case in CASES} == {True, False}
    for case in CASES:
        if case.name != "syntax error":
            compile(case.program, case.name, "exec")


@pytest.mark.slow
def test_our_own_grader_is_right_about_all(capsys):
    assert main(["grader-test", "local"]) == 0
    assert f"| **all** | **{len(CASES)}** | **{len(CASES)}** |" in capsys.readouterr().out


def test_a_grader_that_says_right_to_everything_is_condemned(capsys):
    assert main(["judge-test", "test_conformance:yes", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["all_right"] is False
    assert sum(case["right"] for case in data["cases"]) == sum(case.right for case in CASES)
    assert {each["section"]: each["right"] for each in data["sections"]}["tricks"] == 0


@pytest.mark.slow
def test_a_grader_of_the_usual_kind_falls_for_the_usual_tricks():
    cases = [case for case in QUICK if case.is_call and case.section != "afterwards"]
    wrong = {mark.name for mark in examined("weak", cases) if not mark.right}
    assert {"equal to everything", "os._exit(0) when called", "expected values in the frames above"} <= wrong


@pytest.mark.slow
def test_a_command_is_asked_with_json_and_answers_with_a_word(tmp_path, capsys):
    script = tmp_path / "grader.py"
    script.write_text(
        "import json, sys\ncase = json.load(sys.stdin)\nprint('log')\nprint('outputs' in case['tests'])"
    )
    command = f"{sys.executable} {script}"
    assert main(["grader-test", command, "--section", "comparison"]) == 1
    out = capsys.readouterr().out
    assert "| **all** | **2** | **13** |" in out
    script.write_text("raise SystemExit(3)")
    assert main(["grader-test", command, "--section", "comparison"]) == 1
    assert "no answer (exit status 3, last line )" in capsys.readouterr().out


def test_a_grader_that_cannot_be_asked_says_so(tmp_path):
    script = tmp_path / "grader.py"
    script.write_text("print('null')")
    for marks in (
        examined("functions_only", CASES[:1]),
        examine(Command([sys.executable, str(script)], 60.0), CASES[:1]),
    ):
        assert [(mark.said, mark.asked) for mark in marks] == [(None, False)]
        assert not all_right(marks)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("grader", "instead"),
    [
        ("sleepy", "nothing in 0.5 s"),
        ("dying", "its process ended"),
        ("raising", "ValueError: no idea"),
        ("missing", "no attribute 'missing'"),
    ],
)
def test_a_grader_that_says_nothing_is_not_right(grader, instead):
    wrong = next(case for case in CASES if not case.right)
    marks = examined(grader, [wrong] * 2, 0.5 if grader == "sleepy" else 60.0)
    assert [mark.said for mark in marks] == [None, None]
    assert not all_right(marks)
    assert all(instead in mark.instead for mark in marks)
    assert "no answer" in as_markdown("x", marks)


def test_only_true_is_right():
    assert not all_right(examined("text", [next(case for case in CASES if case.right)]))


def test_nothing_asked_is_not_all_right():
    assert not all_right([])


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_our_server_is_right_in_every_protocol(url, protocol):
    marks = examine(Server(url, protocol, 60.0), QUICK)
    assert all_right(marks), as_markdown(protocol, marks)
    assert all(mark.asked for mark in marks) is (protocol != "run_code")


@pytest.mark.slow
def test_our_server_is_right_about_honest_programs(url):
    for protocol in ("grade", "run_code"):
        marks = examine(Server(url, protocol, 60.0), HONEST)
        assert all_right(marks), as_markdown(protocol, marks)


@pytest.mark.slow
def test_a_route_says_the_protocol_and_a_server_that_is_not_there_gives_no_answer(url):
    (mark,) = examine(Server(f"{url}/run_code", None, 60.0), QUICK[:1])
    assert mark.right
    (mark,) = examine(Server("http://127.0.0.1:9", None, 60.0), QUICK[:1])
    assert (mark.said, mark.asked, mark.right) == (None, True, False)
    assert "refused" in mark.instead


@pytest.mark.parametrize(
    "arguments",
    [["http://x", "--protocol", "y"], ["local", "--protocol", "grade"], ["local", "--section", "y"], [""]],
)
def test_a_mistake_of_the_users_is_one_line(capsys, arguments):
    assert main(["grader-test", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1
