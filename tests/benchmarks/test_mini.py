"""mini: its splits, its determinism, and whether its tests tell right programs from wrong ones.

The programs run here are the generator's own reference programs and small edits of them, in one child
process without a sandbox: they are ours and trusted. Programs of models never go this way.
"""

import json
import os
import pickle
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from importlib.resources import files
from itertools import combinations, pairwise
from random import Random

import pytest

from benchmarks.mini import SIZES, VERSION, generate, load, load_introductory
from benchmarks.mini.inputs import edge_values, random_value
from benchmarks.mini.ops import OPS
from benchmarks.mini.suites import call_test, stdin_test
from harness.errors import InputError
from harness.types import CallTest, StdinTest, TestKind

SPLITS = ("train", "validation", "test")

TRUSTED_RUNNER = """
import io, json, sys
from contextlib import redirect_stdout

def run(code, test):
    if "input" in test:
        sys.stdin, out = io.StringIO(test["input"]), io.StringIO()
        with redirect_stdout(out):
            exec(code, {"__name__": "__main__"})
        return out.getvalue().split() == test["output"].split()
    namespace = {}
    exec(code, namespace)
    got = namespace["solve"](*test["args"])
    return type(got) is type(test["expected"]) and got == test["expected"]

def verdict(job):
    try:
        code = compile(job["code"], "program", "exec")
    except SyntaxError:
        return "syntax_error"
    for test in job["tests"]:
        try:
            if not run(code, test):
                return "wrong_answer"
        except Exception:
            return "runtime_error"
    return "passed"

json.dump([verdict(job) for job in json.load(sys.stdin)], sys.__stdout__)
"""


def run_trusted(jobs):
    """Verdicts of `(code, tests)` pairs: the first test that fails decides. Our own programs only."""
    rows = [{"code": code, "tests": [plain(test) for test in tests]} for code, tests in jobs]
    command = [sys.executable, "-c", TRUSTED_RUNNER]
    done = subprocess.run(command, input=json.dumps(rows), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def plain(test):
    if isinstance(test, StdinTest):
        return {"input": test.input, "output": test.output}
    return {"args": list(test.args), "expected": test.expected}


@cache
def problems(split, size):
    return tuple(generate(split=split, size=size))


def spec_of(problem):
    """The specification behind a problem, which the public record only shows as text."""
    return problem.load_suite.args[0]


def constants_of(problem):
    return [step.constant for step in spec_of(problem).steps if step.constant is not None]


def fresh_tests(problem, count, key):
    """Tests that the problem does not have, from a stream of their own."""
    spec, rng, constants = spec_of(problem), Random(key), constants_of(problem)
    make = stdin_test if problem.suite.kind is TestKind.STDIN else call_test
    values = [random_value(rng, spec.source, small=spec.small, constants=constants) for _ in range(count)]
    return [make(spec, [value]) for value in values]


def token_count(code):
    return len(re.findall(r'"[^"]*"|\w+|[=!<>]=|//|[^\w\s]', code))


# Shape


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
def test_a_split_has_its_default_size_and_task_ids_in_order(split):
    benchmark = load(split=split)
    assert len(benchmark) == SIZES[split]
    assert [p.task_id for p in benchmark.problems] == [f"mini/{split}/{i}" for i in range(SIZES[split])]
    assert (benchmark.name, benchmark.split, benchmark.version) == ("mini", split, VERSION)
    assert not benchmark.errata


@pytest.mark.slow
def test_difficulty_is_the_number_of_operations_and_every_difficulty_is_there():
    names = {1: "introductory", 2: "interview", 3: "competition"}
    counts = Counter()
    for problem in problems("train", 1000):
        assert problem.difficulty == names[len(problem.metadata["operations"])]
        counts[problem.difficulty] += 1
    assert counts == {"introductory": 250, "interview": 500, "competition": 250}


@pytest.mark.slow
def test_ten_thousand_train_problems_can_be_had_and_no_two_read_the_same():
    benchmark = load(split="train", size=10_000)
    assert len({problem.question for problem in benchmark.problems}) == 10_000
    assert len({problem.metadata["spec"] for problem in benchmark.problems}) > 7500
    assert {op for problem in benchmark.problems for op in problem.metadata["operations"]} == set(OPS)


@pytest.mark.slow
def test_every_suite_has_ten_tests_or_more_of_its_kind_and_edge_cases():
    for problem in problems("train", 300):
        suite = problem.suite
        assert suite.count >= 10
        assert suite.preamble == suite.setup == ""
        assert str(suite.kind) == problem.metadata["kind"]
        tests = suite.tests()
        if suite.kind is TestKind.CALL:
            assert suite.entry_point == "solve"
            assert re.fullmatch(r"def solve\(\w+\):\n", problem.starter_code)
            assert any(test.args == [[]] for test in tests)
        else:
            assert suite.entry_point is None
            assert problem.starter_code == ""
            empty = {"ints": "0\n\n", "words": "\n", "text": "\n\n", "int": "\n0\n", "pair": "\n0 0\n"}
            assert any(empty[problem.metadata["input"]] in test.input for test in tests)
            assert all(test.output.strip() for test in tests)


def test_a_statement_mentions_every_constant_and_settles_formats_and_shows_an_example():
    for problem in problems("train", 1000):
        story, *_ = problem.question.split("\n\n")
        for constant in constants_of(problem):
            assert re.search(rf"(?<!\w){constant}(?!\w)", story), problem.question
        if problem.metadata["kind"] == "stdin":
            for part in ("\nInput:\n", "\nOutput:\n", " input:\n", " output:\n"):
                assert part in problem.question
        else:
            assert re.search(r"function solve\(\w+\)\. It takes .* and returns ", problem.question)
            assert re.search(r": solve\(.*\) returns .*\.$", problem.question)


def test_every_operation_has_two_wordings_or_more_and_all_of_them_name_the_constant():
    for op in OPS.values():
        assert len(set(op.phrases)) >= 2, op.name
        for text in (*op.phrases, op.code):
            assert ("{c}" in text) == bool(op.constants), op.name


def test_reference_programs_are_short():
    counts = sorted(token_count(p.solutions[0]) for p in problems("train", 1000))
    assert sum(25 <= count <= 90 for count in counts) >= 950
    assert 30 <= counts[500] <= 60


def test_a_problem_and_its_tests_survive_pickling():
    for problem in problems("test", 40):
        again = pickle.loads(pickle.dumps(problem))
        assert again.question == problem.question
        assert again.suite.digest == problem.suite.digest


def test_unknown_splits_and_negative_sizes_are_refused_with_what_would_do():
    with pytest.raises(InputError, match="unknown split 'tset' of mini; available: train, validation, test"):
        load(split="tset")
    with pytest.raises(InputError, match="-1 problems"):
        load(size=-1)


def test_the_examples_in_the_readme_are_the_problems_of_this_version():
    readme = (files("benchmarks.mini") / "README.md").read_text(encoding="utf-8")
    for i in (7, 25):
        problem = problems("train", 300)[i]
        assert f"`mini/train/{i}`, {problem.difficulty}" in readme
        assert problem.question.rstrip() in readme
        assert problem.solutions[0].rstrip() in readme


# Determinism

FACTS = """
from hashlib import sha256
from benchmarks.mini import load
b = load(split="train", size=120)
made = "".join(f"{p.suite.tests()} {p.solutions[0]}" for p in b.problems)
print(b.dataset_hash, sha256(made.encode()).hexdigest())
"""


def facts(hash_seed):
    env = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", FACTS]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.slow
def test_problems_tests_and_solutions_do_not_depend_on_the_hash_seed_and_are_those_of_this_version():
    # If the second line fails, something users see has changed: raise VERSION, extend the log in README.md.
    assert facts("0") == facts("1")
    assert [digest[:16] for digest in facts("2")] == ["ff1b57916f3dd6ae", "1b969498f150e37a"]


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
def test_a_problem_is_the_same_whatever_the_size(split):
    short, long = load(split=split, size=60), load(split=split, size=150)
    for one, other in zip(short.problems, long.problems[:60], strict=True):
        assert (one.task_id, one.question, one.metadata) == (other.task_id, other.question, other.metadata)
        assert one.suite.digest == other.suite.digest


def test_another_seed_gives_other_problems():
    one, other = load(size=100), load(size=100, seed=1)
    assert one.dataset_hash != other.dataset_hash
    assert not {p.question for p in one.problems} & {p.question for p in other.problems}


# Splits


def behaviour(problem):
    """Results on inputs of which the split rule looks only at the edge cases."""
    spec, rng = spec_of(problem), Random("behaviour")
    values = edge_values(spec.source, small=True, constants=(3, 7))
    values += [random_value(rng, spec.source, small=True, constants=(3, 7, "e")) for _ in range(100)]
    return repr((spec.source, [spec.run(value) for value in values]))


@pytest.mark.slow
def test_no_meaning_is_in_two_splits_whatever_the_seeds():
    held = {
        "train": (*problems("train", 2000), *generate(split="train", size=300, seed=7)),
        "validation": (*problems("validation", 200), *generate(split="validation", size=200, seed=8)),
        "test": (*problems("test", 200), *generate(split="test", size=200, seed=9)),
    }
    specs = {split: {problem.metadata["spec"] for problem in held[split]} for split in SPLITS}
    behaviours = {split: set(map(behaviour, held[split])) for split in SPLITS}
    for one, other in combinations(SPLITS, 2):
        assert specs[one].isdisjoint(specs[other])
        assert behaviours[one].isdisjoint(behaviours[other])


@pytest.mark.slow
@pytest.mark.parametrize("split", ["validation", "test"])
def test_no_meaning_comes_twice_in_a_split_of_default_size(split):
    assert len(set(map(behaviour, problems(split, SIZES[split])))) == SIZES[split]


# Do the tests tell right from wrong?


@pytest.mark.slow
def test_reference_programs_agree_with_the_interpreter_on_the_tests_and_on_fresh_inputs():
    chosen = (*problems("train", 2000), *problems("test", 200))
    jobs = [(p.solutions[0], [*p.suite.tests(), *fresh_tests(p, 5, p.task_id)]) for p in chosen]
    wrong = [p.task_id for p, v in zip(chosen, run_trusted(jobs), strict=True) if v != "passed"]
    assert wrong == []
    assert {op for p in chosen for op in p.metadata["operations"]} == set(OPS)


EDITS = (
    (r" > ", " >= "),
    (r" < ", " <= "),
    (r" == 0", " != 0"),
    (r" % 2 == 0", " % 2 == 1"),
    (r" not in ", " in "),
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r"\bmax\(", "min("),
    (r"\bmin\(", "max("),
    (r"\[::-1\]", ""),
    (r"sorted\((\w+)\)", r"\1"),
    (r", reverse=True", ""),
    (r"\babs\((\w)\)", r"\1"),
    (r"enumerate\(xs\)", "enumerate(xs, 1)"),
    (r"\.upper", ".lower"),
    (r"\.count\(", ".index("),
    (r'"e"', '"o"'),
    (r", default=0", ""),
    (r" if xs else 0", ""),
)


def mutants(code):
    """Plausible wrong programs: a line dropped, lines swapped, a constant off by one, an operator changed."""
    lines = code.splitlines()
    own = [i for i, line in enumerate(lines) if " = " in line and not re.search(r"input\(|result", line)]
    for i in own:
        yield "\n".join(lines[:i] + lines[i + 1 :])
    for i, j in pairwise(own):
        if j == i + 1:
            yield "\n".join([*lines[:i], lines[j], lines[i], *lines[j + 1 :]])
    for i, line in enumerate(lines):
        if "input()" in line or line.startswith("def "):
            continue
        for number in re.finditer(r"(?<!\w)\d+", line):
            for change in (-1, 1):
                edited = line[: number.start()] + str(int(number.group()) + change) + line[number.end() :]
                yield "\n".join([*lines[:i], edited, *lines[i + 1 :]])
        for pattern, text in EDITS:
            if re.search(pattern, line):
                yield "\n".join([*lines[:i], re.sub(pattern, text, line, count=1), *lines[i + 1 :]])


@pytest.mark.slow
def test_the_tests_catch_nearly_all_plausible_wrong_programs():
    # "while" is left out because an edit of it may not end, and nothing stops a program here.
    chosen = [p for p in problems("train", 400) if "while" not in p.solutions[0]]
    pairs = [(p, code) for p in chosen for code in mutants(p.solutions[0])]
    verdicts = run_trusted([(code, p.suite.tests()) for p, code in pairs])
    survivors = [pair for pair, verdict in zip(pairs, verdicts, strict=True) if verdict == "passed"]
    # A survivor that agrees on 400 more inputs means the same as the reference, so it is no mutant at all.
    again = run_trusted([(code, fresh_tests(p, 400, f"fresh {p.task_id}")) for p, code in survivors])
    missed = [pair for pair, verdict in zip(survivors, again, strict=True) if verdict != "passed"]
    different = len(pairs) - len(survivors) + len(missed)
    assert different > 1500
    assert len(missed) <= 0.02 * different, [(p.task_id, code) for p, code in missed[:5]]
    assert {"wrong_answer", "runtime_error"} <= set(verdicts)


@pytest.mark.slow
def test_a_program_without_an_operation_never_passes():
    for problem in problems("train", 300):
        spec = spec_of(problem)
        for i, step in enumerate(spec.steps):
            if step.op.source is not step.op.target:
                continue
            shorter = type(spec)(spec.source, spec.steps[:i] + spec.steps[i + 1 :])
            make = {StdinTest: stdin_test, CallTest: call_test}
            right = problem.suite.tests()
            values = [given(test, spec) for test in right]
            wrong = [make[type(t)](shorter, v) for t, v in zip(right, values, strict=True)]
            assert list(map(plain, wrong)) != list(map(plain, right)), problem.metadata["spec"]


def given(test, spec):
    """The values that a test holds, read back from its text or arguments."""
    if isinstance(test, CallTest):
        values = test.args[0] if spec.batched else [test.args[0]]
        return [tuple(value) if spec.source == "pair" else value for value in values]
    lines = test.input.split("\n")[:-1]
    read = {
        "ints": lambda: [list(map(int, lines[1].split()))],
        "words": lambda: [lines[0].split()],
        "text": lambda: lines[1:],
        "int": lambda: list(map(int, lines[1:])),
        "pair": lambda: [tuple(map(int, line.split())) for line in lines[1:]],
    }
    return read[spec.source]()


@pytest.mark.slow
def test_wrong_programs_fail_in_each_way():
    chosen = next(
        p for p in problems("train", 2000)
        if p.metadata["kind"] == "stdin" and p.metadata["operations"][-1] == "largest"
    )  # fmt: skip
    right, tests = chosen.solutions[0], chosen.suite.tests()
    programs = {
        "passed": right,
        "runtime_error": right.replace(", default=0", ""),
        "wrong_answer": right.replace("max(", "min("),
        "syntax_error": right.replace("print(", "print(("),
    }
    assert run_trusted([(code, tests) for code in programs.values()]) == list(programs)


@pytest.mark.slow
def test_the_introductory_variant_poses_functions_of_one_operation_and_shares_no_behaviour():
    found = {split: load_introductory(split=split) for split in SPLITS}
    for split, benchmark in found.items():
        assert benchmark.name == "mini-introductory"
        assert benchmark.problems[0].task_id == f"mini-introductory/{split}/0"
        for problem in benchmark.problems:
            assert problem.difficulty == "introductory"
            assert len(problem.metadata["operations"]) == 1
            assert problem.metadata["kind"] == TestKind.CALL
            assert problem.starter_code
    behaviours = [{problem.metadata["spec"] for problem in each.problems} for each in found.values()]
    assert all(one.isdisjoint(other) for one, other in combinations(behaviours, 2))
