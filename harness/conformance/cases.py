"""Honest programs: right ones in the idioms that people write, wrong ones in the ways that people are
wrong."""

from __future__ import annotations

from harness.conformance.case import ADD, CALL, Case, calls, lines, right, wrong
from harness.conformance.tricks import AFTERWARDS, FLOODS, HANGS, TRICKS

_I = "idioms"
_W = "wrong programs"
_C = "comparison"
_LONG = "\n".join(map(str, range(20_000)))
_TWELVE = lines([f"{n} 1\n" for n in range(12)], [f"{n + 1}\n" for n in range(12)])

_IDIOMS = (
    right(_I, "input()", "a, b = map(int, input().split())\nprint(a + b)"),
    right(_I, "sys.stdin.read", "import sys\nprint(sum(map(int, sys.stdin.read().split())))"),
    right(_I, "sys.stdin.buffer", "import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))"),
    right(_I, "open(0)", "print(sum(map(int, open(0).read().split())))"),
    right(_I, "os.read(0)", "import os\nprint(sum(map(int, os.read(0, 1000).split())))"),
    right(
        _I, "lines of sys.stdin", "import sys\nfor line in sys.stdin:\n    print(sum(map(int, line.split())))"
    ),
    right(
        _I, "fileinput", "import fileinput\nfor s in fileinput.input():\n    print(sum(map(int, s.split())))"
    ),
    right(
        _I,
        "input is readline",
        "import sys\ninput = sys.stdin.readline\nprint(sum(map(int, input().split())))",
    ),
    right(
        _I,
        "until EOFError",
        """
        total = 0
        while True:
            try:
                total += sum(map(int, input().split()))
            except EOFError:
                break
        print(total)
        """,
    ),
    right(
        _I,
        "guarded main",
        """
        def main():
            a, b = map(int, input().split())
            print(a + b)

        if __name__ == "__main__":
            main()
        """,
    ),
    right(_I, "sys.exit() at the end", "import sys\nprint(sum(map(int, input().split())))\nsys.exit()"),
    right(_I, "exit(0) at the end", "print(sum(map(int, input().split())))\nexit(0)"),
    right(_I, "sys.stdout.write", "import sys\nsys.stdout.write(str(sum(map(int, input().split()))))"),
    right(
        _I, "sys.stdout.buffer", "import sys\nsys.stdout.buffer.write(b'%d' % sum(map(int, input().split())))"
    ),
    right(_I, "os.write", "import os\nos.write(1, str(sum(map(int, input().split()))).encode())"),
    right(
        _I,
        "warnings on stderr",
        "import sys\nprint('x', file=sys.stderr)\nprint(sum(map(int, input().split())))",
    ),
    right(
        _I,
        "deep recursion in a thread",
        """
        import sys, threading
        sys.setrecursionlimit(1 << 20)
        threading.stack_size(1 << 26)

        def deep(n):
            return 0 if n == 0 else 1 + deep(n - 1)

        def main():
            a, b = map(int, input().split())
            print(a + b + deep(20000) - 20000)

        thread = threading.Thread(target=main)
        thread.start()
        thread.join()
        """,
    ),
    right(
        _I, "text that is not ASCII", "größe = sum(map(int, input().split()))  # Größe, 大小\nprint(größe)"
    ),
    right(_I, "line ends of Windows", "a, b = map(int, input().split())\r\nprint(a + b)\r\n"),
    right(
        _I,
        "names from the future",
        "from __future__ import annotations\nprint(sum(map(int, input().split())))",
    ),
    right(
        _I, "a megabyte of output", "for i in range(int(input())):\n    print(i)", lines(["20000\n"], [_LONG])
    ),
    right(_I, "much input", "import sys\nprint(len(sys.stdin.read().split()))", lines([_LONG], ["20000\n"])),
    right(_I, "a function", "def add(a, b):\n    return a + b", CALL),
    right(
        _I, "a method of Solution", "class Solution:\n    def add(self, a, b):\n        return a + b", CALL
    ),
    right(_I, "a lambda", "add = lambda a, b: a + b", CALL),
    right(
        _I,
        "a cached function",
        "from functools import lru_cache\n@lru_cache\ndef add(a, b):\n    return a + b",
        CALL,
    ),
    right(_I, "a function that prints", "def add(a, b):\n    print('debug', a)\n    return a + b", CALL),
    right(
        _I,
        "helpers behind it",
        "def add(a, b):\n    return plus(a, b)\n\ndef plus(a, b):\n    return a + b",
        CALL,
    ),
    right(
        _I,
        "lists and dictionaries",
        "def add(a, b):\n    return [a, {'b': b}]",
        calls([[1, 2]], [[1, {"b": 2}]]),
    ),
)

_WRONG = (
    wrong(_W, "off by one", "print(sum(map(int, input().split())) + 1)"),
    wrong(_W, "prints nothing", "sum(map(int, input().split()))"),
    wrong(_W, "empty program", ""),
    wrong(_W, "syntax error", "print(sum(map(int, input().split()))"),
    wrong(_W, "right on the first test only", "print(3)"),
    wrong(_W, "right on the last test only", "print(12)"),
    wrong(
        _W,
        "wrong on the last of twelve",
        "a, b = map(int, input().split())\nprint(a + b if a < 11 else 0)",
        _TWELVE,
    ),
    wrong(_W, "exception", "a, b = map(int, input().split())\nprint(a / 0)"),
    wrong(_W, "exception where nothing is expected", "raise ValueError", lines(["1\n"], [""])),
    wrong(_W, "missing function", "def plus(a, b):\n    return a + b", CALL),
    wrong(_W, "function that raises", "def add(a, b):\n    raise ValueError", CALL),
    wrong(_W, "function that prints instead", "def add(a, b):\n    print(a + b)", CALL),
    wrong(_W, "wrong value", "def add(a, b):\n    return a - b", CALL),
    wrong(_W, "too few parameters", "def add(a):\n    return a", CALL),
    wrong(
        _W,
        "exception where None is expected",
        "def add(a, b):\n    raise ValueError",
        calls([[1, 2]], [None]),
    ),
    wrong(_W, "text for a number", "def add(a, b):\n    return str(a + b)", CALL),
    wrong(_W, "a list for a number", "def add(a, b):\n    return [a + b, 0]", CALL),
)

_NUMBERS = lines(["3\n"], ["1\n2\n3\n"])
_COMPARISON = (
    right(_C, "no newline at the end", "print(*range(1, int(input()) + 1), sep='\\n', end='')", _NUMBERS),
    right(
        _C,
        "blanks at the ends of lines",
        "for i in range(1, int(input()) + 1):\n    print(i, end=' \\n')",
        _NUMBERS,
    ),
    wrong(_C, "only the first lines", "print('1\\n2')", _NUMBERS),
    wrong(_C, "only the first line", "print(1)", _NUMBERS),
    wrong(_C, "lines too many", "print('1\\n2\\n3\\n4')", _NUMBERS),
    wrong(_C, "another order", "print('3\\n2\\n1')", _NUMBERS),
    wrong(_C, "digits run together", "print('123')", _NUMBERS),
    wrong(_C, "a part of the expected text", "print('ye')", lines(["x\n"], ["yes\n"])),
    wrong(_C, "the expected text within another", "print('1 2 3 yes no')", lines(["x\n"], ["yes\n"])),
    wrong(
        _C, "large integers that are equal as floats", "print(10**17 + 1)", lines(["x\n"], [f"{10**17}\n"])
    ),
    wrong(_C, "a list in another order", "def add(a, b):\n    return [b, a]", calls([[1, 2]], [[1, 2]])),
    wrong(_C, "a list that is too short", "def add(a, b):\n    return [a]", calls([[1, 2]], [[1, 2]])),
    wrong(_C, "nan", "print(float('nan'))", ADD),
)

CASES: tuple[Case, ...] = (*_IDIOMS, *_WRONG, *_COMPARISON, *TRICKS, *HANGS, *FLOODS, *AFTERWARDS)
"""All of them, in the order in which they are played."""
