"""The HTML report: one file without network; tables sort, charts are inline SVG, programs can be browsed.

Nothing in it can become markup or script: values are escaped by jinja2, the charts by their own module, and
programs travel as JSON that a script puts into text nodes. Behind that stands the page's own policy: nothing
may be fetched, no script and style may run but its own, and no script may write markup (Trusted Types).
Does not cover: what a report says (`harness.report.sections`, `harness.report.tables`).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from harness.report.charts import Chart, charts
from harness.report.series import RUN_COLOURS, STATUS_COLOURS
from harness.report.table import Align, Table
from harness.run_store.finished_run import Run
from harness.text import shown

if TYPE_CHECKING:
    from jinja2 import Environment, Template

    from harness.report.sections import Report

_CLASSES: Mapping[Align, str] = {"left": "text", "long": "text long", "right": "number"}


@dataclass(frozen=True, slots=True)
class Card:
    """A number at the top of the page."""

    name: str
    value: str
    notes: Sequence[str] = ()
    """A line each: its interval, what it is a share of."""


@dataclass(frozen=True)
class Page:
    """Everything that the page shows, from top to bottom."""

    title: str
    introduction: Sequence[str]
    cards: Sequence[Card]
    runs: Sequence[Run]
    """What the charts show."""
    profile: str
    """Under which the charts are drawn."""
    tables: Sequence[Table]
    """The first stands above the programs, the others below."""
    browser: str | None = None
    """JSON of the programs (`harness.report.browser`)."""
    figures: Sequence[Chart] = ()
    """Charts that are not drawn from runs."""
    commands: Sequence[str] = ()
    commands_title: str = "Commands that fill the missing cells"


def report_page(report: Report) -> str:
    """The file of `rltf report`."""
    from harness.report.browser import browser_data  # noqa: PLC0415 - reads every program of the runs

    return render(
        Page(
            report.title,
            report.introduction,
            [],
            report.runs,
            report.profile,
            report.tables,
            browser=browser_data(report.runs, budget=report.browse)
            if report.runs and report.browse
            else None,
            figures=report.figures,
            commands=report.commands,
        )
    )


def render(page: Page) -> str:
    """The whole file."""
    script, style = page_script(), page_style()
    text = _template().render(
        page=page,
        charts=[*charts(page.runs, page.profile), *page.figures],
        style=style,
        script=script,
        policy=(
            f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}';"
            " base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
        ),
    )
    return shown(text)


@cache
def page_script() -> str:
    """What makes tables sort and shows programs."""
    return "".join(_asset(name) for name in ("sort.js", "program.js", "browser.js"))


@cache
def page_style() -> str:
    """The looks, with the colours of runs and outcomes."""
    return _asset("page.css") + _colours()


@cache
def templates(*packages: str) -> Environment:
    """The templates in `assets` of this package and of `packages`; all that they insert is escaped."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader  # noqa: PLC0415 - reports only

    loaders = [PackageLoader(name, "assets") for name in (*packages, "harness.report")]
    environment = Environment(
        loader=ChoiceLoader(loaders), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["classes"] = _CLASSES
    return environment


def _template() -> Template:
    return templates().get_template("page.html")


@cache
def _asset(name: str) -> str:
    return files("harness.report").joinpath("assets", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _colours() -> str:
    """The colours of runs and outcomes as classes, which the page's style makes use of."""
    rules = [f".run-{place}{{--colour:{colour}}}" for place, colour in enumerate(RUN_COLOURS)]
    rules += [f".status-{status}{{--colour:{colour}}}" for status, colour in STATUS_COLOURS.items()]
    return "\n".join(rules)
