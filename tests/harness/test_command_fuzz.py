"""Random command lines, run folders and ids: a result or one line, never a traceback, nothing graded lost.

Covers: the commands as a user gives them, `rltf.cli.main`, with a grader that needs no processes. Does not
cover: what a row of a file means (`test_score_fuzz`), servers and checkpoints (`models/`), training.
"""

import argparse
import io
import json
import shutil
from contextlib import nullcontext, redirect_stderr, redirect_stdout

import pytest
from fakes import FakeGrader
from fuzzing import REFUSED, RESULT, bounded, ended, is_one_line
from hypothesis import given
from hypothesis import strategies as st

from harness.commands.options import limits_of
from harness.errors import InputError
from harness.models import Completion, Finish
from harness.registry import load_benchmark
from rltf.cli import build_parser, main

NAMED = {
    "score": ["FILE", "--benchmark", "mini", "--ids", "0-3", "--no-cache"],
    "eval": ["x", "--benchmark", "mini", "--ids", "0-3", "--no-cache"],
    "prompt": ["--benchmark", "mini", "--id", "1"],
    "report": ["RUN"],
}
"""What a command needs at least."""
LEFT_OUT = {"help", "cache", "model", "adapter", "base_url"}
"""The user's own cache, and models, which `models/` has tests for."""


class Writes:
    """A model that writes the same short program each time."""

    def complete(self, requests, decoding):
        for request in requests:
            for number in request.sample_ids:
                yield Completion(
                    request.prompt, number, "pass\n", Finish.STOP, min(2, decoding.max_new_tokens)
                )

    def describe(self):
        return {"kind": "fake", "independent_of_batch": True}


WORDS = (
    "", " ", "0", "1", "-1", "2", "0.5", "1e999", "nan", "9" * 40, "x", "é\x1b[2J", "\udcff", "a=b", "mini",
    "test", "all", "0-3", "3-1", "1,2", "mini/test/1", "introductory", "FILE", "RUN", "RUN/manifest.json",
    "FOLDER", "/no/such", "gold", "chat", "code", "strict", "apps", "html", "published", "--", "[",
    "jsonl:FILE", "jsonl:", "mini:load", "benchmarks.mini:load", "os:getcwd", "a" * 300, "%s", "*", "~",
    "../x", "٣", "0x1", "/proc/self/mem", "/dev/null", "RUN=", "=RUN", "a=RUN", "-0", "1-", "0-99999999999",
)  # fmt: skip
OPTIONS = {
    name: [
        each
        for each in next(
            action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)
        )
        .choices[name]
        ._actions
        if each.option_strings and each.dest not in LEFT_OUT
    ]
    for name in NAMED
}


@st.composite
def command_lines(draw):
    """A command with a few of its options, most with values that it does not want."""
    name = draw(st.sampled_from(sorted(NAMED)))
    line = [name, *(NAMED[name] if draw(st.integers(0, 7)) else [])]
    for option in draw(st.lists(st.sampled_from(OPTIONS[name]), max_size=4, unique=True)):
        choices = sorted(map(str, option.choices or ()))
        word = draw(st.sampled_from(choices + list(WORDS) if choices else list(WORDS)) | st.text(max_size=9))
        if option.nargs == 0:
            line.append(option.option_strings[-1])
        elif draw(st.booleans()):
            line.append(f"{option.option_strings[-1]}={word}")
        else:
            line += [option.option_strings[-1], word]
            if option.nargs == "+":
                line += draw(st.lists(st.sampled_from(WORDS), max_size=2))
    return [*line, *draw(st.lists(st.sampled_from(WORDS), max_size=1))] if draw(st.booleans()) else line


def _run(line):
    """Exit status of a command and what it said on stderr."""
    said, shown = io.StringIO(), io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
    with redirect_stderr(said), redirect_stdout(shown):
        try:
            status = main(line)
        except SystemExit as end:  # --help
            status = end.code
    return status, said.getvalue()


def _assert_a_result_or_one_line(kind, status, said):
    ended(kind, RESULT if status in (0, 3) else REFUSED)
    assert status in (0, 2, 3), said
    errors = [line for line in said.splitlines() if line.startswith("rltf: error: ")]
    assert len(errors) == (status == 2)
    assert all(is_one_line(line) for line in errors), errors


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a file of eight programs and its finished run; the grader is a fake."""
    folder = tmp_path_factory.mktemp("commands")

    def start(args, benchmark):
        return lambda: nullcontext(
            FakeGrader(limits=limits_of(args, benchmark), profiles=tuple(benchmark.profiles))
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.commands.score.runner_start", start)
        patch.setattr("harness.commands.eval.runner_start", start)
        patch.setattr("harness.commands.eval._local", lambda args, chosen: Writes())
        patch.chdir(folder)
        (folder / "FOLDER").mkdir()
        rows = [
            {"task_id": f"mini/test/{task}", "sample_id": number, "code": ("pass\n", "x = 1\n")[number]}
            for task in range(4)
            for number in range(2)
        ]
        (folder / "FILE").write_text("".join(json.dumps(row) + "\n" for row in rows))
        status, said = _run(["score", *NAMED["score"], "--out", "RUN"])
        assert status == 0, said
        yield folder


@pytest.mark.slow
@bounded(80)
@given(command_lines())
def test_any_command_line_is_a_result_or_one_line(place, line):
    status, said = _run(line)
    _assert_a_result_or_one_line("command lines", status, said)
    assert (place / "RUN" / "metrics.json").exists()


FILES = ("manifest.json", "samples.jsonl", "outcomes.jsonl", "metrics.json", "report.md")
PARTS = st.sampled_from(
    [
        b"",
        b"\0",
        b"{",
        b"}\n",
        b"\n",
        b"[]",
        b"null",
        b"1e999",
        b"\xff",
        b'"',
        b"passed",
        b"-1",
        b"{}\n",
        b"NaN",
    ]
)


@st.composite
def damages(draw):
    """A function from a file's bytes to what a bad disk, an editor or a kill made of them."""
    where, length, part = draw(st.floats(0, 1)), draw(st.integers(0, 40)), draw(PARTS | st.binary(max_size=6))
    cut = draw(st.booleans())

    def damage(data):
        start = int(where * len(data))
        return data[:start] if cut else data[:start] + part + data[start + length :]

    return damage


@pytest.mark.slow
@bounded(25)
@given(st.dictionaries(st.sampled_from(FILES), damages(), min_size=1, max_size=2))
def test_a_damaged_run_folder_goes_on_to_the_same_numbers_or_is_refused_in_one_line(place, damaged):
    copy = place / "COPY"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(place / "RUN", copy)
    for name, damage in damaged.items():
        (copy / name).write_bytes(damage((copy / name).read_bytes()))
    _assert_a_result_or_one_line("commands on damaged run folders", *_run(["report", "COPY"]))
    status, said = _run(["score", *NAMED["score"], "--out", "COPY"])
    _assert_a_result_or_one_line("commands on damaged run folders", status, said)
    if status == 0:
        assert _run(["report", "COPY"])[0] == 0
        assert _numbers(copy) == _numbers(place / "RUN")
        assert _graded(copy) == _graded(place / "RUN")


def _numbers(run):
    found = json.loads((run / "metrics.json").read_text())
    return found["profiles"], found["counts"]


def _graded(run):
    rows = [json.loads(line) for line in (run / "outcomes.jsonl").read_text().splitlines()]
    return sorted((row["task_id"], row["sample_id"], str(row["verdicts"])) for row in rows)


IDS = st.lists(
    st.sampled_from([each for each in WORDS if "/proc" not in each])
    | st.text("0123456789-,/minitest ٣", max_size=8)
    | st.text(max_size=5),
    max_size=3,
)


@bounded(150)
@given(IDS | st.text(max_size=8), st.none() | st.sampled_from(WORDS), st.none() | IDS)
def test_any_ids_are_problems_or_one_line(ids, split, difficulty):
    try:
        found = load_benchmark("fuzzing:twelve_problems", ids=ids, split=split, difficulty=difficulty)
    except InputError as error:
        refusal = str(error)
    else:
        refusal = None
        assert {each.task_id.rpartition("/")[0] for each in found.problems} == {"made"}
    ended("ids and selections", RESULT if refusal is None else REFUSED)
    assert refusal != ""
