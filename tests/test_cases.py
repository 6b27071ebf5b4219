"""`@cases`: every case runs, failures are named, and what is no case stays a fixture."""

import inspect

import pytest
from cases import cases


def test_every_case_runs_and_those_that_fail_are_named():
    seen = []

    @cases("number, word", [(1, "a"), (2, "b"), (3, "c")])
    def grid(number, word):
        seen.append((number, word))
        assert number != 2, "not two"
        with pytest.raises(ValueError, match="odd" if number == 1 else "other"):
            raise ValueError("odd")

    with pytest.raises(AssertionError) as raised:
        grid()
    assert seen == [(1, "a"), (2, "b"), (3, "c")]
    first, two, three = (
        str(raised.value).splitlines()[0],
        *(line for line in str(raised.value).splitlines() if line.startswith("number=")),
    )
    assert first == "2 of 3 cases fail:"
    assert two.startswith("number=2, word='b': AssertionError: not two")
    assert three.startswith("number=3, word='c': ")


def test_decorators_stand_upon_each_other_and_fixtures_are_passed_on():
    seen = []

    @cases("left", [1, (2, 3)])
    @cases(("right",), [("x",), ("y",)])
    def grid(left, right, tmp_path):
        seen.append((left, right, tmp_path))

    assert list(inspect.signature(grid).parameters) == ["tmp_path"]
    grid(tmp_path="here")
    assert seen == [(1, "x", "here"), (1, "y", "here"), ((2, 3), "x", "here"), ((2, 3), "y", "here")]


def test_a_grid_without_cases_is_refused():
    with pytest.raises(AssertionError, match="without cases"):

        @cases("number", [])
        def grid(number):
            """Never called."""
