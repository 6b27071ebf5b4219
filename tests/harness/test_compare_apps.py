"""The apps profile against the observed verdicts of the reference grader, and against slow, obvious code."""

import gzip
import json
import math
from collections import deque
from decimal import Decimal

import numpy as np
import pytest
from cases import cases
from hypothesis import example, given
from hypothesis import strategies as st

from harness.compare import PROFILES, Opaque
from harness.compare.closeness import allclose

stdout = PROFILES["apps"].stdout_matches
value = PROFILES["apps"].value_matches


@cases(
    ("output", "expected"),
    [
        # the lenient passes of reference-semantics 3.1, in its order
        ("2\n1", "1\n2"),
        ("YES\nNO", "YES\nNO\nYES\nYES"),
        ("1\n1\n2", "1\n2"),
        ("0\n0\n0\n1", "1\n0\n1\n1"),
        ("3 1 2", "1 2 3"),
        ("1 1 2", "1 2"),
        ("b a\nd c", "c d\na b"),
        ("1000001", "1000000"),
        ("100001", "100000"),
        ("1000000007000000", "1000000007000001"),
        ("0.1234", "0.1232"),
        ("0.1235", "0.1234"),
        ("1.00001 2.0", "1 2.0004"),
        ("1.0001\n1.0002", "1.0"),
        ("007", "7"),
        ("1_000", "1000"),
        ("1e3", "1000"),
        ("inf", "Infinity"),
        ("+5", "5"),
        ("1\t2", "1 2"),
        ("1  2", "1 2"),
        ("1\u00a02", "1 2"),
        ("\n1\n\n\n2\n\n", "1\n2"),
        ("1\n2", "1\n\n2\n"),
        ("1\r\n2\r\n", "1\n2"),
        # users.md rank 2
        ("3 2 1", "1 2 3"),
        ("2 1", "1 1 2"),
        ("1000000008", "1000000007"),
        # each step of the cascade on its own
        ("  1\n2  \n", "1\n2"),
        ("1 \n 2", "1\n2"),
        ("", "  \n"),
        ("1\n2", "1 \n2"),
        ("1\n\n2", "1 \n2"),
        ("1.0\n2", "1\n2.00001"),
        ("b a", "a b\n"),
        ("x\ny x", "x y\nx"),
        ("٣", "3"),
    ],
)
def test_what_the_reference_lets_pass_passes(output, expected):
    assert stdout(output, expected)
    assert stdout(output + "\n", expected)


@cases(
    ("output", "expected"),
    [
        # the wrong rejections of reference-semantics 3.1, in its order
        ("1\n2", "1\n \n2"),
        ("Case 1: 0.5", "Case 1: 0.50"),
        ("1 2 3", "1\n2\n3"),
        ("yes", "YES"),
        ("1000001 5", "1000000 5"),
        ("1\x0c2", "1\x0c2"),
        ("a\x1cb", "a\x1cb"),
        ("a\u2028b", "a\u2028b"),
        # and what is wrong
        ("3", "2"),
        ("1\n2\n3", "1\n2"),
        ("1 2", "1 2 3"),
        ("nan", "NaN"),
        ("1.5 nan", "1.50 nan"),
        ("inf", "1e308"),
        ("1e308", "inf"),
        ("", "0"),
        ("0", ""),
        ("0.0005", "0"),
        ("one 1.0", "one 1"),
    ],
)
def test_what_the_reference_rejects_fails(output, expected):
    assert not stdout(output, expected)


def test_an_expected_line_of_white_space_must_be_there():
    assert stdout("1\n \n2\n", "1\n \n2")
    assert stdout("1\n\n2\n", "1\n \n2 ")
    assert not stdout("1\n\n\n2\n", "1\n \n2 ")


def obvious(output, expected):  # noqa: PLR0911 (one per step)
    """Reference-semantics 3.1, every step in full and with numpy, whatever it costs."""
    out = output.splitlines()
    if "\n".join(out).strip() == expected.strip():
        return True
    if "\n".join([line.strip() for line in out]).strip() == expected.strip():
        return True
    gt = [line.strip() for line in expected.split("\n") if len(line) > 0]
    if out in ([expected], gt):
        return True
    out = [line for line in out if len(line) > 0]
    if out == gt:
        return True
    try:
        numbers, wanted = [float(line) for line in out], [float(line) for line in gt]
        if len(numbers) == len(wanted) and np.allclose(numbers, wanted):
            return True
    except ValueError:
        pass
    out_sets = [line.split() for line in out if line.split()]
    gt_sets = [line.split() for line in gt]
    if {frozenset(line) for line in out_sets} == {frozenset(line) for line in gt_sets}:
        return True
    try:
        return {frozenset(round(float(t), 3) for t in line) for line in out_sets} == {
            frozenset(round(float(t), 3) for t in line) for line in gt_sets
        }
    except (ValueError, OverflowError):
        return False


words = ["1", "2", "1.0", "1.0004", "1.00001", "0.9999", "-0", "nan", "inf", "-inf", "Infinity", "1e308"]
gaps = ["\n", "\n", "\n", " ", " ", "\t", "\r\n", "\r", "\x0c", "\x1c", "\u00a0", "\x85", "\u2028", ""]
pieces = st.sampled_from([*words, *gaps, "1_0", "a", "b"])
texts = st.lists(pieces, max_size=9).map("".join)


@given(texts, texts)
@example("1 2\n1", "1\n2 1\n2 1")
@example("nan", "nan ")
@example(" \n1", "1\n ")
def test_the_cascade_equals_its_slow_and_obvious_form(output, expected):
    assert stdout(output, expected) == obvious(output, expected)


@given(texts, st.data())
def test_the_cascade_equals_its_obvious_form_on_shuffled_lines_and_tokens(expected, data):
    lines = data.draw(st.permutations(expected.split("\n")))
    output = "\n".join(" ".join(data.draw(st.permutations(line.split(" ")))) for line in lines)
    assert stdout(output, expected) == obvious(output, expected)


def test_a_line_longer_than_a_chunk_is_read_whole(monkeypatch):
    monkeypatch.setattr("harness.compare.apps._CHUNK", 2)
    assert stdout("e d  c b a ", "a b c d e")
    assert stdout("d c b a", "a b c d")
    assert not stdout("d c b a x", "a b c d e")
    assert not stdout("d c b", "a b c d")


floats = st.floats() | st.sampled_from(
    [math.inf, -math.inf, math.nan, 0.0, -0.0, 1e-8, 1.0, 1.00001, 100000.0, 100001.0, 1e308, -1.7e308]
)


@pytest.mark.slow
@given(st.lists(st.tuples(floats, floats | st.none(), st.floats(-2e-5, 2e-5))))
@example([(math.inf, math.inf, 0.0)])
@example([(math.inf, -math.inf, 0.0)])
@example([(1.0, math.inf, 0.0)])
@example([(math.nan, math.nan, 0.0)])
def test_allclose_is_numpys(rows):
    values = [x for x, _, _ in rows]
    expected = [x * (1.0 + shift) if y is None else y for x, y, shift in rows]
    with np.errstate(all="ignore"):
        assert allclose(values, expected) == bool(np.allclose(values, expected))


@given(st.floats(-1e6, 1e6), st.integers(-3, 3))
def test_allclose_is_numpys_on_the_edge_of_the_tolerance(expected, steps):
    edge = expected + (1e-8 + 1e-5 * abs(expected))
    for _ in range(abs(steps)):
        edge = math.nextafter(edge, math.inf * steps)
    assert allclose([edge], [expected]) == bool(np.allclose([edge], [expected]))


@cases(
    ("given_value", "expected"),
    [
        (2, [2]),
        ([2], [2]),
        (2, [2, 3, 4]),
        (5, [5, 6, 7]),
        (True, [1]),
        (2, [2.0]),
        ((1, 2), [[1, 2]]),
        ((1, 2), [1, 2]),
        ([(1, 2), (3, 4)], [[[1, 2], [3, 4]]]),
        (((1, 2), (3, 4)), [[[1, 2], [3, 4]]]),
        ([(1, 2), "ab"], [[[1, 2], ["a", "b"]]]),
        ({1: 2}, [{1: 2}]),
        ({1: 2}, {1: 2}),
        (None, [None]),
        (None, None),
        ([], []),
        ([], [[]]),
        (9, 9),
        (Decimal(2), [2]),
        (deque([(1,)]), [[[1]]]),
    ],
)
def test_what_the_reference_lets_return_passes(given_value, expected):
    assert value(given_value, expected, wrapped=False)
    assert value(given_value, expected, wrapped=True)


@cases(
    ("given_value", "expected"),
    [
        (0.1 + 0.2, [0.3]),
        ([(1, 2), (3, 4)], [[1, 2], [3, 4]]),
        ([[(1, 2)]], [[[[1, 2]]]]),
        ({1, 2}, [[1, 2]]),
        (Opaque("generator"), [[1, 2]]),
        (Opaque("ndarray"), [[1, 2]]),
        (3, [2, 3]),
        ("2", [2]),
        ("a", "ab"),
        ([], [0]),
        (None, []),
        ({0: (1, 2)}, [[[1, 2]]]),
        ([(1, 2), 3], [[[1, 2], 3]]),
        ([(1, 2)], {0: [1, 2]}),
        ([(1, 2)], 5),
        (Decimal("sNaN"), [2]),
        (math.nan, [math.nan + 0]),
        ({"1": 2}, [{1: 2}]),
    ],
)
def test_what_the_reference_does_not_let_return_fails(given_value, expected):
    assert not value(given_value, expected, wrapped=False)
    assert not value(given_value, expected, wrapped=True)


@pytest.mark.slow
@pytest.mark.data
def test_every_expected_output_of_apps_is_its_own_right_answer_under_both_profiles(data_dir):
    """Except for what the reference itself rejects: characters that only `splitlines` breaks a line at."""
    odd = set("\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
    checked = 0
    for text in expected_outputs(data_dir / "apps" / "train.jsonl.gz"):
        for profile in PROFILES.values():
            if profile.name == "strict" or not odd & set(text):
                assert profile.stdout_matches(text, text)
                assert profile.stdout_matches(text.rstrip() + "\n", text)
        checked += 1
    assert checked > 5000


def expected_outputs(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            # Integers as text: one is longer than Python reads.
            tests = json.loads(json.loads(line)["input_output"] or "{}", parse_int=str)
            if tests.get("fn_name") is None:
                for output in tests.get("outputs", []):
                    yield output if isinstance(output, str) else "\n".join(output)
