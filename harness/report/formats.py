"""A report as Markdown, CSV, LaTeX or HTML.

Every string may come from a program or a model (an exception's name, a file's name), so every format
escapes every string; tests give hostile text to each.
Does not cover: what a report says (`harness.report.sections`), the page's looks (`harness.report.page`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from harness.report.markdown import cell, table_text
from harness.report.sections import Report
from harness.text import one_line, shown

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": r"{[}",  # a row that starts with one would be read as the space after the row before
    "]": r"{]}",
} | {mark: f"\\{mark}" for mark in "&%$#_"}


def markdown(report: Report) -> str:
    """GitHub's Markdown."""
    parts = [f"# {cell(report.title)}\n", *(f"{cell(line)}\n" for line in report.introduction)]
    for section in report.tables:
        parts.append(table_text(section))
        parts += ["".join(f"- {cell(note)}\n" for note in section.notes)] if section.notes else []
    if report.commands:
        parts.append("## Commands that fill the missing cells\n")
        parts += [f"```sh\n{_fenced(block)}\n```\n" for block in report.commands]
    return "\n".join(parts)


def csv(report: Report) -> str:
    """The numbers, one row each, in per cent and unrounded; empty where there is none."""
    import pandas as pd  # noqa: PLC0415

    rows = [{name: _inert(value) for name, value in row.items()} for row in report.data]
    # Objects, so that a count stays a whole number in a column that holds seconds too.
    return pd.DataFrame(rows, dtype=object).to_csv(index=False, lineterminator="\n") if rows else ""


def json_rows(report: Report) -> str:
    """The rows of the CSV file as JSON, with what the report is about."""
    return (
        json.dumps({"title": report.title, "profile": report.profile, "rows": report.data}, indent=1) + "\n"
    )


def latex(report: Report) -> str:
    r"""`booktabs` tables to be put into a document with `\input`; wide ones need `\resizebox`."""
    import pandas as pd  # noqa: PLC0415

    parts = [f"% {_latex(report.title)}", *(f"% {_latex(line)}" for line in report.introduction)]
    for section in report.tables:
        rows = [[_latex(text) for text in row] for row in section.rows]
        table = pd.DataFrame(rows, columns=[_latex(name) for name in section.header], dtype=object)
        sides = "".join("r" if align == "right" else "l" for align in section.align)
        text = table.to_latex(index=False, escape=False, caption=_latex(section.title), column_format=sides)
        parts.append(text.rstrip())
        parts += [f"% {_latex(note)}" for note in section.notes]
    return "\n".join(parts) + "\n"


def html(report: Report) -> str:
    """One page that needs nothing but itself."""
    from harness.report.page import report_page  # noqa: PLC0415

    return report_page(report)


FORMATS: Mapping[str, Callable[[Report], str]] = {
    "md": markdown,
    "csv": csv,
    "json": json_rows,
    "latex": latex,
    "html": html,
}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in one_line(text))


def _fenced(text: str) -> str:
    return shown(text).replace("```", "'''")


def _inert(value: object) -> object:
    """Spreadsheets run such cells as formulas; a quote in front keeps them text ("+ coarse" is none)."""
    if isinstance(value, str):
        value = one_line(value)
        formula = value.startswith(("=", "@")) or (value[:1] in ("+", "-") and value[1:2] not in ("", " "))
        return f"'{value}" if formula else value
    return value
