"""The interpreter in huge pages: it works as before, and a program's copy of it is the program's own."""

import pytest

_MOVING = """
import ctypes, os, sys
sys.path.append(sys.argv[1])
from sandbox import huge_pages

def mapping_of_code():
    code = ctypes.cast(ctypes.pythonapi.Py_GetVersion, ctypes.c_void_p).value
    lines = open("/proc/self/smaps").read().splitlines()
    found = {}
    for line in lines:
        first, *rest = line.split()
        if "-" in first and not first.endswith(":"):
            low, high = (int(each, 16) for each in first.split("-"))
            inside, rights = low <= code < high, rest[0]
        elif inside and first == "AnonHugePages:":
            return rights, int(rest[0]) << 10

count = len(open("/proc/self/maps").readlines())
moved = huge_pages.move_interpreter()
again = huge_pages.move_interpreter()
rights, huge = mapping_of_code()
more = len(open("/proc/self/maps").readlines()) - count
try:
    {}["missing"]
except KeyError:
    caught = True
import asyncio, decimal
pid = os.fork()
if pid == 0:
    os._exit(sorted([3, 1, 2]) != [1, 2, 3])
print(moved, again, rights, huge, more, caught, os.waitpid(pid, 0)[1], decimal.Decimal("1.5") * 2)
"""


def test_an_interpreter_in_huge_pages_works_as_before(words_of):
    moved, again, rights, huge, more, caught, status, product = words_of(_MOVING)
    assert (caught, status, product) == ("True", "0", "3.0")
    if not int(moved):
        pytest.skip("this kernel has no huge page for us, or this interpreter fills none")
    assert (int(again), int(moved) % (2 << 20)) == (0, 0)
    assert rights == "r-xp"
    assert int(huge) == int(moved)
    # The moved part adds two at most, before and after it; of each small library, ctypes' own too, three go.
    assert int(more) <= 2 - 2 * 3


_SCRIBBLE = """
import ctypes
code = ctypes.cast(ctypes.pythonapi.Py_GetVersion, ctypes.c_void_p).value & ~0xFFF
libc = ctypes.CDLL(None)
libc.mprotect(ctypes.c_void_p(code), 1 << 20, 7)
print(ctypes.pythonapi.Py_GetVersion.__name__, flush=True)
ctypes.memset(code, 0xCC, 1 << 20)
print("still here", flush=True)
len(sorted(str(complex(1, 2)) for _ in range(100)))
"""


def test_a_program_that_overwrites_the_interpreter_harms_itself_alone(grader):
    outcome = grader.script(_SCRIBBLE, ("", "still here\n"))
    assert outcome.verdicts["strict"] != "passed"
    assert outcome.tests[0].error.type.startswith("SIG")
    grader.still_sane()
