# ruff: noqa: E501 - a case a line reads better than a wrapped one
"""Splitting asserts: which halves go in, which stay, and which asserts can't be split."""

import pytest
from cases import cases

from harness.compare import Opaque
from harness.runner.asserts import names_defined, split
from harness.runner.split_suite import prepare
from harness.types import AssertTest, TestKind, TestSuite


@cases(
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
        ("assert f(1) == True", "f(1)", True),
        ("assert f(1, [2]) == 0", "f(1, [2])", 0),
        ("assert len(f(1)) == 1", "len(f(1))", 1),
        ("assert int(f(1)) == 35", "int(f(1))", 35),
        ("assert f([1, set([2])], 4) == 1", "f([1, set([2])], 4)", 1),
        ("assert f(set([1]), [1, 2])", "not not f(set([1]), [1, 2])", True),
        ("assert(f(1) == b'x')", "f(1)", b"x"),
        ("assert f(1) % 2 == 0", "f(1) % 2", 0),
        ("assert f(1) / 2 == 3.5", "f(1) / 2", 3.5),
        ("assert ' '.join(f(1)) == 'a b'", "' '.join(f(1))", "a b"),
        ("assert f(1).get('a') == 2", "f(1).get('a')", 2),
        ("assert f('').strip() == ''", "f('').strip()", ""),
        ("assert Solution().find('') == ''", "Solution().find('')", ""),
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


@cases("value", [None, True, False])
def test_identity_is_kept(value):
    halves = split(f"assert f(1) is {value}")
    assert (halves.expression, halves.expected, halves.identical) == ("f(1)", value, True)


@cases(
    "source",
    [
        "assert f(1) < 2", "assert f(1) != 2", "assert f(1) in [1, 2]", "assert f(1) is not None", "assert f(1) == g(1)",
        "assert f(1) == 1 == f(2)", "assert f(1) == 1 and f(2) == 2", "assert math.isclose(f(1), 0.5)", "assert abs(f(1) - 1) < 0.1",
        "assert isinstance(f(1), int)", "assert all(f(1))", "assert f(1) == x", "assert f(1) == 2 ** 3", "assert f(1) == [x for x in (1,)]",
        "assert f(1) == list(map(int, '12'))", "assert f(1) == float('x')", "assert f(1) == open('x')", "f(1) == 2", "x = 1; assert f(1) == 2",
        "assert is_same(f(1), [1, 2])", "assert isclose(f(1), 2.5)", "assert same(sorted(f(1)), [1])", "assert check(f)(1)",
        "assert f(1) / 2.5 == 1", "assert f(1) // 3 == 1", "assert f(1) & {1, 2} == {1, 2}", "assert {1, 2} | set(f(1)) == {1, 2}",
        "assert {1, 2}.difference(f(1)) == set()", "assert f(1).replace('abc', '') == ''", "assert f(1).intersection([1, 2]) == [1, 2]",
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


@cases(
    "source",
    [
        "assert is_same(f(1), [1, 2]) == True", "assert isclose(f(1), 2.5) is True", "assert is_same(f(1), [1, 2]) == 1",
        "assert math.isclose(f(1), 2.5) == True", "assert (f(1) == [1, 2]) == True", "assert (f(1) < 3) is True",
        "assert all(a == b for a, b in zip(f(1), [1, 2])) == True", "assert str(f(1) == 7) == 'True'",
        "assert f(1) - 2.5 == 0", "assert abs(f(1) - 2.5) == 0", "assert set(f(1)) - {1, 2} == set()", "assert f(1) ^ 7 == 0",
        "assert f(1).__eq__(7) == True", "assert (lambda v: v in (7, 8))(f(1)) == 'yes'", "assert True == is_same(f(1), [1, 2])",
        "assert (f(1) and 7) == 7", "assert is_different(f(1), 3) == False",
    ],
)  # fmt: skip
def test_what_compares_by_itself_takes_no_expected_value_in_unmarked(source):
    assert split(source) is None


def test_a_helper_is_known_wherever_the_benchmark_defines_it():
    for setup in (
        "try:\n    from near import same\nexcept ImportError:\n    same = None",
        "if True:\n    def same(a, b):\n        return a == b",
        "for same in (str, int):\n    pass",
        "from near import *",
    ):
        assert split("assert same(3, [1, 2])", names_defined(setup)) is None
    assert names_defined("def f():\n    g = 1\nclass C:\n    h = 1") == {"f", "C"}
    assert split("assert near(f(1), 2) == 7", {"near"}) is None


def test_a_method_of_a_new_object_is_the_programs_own():
    assert split("assert Solution().f(1) == True").expression == "Solution().f(1)"
    assert split("assert Solution().f(1)").expression == "not not (Solution().f(1))"
    assert split("assert Solution().f(1)", {"Solution"}) is None


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


@cases(
    "source",
    [
        f"assert {'(' * 3000}f(1){')' * 3000} == 1",
        f"assert f({'-' * 5000}1) == 1",
        f"assert f(1){'[0]' * 3000} == 1",
        f"assert f(1){'.x' * 3000}",
        f"assert not {'not ' * 2000}f(1)",
        f"assert f(1) == {'[' * 2000}{']' * 2000}",
    ],
)
def test_an_assert_that_is_nested_too_deep_to_be_read_is_no_error_of_the_grader(source):
    prepared = prepare(TestSuite.pack(TestKind.ASSERTS, [AssertTest(source)]))
    assert len(prepared.expected) == 1
