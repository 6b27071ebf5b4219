"""HumanEval+ and MBPP+: rows made by hand, EvalPlus' oracles and tolerances, and verdicts as they must be."""

import gzip
import json
import re
import threading
from dataclasses import replace

import pytest

from benchmarks.evalplus import load_humaneval, load_mbpp
from benchmarks.evalplus.cases import Answer, Task, is_floats, make_suite
from benchmarks.evalplus.checker import check, is_base, read_case
from benchmarks.evalplus.digests import SETUP, digested
from benchmarks.evalplus.inputs import spelled, typed_inputs
from harness import Job, Runner, load_benchmark
from harness.errors import DatasetError, InputError
from harness.programs.source import ProgramFile
from harness.suites import Output, Reference, reference_outputs, references, text_of
from harness.types import ValueTest

PROFILES = (
    "benchmarks.evalplus.profiles:EVALPLUS",
    "benchmarks.evalplus.profiles:EVALPLUS_BASE",
    "benchmarks.evalplus.profiles:EVALPLUS_FIXED",
)
NAMES = ("evalplus", "evalplus-base", "evalplus-fixed")


def row(number=900, solution="def twice(x):\n    return 2 * x\n", entry="twice", **changes):
    return {
        "task_id": f"Mbpp/{number}",
        "prompt": '"""\nDouble it.\n"""\n',
        "entry_point": entry,
        "canonical_solution": solution,
        "base_input": [[1], [2]],
        "plus_input": [[0], [-3]],
        "atol": 0,
        "contract": "",
        "assertion": "",
    } | changes


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache of each test's own, so that references do run."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def write(folder, *rows, name="MbppPlus-v0.2.0.jsonl"):
    (folder / name).write_text("".join(json.dumps(each) + "\n" for each in rows))
    return folder


def one(folder, **changes):
    return load_mbpp(data_dir=write(folder, row(**changes))).problems[0]


@pytest.fixture(scope="module")
def runner():
    with Runner(workers=1, profiles=PROFILES) as started:
        yield started


def graded(runner, problem, code):
    (outcome,) = runner.run([Job(problem.task_id, 0, code, problem)])
    assert outcome.infrastructure_error is None
    return outcome


def verdicts(runner, problem, code):
    outcome = graded(runner, problem, code)
    return [outcome.verdicts[name].value for name in NAMES]


PASSED, WRONG = "passed", "wrong_answer"


# Verdicts


def test_a_reference_passes_its_own_task(tmp_path, runner):
    problem = one(tmp_path)
    assert verdicts(runner, problem, problem.solutions[0]) == [PASSED] * 3


def test_a_program_that_passes_base_and_fails_plus_has_both_verdicts(tmp_path, runner):
    outcome = graded(runner, one(tmp_path), "def twice(x):\n    return 2 * x if x > 0 else 1\n")
    assert [outcome.verdicts[name].value for name in NAMES] == [WRONG, PASSED, WRONG]
    assert outcome.pass_ratio("evalplus") == 0.5
    assert outcome.pass_ratio("evalplus-base") == 1.0


@pytest.mark.slow
def test_a_program_that_raises_or_stops_on_an_added_input_still_passes_base(tmp_path, runner):
    problem = one(tmp_path)
    code = "def twice(x):\n    {}\n    return 2 * x\n"
    assert verdicts(runner, problem, code.format("assert x > 0")) == [
        "runtime_error",
        PASSED,
        "runtime_error",
    ]
    left = code.format("x > 0 or __import__('os')._exit(0)")
    assert verdicts(runner, problem, left) == ["runtime_error", PASSED, "runtime_error"]


def test_a_program_that_fails_base_fails_plus_whatever_it_does_there(tmp_path, runner):
    outcome = graded(runner, one(tmp_path), "def twice(x):\n    return 2 * x if x != 2 else 1\n")
    assert [outcome.verdicts[name].value for name in NAMES] == [WRONG] * 3
    assert outcome.pass_ratio("evalplus-base") == 0.25


@pytest.mark.slow
def test_what_does_not_compile_or_define_the_function_fails_everything(tmp_path, runner):
    problem = one(tmp_path)
    assert verdicts(runner, problem, "def twice(x:\n") == ["syntax_error"] * 3
    assert verdicts(runner, problem, "x = 1\n") == ["runtime_error"] * 3


@pytest.mark.slow
def test_an_object_that_is_equal_to_everything_passes_nothing(tmp_path, runner):
    code = "class All:\n    def __eq__(self, other): return True\n    def __hash__(self): return 0\n"
    assert verdicts(runner, one(tmp_path), code + "def twice(x): return All()\n") == [WRONG] * 3
    inside = code + "def twice(x): return [All()]\n"
    problem = one(tmp_path, solution="def twice(x):\n    return [2 * x]\n")
    assert verdicts(runner, problem, inside) == [WRONG] * 3


def test_a_reference_that_changes_its_arguments_changes_no_later_input(tmp_path, runner):
    solution = "def twice(x):\n    x.append(len(x))\n    return x\n"
    problem = one(tmp_path, solution=solution, base_input=[[[]], [[]]], plus_input=[[[5]]])
    expected = [read_case(test.expected)[1] for test in problem.suite.tests()]
    assert expected == [[0], [0], [5, 1]]
    assert verdicts(runner, problem, "def twice(x):\n    return [*x, len(x)]\n") == [PASSED] * 3
    assert verdicts(runner, problem, solution) == [PASSED] * 3
    # A program that changes what it is given, and returns another value, is judged by the value.
    assert verdicts(runner, problem, "def twice(x):\n    x.append(len(x))\n    return None\n") == [WRONG] * 3


@pytest.mark.slow
def test_expected_values_never_enter_the_programs_process(tmp_path):
    problem = one(tmp_path, solution="def twice(x):\n    return 'secret' * x\n")
    for test in problem.suite.tests():
        assert "secret" not in test.source
        assert not test.ran_inside
    assert "secret" not in problem.suite.setup


def test_only_what_is_counted_decides_and_the_rest_is_not_run_where_it_fails(tmp_path, runner):
    outcome = graded(runner, one(tmp_path), "def twice(x):\n    return 3\n")
    assert [test.statuses["evalplus-base"].value for test in outcome.tests] == [
        WRONG,
        WRONG,
        "not_run",
        "not_run",
    ]


# Tolerances


ROOT = "def twice(x):\n    return x ** 0.5 if isinstance(x, float) else [x, 1.0 / 3 if x else 0]\n"


@pytest.mark.slow
def test_a_float_makes_the_inputs_after_it_tolerant_and_only_under_evalplus(tmp_path, runner):
    # Expected: 1.41… (a float), then [7, 0.33…], which is no list of floats.
    problem = one(tmp_path, solution=ROOT, base_input=[[2.0]], plus_input=[[2.0], [7]])
    off = ROOT.replace("1.0 / 3", "1.0 / 3 + 1e-7")
    assert verdicts(runner, problem, off) == [PASSED, PASSED, WRONG]
    # The order matters: no tolerance before the first float; base and plus are runs of their own.
    first = one(tmp_path, solution=ROOT, base_input=[[2.0]], plus_input=[[7], [2.0]])
    assert verdicts(runner, first, off) == [WRONG, PASSED, WRONG]


@pytest.mark.slow
def test_tolerances_are_relative_and_absolute(tmp_path, runner):
    problem = one(
        tmp_path, solution="def twice(x):\n    return 2.5 * x\n", base_input=[[4]], plus_input=[[4e9]]
    )
    for factor, right in ((1 + 1e-8, True), (1 + 1e-5, False)):
        code = f"def twice(x):\n    return 2.5 * x * {factor!r}\n"
        assert verdicts(runner, problem, code) == [PASSED if right else WRONG] * 3


@pytest.mark.slow
def test_a_close_value_must_be_of_the_same_type_and_length(tmp_path, runner):
    problem = one(tmp_path, solution="def twice(x):\n    return [0.1 * x, 0.2]\n")
    assert verdicts(runner, problem, "def twice(x):\n    return [0.1 * x + 1e-9, 0.2]\n") == [PASSED] * 3
    assert verdicts(runner, problem, "def twice(x):\n    return (0.1 * x, 0.2)\n") == [WRONG] * 3
    assert verdicts(runner, problem, "def twice(x):\n    return [0.1 * x + 1e-9]\n") == [WRONG] * 3
    exact = one(tmp_path, solution="def twice(x):\n    return 2.0 * x\n")
    assert verdicts(runner, exact, "def twice(x):\n    return 2 * x\n") == [PASSED] * 3


def test_is_floats_is_true_of_floats_and_of_nothing_else():
    assert [is_floats(value) for value in (1.0, [1.0], (1.0, 2.0))] == [True] * 3
    assert [is_floats(value) for value in (1, [], [1.0, 1], {1.0}, "1.0", None)] == [False] * 6


@pytest.mark.slow
def test_no_answer_makes_numpy_compare_more_than_it_was_asked_for(tmp_path, runner):
    problem = one(
        tmp_path, solution="def twice(x):\n    return [0.5] * 5000\n", base_input=[[1]], plus_input=[]
    )
    assert verdicts(runner, problem, "def twice(x):\n    return [[0.5]] * 5000\n") == [WRONG] * 3


# Oracles


@pytest.mark.slow
@pytest.mark.parametrize(
    "oracle",
    [
        ("are_equivalent", "return x == y", [1, 2], "return 'anything'", "raise ValueError"),
        ("sum_div", "return x + 1", [1, 2], "return 0", "return 5"),
        ("similar_elements", "return (x, y)", [1, 2], "return [y, x, y]", "return [y]"),
        ("Diff", "return [x]", [1, 2], "return {x}", "return [[x]]"),
        ("surface_Area", "return 33", [3, 4], "return 35", "return 36"),
        ("digit_distance_nums", "return 99", [23, 156], "return 7", "return 8"),
        ("text_match_three", "return iter(())", [1, 2], "return object()", "return None"),
        ("text_match_three", "return iter(())", [1, 2], "return True", "return False"),
    ],
)
def test_each_special_oracle_takes_what_evalplus_takes(tmp_path, runner, oracle):
    entry, solution, args, right, wrong = oracle
    code = f"def {entry}(x, y):\n    {{}}\n"
    changes = {"base_input": [args], "plus_input": []}
    problem = one(tmp_path, entry=entry, solution=code.format(solution), **changes)
    assert verdicts(runner, problem, code.format(solution))[0] == PASSED
    assert verdicts(runner, problem, code.format(right)) == [PASSED] * 3
    assert verdicts(runner, problem, code.format(wrong))[0] != PASSED


@pytest.mark.slow
def test_any_root_of_the_polynomial_is_right_in_humaneval_plus(tmp_path, runner):
    prompt = "def find_zero(xs: list):\n"
    task = row(entry="find_zero", task_id="HumanEval/32", prompt=prompt, atol=1e-4)
    task |= {
        "canonical_solution": "    return 1.0\n",
        "base_input": [[[-1, 0, 1]]],
        "plus_input": [[[-1, 0, 1]]],
    }
    write(tmp_path, task, name="HumanEvalPlus-v0.1.10.jsonl")
    problem = load_humaneval(data_dir=tmp_path).problems[0]
    assert problem.task_id == "humaneval-plus/32"
    assert verdicts(runner, problem, prompt + "    return -1.00001\n") == [PASSED] * 3
    assert verdicts(runner, problem, prompt + "    return -1.01\n") == [WRONG] * 3


def test_a_set_is_compared_without_making_one_of_what_a_program_returns():
    hostile = [n * ((1 << 61) - 1) for n in range(200_000)]  # all of one hash
    test = ValueTest("f()", _case_of("similar_elements", (1, 2)))
    assert check([2, 1, 1], test, "evalplus") is True
    assert check(hostile, test, "evalplus") is False
    assert check(7, test, "evalplus") is False


def _case_of(entry, value):
    task = Task("t", "", entry, "", [[1, 2]], [], 0.0, "mbpp", ())
    (test,) = make_suite(task, [Answer("f()", Output(text_of(value)))]).tests()
    assert is_base(test)
    return test.expected


@pytest.mark.parametrize(("seconds", "factor"), [(0.0, 1), (1.0, 1), (1.2, 2), (28.0, 15)])
def test_a_slow_reference_widens_the_limit_up_to_a_minute(seconds, factor):
    task = Task("t", "", "f", "", [[1]], [], 0.0, "mbpp", ())
    suite = make_suite(task, [Answer("f()", Output("1", None, seconds))])
    assert suite.cpu_factor == factor


# Inputs


def test_inputs_get_back_the_types_that_json_took_from_them():
    assert typed_inputs(2, [[[1, 2], [3]]]) == [[(1, 2), (3,)]]
    assert typed_inputs(63, [[[[1, 2]]]]) == [[[(1, 2)]]]
    assert typed_inputs(75, [[[[1, 2]], 3]]) == [[[(1, 2)], 3]]
    assert typed_inputs(106, [[[5], [6]]]) == [[[5], (6,)]]
    assert typed_inputs(115, [[[[1], []]]]) == [[[{1}, {}]]]
    assert typed_inputs(124, [["1.5", "2j"]]) == [[1.5, 2j]]
    assert typed_inputs(250, [[[1], 1]]) == [[(1,), 1]]
    assert typed_inputs(252, [["(1+2j)"]]) == [[1 + 2j]]
    assert typed_inputs(259, [[[[1]], [[2]]]]) == [[((1,),), ((2,),)]]
    assert typed_inputs(278, [[[1, [2]]]]) == [[(1, (2,))]]
    assert typed_inputs(307, [[[1], 0, 5]]) == [[(1,), 0, 5]]
    assert typed_inputs(580, [[[1, [2]]]]) == [[(1, (2,))]]
    assert typed_inputs(722, [[{"a": [1]}, 2]]) == [[{"a": (1,)}, 2]]
    assert typed_inputs(3, [[[1]]]) == [[[1]]]


@pytest.mark.parametrize(
    "value",
    [
        [],
        (),
        set(),
        {},
        (1,),
        {1, (2,)},
        {"a": [None]},
        1.5,
        float("inf"),
        -float("inf"),
        1 + 2j,
        [10**5000],
        "é\n'",
    ],
)
def test_a_spelled_value_is_itself_and_needs_no_name(value):
    made = eval(spelled(value), {"__builtins__": {}})
    assert (made, type(made)) == (value, type(value))


def test_nan_is_spelled_too():
    made = eval(spelled(float("nan")), {"__builtins__": {}})
    assert made != made  # noqa: PLR0124 - that is what a NaN is


# Long answers


def test_a_digest_is_the_same_for_equal_values_and_another_for_others():
    names = {}
    exec(SETUP, names)

    def of(value):
        names["value"] = value
        return eval(digested("value"), names)

    same = [
        (1, 1.0),
        (True, 1),
        ([1, (2,)], [1.0, (2,)]),
        ({1, 2}, {2, 1}),
        ({"a": 1}, {"a": 1.0}),
        ("é", "é"),
    ]
    for left, right in same:
        assert of(left) == of(right)
    different = [1, 2, "1", b"1", [1], (1,), [[1]], {1}, {1: 1}, None, 1.5, [], (), ["a", "b"], ["ab"]]
    assert len({of(value) for value in different}) == len(different)


@pytest.mark.slow
def test_an_answer_too_long_to_be_carried_is_compared_by_its_digest(tmp_path, runner, monkeypatch):
    monkeypatch.setattr("benchmarks.evalplus.cases.MOST_TEXT", 50)
    problem = one(tmp_path, solution="def twice(x):\n    return [x] * 100\n")
    tests = problem.suite.tests()
    assert all(test.source.startswith("_rltf_digest(") for test in tests)
    assert all(len(test.expected) < 300 for test in tests)
    assert verdicts(runner, problem, "def twice(x):\n    return [float(x)] * 100\n") == [PASSED] * 3
    assert verdicts(runner, problem, "def twice(x):\n    return [x] * 99\n") == [WRONG] * 3
    forged = "def twice(x):\n    globals()['_rltf_digest'] = lambda value: value\n    return 'digest'\n"
    assert verdicts(runner, problem, forged) == [WRONG] * 3


# References


@pytest.mark.slow
def test_references_run_once_and_are_kept_under_the_datas_hash(tmp_path, cache, monkeypatch):
    problem = one(tmp_path)
    digest = problem.suite.digest
    kept = list((cache / "rltf" / "references").iterdir())
    assert kept[0].name.startswith("mbpp-plus-v0.2.0-")
    monkeypatch.setattr(references, "_run", None)  # nothing is run again
    assert one(tmp_path).suite.digest == digest
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    changed = one(tmp_path, plus_input=[[5]])
    assert changed.suite.count == 3
    assert (
        len({path.name for path in (cache / "rltf" / "references").glob("mbpp-plus-v0.2.0-[0-9a-f]*")}) == 2
    )


@pytest.mark.slow
def test_a_kept_file_that_is_damaged_is_made_again(tmp_path, cache):
    asked = [Reference("t", "def f(x): return x", ["f(1)", "f([2])"])]
    found = reference_outputs("x", "hash", asked, folder=cache)
    assert [each.value for each in found["t"]] == [1, [2]]
    (path,) = cache.glob("x-*.json.gz")
    for broken in (b"", path.read_bytes()[:-8], gzip.compress(b'{"t": []}')):
        path.write_bytes(broken)
        assert reference_outputs("x", "hash", asked, folder=cache) == found


@pytest.mark.slow
def test_an_output_that_is_too_long_costs_no_other_input_its_own(monkeypatch, cache):
    # HumanEval/130 has ten of 12 MiB among 125 inputs: a worker can't hold them all.
    monkeypatch.setattr(references, "LIMITS", replace(references.LIMITS, output_mib=1))
    calls = [f"f({number})" for number in (1, 1 << 20, 2, 1 << 20, 3)] * 4
    (outputs,) = reference_outputs(
        "x", "hash", [Reference("t", "def f(x): return 'a' * x", calls)], folder=cache
    ).values()
    assert [each.error or each.value for each in outputs] == [
        "a",
        "output_limit",
        "aa",
        "output_limit",
        "aaa",
    ] * 4


@pytest.mark.slow
def test_an_input_that_the_reference_fails_on_is_left_out(tmp_path, runner):
    problem = one(tmp_path, solution="def twice(x):\n    return 6 // x * x\n")
    assert problem.suite.count == 3  # not 0
    assert verdicts(runner, problem, problem.solutions[0]) == [PASSED] * 3


@pytest.mark.slow
def test_references_are_asked_for_by_many_threads_at_once_and_run_once(tmp_path, monkeypatch):
    calls = []
    run = references._run
    monkeypatch.setattr(references, "_run", lambda asked: calls.append(1) or run(asked))
    problems = load_mbpp(data_dir=write(tmp_path, row(900), row(901))).problems
    threads = [threading.Thread(target=lambda problem=problem: problem.suite) for problem in [*problems] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


# Rows


def test_tasks_come_in_order_by_name_and_by_evalplus_own_ids(tmp_path):
    write(tmp_path, row(10), row(9))
    benchmark = load_benchmark("mbpp-plus", data_dir=tmp_path)
    assert [problem.task_id for problem in benchmark.problems] == ["mbpp-plus/9", "mbpp-plus/10"]
    assert (benchmark.split, benchmark.profiles[0]) == ("v0.2.0", PROFILES[0])
    assert benchmark.problems[0].code_prompt == benchmark.problems[0].question == '"""\nDouble it.\n"""\n'


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"task_id": "HumanEval/1"}, "is none of mbpp-plus's"),
        ({"entry_point": "1x"}, "is no name"),
        ({"base_input": {"a": 1}}, "list of argument lists"),
        ({"plus_input": [1]}, "list of argument lists"),
        ({"task_id": "Mbpp/2", "base_input": [[1]]}, "not as this task's must be"),
        ({"atol": "0"}, "'atol' must be"),
        ({"canonical_solution": None}, "'canonical_solution' must be str"),
    ],
)
def test_a_malformed_row_is_refused_with_file_and_line(tmp_path, changes, why):
    with pytest.raises(DatasetError, match=f"jsonl:1: .*{re.escape(why)}"):
        one(tmp_path, **changes)


def test_missing_data_and_unknown_versions_are_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"available: v0\.2\.0, v0\.1\.0"):
        load_mbpp(split="v9")
    with pytest.raises(DatasetError, match="occurs twice"):
        load_mbpp(data_dir=write(tmp_path, row(), row()))
    monkeypatch.delenv("RLTF_DATA", raising=False)
    with pytest.raises(DatasetError, match=r"put HumanEvalPlus-v0\.1\.10\.jsonl\.gz"):
        load_humaneval()


@pytest.mark.slow
def test_an_empty_object_stands_for_no_inputs(tmp_path):
    assert one(tmp_path, plus_input={}).suite.count == 2


def test_prompts_are_evalplus_own(tmp_path):
    benchmark = load_mbpp(data_dir=write(tmp_path, row()))
    completion, chat = benchmark.prompts["completion"], benchmark.prompts["chat"]
    assert (
        "".join(piece.text for piece in completion.build(benchmark.problems[0])) == '"""\nDouble it.\n"""\n'
    )
    assert completion.stop[-2:] == ('\n"""', "\nassert")
    assert "block:\n```\n" + '"""\nDouble it.\n"""' + "\n```\n" in "".join(
        piece.text for piece in chat.build(benchmark.problems[0])
    )


# Real data


@pytest.fixture
def mbpp_plus(data_dir):
    """The folder of real data, if MBPP+ is in it."""
    for version in ("v0.1.0", "v0.2.0"):
        if not (data_dir / "mbpp" / f"MbppPlus-{version}.jsonl.gz").exists():
            pytest.skip(f"$RLTF_DATA has no MBPP+ {version}")
    return data_dir


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(("version", "tasks", "inputs"), [("v0.2.0", 378, 41_015), ("v0.1.0", 399, 43_318)])
def test_the_real_rows_are_read(mbpp_plus, version, tasks, inputs):
    benchmark = load_mbpp(split=version, data_dir=mbpp_plus)
    assert len(benchmark) == tasks
    found = [problem.load_suite.__self__.task for problem in benchmark.problems]
    assert sum(len(task.base) + len(task.plus) for task in found) == inputs


@pytest.mark.data
@pytest.mark.slow
def test_references_of_real_tasks_pass_base_and_plus(mbpp_plus, runner, monkeypatch):
    """A sample of each kind of input and oracle; `README.md` has the figures of all of them."""
    numbers = (2, 7, 63, 75, 106, 124, 250, 252, 259, 278, 558, 580, 581, 722, 793)

    benchmark = load_mbpp(data_dir=mbpp_plus)
    tasks = benchmark.problems[0].load_suite.__self__.expected.tasks
    kept = {number: task for number, task in tasks.items() if number in numbers}
    monkeypatch.setattr(benchmark.problems[0].load_suite.__self__.expected, "tasks", kept)
    chosen = [problem for problem in benchmark.problems if int(problem.task_id.split("/")[1]) in kept]
    assert len(chosen) == len(numbers)
    for problem in chosen:
        assert verdicts(runner, problem, problem.solutions[0]) == [PASSED] * 3, problem.task_id


def test_programs_for_tasks_that_the_newest_version_lacks_are_told_which_has_them(tmp_path):
    write(tmp_path, row(900))
    write(tmp_path, row(900), row(83), name="MbppPlus-v0.1.0.jsonl")
    programs = tmp_path / "samples.jsonl"
    programs.write_text('{"task_id": "Mbpp/900", "solution": "x"}\n{"task_id": "Mbpp/83", "solution": "x"}\n')
    source = ProgramFile(programs)
    with pytest.raises(InputError, match=r"line 2: unknown problem 'Mbpp/83'.* with --split v0\.1\.0"):
        list(source.read(load_mbpp(data_dir=tmp_path)))
    assert len(list(source.read(load_mbpp(split="v0.1.0", data_dir=tmp_path)))) == 2
