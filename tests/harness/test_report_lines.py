"""Line charts: every point where it belongs, round numbers at the axes, nothing of a name becomes markup."""

import re

import pytest
from cases import cases

from harness.report.charts import BOTTOM, LEFT, RIGHT, TOP
from harness.report.lines import line_chart


def points(chart):
    return [
        [tuple(map(float, point.split(","))) for point in found.split()]
        for found in re.findall(r'<polyline points="([^"]*)"', chart.markup)
    ]


def scale(chart):
    return [float(text) for text in re.findall(r'class="scale"[^>]*>([^<]*)<', chart.markup)]


def test_lines_go_from_edge_to_edge_in_their_own_proportions():
    [line] = points(line_chart("Loss", {"loss": [(0, 0.0), (5, 10.0), (10, 5.0)]}))
    assert [x for x, _ in line] == [LEFT, (LEFT + RIGHT) / 2, RIGHT]
    assert [y for _, y in line] == [BOTTOM, TOP, (TOP + BOTTOM) / 2]


@cases(
    ("values", "ticks"),
    [
        ((0.0, 1.0), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ((-12.0, 31.0), [-20, -10, 0, 10, 20, 30, 40]),
        ((3.0, 3.0), [3, 4]),
        ((0.0, 0.0), [0, 0.2]),
        ((1e-4, 3e-4), [0.0001, 0.00015, 0.0002, 0.00025, 0.0003]),
    ],
)
def test_the_scale_has_round_numbers_around_all_values(values, ticks):
    chart = line_chart("Loss", {"loss": list(enumerate(values))})
    found = scale(chart)
    assert found[0] <= min(values)
    assert found[-1] >= max(values)
    assert len(found) <= 8
    if values != (1e-4, 3e-4):
        assert found == pytest.approx(ticks)


def test_many_points_are_averaged_with_their_neighbours():
    [line] = points(line_chart("Loss", {"loss": [(step, float(step % 2)) for step in range(960)]}))
    assert len(line) <= 80
    assert len({round(y) for _, y in line[:-1]}) == 1  # half ones and half zeros


def test_lines_of_one_point_and_values_that_are_no_numbers_are_left_out():
    assert line_chart("Loss", {"a": [(1, 2.0)], "b": []}) is None
    [line] = points(line_chart("Loss", {"a": [(1, 2.0), (2, float("nan")), (3, 4.0)], "b": [(1, 1.0)]}))
    assert len(line) == 2


def test_names_are_escaped():
    chart = line_chart("A < B", {"<script>": [(1, 2.0), (2, 3.0)]})
    assert "<script>" not in chart.markup
    assert "A &lt; B" in chart.markup
    assert chart.legend[0][1:] == ("<script>", "3")  # escaped by the page
