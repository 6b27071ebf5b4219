"""A table of the RLTF paper as printed, with our numbers, and the commands that fill what is missing.

Covers: what `published.csv` holds. A number of the paper that is not in that file is shown as a dash, never
guessed.
Does not cover: training the models of the ablations.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.metrics.summary import from_easy_to_hard
from harness.report.against import Cell, ComparisonStatus, compare_with_published
from harness.report.columns import percent
from harness.report.published import PaperTable, Published
from harness.report.sections import Report, against, data_cells
from harness.report.table import ABSENT, Table, table_of
from harness.run_store.finished_run import Run


def paper_report(table: PaperTable, runs: Sequence[Run], profile: str) -> Report:
    """The report for `--table`."""
    cells = compare_with_published(table.rows, runs, profile)
    report = Report(
        f"RLTF, {table.where}: {table.title}",
        [
            f"{table.rows[0].source}, {table.where}, in %. Numbers were transcribed from secondary"
            f" sources; what could not be found is left out ({ABSENT}).",
            f"Made by: rltf report --table {table.name}. Ours: comparison profile {profile}, 95 % bootstrap"
            " intervals over problems.",
        ],
        runs=runs,
        profile=profile,
    )
    order = list(dict.fromkeys(row.system for row in table.rows))
    subsets = _subsets(table)
    by_system = sorted(
        cells,
        key=lambda cell: (
            order.index(cell.published.system),
            cell.published.k,
            subsets.index(cell.published.group),
        ),
    )
    report.sections = [_layout(table, cells), against(by_system, "Cell by cell")]
    report.commands = _commands(table, cells)
    report.data = data_cells(cells, profile)
    return report


def _layout(table: PaperTable, cells: Sequence[Cell]) -> Table:
    """The paper's rows and columns, each column followed by ours."""
    subsets = _subsets(table)
    names = sorted({(row.k, subsets.index(row.group)) for row in table.rows})
    ours: dict[Published, list[str]] = {}
    for cell in cells:
        if cell.run is not None and cell.ours is not None:
            mark = " (not comparable)" if cell.status is ComparisonStatus.NOT_COMPARABLE else ""
            ours.setdefault(cell.published, []).append(f"{cell.run.name}: {percent(cell.ours)}{mark}")
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in table.rows:
        column = _column(row.k, row.group)
        rows.setdefault((row.system, row.base_model, row.size), {}).update(
            {column: f"{row.value_percent:.2f}", f"ours: {column}": "; ".join(ours.get(row, []))}
        )
    header = ["system", "base model", "size"]
    for k, place in names:
        column = _column(k, subsets[place])
        header += [column, f"ours: {column}"]
    found = [dict(zip(header[:3], key, strict=True)) | cells_of for key, cells_of in rows.items()]
    setting = "; ".join(dict.fromkeys(row.setting for row in table.rows))
    return table_of(
        f"{table.where} as printed, with ours beside it",
        found,
        header,
        text=("system", "base model"),
        notes=[f"Setting: {setting}."],
    )


def _subsets(table: PaperTable) -> list[str]:
    """The difficulties that the table has, from easy to hard, and `all`."""
    return [*from_easy_to_hard({row.group for row in table.rows} - {"all"}), "all"]


def _column(k: int, subset: str) -> str:
    return f"pass@{k}" if subset == "all" else f"pass@{k} {subset}"


def _commands(table: PaperTable, cells: Sequence[Cell]) -> list[str]:
    """One block for each system of which a cell has no comparable number of ours."""
    missing: dict[tuple[str, str], set[int]] = {}
    for cell in cells:
        if cell.ours is None or cell.difference is None:
            who = (cell.published.system, cell.published.base_model)
            missing.setdefault(who, set()).add(cell.published.k)
    blocks = []
    for (system, base), ks in missing.items():
        budgets = " ".join(map(str, sorted(ks)))
        blocks.append(
            f"# {system} with {base}: {', '.join(f'pass@{k}' for k in sorted(ks))}\n"
            f"rltf eval MODEL --benchmark {table.benchmark} --preset {table.preset} --n {max(ks)}"
            f" --k {budgets} --out RUN\n"
            f"rltf score samples.jsonl --benchmark {table.benchmark} --k {budgets} --out RUN"
            f"   # instead, for programs made elsewhere: {max(ks):,} a problem\n"
            f"rltf report --table {table.name} '{system}/{base}=RUN'"
        )
    return blocks
