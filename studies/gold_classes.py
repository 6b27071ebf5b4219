"""Why a reference solution fails: explicit classes, decided by rules, none of them called "other".

Pure functions over an outcome and over what the solution gave where something else was expected.
Does not cover: what a problem's solutions together say of the problem (`gold_rulings.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from harness.types import ErrorInfo, Outcome, Status


class Fault(StrEnum):
    """What is wrong with one solution."""

    RETURN = "`return` at module level, where `exit()` is meant"
    NONLOCAL = "`nonlocal` at module level (the function around the program is missing)"
    PYTHON2 = "Python 2, or only half converted from it"
    SYNTAX = "text that is no Python (indentation lost, pieces missing)"
    REMOVED = "uses what Python 3.11 or numpy 2 no longer has"
    MODULE = "imports a module that is not there"
    FILES = "reads or writes files (`input.txt`), not standard input"
    ENVIRONMENT = "asks for a user, an environment variable or a terminal of its author's machine"
    UNDEFINED = "uses a name that the site supplies (`ListNode`) or that is nowhere defined"
    SIGNATURE = "has no function of that name, or one with other parameters"
    TIME = "more than 4 s of CPU for a test"
    MEMORY = "more than 2 GiB"
    OUTPUT = "more than 16 MiB of output"
    RECURSION = "recursion deeper than it allowed itself"
    EXIT = "right output, but exit status not 0"
    INPUT_SHAPE = "raises on reading: the test's input is not laid out as it expects"
    RAISES = "raises on a test"
    NOTHING = "prints nothing on a test"
    ORDER = "the expected words or numbers in another order"
    REPEATS = "the expected words or numbers, not as often"
    CLOSE = "numbers near the expected ones, beyond the tolerance"
    CASE = "the expected words, other letter case"
    LENGTH = "part of what is expected, or more than it"
    VALUE = "another answer than the expected one"


@dataclass(frozen=True)
class Shown:
    """What a solution gave on a test that it failed."""

    test: int
    given: object
    expected: object


@dataclass(frozen=True)
class Failure:
    """A solution that fails under `strict`, or under `apps`."""

    task_id: str
    sample_id: int | str
    outcome: Outcome
    shown: tuple[Shown, ...] = ()
    """Some of its wrong answers, first ones first."""

    @property
    def status(self) -> Status:
        """The verdict under `strict`, or under `apps` where `strict` passes it."""
        strict = self.outcome.verdicts["strict"]
        return strict if strict is not Status.PASSED else self.outcome.verdicts["apps"]


_PYTHON2_SYNTAX = re.compile(
    r"Missing parentheses in call|multiple exception types must be|leading zeros in decimal|invalid decimal"
    r"|invalid hexadecimal literal|cannot use starred expression here"
)
_PYTHON2_NAMES = re.compile(
    r"'(raw_input|xrange|unicode|long|reduce|unichr|cmp|file|basestring|raw_unicode|intern|izip|imap)'"
)
_PYTHON2_USES = re.compile(
    r"has_key|iteritems|itervalues|iterkeys|maxint|maketrans|'cmp' is an invalid keyword|'(map|filter|zip|"
    r"range|dict_keys|dict_values|dict_items)' object|'float' object cannot be interpreted as an integer"
    r"|must be integers or slices, not float|can't multiply sequence by non-int of type 'float'"
    r"|not supported between instances of|slice indices must be integers|'generator' object has no attribute"
    r"|a bytes-like object is required|'str' object has no attribute 'decode'|can't concat"
    r"|must be str, not bytes"
    r"|has no attribute '(lowercase|uppercase|letters|next|sort|append)'"
)
_REMOVED = re.compile(
    r"cannot import name|has no attribute '(gcd|clock|Iterable|Mapping|Callable|getargspec|float|int|bool|"
    r"object|long|product|getchildren|time_clock|fromstring|tostring|array_function|in1d|alltrue|cumproduct)'"
    r"|np\.\w+ was|was removed|fromstring"
)
_ENVIRONMENT = ("getpwuid", "COMPUTERNAME", "USERNAME", "HOME", "USER", "ONLINE_JUDGE", "ioctl", "termios")
_READING = re.compile(
    r"not enough values to unpack|too many values to unpack|invalid literal for int|could not convert string"
)


def classify(failure: Failure) -> Fault | None:
    """The class of a failing solution; None if no rule has one."""
    by_status = {
        Status.TIMED_OUT: Fault.TIME,
        Status.OUT_OF_MEMORY: Fault.MEMORY,
        Status.OUTPUT_LIMIT: Fault.OUTPUT,
    }
    if failure.status in by_status:
        return by_status[failure.status]
    if failure.status is Status.SYNTAX_ERROR:
        return _syntax(failure.outcome.error)
    if failure.status is Status.RUNTIME_ERROR:
        return _raised(failure.outcome.error)
    return next((fault for fault in map(_wrong, failure.shown) if fault is not None), None)


def _syntax(error: ErrorInfo | None) -> Fault:
    message = error.message if error else ""
    if "'return' outside function" in message:
        return Fault.RETURN
    if "nonlocal" in message:
        return Fault.NONLOCAL
    return Fault.PYTHON2 if _PYTHON2_SYNTAX.search(message) else Fault.SYNTAX


_SIMPLE = {
    "ModuleNotFoundError": Fault.MODULE,
    "FileNotFoundError": Fault.FILES,
    "PermissionError": Fault.FILES,
    "RecursionError": Fault.RECURSION,
    "SIGSEGV": Fault.RECURSION,
    "SystemExit": Fault.EXIT,
    "EOFError": Fault.INPUT_SHAPE,
}


def _raised(error: ErrorInfo | None) -> Fault:
    """The first rule that fits; an exception that none knows is simply raised by the solution."""
    if error is None:
        return Fault.EXIT
    message = error.message
    environment = error.type in ("KeyError", "OSError") and any(name in message for name in _ENVIRONMENT)
    removed = error.type in ("ImportError", "AttributeError") and _REMOVED.search(message)
    rules = (
        (error.type in _SIMPLE, _SIMPLE.get(error.type, Fault.RAISES)),
        (environment, Fault.ENVIRONMENT),
        (error.type == "NameError" and _PYTHON2_NAMES.search(message), Fault.PYTHON2),
        (error.type == "NameError", Fault.UNDEFINED),
        (removed, Fault.REMOVED),
        (_PYTHON2_USES.search(message), Fault.PYTHON2),
        ("positional argument" in message, Fault.SIGNATURE),
        (_READING.search(message), Fault.INPUT_SHAPE),
    )
    return next((fault for fits, fault in rules if fits), Fault.RAISES)


def _wrong(shown: Shown) -> Fault:
    given, expected = words(shown.given), words(shown.expected)
    if not given:
        return Fault.NOTHING
    if sorted(given) == sorted(expected):
        return Fault.ORDER
    if set(given) == set(expected):
        return Fault.REPEATS
    if [word.lower() for word in given] == [word.lower() for word in expected]:
        return Fault.CASE
    if len(given) == len(expected) and all(map(_near, given, expected)):
        return Fault.CLOSE
    shorter, longer = sorted((given, expected), key=len)
    return Fault.LENGTH if shorter == longer[: len(shorter)] else Fault.VALUE


def words(value: object) -> list[str]:
    return value.split() if isinstance(value, str) else repr(value).replace(",", " ").split()


def _near(given: str, expected: str) -> bool:
    if given == expected:
        return True
    try:
        first, second = float(given), float(expected)
    except ValueError:
        return False
    # An integer is exact whatever its size: 1000000008 is no approximation of 1000000007.
    real = "." in given + expected or "e" in (given + expected).lower()
    return real and abs(first - second) <= 1e-2 * max(1.0, abs(second))
