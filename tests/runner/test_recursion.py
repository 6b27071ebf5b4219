"""Recursion goes as deep as a program's own limit says, through C too, on every Python that we run on.

Covers what CPython 3.12 and 3.13 count apart. The plain kinds are in `test_idioms`.
"""

import sys

import pytest

RAISED = "import sys\nsys.setrecursionlimit(10**6)\n"

DEEP = {
    "lru_cache": "from functools import lru_cache\n@lru_cache(None)\ndef f(n): return n and 1 + f(n - 1)",
    "cache on a method": (
        "from functools import cache\nclass A:\n    @cache\n"
        "    def g(self, n): return n and 1 + self.g(n - 1)\nf = A().g"
    ),
    "map": "def f(n): return n and 1 + next(map(f, (n - 1,)))",
    "sum of a generator": "def f(n): return n and 1 + sum(f(m) for m in (n - 1,))",
    "min's key": (
        "def f(n):\n    if n == 0: return 0\n    depths = []\n"
        "    min((n - 1,), key=lambda m: depths.append(f(m)))\n    return 1 + depths[0]"
    ),
    "reduce": (
        "from functools import reduce\ndef f(n): return n and 1 + reduce(lambda _, m: f(m), (n - 1,), 0)"
    ),
    "an operator": (
        "class A:\n    def __init__(self, n): self.n = n\n"
        "    def __neg__(self): return self.n and 1 + -A(self.n - 1)\ndef f(n): return -A(n)"
    ),
    "an instance that is called": (
        "class A:\n    def __call__(self, n): return n and 1 + self(n - 1)\nf = A()"
    ),
    "a dict that makes what is missing": (
        "class A(dict):\n    def __missing__(self, n):\n        self[n] = n and 1 + self[n - 1]\n"
        "        return self[n]\nf = A().__getitem__"
    ),
    "re.sub": "import re\ndef f(n): return n and 1 + int(re.sub('x', lambda _: str(f(n - 1)), 'x'))",
}


@pytest.mark.parametrize("name", DEEP)
def test_a_raised_limit_holds_through_c(default_grader, name):
    outcome = default_grader.script(RAISED + DEEP[name] + "\nprint(f(20000))", ("", "20000"), ("", "20000"))
    assert default_grader.statuses(outcome) == ["passed"] * 2, outcome


@pytest.mark.parametrize(
    "code",
    [
        "sys.setrecursionlimit(10**6)\nmain = lambda: print(f(20000))",
        "def main():\n    sys.setrecursionlimit(10**6)\n    print(f(20000))",
        "sys.setrecursionlimit(10**6)\ndef main():\n"
        "    t = threading.Thread(target=lambda: print(f(20000)))\n    t.start()\n    t.join()",
    ],
    ids=["raised before", "raised within", "thread of a thread"],
)
def test_a_raised_limit_holds_in_threads(default_grader, code):
    start = "\nthreading.stack_size(1 << 28)\nt = threading.Thread(target=main)\nt.start()\nt.join()"
    code = f"import sys, threading\n{DEEP['lru_cache']}\n{code}{start}"
    assert default_grader.script(code, ("", "20000")).verdicts["strict"] == "passed"


def test_a_raised_limit_holds_in_an_imported_program(default_grader):
    outcome = default_grader.asserts(RAISED + DEEP["lru_cache"], "assert f(20000) == 20000")
    assert default_grader.statuses(outcome) == ["passed"], outcome


@pytest.mark.parametrize("name", DEEP)
def test_recursion_without_an_end_is_a_recursion_error_unless_the_limit_is_raised(default_grader, name):
    outcome = default_grader.script(DEEP[name] + "\nprint(f(-1))")
    assert (outcome.verdicts["strict"], outcome.error.type) == ("runtime_error", "RecursionError"), outcome


@pytest.mark.parametrize(
    "code",
    [
        "class A: pass\nA.__call__ = A()\nA()()",
        "x = []\nfor _ in range(10**5): x = [x]\nrepr(x)",
        "eval('-' * 10**5 + '1')",
    ],
    ids=["a call of itself", "repr", "compiler"],
)
def test_what_recurses_in_c_alone_ends_as_without_us(default_grader, code):
    outcome = default_grader.script(
        f"try:\n    exec({code!r})\nexcept (RecursionError, MemoryError): print(1)", ("", "1")
    )
    assert outcome.verdicts["strict"] == "passed", outcome


def test_the_compiler_works_as_before_where_the_limit_is_raised(default_grader):
    code = (
        RAISED
        + "import ast\nprint(eval('(' * 90 + '1' + ')' * 90), ast.literal_eval('(' * 90 + '1' + ')' * 90))"
    )
    assert default_grader.script(code, ("", "1 1")).verdicts["strict"] == "passed"


def test_a_limit_that_cpython_refuses_is_refused_in_its_words(default_grader):
    for value, error in {"0": "ValueError", "'9'": "TypeError", "1 << 40": "OverflowError"}.items():
        outcome = default_grader.script(f"import sys\nsys.setrecursionlimit({value})")
        assert outcome.error.type == error


def test_a_limit_that_is_set_is_the_limit_that_is_read(default_grader):
    code = "import sys\nsys.setrecursionlimit(4321)\nprint(sys.getrecursionlimit())"
    assert default_grader.script(code, ("", "4321")).verdicts["strict"] == "passed"


def test_cpythons_number_is_found_where_there_is_one(words_of):
    found = words_of(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from sandbox import recursion; print(recursion.follow_limit())"
    )
    assert found == [str((3, 12) <= sys.version_info < (3, 14))]
