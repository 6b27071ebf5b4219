"""The page's charts as inline SVG, made without matplotlib: coloured by the page's style, light and dark.

Covers: pass@k against k with intervals, bars by difficulty, shares of outcomes. Every point shows its numbers
under the pointer. Text is escaped here, since the page inserts the charts as they are.
Does not cover: files for papers (`harness.report.plots`), tables (they hold the same numbers).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from harness.report.series import STATUS_COLOURS, Point, Series, by_difficulty, outcomes, pass_at_k
from harness.run_store.finished_run import Run
from harness.types import Status

WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 40, 430, 14, 212
"""Edges of the plotted area."""
_LOG_FROM = 10
"""Largest k from which on the axis is logarithmic."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure of the page."""

    title: str
    markup: str
    """Safe to insert."""
    legend: Sequence[tuple[str, str, str]] = ()
    """CSS class of the swatch, what it stands for, and its number where there is one run; empty where
    nothing needs telling apart."""


def charts(runs: Sequence[Run], profile: str) -> list[Chart]:
    """Every chart for which the runs have numbers."""
    found = []
    if curves := pass_at_k(runs, profile):
        found.append(Chart("pass@k", _curves(curves), _names(curves)))
    metric, bars = by_difficulty(runs, profile)
    if bars:
        found.append(Chart(f"{metric} by difficulty", _bars(metric, bars), _names(bars)))
    if rows := outcomes(runs, profile):
        used = [status for status in STATUS_COLOURS if any(status in shares for _, shares in rows)]
        alone = rows[0][1] if len(rows) == 1 else {}
        legend = [(f"status-{s}", _words(s), f"{alone[s]:.2f} %" if s in alone else "") for s in used]
        found.append(Chart("Outcomes of the samples", _stacks(rows), legend))
    return found


def _names(series: Sequence[Series]) -> list[tuple[str, str, str]]:
    return [(f"run-{each.colour}", each.name, "") for each in series] if len(series) > 1 else []


def _curves(series: Sequence[Series]) -> str:
    ks = sorted({int(point.at) for each in series for point in each.points})
    axis = _Axis.over(series)
    scale = math.log if ks[-1] >= _LOG_FROM else float
    first, last = scale(ks[0]), scale(ks[-1])

    def across(k: str) -> float:
        return LEFT + 22 + (scale(int(k)) - first) / (last - first) * (RIGHT - LEFT - 44)

    parts = [axis.markup(), *(label(across(str(k)), BOTTOM + 18, k) for k in ks)]
    parts.append(label((LEFT + RIGHT) / 2, HEIGHT - 4, "k", "name"))
    for each in series:
        place = [(across(point.at), point) for point in each.points]
        band = [(x, axis.y(p.low)) for x, p in place] + [(x, axis.y(p.high)) for x, p in place[::-1]]
        line = " ".join(f"{x:.1f},{axis.y(p.value):.1f}" for x, p in place)
        marks = (_whisker(x, p, axis) + _dot(x, p, axis, f"{each.name}, pass@{p.at}") for x, p in place)
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in band)
        parts.append(
            f'<g class="run-{each.colour}"><polygon class="band" points="{corners}"/>'
            f'<polyline points="{line}"/>{"".join(marks)}</g>'
        )
    return svg("pass@k in per cent against k", parts)


def _bars(metric: str, series: Sequence[Series]) -> str:
    levels = list(dict.fromkeys(point.at for each in series for point in each.points))
    axis = _Axis.over(series)
    slot = (RIGHT - LEFT) / len(levels)
    width = min(0.72 * slot / len(series), 44)
    parts = [axis.markup()]
    for place, level in enumerate(levels):
        parts.append(label(LEFT + (place + 0.5) * slot, BOTTOM + 18, level))
    for index, each in enumerate(series):
        for point in each.points:
            centre = LEFT + (levels.index(point.at) + 0.5) * slot + (index - (len(series) - 1) / 2) * width
            top = axis.y(point.value)
            text = label(centre, axis.y(point.high) - 5, f"{point.value:.1f}", "value")
            parts.append(
                f'<g class="run-{each.colour}"><rect class="bar" y="{top:.1f}"'
                f' x="{centre - 0.46 * width:.1f}" width="{0.92 * width:.1f}" height="{BOTTOM - top:.1f}">'
                f"{_said(f'{each.name}, {metric}, {point.at}', point)}</rect>"
                f"{_whisker(centre, point, axis)}{text if len(series) * len(levels) <= 12 else ''}</g>"
            )
    return svg(f"{metric} in per cent by difficulty", parts)


def _stacks(rows: Sequence[tuple[str, dict[Status, float]]]) -> str:
    """One bar a run in shares of its width, so that its text keeps its size on a narrow screen."""
    parts = []
    for name, shares in rows:
        left, pieces = 0.0, []
        for status, share in shares.items():
            text = f'<text x="{left + share / 2:.3f}%" y="22">{share:.0f} %</text>' if share >= 7 else ""
            pieces.append(
                f'<g class="status-{status}"><rect x="{left:.3f}%" y="0" width="{share:.3f}%" height="34">'
                f"<title>{escape(f'{name}: {_words(status)} {share:.2f} %')}</title></rect>{text}</g>"
            )
            left += share
        title = f'<div class="stack-name">{escape(name)}</div>' if len(rows) > 1 else ""
        label = escape(f"Outcomes of {name} in shares of its samples")
        parts.append(
            f'{title}<svg class="stack" width="100%" height="34" role="img" aria-label="{label}">'
            f"{''.join(pieces)}</svg>"
        )
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Axis:
    """Per cent from 0 to a round number."""

    top: float
    step: float

    @classmethod
    def over(cls, series: Sequence[Series]) -> _Axis:
        # Room above the highest interval for its number.
        highest = 1.06 * max(point.high for each in series for point in each.points)
        step = next(s for s in (0.2, 0.5, 1, 2, 5, 10, 20, 25) if highest <= 5 * s or s == 25)
        return cls(min(max(math.ceil(highest / step), 1) * step, 100), step)

    def y(self, value: float) -> float:
        return BOTTOM - value / self.top * (BOTTOM - TOP)

    def markup(self) -> str:
        lines = []
        for number in range(round(self.top / self.step) + 1):
            y = self.y(number * self.step)
            lines.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            lines.append(label(LEFT - 7, y + 4, f"{number * self.step:g}", "scale"))
        return "".join(lines)


def _whisker(x: float, point: Point, axis: _Axis) -> str:
    low, high = axis.y(point.low), axis.y(point.high)
    return (
        f'<path class="whisker" d="M{x - 3.5:.1f} {high:.1f}h7M{x:.1f} {high:.1f}V{low:.1f}'
        f'M{x - 3.5:.1f} {low:.1f}h7"/>'
    )


def _dot(x: float, point: Point, axis: _Axis, name: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{axis.y(point.value):.1f}" r="4">{_said(name, point)}</circle>'


def _said(name: str, point: Point) -> str:
    return f"<title>{escape(f'{name}: {point.value:.2f} [{point.low:.2f}, {point.high:.2f}]')}</title>"


def label(x: float, y: float, text: object, kind: str = "tick") -> str:
    """A text of a drawing, escaped."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(str(text))}</text>'


def svg(description: str, parts: Sequence[str]) -> str:
    """A drawing of the page's size."""
    title = escape(description)
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
    return head + "".join(parts) + "</svg>"


def _words(status: Status) -> str:
    return status.replace("_", " ")
