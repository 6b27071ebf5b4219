# ruff: noqa: E501 - a case a line reads better than a wrapped one
"""Splitting asserts: which halves go in, which stay, and which asserts can't be split."""

import pytest

from harness.compare import Opaque
from harness.runner.asserts import names_defined, split


@pytest.mark.parametrize(
    ("source", "expression", "expected"),
    [
        ("assert f(1) == 2", "f(1)", 2),
        ("assert 2 == f(1)", "f(1)", 2),
        ("assert f('a', [1]) == 'x y'", "f('a', [1])", "x y"),
        ("assert f(1) == -2.5", "f(1)", -2.5),
        ("assert f(1) == [1, (2, {3: {4}})]", "f(1)", [1, (2, {3: {4}})]),
        ("assert f(1) == None", "f(1)", None),
        ("assert f(1) == set([1, 2])", "f(1)", {1, 2}),
        ("assert f(1) == set()", "f(1)", set()),
        ("assert f(1) == frozenset({1})", "f(1)", frozenset({1})),
        ("assert f(1) == dict([(1, 2)])", "f(1)", {1: 2}),
        ("assert f(1) == float('inf')", "f(1)", float("inf")),
        ("assert f(1) == 1 + 2j", "f(1)", 1 + 2j),
        ("assert f(1) == 2, 'message'", "f(1)", 2),
        ("assert sorted(f(1)) == [1]", "sorted(f(1))", [1]),
        ("assert f(1)[0] == 1", "f(1)[0]", 1),
        ("assert f(1) % 2 == 1", "f(1) % 2", 1),
        ("  assert f(1) == 2\n", "f(1)", 2),
        ("assert f(1)", "not not f(1)", True),
        ("assert not f(1)", "not not f(1)", False),
        ("assert f(set([1]), [1, 2])", "not not f(set([1]), [1, 2])", True),
        ("assert(f(1) == b'x')", "f(1)", b"x"),
    ],
)
def test_what_is_expected_stays(source, expression, expected):
    halves = split(source)
    assert (
        eval(f"lambda f: {halves.expression}").__code__.co_code
        == eval(f"lambda f: {expression}").__code__.co_code
    )
    assert (halves.expected, type(halves.expected)) == (expected, type(expected))
    assert not halves.identical


@pytest.mark.parametrize("value", [None, True, False])
def test_identity_is_kept(value):
    halves = split(f"assert f(1) is {value}")
    assert (halves.expression, halves.expected, halves.identical) == ("f(1)", value, True)


@pytest.mark.parametrize(
    "source",
    [
        "assert f(1) < 2", "assert f(1) != 2", "assert f(1) in [1, 2]", "assert f(1) is not None", "assert f(1) == g(1)",
        "assert f(1) == 1 == f(2)", "assert f(1) == 1 and f(2) == 2", "assert math.isclose(f(1), 0.5)", "assert abs(f(1) - 1) < 0.1",
        "assert isinstance(f(1), int)", "assert all(f(1))", "assert f(1) == x", "assert f(1) == 2 ** 3", "assert f(1) == [x for x in (1,)]",
        "assert f(1) == list(map(int, '12'))", "assert f(1) == float('x')", "assert f(1) == open('x')", "f(1) == 2", "x = 1; assert f(1) == 2",
        "assert is_same(f(1), [1, 2])", "assert isclose(f(1), 2.5)", "assert same(sorted(f(1)), [1])", "assert check(f)(1)",
        "assert f(1) ==", "", "assert f(1) == '\0'", "assert f(1) == set([[]])",
    ],
)  # fmt: skip
def test_what_cannot_be_split_is_left_whole(source):
    assert split(source) is None


SETUP = "import math\nfrom helpers import close as near\ndef is_same(a, b): return a == b\nlimit = other = 3"


def test_names_that_the_benchmark_brings_are_no_functions_of_the_programs():
    brought = names_defined(SETUP)
    assert brought == {"math", "near", "is_same", "limit", "other"}
    assert split("assert is_same(3, [1, 2])", brought) is None
    assert split("assert is_same(3, [1, 2])") is not None
    assert split("assert f(3)", brought) is not None
    assert names_defined("def (") == names_defined("") == frozenset()


def test_no_literal_is_no_value():
    assert split("assert f(x) == g(y)") is None
    assert Opaque("x") != Opaque("x")


@pytest.mark.data
def test_nearly_all_asserts_of_mbpp_are_split(data_dir):
    import json

    lines = (data_dir / "mbpp" / "mbpp.jsonl").read_text(encoding="utf-8").splitlines()
    sources = [source for line in lines for source in json.loads(line)["test_list"]]
    whole = [source for source in sources if split(source) is None]
    assert len(sources) > 2900
    assert len(whole) <= 5, whole
