"""The pages as HTML, and what they fetch as JSON.

Everything is escaped by jinja2, or travels as JSON that our script puts into text nodes; charts are escaped
by their own modules. Does not cover: addresses and headers (`harness.view.app`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from harness.metrics.paired import compare_runs
from harness.report.charts import Chart, charts
from harness.report.lines import line_chart
from harness.report.page import templates
from harness.report.pairs import paired
from harness.report.run_page import cards, run_tables, title
from harness.report.sections import scores
from harness.report.tables import about_run
from harness.report.training import training_figures, training_table
from harness.report.warnings import warnings
from harness.run_store.finished_run import Run
from harness.text import shown
from harness.view.boards import Asked, boards, choices, owner_of, written
from harness.view.places import Found, Root
from harness.view.runs import Progress, RunSummary
from harness.view.state import State
from harness.view.trainings import TrainingSummary

PACKAGE = "harness.view"
_LOGGED = ("loss", "eval_loss", "reward", "kl", "grad_norm", "learning_rate")
"""What trainers of transformers and TRL log."""
_SVG = "{http://www.w3.org/2000/svg}"


def link(path: str, *runs: str, **more: str) -> str:
    """An address of ours: names may hold anything, bytes that are no text among them."""
    pairs = [*(("name", name) for name in runs), *more.items()]
    return f"{path}?{urlencode(pairs, errors='surrogateescape', quote_via=quote)}"


def leaderboard(
    root: Root, found: Found, runs: Sequence[RunSummary], trainings: Sequence[TrainingSummary], asked: Asked
) -> str:
    """The first page."""
    names = {each.name: each for each in trainings}
    shown_runs = [each for each in runs if owner_of(each.name, names) is None or "/step-" not in each.name]
    damaged = [each for each in shown_runs if each.state is State.DAMAGED and not each.benchmark]
    return _render(
        "leaderboard.html",
        title=f"Runs in {root.path.name or '/'}",
        boards=boards([each for each in shown_runs if each not in damaged], asked),
        choices=choices(shown_runs),
        asked=asked,
        runs=shown_runs,
        trainings=trainings,
        damaged=damaged,
        found=found,
        version=version_of(runs, trainings),
        at_work=State.RUNNING in {*(each.state for each in runs), *(each.state for each in trainings)},
    )


def version_of(runs: Sequence[RunSummary], trainings: Sequence[TrainingSummary]) -> str:
    """Changes when the first page would show something else."""
    states = [(each.name, each.state, each.run is not None) for each in runs]
    return f"{hash((tuple(states), tuple((each.name, each.state) for each in trainings))) & (1 << 60) - 1:x}"


def run_page(summary: RunSummary, *, has_report: bool) -> str:
    """One run, finished or not."""
    run = summary.run
    return _render(
        "run.html",
        title=title(run) if run else summary.programs or summary.name,
        summary=summary,
        introduction=[*warnings(run.metrics), about_run(run.metrics)] if run else [],
        cards=cards(run) if run else [],
        tables=run_tables(run) if run else [],
        charts=charts([run], run.profiles[0]) if run else [],
        profile=_first(summary.profiles),
        command=str(run.manifest.get("command") or "") if run else "",
        has_report=has_report,
        index=link("/api/programs", summary.name),
    )


def comparison(first: RunSummary, second: RunSummary, a: Run, b: Run) -> str:
    """Two finished runs on the same problems.

    Raises:
        InputError: If they are not; names the first difference.
    """
    result = compare_runs(a, b)
    difference, *others = paired(result, a, b)
    profile = next((name for name in a.profiles if name in b.profiles), a.profiles[0])
    return _render(
        "comparison.html",
        title="Two runs, problem by problem",
        first=first,
        second=second,
        result=[each for each in result.scores if each.profile == profile],
        profile=profile,
        tables=[difference, scores([a, b]), *others],
        charts=charts([a, b], profile),
        index=link("/api/programs", first.name, second.name),
    )


def training_page(training: TrainingSummary, runs: Sequence[RunSummary], *, has_report: bool) -> str:
    """One training, which may be at work."""
    return _render(
        "training.html",
        title=training.name,
        training=training,
        facts=facts(training),
        charts=_figures(training),
        tables=training_table(training.rows, training.source),
        runs=[(each, _pass_at_1(each)) for each in runs],
        has_report=has_report,
        live=link("/api/training", training.name),
        at_work=training.state is State.RUNNING,
    )


def training_json(training: TrainingSummary) -> dict[str, Any]:
    """What of a training's page changes while it is at work."""
    return {
        "state": training.state,
        "facts": facts(training),
        "figures": [
            {
                "title": shown(chart.title),
                "drawing": tree_of(chart.markup),
                "legend": [[kind, shown(name), number] for kind, name, number in chart.legend],
            }
            for chart in _figures(training)
        ],
    }


def facts(training: TrainingSummary) -> list[tuple[str, str]]:
    """How far a training is."""
    most = f" of {training.most_steps:,}" if training.most_steps else ""
    last: Mapping[str, Any] = training.rows[-1] if training.rows else {}
    found = {
        "method": training.method,
        "step": f"{training.step:,}{most}",
        "loss": _number(last.get("loss")),
        "programs that passed": _share(last.get("sampled/passed")),
        "last written": written(training.changed),
    }
    return [(name, shown(value)) for name, value in found.items() if value]


def framed(summary_name: str, back: str) -> str:
    """A report page that the folder holds, in a frame of its own."""
    return _render(
        "framed.html", title=f"Report of {summary_name}", back=back, frame=link("/file", summary_name)
    )


def problem_page(status: int, message: str) -> str:
    """What went wrong, in a line."""
    return _render(
        "problem.html", title="Not there" if status == 404 else "That can't be shown", line=message
    )


def tree_of(markup: str) -> Any:
    """A drawing as nested lists, name, attributes and children: a script may build elements, never markup."""
    root = ElementTree.fromstring(f"<g>{shown(markup)}</g>")  # noqa: S314 - we wrote it
    return _node(root)


def _node(element: ElementTree.Element) -> list[Any]:
    children: list[Any] = [element.text] if element.text else []
    for child in element:
        children.append(_node(child))
        if child.tail:
            children.append(child.tail)
    return [element.tag.removeprefix(_SVG), dict(element.attrib), children]


def _figures(training: TrainingSummary) -> list[Chart]:
    """What every training of ours has, and then what any trainer logs."""
    courses = {name: [(row["step"], row[name]) for row in training.rows if name in row] for name in _LOGGED}
    found = (line_chart(name.replace("_", " "), {name: course}) for name, course in courses.items())
    return [*training_figures(training.rows), *(chart for chart in found if chart is not None)]


def _pass_at_1(summary: RunSummary) -> str:
    score = summary.run.score(summary.run.profiles[0], "all", "pass@1") if summary.run else None
    return f"{100 * score['value']:.2f}" if score else ""


def _first(names: Sequence[str]) -> str:
    return names[0] if names else ""


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.4g}"


def _share(value: Any) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _progress(progress: Progress) -> str:
    wanted = f" of {progress.wanted:,}" if progress.wanted else ""
    return f"{progress.sampled:,}{wanted} sampled, {progress.graded:,} graded"


def _render(name: str, **context: Any) -> str:
    template = templates(PACKAGE).get_template(name)
    return shown(template.render(link=link, progress=_progress, written=written, **context))
