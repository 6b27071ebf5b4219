"""Right programs pass and wrong ones fail, however they are written.

Covers what other graders get wrong, as their users report it: scripts run as scripts, imported programs
as modules, and a lenient comparison is a profile of its own.
"""

# ruff: noqa: E501 - programs are clearer on their own lines than wrapped to ours

from cases import cases

TWO_LINES = "3 4\n5\n"
SUM = "12\n"

SUMS = {
    "input": "a, b = map(int, input().split())\nprint(a + b + int(input()))",
    "stdin.buffer.readline twice": (
        "import sys\na, b = map(int, sys.stdin.buffer.readline().split())\n"
        "print(a + b + int(sys.stdin.buffer.readline()))"
    ),
    "stdin.buffer.read": "import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))",
    "stdin.read": "import sys\nprint(sum(map(int, sys.stdin.read().split())))",
    "stdin.readlines": "import sys\nprint(sum(sum(map(int, l.split())) for l in sys.stdin.readlines()))",
    "for line in sys.stdin": (
        "import sys\ntotal = 0\nfor line in sys.stdin:\n    total += sum(map(int, line.split()))\nprint(total)"
    ),
    "input then stdin": "import sys\na, b = map(int, input().split())\nprint(a + b + int(sys.stdin.read()))",
    "open(0)": "print(sum(map(int, open(0).read().split())))",
    "open(0, 'rb')": "print(sum(map(int, open(0, 'rb').read().split())))",
    "os.read": "import os\nprint(sum(map(int, os.read(0, os.fstat(0).st_size).split())))",
    "os.read in pieces": (
        "import os, io\nstream = io.BytesIO()\nwhile True:\n    part = os.read(0, 3)\n    if not part: break\n"
        "    stream.write(part)\nprint(sum(map(int, stream.getvalue().split())))"
    ),
    "fileinput": ("import fileinput\nprint(sum(sum(map(int, line.split())) for line in fileinput.input()))"),
    "iter(input, '')": (
        "total = 0\ntry:\n    for line in iter(input, ''): total += sum(map(int, line.split()))\n"
        "except EOFError: pass\nprint(total)"
    ),
    "input until EOFError": (
        "total = 0\nwhile True:\n    try: total += sum(map(int, input().split()))\n"
        "    except EOFError: break\nprint(total)"
    ),
    "input rebound": "import sys\ninput = sys.stdin.readline\na, b = map(int, input().split())\n"
    "print(a + b + int(input()))",
    "io.BytesIO over stdin": (
        "import io, os, sys\nsys.stdin = io.TextIOWrapper(io.BytesIO(os.read(0, 1 << 20)))\n"
        "print(sum(int(x) for line in sys.stdin for x in line.split()))"
    ),
    "numpy": (
        "import sys\nimport numpy as np\nprint(np.array(sys.stdin.read().split(), dtype=np.int64).sum())"
    ),
    "numpy.loadtxt style": "import numpy\nprint(int(numpy.fromstring(open(0).read(), dtype=int, sep=' ').sum()))",
}

SCRIPTS = {
    "exit()": "print(1)\nexit()",
    "exit(0)": "print(1)\nexit(0)",
    "quit()": "print(1)\nquit()",
    "sys.exit()": "import sys\nprint(1)\nsys.exit()",
    "sys.exit in a function": "import sys\ndef main():\n    print(1)\n    sys.exit(0)\nmain()\nprint(2)",
    "raise SystemExit": "print(1)\nraise SystemExit",
    "os._exit after flush": "import os, sys\nprint(1)\nsys.stdout.flush()\nos._exit(0)",
    "global": "n = 0\ndef f():\n    global n\n    n += 1\nf()\nprint(n)",
    "global made in a function": "def f():\n    global n\n    n = 1\nf()\nprint(n)",
    "import * after code": "x = 1\nfrom math import *\nprint(int(sqrt(x)))",
    "main guard": "def main(): print(1)\nif __name__ == '__main__':\n    main()",
    "__main__ can be imported": "one = 1\nimport __main__\nprint(__main__.one)",
    "comprehension sees globals": "k = 1\nprint(*[k for _ in range(1)])",
    "class body sees globals": "k = 1\nclass A:\n    v = k\nprint(A.v)",
    "print to sys.stdout": "import sys\nprint(1, file=sys.stdout)",
    "sys.stdout.write": "import sys\nsys.stdout.write('1')",
    "sys.stdout.buffer.write": "import sys\nsys.stdout.buffer.write(b'1\\n')",
    "os.write": "import os\nos.write(1, b'1')",
    "print to stderr": "import sys\nprint('debug', file=sys.stderr)\nprint(1)",
    "open(1, 'w') closed": "with open(1, 'w', closefd=False) as f: f.write('1')",
    "open(1, 'w') left open": "out = open(1, 'w')\nout.write('1')",
    "write of a file left open": "write = open(1, 'w').write\nwrite('1')",
    "open('/dev/stdout')-like dup": "import os\nout = os.fdopen(os.dup(1), 'w')\nout.write('1')",
    "stdout replaced": "import io, sys\nprint(1)\nsys.stdout = io.StringIO()\nprint(2)",
    "stdout wrapped": (
        "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\nprint(1)"
    ),
    "stdout closed early": "import sys\nprint(1)\nsys.stdout.close()",
    "stdout set to None": "import sys\nprint(1, flush=True)\nsys.stdout = None",
    "stdout's descriptor closed": "import os\nprint(1, flush=True)\nos.close(1)",
    "stdin closed early": "import sys\nsys.stdin.close()\nprint(1)",
    "buffered output at exit": (
        "import atexit, io, os, sys\nbuffer = io.BytesIO()\n"
        "atexit.register(lambda: os.write(1, buffer.getvalue()))\nbuffer.write(b'1')"
    ),
    "atexit": "import atexit\natexit.register(print, 1)",
    "atexit after exit()": "import atexit\natexit.register(print, 1)\nexit()",
    "thread": "import threading\nt = threading.Thread(target=print, args=(1,))\nt.start()\nt.join()",
    "thread not joined": (
        "import threading, time\n"
        "def f():\n    time.sleep(0.05)\n    print(1)\nthreading.Thread(target=f).start()"
    ),
    "daemon thread": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\nprint(1)"
    ),
    "thread pool": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(4) as pool: print(sum(pool.map(int, ['0', '1'])))"
    ),
    "asyncio.run": "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    print(1)\nasyncio.run(f())",
    "asyncio.to_thread": "import asyncio\nasyncio.run(asyncio.to_thread(print, 1))",
    "dataclass": (
        "from dataclasses import dataclass, field\n@dataclass(order=True)\nclass P:\n    x: int\n"
        "    y: list = field(default_factory=list)\nprint(max(P(1), P(0)).x)"
    ),
    "get_type_hints": (
        "import typing\nclass A:\n    x: 'B'\nclass B: pass\nprint(int(typing.get_type_hints(A)['x'] is B))"
    ),
    "annotations from the future": (
        "from __future__ import annotations\nclass A:\n    def f(self) -> A: return self\nprint(int(bool(A().f())))"
    ),
    "NamedTuple": "from typing import NamedTuple\nclass P(NamedTuple):\n    x: int\nprint(P(1).x)",
    "enum": "from enum import Enum\nclass E(Enum):\n    A = 1\nprint(E.A.value)",
    "pickle of own classes": (
        "import pickle\nclass A:\n    def __init__(self, x): self.x = x\nprint(pickle.loads(pickle.dumps(A(1))).x)"
    ),
    "deepcopy": "import copy\nclass A: x = [1]\nprint(copy.deepcopy(A()).x[0])",
    "inspect": "import inspect\ndef f(a): pass\nprint(len(inspect.signature(f).parameters))",
    "walrus": "if (n := 1): print(n)",
    "match": "match [1, 2]:\n    case [x, _]: print(x)",
    "file in the working folder": "open('a.txt', 'w').write('1')\nprint(open('a.txt').read())",
    "tempfile": (
        "import tempfile\nwith tempfile.NamedTemporaryFile('w+') as f:\n    f.write('1'); f.seek(0); print(f.read())"
    ),
    "temporary folder": (
        "import os, tempfile\nwith tempfile.TemporaryDirectory() as d:\n    os.makedirs(d + '/x/y')\n"
        "    print(len(os.listdir(d)))"
    ),
    "sqlite3 on disk": (
        "import sqlite3\ndb = sqlite3.connect('x.db')\ndb.execute('create table t (a)')\n"
        "db.execute('insert into t values (1)')\ndb.commit()\nprint(db.execute('select a from t').fetchone()[0])"
    ),
    "signal.alarm": (
        "import signal, time\nclass Late(Exception): pass\ndef ring(*_): raise Late\n"
        "signal.signal(signal.SIGALRM, ring)\nsignal.setitimer(signal.ITIMER_REAL, 0.05)\n"
        "try:\n    while True: time.sleep(0.01)\nexcept Late: print(1)"
    ),
    "signal to itself": (
        "import os, signal\nsignal.signal(signal.SIGUSR1, lambda *_: print(1))\nos.kill(os.getpid(), signal.SIGUSR1)"
    ),
    "recursion limit of a script": (
        "def f(n): return n and 1 + f(n - 1)\nassert f(900) == 900\n"
        "try: f(1100)\nexcept RecursionError: print(1)"
    ),
    "recursion 10**5": (
        "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return n and 1 + f(n - 1)\nprint(f(10**5) // 10**5)"
    ),
    "recursion 10**5 through lru_cache": (
        "import sys\nfrom functools import lru_cache\nsys.setrecursionlimit(10**6)\n@lru_cache(None)\n"
        "def f(n): return n and 1 + f(n - 1)\nprint(f(10**5) // 10**5)"
    ),
    "recursion through sorted's key": (
        "import sys\nsys.setrecursionlimit(10**6)\n"
        "def f(n): return n and 1 + sorted([n - 1], key=f)[0] - (n - 1)\nprint(f(30000))"
    ),
    "recursion in a thread with a stack": (
        "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(1 << 27)\n"
        "def f(n): return n and 1 + f(n - 1)\ndef main(): print(f(10**5) // 10**5)\n"
        "t = threading.Thread(target=main)\nt.start()\nt.join()"
    ),
    "recursion in a thread through lru_cache": (
        "import sys, threading\nfrom functools import lru_cache\nsys.setrecursionlimit(10**6)\n"
        "threading.stack_size(1 << 28)\n@lru_cache(None)\ndef f(n): return n and 1 + f(n - 1)\n"
        "def main(): print(f(10**5) // 10**5)\nt = threading.Thread(target=main)\nt.start()\nt.join()"
    ),
    "10,000-digit number": "x = int('7' * 10000)\nprint(len(str(x)) // 10000)",
    "random is the same in every run": "import random\nprint(int(random.random() == random.Random(0).random()))",
    "rebinding of builtins": "sum = print\nsum(1)",
    "own module named as ours": "import sys\nprint(int('values' not in sys.modules and 'wire' not in sys.modules))",
    "argv and name": "import sys\nprint(len(sys.argv))",
    "__file__": "print(int(__file__.endswith('.py')))",
    "locals is globals": "x = 1\nprint(locals()['x'])",
    "exec and eval": "exec('y = 1')\nprint(eval('y'))",
    "decimal and fractions": (
        "from decimal import Decimal\nfrom fractions import Fraction\nprint(int(Fraction(1, 2) + Fraction(Decimal('0.5'))))"
    ),
    "other modules": (
        "import ast, base64, hashlib, html, locale, logging, secrets, textwrap, unittest, uuid, zoneinfo, ctypes\n"
        "import multiprocessing, subprocess, socket\nprint(1)"
    ),
    "carriage returns in the program": "if True:\r\n    print(1)\r\n",
    "tabs and a BOM": "\ufeffif True:\n\tprint(1)",
    "encoding line": "# -*- coding: latin-1 -*-\nprint(1)",
    "warnings": "print(1 if 'is' '' else 2, '\\d' == '\\\\d' and '' or '')",
}


@cases("name", SUMS)
def test_every_way_to_read_is_read(default_grader, name):
    outcome = default_grader.script(SUMS[name], (TWO_LINES, SUM), ("1 1\n1", "3"), ("0 0\r\n9\r\n", "9"))
    assert default_grader.statuses(outcome) == ["passed"] * 3, outcome


@cases("name", SCRIPTS)
def test_a_right_script_passes_under_strict(default_grader, name):
    # Twice: what works once but not in a process made from shared compiled code must not pass.
    outcome = default_grader.script(SCRIPTS[name], ("", "1\n"), ("", "1\n"))
    assert default_grader.statuses(outcome) == ["passed"] * 2, outcome


@cases("size", [200_000, 1_000_000, 10_000_000])
def test_large_output_arrives_whole(default_grader, size):
    code = f"print('x' * {size})\nimport sys; sys.exit()"
    assert default_grader.script(code, ("", "x" * size)).verdicts["strict"] == "passed"


def test_large_input_arrives_whole(default_grader):
    text = "1\n" * 500_000
    code = "import sys\nprint(sum(map(int, sys.stdin)))"
    assert default_grader.script(code, (text, "500000")).verdicts["strict"] == "passed"


def test_a_number_of_10_000_digits_is_read_and_printed(default_grader):
    digits = "9" * 10_000
    assert default_grader.script("print(int(input()))", (digits, digits)).verdicts["strict"] == "passed"


def test_text_beyond_ascii_goes_through(default_grader):
    for code in ("print(input())", "import sys\nsys.stdout.buffer.write(sys.stdin.buffer.readline())"):
        outcome = default_grader.script(code, ("grün 漢字 🙂\n", "grün 漢字 🙂\n"))
        assert outcome.verdicts["strict"] == "passed", outcome


def test_bytes_that_are_no_utf8_go_through(default_grader):
    outcome = default_grader.script("print(input())", ("\udcff\udcfe\n", "\udcff\udcfe\n"))
    assert outcome.verdicts["strict"] == "passed", outcome


def test_tests_of_a_script_share_nothing(default_grader):
    code = (
        "import os, builtins\nprint(len(os.listdir('.')), hasattr(builtins, 'left'))\n"
        "builtins.left = 1\nopen('left', 'w').close()"
    )
    outcome = default_grader.script(code, *[("", "0 False")] * 3)
    assert outcome.verdicts["strict"] == "passed", outcome


WRONG = {
    # name: (output, expected, what the reference's profile says)
    "other order": ("3 2 1", "1 2 3", "passed"),
    "one number dropped": ("2 1", "1 1 2", "passed"),
    "permuted lines": ("b\na", "a\nb", "passed"),
    "nearly the integer": ("1000000008", "1000000007", "passed"),
    "a number too many": ("1 2 3 4", "1 2 3", "wrong_answer"),
    "nothing": ("", "1", "wrong_answer"),
    "other letter case": ("YES", "Yes", "wrong_answer"),
}


@cases("name", WRONG)
def test_a_wrong_answer_fails_under_strict_whatever_the_reference_says(default_grader, name):
    output, expected, reference = WRONG[name]
    outcome = default_grader.script(f"print({output!r})", ("", expected))
    assert outcome.verdicts == {"strict": "wrong_answer", "apps": reference}


def test_the_first_element_alone_is_wrong_under_strict_and_right_under_apps(default_grader):
    outcome = default_grader.call("def f(x): return 5", "f", ([1], [5, 6, 7]))
    assert outcome.verdicts == {"strict": "wrong_answer", "apps": "passed"}


def test_no_tests_are_no_pass(default_grader):
    outcome = default_grader.script("print(1)") and default_grader.call("def f(): return 1", "f")
    assert outcome.unscorable
    assert set(outcome.verdicts.values()) == {"not_run"}
    assert outcome.pass_ratio("strict") == 0.0


def test_a_program_wrong_on_the_last_tests_only_fails(default_grader):
    cases = [(str(n), str(n)) for n in range(20)]
    outcome = default_grader.script("n = int(input())\nprint(n if n < 19 else 0)", *cases)
    assert outcome.verdicts["strict"] == "wrong_answer"
    assert outcome.pass_ratio("strict") == 19 / 20


@cases(
    ("code", "verdict", "error", "line"),
    [
        ("x = 1\nprint(1/0)", "runtime_error", "ZeroDivisionError", 2),
        ("import sys\nprint(1)\nsys.exit(3)", "runtime_error", "SystemExit", 3),
        ("import sys\nprint(1)\nsys.exit(2**80)", "runtime_error", "SystemExit", 3),
        ("exit('no')", "runtime_error", "SystemExit", 1),
        ("import os\nprint(1, flush=True)\nos._exit(2)", "runtime_error", "SystemExit", None),
        ("raise KeyboardInterrupt", "runtime_error", "KeyboardInterrupt", 1),
        ("def f():\n    int('x')\nf()", "runtime_error", "ValueError", 2),
        ("input()", "runtime_error", "EOFError", 1),
        ("\n\ndef", "syntax_error", "SyntaxError", 3),
        ("if 1:\nprint(1)", "syntax_error", "IndentationError", 2),
        ("if 1:\n\tx = 1\n        y = 2", "syntax_error", "TabError", 3),
        ("return 1", "syntax_error", "SyntaxError", 1),
        ("import no_such_module", "runtime_error", "ModuleNotFoundError", 1),
    ],
)
def test_an_error_names_its_type_and_the_line_in_the_program(default_grader, code, verdict, error, line):
    outcome = default_grader.script(code, ("", "1"))
    assert outcome.verdicts["strict"] == verdict
    assert (outcome.error.type, outcome.error.line) == (error, line)


def test_a_status_other_than_zero_fails_under_strict_only(default_grader):
    outcome = default_grader.script("import sys\nprint(1)\nsys.exit(1)", ("", "1"))
    assert outcome.verdicts == {"strict": "runtime_error", "apps": "passed"}


# --- call-based -----------------------------------------------------------------------------------


@cases(
    "code",
    [
        "def twice(x): return 2 * x",
        "class Solution:\n    def twice(self, x): return 2 * x",
        "class Solution:\n    @staticmethod\n    def twice(x): return 2 * x",
        "class Solution(object):\n    def __init__(self): self.k = 2\n    def twice(self, x): return self.k * x",
        "twice = lambda x: 2 * x",
        "def helper(x): return x + x\ndef twice(x): return helper(x)",
        "def twice(x): return 2 * x\nif __name__ == '__main__':\n    raise SystemExit(1)",
        "from typing import List, Optional\ndef twice(x: Optional[int]) -> List[int]: return 2 * x",
        "def twice(x):\n    print('debug')\n    return 2 * x",
        "import sys\nsys.setrecursionlimit(10**6)\ndef deep(n): return n and 1 + deep(n - 1)\n"
        "def twice(x): return deep(5000) // 2500 * x",
        "count = 0\ndef twice(x):\n    global count\n    count += 1\n    return 2 * x",
        "def twice(x): return 2.0 * x",
    ],
)
def test_a_function_or_a_method_of_solution_is_called(default_grader, code):
    outcome = default_grader.call(code, "twice", ([1], 2), ([21], 42))
    assert default_grader.statuses(outcome) == ["passed"] * 2, outcome


@cases(
    ("code", "error"),
    [
        ("def twice(x): return 2 * x\nexit()", "SystemExit"),
        ("import sys\ndef twice(x): return 2 * x\nsys.exit(0)", "SystemExit"),
        ("class Solution2:\n    def twice(self, x): return 2 * x", "NameError"),
        ("class Solution:\n    def thrice(self, x): return 2 * x", "NameError"),
        ("def twice(): return 2", "TypeError"),
        ("def twice(x): return int(input())", "EOFError"),
        ("import os\ndef twice(x): os._exit(0)", "SystemExit"),
    ],
)
def test_a_program_that_leaves_nothing_to_call_is_a_runtime_error(default_grader, code, error):
    outcome = default_grader.call(code, "twice", ([1], 2), ([21], 42))
    assert default_grader.statuses(outcome) == ["runtime_error"] * 2
    assert outcome.error.type == error


def test_arguments_arrive_as_the_data_has_them(default_grader):
    values = [None, True, 1.5, "information", [1, [2, "inf"]], {"a": [1]}, "10\n", 10**50]
    cases = [([value], value) for value in values]
    assert default_grader.call("def same(x): return x", "same", *cases).verdicts["strict"] == "passed"


def test_a_call_that_crashes_costs_only_its_own_test(default_grader):
    code = "import os\ndef f(x):\n    if x == 2: os.kill(os.getpid(), 9)\n    return x"
    outcome = default_grader.call(code, "f", *[([n], n) for n in range(5)])
    assert default_grader.statuses(outcome) == ["passed", "passed", "runtime_error", "passed", "passed"]
    assert outcome.tests[2].error.type == "SIGKILL"


# --- asserts --------------------------------------------------------------------------------------


def test_setup_runs_after_the_program(default_grader):
    outcome = default_grader.asserts(
        "class Node:\n    def __init__(self, v): self.v = v\ndef value(n): return n.v",
        "assert value(root) == 7",
        setup="root = Node(7)",
    )
    assert outcome.verdicts["strict"] == "passed", outcome


def test_asserts_share_the_state_of_one_process(default_grader):
    code = "calls = []\ndef f(x):\n    calls.append(x)\n    return len(calls)"
    outcome = default_grader.asserts(code, "assert f(0) == 1", "assert f(0) == 2", "assert f(0) == 3")
    assert default_grader.statuses(outcome) == ["passed"] * 3


def test_asserts_after_a_crash_run_in_a_new_process(default_grader):
    code = "import os\ncalls = []\ndef f(x):\n    calls.append(x)\n    if x: os.kill(os.getpid(), 11)\n    return len(calls)"
    outcome = default_grader.asserts(code, "assert f(0) == 1", "assert f(1) == 2", "assert f(0) == 1")
    assert default_grader.statuses(outcome) == ["passed", "runtime_error", "passed"]
    assert outcome.tests[1].error.type == "SIGSEGV"


def test_an_assert_that_cannot_be_split_runs_inside_and_says_so(default_grader):
    code = "def f(x): return x + 0.0000001"
    outcome = default_grader.asserts(
        code, "assert abs(f(1) - 1) < 0.001", "assert f(1) > 2", "assert f(1) == 1.0000001"
    )
    assert default_grader.statuses(outcome) == ["passed", "wrong_answer", "passed"]
    assert [test.ran_inside for test in outcome.tests] == [True, True, False]


def test_asserts_compare_as_python_does_on_plain_data(default_grader):
    code = (
        "from collections import Counter, OrderedDict, deque, namedtuple\nP = namedtuple('P', 'a b')\n"
        "def f(k): return [2.0, True, Counter('aab'), OrderedDict(a=1), P(1, 2), (1, 2), [1, 2], {1}, 1e-9][k]"
    )
    right = ["2", "1", "{'a': 2, 'b': 1}", "{'a': 1}", "(1, 2)", "(1, 2)", "[1, 2]", "set([1])", "1e-9"]
    outcome = default_grader.asserts(code, *[f"assert f({k}) == {value}" for k, value in enumerate(right)])
    assert outcome.verdicts["strict"] == "passed", outcome
    wrong = ["3", "0", "{'a': 2}", "{'b': 1}", "[1, 2]", "[1, 2]", "(1, 2)", "{2}", "0"]
    outcome = default_grader.asserts(code, *[f"assert f({k}) == {value}" for k, value in enumerate(wrong)])
    assert default_grader.statuses(outcome) == ["wrong_answer"] * len(wrong)


def test_a_program_with_the_asserts_own_error_is_a_runtime_error(default_grader):
    outcome = default_grader.asserts("def f(x):\n    assert x > 1\n    return x", "assert f(1) == 1")
    assert outcome.verdicts["strict"] == "runtime_error"
    assert (outcome.error.type, outcome.error.line) == ("AssertionError", 2)


def test_numpy_values_are_plain_numbers_and_arrays_equal_nothing(default_grader):
    code = "import numpy as np\ndef f(k): return [np.int64(3), np.float64(0.5), np.bool_(True), np.array([1])][k]"
    outcome = default_grader.asserts(
        code, "assert f(0) == 3", "assert f(1) == 0.5", "assert f(2) == True", "assert f(3) == [1]"
    )
    assert default_grader.statuses(outcome) == ["passed", "passed", "passed", "wrong_answer"]
