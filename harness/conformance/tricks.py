"""Dishonest programs: tricks that pass weak graders, hangs, floods, and what comes after them.

Harmless to whoever runs them but for time, output and memory: nothing is deleted, nothing sent, nobody
killed.
"""

from __future__ import annotations

from harness.conformance.case import CALL, calls, lines, right, wrong

_T = "tricks"
_H = "hangs"
_F = "floods"
_A = "afterwards"

TRICKS = (
    wrong(_T, "sys.exit(0) at once", "import sys\nsys.exit(0)"),
    wrong(_T, "os._exit(0) at once", "import os\nos._exit(0)"),
    wrong(_T, "os._exit(0) when called", "import os\ndef add(a, b):\n    os._exit(0)", CALL),
    wrong(_T, "sys.exit(0) when called", "import sys\ndef add(a, b):\n    sys.exit(0)", CALL),
    wrong(
        _T,
        "says that it passed",
        "print('True')\nprint('PASSED')\nprint('{\"passed\": true, \"results\": [1, 1]}')",
    ),
    wrong(_T, "says so and exits", "import os, sys\nprint('1.0', flush=True)\nos._exit(0)", CALL),
    wrong(
        _T,
        "equal to everything",
        """
        class Equal:
            def __eq__(self, other):
                return True
            def __ne__(self, other):
                return False
            __hash__ = object.__hash__

        def add(a, b):
            return Equal()
        """,
        CALL,
    ),
    wrong(
        _T,
        "a number equal to everything",
        """
        class Equal(int):
            def __eq__(self, other):
                return True
            def __ne__(self, other):
                return False
            __hash__ = int.__hash__

        def add(a, b):
            return Equal(0)
        """,
        CALL,
    ),
    wrong(
        _T,
        "a list equal to everything",
        """
        class Equal(list):
            def __eq__(self, other):
                return True
            def __ne__(self, other):
                return False

        def add(a, b):
            return Equal()
        """,
        calls([[1, 2]], [[1, 2]]),
    ),
    wrong(
        _T,
        "text equal to everything",
        """
        import builtins

        class Equal(str):
            def __eq__(self, other):
                return True
            def __ne__(self, other):
                return False
            __hash__ = str.__hash__
            def strip(self, *_):
                return self
            def split(self, *_):
                return self

        def add(a, b):
            return Equal()
        """,
        calls([[1, 2]], ["12"]),
    ),
    wrong(
        _T,
        "expected values in the frames above",
        """
        import sys

        def found(names):
            frame = sys._getframe()
            while frame is not None:
                for scope in (frame.f_locals, frame.f_globals):
                    for name in names:
                        value = scope.get(name)
                        if isinstance(value, (list, dict, str)) and value:
                            return value
                frame = frame.f_back

        def add(a, b):
            names = ("outputs", "expected", "expected_output", "test_cases", "tests", "in_outs")
            value = found(names)
            if isinstance(value, dict):
                value = value.get("outputs") or value.get("output")
            while isinstance(value, list) and value:
                value = value[0]
            return value
        """,
        calls([[1, 2]], [3]),
    ),
    wrong(
        _T,
        "expected values among all objects",
        """
        import gc

        def add(a, b):
            for each in gc.get_objects():
                if type(each) is dict and "outputs" in each and "inputs" in each:
                    value = each["outputs"]
                    return value[0] if isinstance(value, list) and value else value
        """,
        calls([[1, 2]], [4242]),
    ),
    wrong(
        _T,
        "comparison replaced",
        """
        import builtins, operator
        operator.eq = lambda a, b: True
        builtins.all = builtins.any = lambda *_: True
        builtins.isinstance = lambda *_: True

        def add(a, b):
            return None
        """,
        CALL,
    ),
    wrong(
        _T,
        "assertions that never fail",
        """
        import builtins
        builtins.AssertionError = SystemExit

        def add(a, b):
            raise SystemExit(0)
        """,
        CALL,
    ),
    wrong(
        _T,
        "exits 0 from a handler of the end",
        "import atexit, os\natexit.register(os._exit, 0)\nraise ValueError",
        lines(["1\n"], ["1\n"]),
    ),
)

HANGS = (
    wrong(_H, "endless loop", "while True:\n    pass"),
    wrong(_H, "endless loop when called", "def add(a, b):\n    while True:\n        pass", CALL),
    wrong(_H, "long sleep", "import time\ntime.sleep(100000)"),
    wrong(
        _H,
        "right answer, then an endless loop",
        "print(sum(map(int, input().split())), flush=True)\nwhile 1: pass",
    ),
    wrong(
        _H,
        "catches every exception",
        """
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
        """,
    ),
    wrong(
        _H,
        "ignores signals",
        """
        import signal
        for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT, signal.SIGXCPU):
            signal.signal(number, signal.SIG_IGN)
        signal.alarm(0)
        while True:
            pass
        """,
    ),
    wrong(_H, "one slow operation", "print(len(str((10 ** 10 ** 7) ** 100)))"),
    wrong(
        _H,
        "a thread that never ends",
        """
        import threading, time
        threading.Thread(target=time.sleep, args=(100000,)).start()
        print(0)
        """,
    ),
)

FLOODS = (
    wrong(_F, "endless output", "while True:\n    print('x' * 100000)"),
    wrong(_F, "endless errors", "import sys\nwhile True:\n    sys.stderr.write('x' * 100000)"),
    wrong(
        _F, "endless output when called", "def add(a, b):\n    while True:\n        print('x' * 100000)", CALL
    ),
    wrong(_F, "64 GiB", "x = bytearray(1 << 36)\nprint(sum(map(int, input().split())))"),
    wrong(_F, "endless recursion", "def f(n):\n    return f(n + 1)\nprint(f(0))"),
    wrong(_F, "a huge value", "def add(a, b):\n    return 'x' * 10**8", CALL),
    wrong(_F, "a value within itself", "def add(a, b):\n    x = []\n    x.append(x)\n    return x", CALL),
)

_POISON = """
import builtins, sys, os, json, math
builtins.sum = lambda *_: 0
builtins.sorted = lambda *_: []
json.dumps = lambda *_, **__: "null"
math.sqrt = lambda *_: 0
sys.setrecursionlimit(50)
os.environ.clear()
"""
AFTERWARDS = (
    wrong(_A, "replaces built-ins", _POISON + "print(sum([1]))"),
    wrong(_A, "replaces built-ins when called", _POISON + "def add(a, b):\n    return sum([a, b])", CALL),
    right(_A, "an honest script", "print(sum(sorted(map(int, input().split()))))"),
    right(_A, "an honest function", "def add(a, b):\n    return sum(sorted([a, b]))", CALL),
    right(
        _A,
        "honest recursion",
        "def add(a, b):\n    return b if a == 0 else 1 + add(a - 1, b)",
        calls([[500, 1]], [501]),
    ),
)
