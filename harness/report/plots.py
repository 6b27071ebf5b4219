"""The plots of a report as files for papers, drawn by matplotlib: pass@k, outcomes, scores by difficulty.

Covers: PNG and SVG, the same bytes each time. Text stays text in the SVG and is never read as formulas.
Does not cover: the page, whose charts need no matplotlib (`harness.report.charts`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from harness.files import replace_file, writing
from harness.report import series
from harness.report.series import Point, Series
from harness.run_store.finished_run import Run
from harness.types import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "rltf",  # the same report gives the same bytes
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a94a3",
    "axes.labelcolor": "#3d4756",
    "axes.titlecolor": "#1c2430",
    "xtick.color": "#5a6472",
    "ytick.color": "#5a6472",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e9ee",
    "legend.frameon": False,
}


def available() -> bool:
    """Whether matplotlib is installed (the extra `plots`)."""
    return find_spec("matplotlib") is not None


def save_plots(runs: Sequence[Run], profile: str, folder: Path) -> list[Path]:
    """Each plot as PNG (200 dpi) and SVG in `folder`, which is made; returns the files."""
    files = []
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for title, figure in _figures(runs, profile).items():
        name = title.lower().replace("@", "-at-").replace(" ", "-")
        for kind in ("png", "svg"):
            path = folder / f"{name}.{kind}"
            replace_file(path, partial(_save, figure, kind))
            files.append(path)
    return files


def _save(figure: Figure, kind: str, stream: IO[bytes]) -> None:
    with _styled():
        figure.savefig(stream, format=kind, dpi=200, metadata=_no_date(kind))


def _figures(runs: Sequence[Run], profile: str) -> dict[str, Figure]:
    figures = {}
    if curves := series.pass_at_k(runs, profile):
        figures["pass@k"] = _figure(lambda axes: _pass_at_k(axes, curves), 3.3)
    metric, bars = series.by_difficulty(runs, profile)
    if bars:
        figures[f"{metric} by difficulty"] = _figure(lambda axes: _difficulties(axes, metric, bars), 3.3)
    if rows := series.outcomes(runs, profile):
        height = 1.4 + 0.45 * len(rows)
        figures["Outcomes of the samples"] = _figure(lambda axes: _outcomes(axes, rows), height, width=12.8)
    return figures


def _figure(draw: Callable[[Axes], None], height: float, *, width: float = 6.4) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415 - not pyplot: no global state, no window

    with _styled():
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.add_subplot())
    return figure


def _pass_at_k(axes: Axes, curves: Sequence[Series]) -> None:
    for each in curves:
        ks, colour = [int(point.at) for point in each.points], series.RUN_COLOURS[each.colour]
        low, high = [p.low for p in each.points], [p.high for p in each.points]
        axes.fill_between(ks, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.errorbar(
            ks, [p.value for p in each.points], _whiskers(each.points), color=colour, marker="o",
            markersize=4, linewidth=1.6, capsize=3, label=_label(each.name),
        )  # fmt: skip
    every = sorted({int(point.at) for each in curves for point in each.points})
    if every[-1] >= 10:
        axes.set_xscale("log")
    axes.set_xticks(every, [str(k) for k in every])
    axes.minorticks_off()
    axes.set_xlim(every[0] / 1.25, every[-1] * 1.25)
    axes.set_ylim(0, 1.04 * axes.get_ylim()[1])  # a point at 100 % is not cut in half
    axes.set_xlabel("k")
    axes.set_ylabel("pass@k in %")
    axes.legend(loc="best")


def _difficulties(axes: Axes, metric: str, bars: Sequence[Series]) -> None:
    levels = list(dict.fromkeys(point.at for each in bars for point in each.points))
    width = 0.8 / len(bars)
    for index, each in enumerate(bars):
        places = [levels.index(p.at) + (index - (len(bars) - 1) / 2) * width for p in each.points]
        values = [point.value for point in each.points]
        colour = series.RUN_COLOURS[each.colour]
        axes.bar(places, values, width * 0.92, color=colour, label=_label(each.name))
        axes.errorbar(
            places, values, _whiskers(each.points), fmt="none", ecolor="#2b3442", elinewidth=1, capsize=2.5
        )
    axes.set_xticks(range(len(levels)), [_plain(level) for level in levels])
    axes.grid(visible=False, axis="x")
    axes.set_ylabel(f"{metric} in %")
    axes.legend(loc="best")


def _outcomes(axes: Axes, rows: Sequence[tuple[str, Mapping[Status, float]]]) -> None:
    left = [0.0] * len(rows)
    for status, colour in series.STATUS_COLOURS.items():
        shares = [row.get(status, 0.0) for _, row in rows]
        if any(shares):
            label = status.replace("_", " ")
            bars = axes.barh(range(len(rows)), shares, 0.62, left, color=colour, label=label)
            wide = [f"{share:.0f}" if share >= 5 else "" for share in shares]
            axes.bar_label(bars, wide, label_type="center", color="white")
            left = [a + b for a, b in zip(left, shares, strict=True)]
    axes.set_yticks(range(len(rows)), [_label(name) for name, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("% of the samples")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=8)


def _whiskers(points: Sequence[Point]) -> list[list[float]]:
    return [[max(p.value - p.low, 0.0) for p in points], [max(p.high - p.value, 0.0) for p in points]]


def _label(name: str) -> str:
    # A legend leaves out names that start with an underscore.
    return "\u200b" + _plain(name if len(name) <= 34 else f"{name[:33]}…")


def _plain(text: str) -> str:
    """What XML and fonts can carry."""
    return "".join(c if c.isprintable() and not "\ud800" <= c <= "\udfff" else " " for c in text)


def _styled() -> Any:
    from matplotlib import rc_context  # noqa: PLC0415

    return rc_context(_STYLE)


def _no_date(kind: str) -> Mapping[str, Any]:
    return {"Date": None} if kind == "svg" else {}
