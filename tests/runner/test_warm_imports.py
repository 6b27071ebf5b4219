"""Which fork server a program runs in: a matter of speed, never of its verdict."""

import pytest

from harness import TestSuite
from harness.runner.sandbox.preambles import MOST_BYTES, only_defines
from harness.runner.split_suite import WarmImports, prepare
from harness.types import AssertTest, CallTest, PreamblePart, StdinTest, TestKind


def _asserts(source, **options):
    return prepare(TestSuite.pack(TestKind.ASSERTS, [AssertTest(source)], **options))


@pytest.mark.parametrize(
    ("suite", "code", "expected"),
    [
        (_asserts("assert f(1) == 2"), "def f(x): return x + 1", WarmImports.NONE),
        (_asserts("assert f(1) == 2"), "import math\ndef f(x): return x + 1", WarmImports.STDLIB),
        (_asserts("assert f(1) == 2"), "def f(x): return __import__('math').ceil(x)", WarmImports.STDLIB),
        (_asserts("assert f(1) == 2"), "import numpy\ndef f(x): return x", WarmImports.NUMPY),
        (_asserts("assert f(1) == 2"), "def f(x): return np.abs(x)", WarmImports.NUMPY),
        (_asserts("assert f(1) == 2", setup="import math"), "def f(x): return 2", WarmImports.STDLIB),
        (_asserts("assert np.all(f(1) == 2)"), "def f(x): return 2", WarmImports.NUMPY),
        (
            _asserts("assert f(1) == 2", preamble="import heapq\nimport numpy as np"),
            "x = 1",
            WarmImports.NUMPY,
        ),
        (
            prepare(TestSuite.pack(TestKind.STDIN, [StdinTest("", "")], preamble="import re")),
            "print(np)",
            WarmImports.NUMPY,
        ),
    ],
)
def test_the_server_is_chosen_by_what_program_and_tests_import(suite, code, expected):
    assert suite.warm_imports(code) is expected


@pytest.mark.parametrize("module", ["fractions", "decimal", "random", "dataclasses", "ast", "numpy"])
def test_a_module_that_its_server_has_not_imported_is_there_all_the_same(grader, module):
    hidden = f"print(__builtins__.__dict__['__imp' + 'ort__']('{module}').__name__)"
    assert grader.script(hidden, ("", f"{module}\n")).verdicts["strict"] == "passed"


@pytest.mark.parametrize("value", ["fractions.Fraction(1, 2)", "decimal.Decimal('0.5')"])
def test_values_of_modules_that_the_server_has_not_imported_arrive_as_numbers(grader, value):
    module = value.partition(".")[0]
    code = f"{module} = __builtins__.__dict__['__imp' + 'ort__']('{module}')\ndef f(): return {value}"
    outcome = grader.asserts(code, "assert f() == 0.5", "assert f() == 0.25")
    assert grader.statuses(outcome) == ["passed", "wrong_answer"]


PARTS = (
    PreamblePart("import numpy as np, math\nvalue = 3  # not numpy\n", ("np", "math", "value")),
    PreamblePart("import random\n", ("random",)),
)


@pytest.mark.parametrize("preamble", ["".join(part.text for part in PARTS), PARTS])
@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("print(math.floor(2.5) + value)", "5"),
        ("print(np.arange(3).sum())", "3"),
        ("random.seed(1)\nprint(value)", "3"),
        ("print(eval('val' + 'ue'))", "3"),
        ("print(len([n for n in dir() if n in ('np', 'math', 'value', 'random')]))", "4"),
    ],
)
def test_a_preamble_is_run_as_it_is_given(grader, preamble, code, printed):
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest("", printed)], preamble=preamble)
    outcome = grader.run(code, suite)
    assert outcome.verdicts["strict"] == "passed", outcome


def test_a_part_is_left_out_only_for_a_program_that_can_not_tell():
    suite = prepare(TestSuite.pack(TestKind.STDIN, [StdinTest("", "")], preamble=PARTS))
    assert suite.preamble_for("print(1)") == ""
    assert suite.preamble_for("random = 1") == PARTS[1].text
    assert suite.preamble_for("exec(x)") == PARTS[0].text + PARTS[1].text
    assert suite.warm_imports("print(1)") < suite.warm_imports("np = 1")
    whole = TestSuite.pack(TestKind.STDIN, [StdinTest("", "")], preamble="x = 1")
    assert prepare(whole).preamble_for("print(1)") == "x = 1"
    parts = (PreamblePart("x = 1", ("x",)),)
    assert whole.digest == TestSuite.pack(TestKind.STDIN, [StdinTest("", "")], preamble=parts).digest


CHAIN = (
    PreamblePart("import math\n", ("math",)),
    PreamblePart("def area(r): return scale(math.pi * r)\n", ("area",)),
    PreamblePart("def scale(x): return 2 * x\n", ("scale",)),
    PreamblePart("unused = 1\n", ("unused",)),
)


def test_a_part_is_kept_with_what_it_needs_of_others_before_and_behind_it(grader):
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest("", "6.28")], preamble=CHAIN)
    assert prepare(suite).preamble_for("print(area(1))") == "".join(part.text for part in CHAIN[:3])
    assert grader.run("print(round(area(1), 2))", suite).verdicts["strict"] == "passed"


@pytest.mark.parametrize(
    ("kind", "tests", "options"),
    [
        (TestKind.ASSERTS, [AssertTest("assert f(math.floor(2.5)) == 3")], {}),
        (TestKind.ASSERTS, [AssertTest("assert f(two) == 3")], {"setup": "two = math.floor(2.5)"}),
        (TestKind.CALL, [CallTest([1], 1)], {"entry_point": "unused_function"}),
    ],
)
def test_a_part_that_only_the_tests_use_is_kept(grader, kind, tests, options):
    preamble = (*CHAIN, PreamblePart("def unused_function(n): return n\n", ("unused_function",)))
    suite = TestSuite.pack(kind, tests, preamble=preamble, **options)
    assert grader.run("def f(n): return n + 1", suite).verdicts["strict"] == "passed"


PLAIN = TestSuite.pack(TestKind.STDIN, [StdinTest("77", "ok")])
STATES = {
    "a module in another's place": (
        "import sys\nsys.modules['math'] = None\n",
        "import math\nprint('ok')",
    ),
    "a seed": (
        "import random\nrandom.seed(1)\n",
        "import random\nprint('ok' if random.random() != 0.13436424411240122 else 'seeded')",
    ),
    "a built-in": ("import builtins\nbuiltins.sum = None\n", "import os\nprint('ok' if sum else 'none')"),
    "a line printed": ("import os\nprint('hello')\n", "import os\nprint('ok')"),
    "a variable of the environment": (
        "import os\nos.environ['A'] = '1'\n",
        "import os\nprint('no' if 'A' in os.environ else 'ok')",
    ),
    "by a default": (
        "import os\ndef f(x=os.environ.update(A='1')): pass\n",
        "import os\nprint('no' if 'A' in os.environ else 'ok')",
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_what_one_problems_preamble_does_to_the_interpreter_no_program_of_another_sees(grader, state):
    preamble, looks = STATES[state]
    for number in range(3):  # from two on, a preamble is run for all
        shared = TestSuite.pack(TestKind.STDIN, [StdinTest(str(number), "x")], preamble=preamble)
        grader.run(f"import os\nprint('x') # {number}", shared)
    assert grader.run(looks, PLAIN).verdicts["strict"] == "passed"


@pytest.mark.parametrize("preamble", ["1 / 0", "import no_such_module", "def (", "x = 1\0"])
def test_where_the_preamble_fails_no_program_passes_by_having_printed_nothing(grader, preamble):
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest("", "")], preamble=preamble)
    outcome = grader.run("print('x')", suite)
    assert (outcome.verdicts["strict"], outcome.error.line) == ("runtime_error", None)
    call = TestSuite.pack(TestKind.CALL, [CallTest([1], None)], entry_point="f", preamble=preamble)
    assert grader.run("def f(n): pass", call).error.type == outcome.error.type


def test_a_long_preamble_is_not_cut_for_the_problems_that_share_it(grader):
    preamble = "filler = 1\n" * (1 << 13) + "helper = 'ok'\n"
    for number in range(3):
        suite = TestSuite.pack(TestKind.STDIN, [StdinTest(str(number), "ok")], preamble=preamble)
        assert grader.run(f"print(helper) # {number}", suite).verdicts["strict"] == "passed"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import math\nfrom re import *\n'a docstring'\n", True),
        ("def f(xs: list[int], n: int = -1, *, t=(1, 2)) -> 'int':\n    return n\n", True),
        ("MOD: int = 1000000007\nINF = [MOD, -1]\n", True),
        ("import sys\nsys.setrecursionlimit(50)\n", False),
        ("x = print(1)\n", False),
        ("import sys\nsys.maxsize = 1\n", False),
        ("@print\ndef f(): pass\n", False),
        ("@print(1)\ndef f(): pass\n", False),
        ("def f(x: print(1)): pass\n", False),
        ("x = 10 ** 10 ** 10\n", False),
        ("while True: pass\n", False),
        ("class A:\n    print(1)\n", False),
        ("x = [print(1) for _ in 'a']\n", False),
        ("1 / 0\n", False),
        ("def (", False),
        ("x = 1\0", False),
        pytest.param("x = " + "(" * 5000 + ")" * 5000, False, id="too deep"),
        pytest.param("filler = 1\n" * (MOST_BYTES // 11), True, id="as long as may be"),
        pytest.param("filler = 1\n" * (MOST_BYTES // 11 + 1), False, id="too long"),
    ],
)
def test_a_preamble_that_is_run_for_all_only_defines_names(text, expected):
    assert only_defines(text) is expected


def test_a_preamble_gives_names_and_neither_arguments_nor_a_recursion_limit(grader):
    preamble = "import sys\nsys.setrecursionlimit(150)\nsys.argv.append('x')\n"
    looks = "import sys\nprint(sys.getrecursionlimit() >= 1000, *sys.argv)"
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest("", "True solution.py")], preamble=preamble)
    assert grader.run(looks, suite).verdicts["strict"] == "passed"
