"""Line charts of training curves: numbers against steps, several lines in one chart, in the page's style.

Does not cover: intervals and scores of runs (`harness.report.charts`), files for papers
(`harness.report.plots`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from harness.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, Chart, label, svg
from harness.report.series import RUN_COLOURS

_TICKS = 5
_MOST_POINTS = 80
"""Of a line; more are averaged, neighbours together."""

Course = Sequence[tuple[float, float]]
"""Step and value, steps ascending."""


def line_chart(title: str, lines: Mapping[str, Course], *, across: str = "step") -> Chart | None:
    """A chart with a line for each name; `None` where no line has two points, or all are of one step.

    Args:
        title: Above it.
        lines: At most as many as there are colours; values that are not finite are left out.
        across: What the steps count.
    """
    courses = {name: _thinned(_finite(course)) for name, course in lines.items()}
    courses = {name: course for name, course in courses.items() if len(course) > 1}
    if not courses:
        return None
    steps = [step for course in courses.values() for step, _ in course]
    if min(steps) == max(steps):
        return None
    values = [value for course in courses.values() for _, value in course]
    first, last = min(steps), max(steps)
    ticks = _ticks(min(values), max(values))

    def x(step: float) -> float:
        return LEFT + (step - first) / (last - first) * (RIGHT - LEFT)

    def y(value: float) -> float:
        return BOTTOM - (value - ticks[0]) / (ticks[-1] - ticks[0]) * (BOTTOM - TOP)

    parts = [_grid(y(tick), f"{tick:g}") for tick in ticks]
    parts += [
        label(x(step), BOTTOM + 18, f"{step:g}") for step in _ticks(first, last) if first <= step <= last
    ]
    parts.append(label((LEFT + RIGHT) / 2, HEIGHT - 4, across, "name"))
    for colour, (name, course) in zip(range(len(RUN_COLOURS)), courses.items(), strict=False):
        points = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in course)
        said = f"{name}: {course[0][1]:.4g} at {course[0][0]:g}, {course[-1][1]:.4g} at {course[-1][0]:g}"
        parts.append(
            f'<g class="run-{colour}"><polyline points="{points}"><title>{escape(said)}</title>'
            "</polyline></g>"
        )
    return Chart(title, svg(f"{title} against {across}", parts), _legend(courses))


def _legend(courses: Mapping[str, Course]) -> list[tuple[str, str, str]]:
    return [
        (f"run-{colour}", name, f"{course[-1][1]:.4g}")
        for colour, (name, course) in enumerate(courses.items())
    ]


def _grid(y: float, text: str) -> str:
    line = f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + label(LEFT - 7, y + 4, text, "scale")


def _finite(course: Course) -> Course:
    return [(step, value) for step, value in course if math.isfinite(value)]


def _thinned(course: Course) -> Course:
    size = -(-len(course) // _MOST_POINTS)
    groups = [course[place : place + size] for place in range(0, len(course), max(size, 1))]
    return [(sum(s for s, _ in g) / len(g), sum(v for _, v in g) / len(g)) for g in groups]


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers around a range, evenly apart."""
    rough = max((high - low or abs(high) or 1.0) / _TICKS, 1e-300)
    exponent = math.floor(math.log10(rough))
    power = 10.0**exponent
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.floor(low / step)
    numbers = range(first, max(math.ceil(high / step), first + 1) + 1)
    return [round(number * step, max(1 - exponent, 0)) for number in numbers]
