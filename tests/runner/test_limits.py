# ruff: noqa: E501 - programs are clearer on their own lines than wrapped to ours
"""Programs that use too much: each ends, with the right status, leaves no process and no trace to the next.

Limits are small here (one second, 512 MiB, 4 MiB of output). No test measures time: that a program
which never ends by itself gets a status at all is what shows that it was ended.
"""

import pytest
from cases import cases

from harness import Limits, Runner, TestSuite
from harness.types import AssertTest, CallTest, StdinTest, TestKind


def verdict(grader, code):
    """The strict verdict of a program on one test, and a look at what it leaves."""
    outcome = grader.script(code, ("", "1\n"))
    grader.still_sane()
    return outcome.verdicts["strict"]


ENDLESS = {
    "loop": "while True: pass",
    "loop that swallows everything": "while True:\n    try:\n        while True: pass\n    except: pass",
    "loop after the right answer": "print(1, flush=True)\nwhile True: pass",
    "itertools.product in C": "import itertools\nfor _ in itertools.product(range(10**6), repeat=2): pass",
    "deque over a C iterator": "import collections, itertools\ncollections.deque(itertools.repeat(0), maxlen=0)",
    "sum(range) in C": "sum(range(10**12))",
    "power of huge integers": "x = pow(3, 10**9)",
    "huge factorial": "import math\nmath.factorial(10**8)",
    "catastrophic regular expression": "import re\nre.match('(a+)+$', 'a' * 64 + 'b')",
    "constants folded at run time": "x = 7\nx **= x ** 12",
    "sleep": "import time\ntime.sleep(10**6)",
    "sleep that swallows everything": "import time\nwhile True:\n    try: time.sleep(10**6)\n    except: pass",
    "lock never released": "import threading\nl = threading.Lock()\nl.acquire(); l.acquire()",
    "empty pipe": "import os\nos.read(os.pipe()[0], 1)",
    "signal.pause": "import signal\nsignal.pause()",
    "main ends, thread doesn't": "import threading\ndef f():\n    while True: pass\nthreading.Thread(target=f).start()\nprint(1)",
    "threads busy, main joins": "import threading\ndef f():\n    while True: pass\nts = [threading.Thread(target=f) for _ in range(8)]\n[t.start() for t in ts]\n[t.join() for t in ts]",
    "signals ignored": "import signal\nfor s in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n    try: signal.signal(s, signal.SIG_IGN)\n    except Exception: pass\nwhile True: pass",
    "signals handled": "import signal\nfor s in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n    try: signal.signal(s, lambda *_: None)\n    except Exception: pass\nwhile True: pass",
    "exit handler": "import atexit\n@atexit.register\ndef f():\n    while True: pass",
    "finalizer": "class A:\n    def __del__(self):\n        while True: pass\na = A()\ndel a",
    "error's own text": "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E",
    "many timers": "import signal\nsignal.signal(signal.SIGALRM, lambda *_: None)\nsignal.setitimer(signal.ITIMER_REAL, 1e-5, 1e-5)\nwhile True: pass",
    "stops and lets itself go on": "import os, signal, threading, time\ndef f():\n    while True: os.kill(os.getpid(), signal.SIGCONT)\nthreading.Thread(target=f).start()\nwhile True: os.kill(os.getpid(), signal.SIGTSTP)",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_timed_out(grader, name):
    assert verdict(grader, ENDLESS[name]) == "timed_out"


def test_an_endless_loop_costs_one_limit_not_twenty(grader):
    outcome = grader.script("while True: pass", *[("", "1")] * 20)
    assert grader.statuses(outcome) == ["timed_out"] + ["not_run"] * 19
    assert outcome.cpu_seconds < 5 * grader.runner.limits.cpu_seconds
    assert outcome.verdicts == {"strict": "timed_out", "apps": "timed_out"}


@pytest.mark.slow
def test_tests_after_a_time_out_run_where_that_is_asked_for(grader_of):
    limits = Limits(cpu_seconds=0.5, load_cpu_seconds=1.0, wall_factor=2.0, stop_at_first_timeout=False)
    with Runner(workers=1, limits=limits) as runner:
        grader = grader_of(runner)
        outcome = grader.script(
            "n = int(input())\nwhile n == 1: pass\nprint(n)", *[(str(n), str(n)) for n in range(3)]
        )
        assert grader.statuses(outcome) == ["passed", "timed_out", "passed"]
        code = "seen = []\ndef f(n):\n    while n == 1: pass\n    seen.append(n)\n    return len(seen)"
        outcome = grader.asserts(code, "assert f(0) == 1", "assert f(1) == 2", "assert f(2) == 1")
        assert grader.statuses(outcome) == ["passed", "timed_out", "passed"]


@pytest.mark.slow
def test_tests_after_a_time_out_are_not_run_by_default(grader):
    code = "def f(n):\n    while n == 1: pass\n    return n"
    outcome = grader.call(code, "f", *[([n], n) for n in range(4)])
    assert grader.statuses(outcome) == ["passed", "timed_out", "not_run", "not_run"]


@pytest.mark.slow
def test_time_used_while_loading_counts(grader):
    code = "while True: pass\ndef f(n): return n"
    assert grader.statuses(grader.call(code, "f", ([1], 1), ([2], 2))) == ["timed_out", "not_run"]
    assert grader.statuses(grader.asserts(code, "assert f(1) == 1")) == ["timed_out"]
    grader.still_sane()


@pytest.mark.slow
def test_each_test_has_a_limit_of_its_own(grader):
    code = "import time\ndef f(n):\n    end = time.process_time() + 0.6\n    while time.process_time() < end: pass\n    return n"
    outcome = grader.call(code, "f", *[([n], n) for n in range(4)])
    assert outcome.verdicts["strict"] == "passed", outcome
    assert all(0.5 < test.cpu_seconds < 1.0 for test in outcome.tests)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "test", "code"),
    [
        (TestKind.STDIN, StdinTest("", "7"), "import time\nwhile time.process_time() < {}: pass\nprint(7)"),
        (TestKind.CALL, CallTest([], 7), "import time\ndef f():\n    while time.process_time() < {}: pass\n    return 7"),
        (TestKind.ASSERTS, AssertTest("assert f() == 7"), "import time\ndef f():\n    while time.process_time() < {}: pass\n    return 7"),
    ],
)  # fmt: skip
def test_a_suite_may_give_its_tests_more_time_and_takes_it_from_no_other(grader_of, kind, test, code):
    entry_point = "f" if kind is TestKind.CALL else None
    suites = {
        factor: TestSuite.pack(kind, [test], entry_point=entry_point, cpu_factor=factor)
        for factor in (3.0, 1.0)
    }
    with Runner(1, Limits(cpu_seconds=0.5, load_cpu_seconds=1.0)) as runner:
        short = grader_of(runner)
        assert short.statuses(short.run(code.format(0.8), suites[3.0])) == ["passed"]
        assert short.statuses(short.run(code.format(0.8), suites[1.0])) == ["timed_out"]
        assert short.statuses(short.run(code.format(9.0), suites[3.0])) == ["timed_out"]
        # Ended by itself, over in each of three runs.
        assert short.statuses(short.run(code.format(1.7), suites[3.0])) == ["timed_out"]
        short.still_sane()


def test_a_suites_factor_is_part_of_what_a_verdict_is_kept_under():
    plain, same, more = (TestSuite.pack(TestKind.STDIN, [], cpu_factor=factor) for factor in (1.0, 1, 2.0))
    assert plain.digest == same.digest != more.digest


# --- processes and threads ------------------------------------------------------------------------


@pytest.mark.slow
def test_a_fork_bomb_makes_no_process(under_seccomp):
    code = "import os\nwhile True:\n    try: os.fork()\n    except OSError: break\nprint(1)"
    assert verdict(under_seccomp, code) == "passed"
    code = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    assert verdict(under_seccomp, code) == "timed_out"


@pytest.mark.slow
@pytest.mark.parametrize(
    "attempt",
    [
        "subprocess.run(['true'])", "multiprocessing.Process(target=print).start()", "os.posix_spawn('/bin/true', [], {})",
        "os.system('true') and 1 / 0", "os.popen('true').read() or 1 / 0", "os.forkpty()", "pty.fork()",
        "concurrent.futures.ProcessPoolExecutor(2).submit(print).result()",
    ],
)  # fmt: skip
def test_no_call_makes_a_process(under_seccomp, attempt):
    code = f"import concurrent.futures, multiprocessing, os, pty, subprocess\ntry: {attempt}\nexcept Exception: print(1)"
    assert verdict(under_seccomp, code) == "passed"


@pytest.mark.slow
def test_ten_thousand_threads_end_with_their_program(grader):
    code = (
        "import threading, time\nmade = 0\nfor _ in range(10000):\n    try:\n"
        "        threading.Thread(target=time.sleep, args=(10**6,), daemon=True).start()\n        made += 1\n"
        "    except RuntimeError: break\nprint(int(0 < made < 10000))"
    )
    assert verdict(grader, code) == "passed"
    assert verdict(grader, code.replace(", daemon=True", "")) == "timed_out"


@pytest.mark.slow
def test_threads_that_make_threads_end_with_their_program(grader):
    code = (
        "import _thread\ndef f():\n    while True:\n        try: _thread.start_new_thread(f, ())\n"
        "        except RuntimeError: pass\nf()"
    )
    assert verdict(grader, code) in ("timed_out", "out_of_memory")  # whichever limit their stacks reach


def test_a_program_that_stops_itself_is_a_runtime_error(grader):
    outcome = grader.script("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", ("", "1"))
    assert outcome.verdicts["strict"] == "runtime_error"
    assert outcome.error.type == "SIGSTOP"
    grader.still_sane()


@cases("name", ["SIGKILL", "SIGSEGV", "SIGTERM", "SIGABRT", "SIGALRM", "SIGUSR1", "SIGILL"])
def test_a_signal_to_itself_is_a_runtime_error_of_that_name(grader, name):
    outcome = grader.script(
        f"import os, signal\nprint(1, flush=True)\nos.kill(os.getpid(), signal.{name})", ("", "1")
    )
    assert outcome.verdicts == {"strict": "runtime_error", "apps": "runtime_error"}
    assert outcome.error.type == name
    grader.still_sane()


@pytest.mark.slow
@cases(
    "code",
    [
        "import ctypes\nctypes.string_at(0)",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
        "import sys\nsys.setrecursionlimit(10**9)\nfrom functools import lru_cache\n@lru_cache\ndef f(n): return f(n + 1)\nf(0)",
        "import faulthandler\nfaulthandler._sigsegv()",
        "import os\nos.abort()",
        "a = []\nfor _ in range(10**6): a = [a]\nrepr(a)",
    ],
)
def test_a_crash_is_the_programs_own_and_no_pass(grader, code):
    assert verdict(grader, code) in ("runtime_error", "out_of_memory", "timed_out")


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "x = [0] * 10**9",
        "x = []\nwhile True: x.append(bytes(10**6))",
        "x = bytearray(10**10)",
        "x = 'x' * 10**10",
        "x = 'x'\nwhile True: x += x",
        "import numpy\nx = numpy.ones(10**9)",
        "x = list(bytes(1 << 28))",
        "import mmap\nx = mmap.mmap(-1, 1 << 34)\n",
    ],
)
def test_too_much_memory_is_out_of_memory(grader, code):
    outcome = grader.script(code, ("", "1"))
    grader.still_sane()
    mmap_refused = outcome.error is not None and outcome.error.message == "[Errno 12] Cannot allocate memory"
    assert outcome.verdicts["strict"] == "out_of_memory" or mmap_refused, outcome


def test_a_caught_memory_error_is_the_programs_own_business(grader):
    assert verdict(grader, "try: x = [0] * 10**9\nexcept MemoryError: print(1)") == "passed"


@pytest.mark.slow
def test_memory_is_counted_from_where_the_child_starts(grader):
    code = "x = bytearray(400 << 20)\nprint(1)"
    assert verdict(grader, code) == "passed"
    assert verdict(grader, "import numpy\n" + code) == "passed"


@pytest.mark.slow
def test_memory_of_an_imported_program_is_limited_in_each_test(grader):
    code = "def f(n): return len([0] * (10**9 if n == 1 else 1))"
    outcome = grader.call(code, "f", ([0], 1), ([1], 1), ([2], 1))
    assert grader.statuses(outcome) == ["passed", "out_of_memory", "passed"]


# --- output ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "while True: print('x' * 10000)",
        "import os\nwhile True: os.write(1, b'x' * 100000)",
        "print('x' * (5 << 20))",
        "print(1)\nwhile True: print('\\n' * 1000)",
    ],
)
def test_a_flood_of_output_is_its_own_status(grader, code):
    assert verdict(grader, code) == "output_limit"


@pytest.mark.slow
def test_a_flood_of_errors_goes_nowhere(grader):
    assert (
        verdict(grader, "import sys\nfor _ in range(1000): sys.stderr.write('x' * 10000)\nprint(1)")
        == "passed"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "with open('x', 'wb') as f:\n    while True: f.write(bytes(1 << 20))",
        "n = 0\nwhile True:\n    n += 1\n    open(str(n), 'wb').write(bytes(1 << 20))",
        "n = 0\nwhile True:\n    n += 1\n    open(str(n), 'w').close()",
        "import os\nwhile True:\n    os.mkdir('d')\n    os.chdir('d')",
        "import os\nn = 0\nwhile True:\n    n += 1\n    os.symlink('/', str(n))",
        "import os\nopen('a', 'w').close()\nn = 0\nwhile True:\n    n += 1\n    os.link('a', 'b%d' % n)",
        "import os\nn = 0\nwhile True:\n    n += 1\n    os.mkfifo(str(n))",
    ],
)
def test_a_flood_of_files_ends_and_the_next_program_finds_none(grader, code):
    assert verdict(grader, code) in ("runtime_error", "output_limit", "timed_out")


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "for n in range(1000): open('f%d' % n, 'w').close()",
        "import os\nfor n in range(300):\n    os.mkdir('d')\n    os.chdir('d')",
        "import os\nfor n in range(3000):\n    os.mkdir('d')\n    os.chdir('d')",
        "import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').close()\nos.umask(0o777)\nos.mkdir('closed')\nos.mkdir('a/closed')",
        "import os\nos.mkdir('a', 0)\nos.mkdir('b', 0o200)\nopen(os.open('c', os.O_CREAT, 0), 'r')",
        "import os\nos.symlink('/usr', 'usr')\nos.symlink('usr', 'again')\nos.symlink('self', 'self')",
        "import os\nopen(b'\\xff\\xfe', 'w').close()\nos.mkdir('new\\nline')\nopen('-rf', 'w').close()",
        "import os\nos.mkdir('a')\nos.chdir('a')\nos.rename('../a', '../b')",
        "import os\nfor n in range(30):\n    os.mkdir('d')\n    os.chdir('d')\nos.symlink('/etc', 'link')\nos.mkdir('closed', 0)",
    ],
)
def test_whatever_is_left_in_the_folder_is_gone_for_the_next(grader, code):
    assert verdict(grader, code + "\nprint(1)") == "passed"


# --- compiling ------------------------------------------------------------------------------------

TEXTS = {
    "a million brackets": ("(" * 10**6, "syntax_error"),
    "nested lists": ("x = " + "[" * 150 + "]" * 150 + "\nprint(1)", "passed"),
    "lists nested too deeply": ("x = " + "[" * 10**5 + "]" * 10**5, "syntax_error"),
    "indentation": ("".join(" " * n + "if 1:\n" for n in range(200)) + " " * 200 + "pass", "syntax_error"),
    "a chain of operators": ("x = " + "-" * 10**5 + "1", "syntax_error"),
    "a long sum": ("x = " + "+".join("1" * 10**5) + "\nprint(1)", None),
    "attributes": ("x = a" + ".a" * 10**5, None),
    "one line of a megabyte": ("x = '" + "y" * 10**6 + "'\nprint(1)", "passed"),
    "many lines": ("x = 1\n" * 10**5 + "print(1)", "passed"),
    "many numbers": ("x = [" + "1," * 200_000 + "]\nprint(1)", "passed"),
    "many distinct constants": ("x = [" + ",".join(map(str, range(120_000))) + "]\nprint(1)", "passed"),
    "folding": ("x = 10 ** 10 ** 9", None),
    "folding of a string": ("x = 'x' * 10 ** 10", None),
    "a long integer": ("x = " + "9" * 20_000 + "\nprint(1)", "passed"),
    "NUL": ("print(1)\0", "syntax_error"),
    "NUL alone": ("\0", "syntax_error"),
    "lone surrogate": ("print('\ud800')", "syntax_error"),
    "lone surrogate in a comment": ("print(1) # \udfff", "syntax_error"),
    "no text": ("I cannot solve this problem.", "syntax_error"),
    "other language": ("#include <stdio.h>\nint main() { return 0; }", "syntax_error"),
    "empty": ("", "wrong_answer"),
    "white space": (" \n\t\n", "wrong_answer"),
    "comment": ("# nothing", "wrong_answer"),
    "control characters": ("print(1)\x1b[2J", "syntax_error"),
    "other digits": ("print(\u0661)", "syntax_error"),
    "form feed": ("\x0cprint(1)", "passed"),
    "an unknown encoding": ("# -*- coding: rot13 -*-\nprint(1)", "passed"),
}


@pytest.mark.slow
@cases("name", TEXTS)
def test_any_text_has_a_verdict(grader, name):
    code, expected = TEXTS[name]
    got = verdict(grader, code)
    assert got == expected if expected else got not in ("passed", "not_run") or "print(1)" in code


def test_a_program_that_does_not_compile_fails_every_test_and_is_run_once(grader):
    outcome = grader.script("def", *[("", "1")] * 5)
    assert grader.statuses(outcome) == ["syntax_error"] * 5
    outcome = grader.asserts("def", "assert f(1) == 1", "assert f(2) == 1")
    assert grader.statuses(outcome) == ["syntax_error"] * 2
    outcome = grader.asserts("1 / 0", *["assert f(1) == 1"] * 3)
    assert grader.statuses(outcome) == ["runtime_error"] * 3


@pytest.mark.slow
def test_compiled_code_too_large_to_share_is_compiled_again(grader):
    code = "x = [" + ",".join(f"'{n:0100}'" for n in range(30_000)) + "]\nprint(1)"
    outcome = grader.script(code, *[("", "1")] * 3)
    assert grader.statuses(outcome) == ["passed"] * 3


# --- returned values ------------------------------------------------------------------------------

VALUES = {
    "huge list": ("return [0] * 10**7", ("output_limit", "timed_out", "out_of_memory")),
    "huge string": ("return 'x' * 10**7", ("output_limit",)),
    "list that holds itself": ("a = []\n    a.append(a)\n    return a", ("wrong_answer",)),
    "list that holds itself twice": (
        "a = []\n    a += [a, a]\n    return a",
        ("output_limit", "timed_out", "out_of_memory"),
    ),
    "dict that holds itself": ("a = {}\n    a[0] = a\n    return a", ("wrong_answer",)),
    "list nested 10**5 deep": ("a = []\n    for _ in range(10**5): a = [a]\n    return a", ("wrong_answer",)),
    "generator": ("return (i for i in [1])", ("wrong_answer",)),
    "endless generator": ("import itertools\n    return itertools.count()", ("wrong_answer",)),
    "function": ("return f", ("wrong_answer",)),
    "class": ("return int", ("wrong_answer",)),
    "module": ("import os\n    return os", ("wrong_answer",)),
    "not implemented": ("return NotImplemented", ("wrong_answer",)),
    "huge integer": ("return 1 << 10**8", ("output_limit",)),
    "huge range": ("return range(10**18)", ("wrong_answer",)),
    "huge decimal": ("import decimal\n    return decimal.Decimal('1e999999999')", ("wrong_answer",)),
    "nan": ("return float('nan')", ("wrong_answer",)),
    "lone surrogate": ("return '\\ud800'", ("wrong_answer",)),
    "coroutine": ("async def g(): return 1\n    return g()", ("wrong_answer",)),
    "huge bytes": ("return bytes(10**8)", ("output_limit", "out_of_memory")),
    "numpy array": ("import numpy\n    return numpy.ones(3)", ("wrong_answer",)),
}


@pytest.mark.slow
@cases("name", VALUES)
def test_any_returned_value_has_a_verdict(grader, name):
    body, expected = VALUES[name]
    code = f"def f(n):\n    if n: return n\n    {body}"
    outcome = grader.call(code, "f", ([1], 1), ([0], 12345), ([2], 2))
    assert outcome.tests[0].statuses["strict"] == "passed"
    assert outcome.tests[1].statuses["strict"] in expected, outcome
    assert outcome.tests[1].statuses["apps"] in expected
    grader.still_sane()
    suite = TestSuite.pack(TestKind.ASSERTS, [AssertTest("assert f(0) == 12345")])
    assert grader.run(code, suite).tests[0].statuses["strict"] in expected


def test_input_with_a_lone_surrogate_reaches_the_program_and_costs_no_worker(grader):
    code = "import sys\nprint(sys.stdin.buffer.read().hex())"
    outcome = grader.script(code, ("\ud800x", "eda08078"), ("\udcff", "ff"))
    assert outcome.verdicts["strict"] == "passed"
    grader.still_sane()
