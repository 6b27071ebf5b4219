# ruff: noqa: E501 - a case a line reads better than a wrapped one
"""Values on their way from the program's process to the worker: what goes in comes out, and nothing else does."""

import collections
import contextlib
import enum
import json
import math

import numpy
import pytest
from cases import cases
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.compare import Opaque
from harness.runner.sandbox.values import MAX_DEPTH, TooLargeError, decode, encode

hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.fractions()
    | st.decimals(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.builds(range, st.integers(), st.integers(), st.integers(min_value=1)),
    lambda inner: st.lists(inner).map(tuple) | st.frozensets(inner),
    max_leaves=10,
)
values = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(hashable, inner)
        | st.sets(hashable)
        | st.lists(inner).map(collections.deque)
    ),
    max_leaves=20,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
tagged = st.recursive(
    json_values,
    lambda inner: st.tuples(st.sampled_from("ltsfqdibcrFDoz"), inner).map(list) | st.lists(inner),
    max_leaves=20,
)


def through(value):
    """As the worker gets it."""
    return decode(json.loads(json.dumps(encode(value))), Opaque)


def typed(value):
    """A value with the types of all its parts, so that 1, 1.0 and True differ."""
    if isinstance(value, dict):
        return [type(value), {repr(typed(k)): typed(v) for k, v in value.items()}]
    if isinstance(value, set | frozenset):
        return [type(value), sorted(repr(typed(item)) for item in value)]
    if isinstance(value, list | tuple | collections.deque):
        return [type(value), [typed(item) for item in value]]
    return [type(value), repr(value)]


@settings(deadline=None)
@given(values)
def test_plain_data_goes_through_with_its_types(value):
    assert typed(through(value)) == typed(value)


@settings(deadline=None)
@given(tagged)
def test_forged_data_is_refused_by_the_errors_that_the_worker_expects_or_is_plain(data):
    expected = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, AttributeError)
    with contextlib.suppress(*expected):
        typed(decode(data, Opaque))


def test_a_nan_goes_through():
    assert math.isnan(through(float("nan")))
    assert through([math.inf, -math.inf]) == [math.inf, -math.inf]


class Color(enum.IntEnum):
    RED = 1


class Shouting(str):
    __slots__ = ()

    def __str__(self):
        return "SHOUT"

    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


class Bag(list):
    def __iter__(self):
        return iter([1, 2, 3])

    def __len__(self):
        return 3


class Table(dict):
    def __iter__(self):
        return iter(["forged"])

    def __getitem__(self, key):
        return "forged"

    def items(self):
        return [("forged", 1)]


Point = collections.namedtuple("Point", "x y")


@cases(
    ("value", "plain"),
    [
        (Color.RED, 1),
        (Shouting("quiet"), "quiet"),
        (Bag([7]), [7]),
        (Table(a=1), {"a": 1}),
        (Point(1, 2), (1, 2)),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.defaultdict(list, {1: [2]}), {1: [2]}),
        (collections.OrderedDict(a=1), {"a": 1}),
        (bytearray(b"x"), b"x"),
        ({1: 2}.keys(), {1}),
        ({1: 2}.items(), {(1, 2)}),
        (numpy.int64(3), 3),
        (numpy.float64(0.5), 0.5),
        (numpy.bool_(True), True),
        (numpy.str_("x"), "x"),
        (2**70, 2**70),
        (-(2**63), -(2**63)),
    ],
)
def test_subclasses_arrive_as_what_they_hold(value, plain):
    assert typed(through(value)) == typed(plain)


@cases(
    "value",
    [object(), len, int, (i for i in []), numpy.ones(2), {1: 2}.values(), math, iter([]), NotImplemented],
)
def test_what_is_no_plain_data_is_opaque_and_equals_nothing(value):
    arrived = through(value)
    assert isinstance(arrived, Opaque)
    assert arrived != arrived  # noqa: PLR0124 - that is the promise
    assert isinstance(through([value])[0], Opaque)


def test_a_type_that_pretends_to_be_numpys_is_no_crash():
    fake = type("scalar", (), {"__module__": "numpy", "item": lambda self: self})()
    with pytest.raises(RecursionError):
        encode(fake)


def test_deep_values_are_cut_off_and_not_walked():
    deep = value = []
    for _ in range(100_000):
        value.append([])
        value = value[0]
    arrived = through(deep)
    for _ in range(MAX_DEPTH):
        arrived = arrived[0]
    assert isinstance(arrived, Opaque)


def test_a_list_that_holds_itself_twice_is_too_large(monkeypatch):
    from harness.runner.sandbox import values as module

    monkeypatch.setattr(module, "MAX_NODES", 10_000)
    endless: list[object] = []
    endless += [endless, endless]
    with pytest.raises(TooLargeError):
        encode(endless)


@cases(
    "data",
    [
        [], ["l"], ["l", 1], ["zz", 1], [[]], [None], {}, {"a": 1}, ["i"], ["i", 5], ["i", "x"], ["F", "0x1", "0x0"], ["F", 1, 2],
        ["D", "x"], ["D", "1" * 20_000], ["r", 1, 2, 0], ["s", [["l", []]]], ["d", [[["l", []], 1]]], ["d", [[1]]],
        ["b", "\u1234"], ["b", 5], ["c", "x", 1], ["o"], ["F", "0x" + "f" * 60_000, "0x1"],
    ],
)  # fmt: skip
def test_data_that_no_encoder_writes_is_refused(data):
    with pytest.raises((ValueError, TypeError, LookupError, ArithmeticError, AttributeError)):
        decode(data, Opaque)


def test_members_that_share_a_hash_are_refused_in_numbers_and_not_before():
    colliding = [["i", hex(n * ((1 << 61) - 1))] for n in range(8, 2000)]
    for data in (["s", colliding], ["f", colliding], ["d", [[key, 0] for key in colliding]]):
        with pytest.raises(ValueError, match="the same hash"):
            decode(data, Opaque)
    grid = {(x, y) for x in range(-60, 60) for y in range(-60, 60)}  # hash(-1) == hash(-2)
    assert through(grid) == grid
