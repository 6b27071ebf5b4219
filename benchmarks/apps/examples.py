"""The example tests of the APPS test split as a benchmark of their own, for n@k.

CodeRL took them from the problem statements (salesforce/CodeRL, `extract_example_test.ipynb`, BSD-3): texts
to be read from stdin and compared with stdout. Task ids are those of `apps`, so the same samples can be
graded on both, and `harness.metrics.n_at_k` puts the verdicts together.

A suite of `count` 0, which filters nothing, stands where there is nothing to run: 63 problems whose
statement gave no examples, and every call-based problem, because the text (`s = "(()"`) is no list
of arguments.
Does not cover: mending what the extraction got wrong (explanations that follow an output, lower-cased text).
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.apps import load as load_apps
from benchmarks.apps.suite import PREAMBLE
from harness.datasource import DataHash, locate, read_jsonl, require
from harness.errors import DatasetError, InputError
from harness.types import Benchmark, Problem, StdinTest, TestKind, TestSuite

VERSION = "1"

_FILES = ("example_tests.jsonl.gz", "example_tests.jsonl")


def load(*, split: str = "test", data_dir: str | Path | None = None) -> Benchmark:
    """The problems of APPS with their example tests in place of the hidden ones.

    Args:
        split: Only `test` has example tests.
        data_dir: As for `apps`; the folder must also hold `example_tests.jsonl.gz`.

    Raises:
        InputError: If there is no such split.
        DatasetError: If the data is not found or malformed, or lacks a problem.
    """
    if split != "test":
        raise InputError(f"apps has example tests for its test split only, not for {split!r}")
    path = locate("apps", _FILES, data_dir)
    if path is None:
        raise DatasetError(
            f"the example tests of apps are not found; put {_FILES[0]} ({{problem_id, example_input_output}}"
            " per line) into a folder and name that with data_dir or $RLTF_DATA"
        )
    suites, data_hash = read_examples(path)
    hidden = load_apps(split=split, data_dir=data_dir)
    problems = [_with_examples(problem, suites, path) for problem in hidden.problems]
    digest = sha256((data_hash + hidden.dataset_hash).encode()).hexdigest()
    return replace(
        hidden,
        name="apps-examples",
        version=VERSION,
        problems=problems,
        dataset_hash=digest,
        source=f"{path}; {hidden.source}",
        errata={},
    )


def read_examples(path: Path) -> tuple[dict[int, TestSuite], str]:
    """Suites by problem id, `count` 0 where the row says null, and the data's hash.

    Raises:
        DatasetError: If a row is malformed; names file and line.
    """
    suites: dict[int, TestSuite] = {}
    data_hash = DataHash()
    for place, row in read_jsonl(path):
        number = require(row, "problem_id", int, place)
        if number in suites:
            raise DatasetError(f"{place}: problem_id {number} occurs twice; get the file again")
        pairs = _pairs(require(row, "example_input_output", (dict, type(None)), place), place)
        tests = [StdinTest(text, expected) for text, expected in pairs]
        suites[number] = TestSuite.pack(TestKind.STDIN, tests, preamble=PREAMBLE)
        data_hash.add(number, [text for pair in pairs for text in pair])
    return suites, data_hash.hexdigest()


def _pairs(examples: dict[str, Any] | None, place: str) -> list[tuple[str, str]]:
    if examples is None:
        return []
    inputs, outputs = (require(examples, key, list, place) for key in ("inputs", "outputs"))
    if len(inputs) != len(outputs) or not all(isinstance(text, str) for text in [*inputs, *outputs]):
        raise DatasetError(
            f"{place}: inputs and outputs must be texts, one output per input; get the file again"
        )
    return list(zip(inputs, outputs, strict=True))


def _with_examples(problem: Problem, suites: dict[int, TestSuite], path: Path) -> Problem:
    number = int(problem.task_id.rpartition("/")[2])
    if number not in suites:
        raise DatasetError(f"{path}: no row for problem {number}; get the file again")
    call_based = problem.suite.kind is TestKind.CALL
    suite = TestSuite.pack(TestKind.STDIN, []) if call_based else suites[number]
    return replace(problem, load_suite=lambda: suite)
