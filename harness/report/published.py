"""The numbers that papers print, as records, and which of them make up the tables of the RLTF paper.

Covers: `published.csv` beside this module, one number a row, whose columns are explained in
results/baselines/README.md; and `evalplus.csv`, EvalPlus' leaderboard, a model a row.
Does not cover: whether a run may be compared with a number (`harness.report.against`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files

RLTF = "RLTF arXiv:2307.04349"
EVALPLUS = "EvalPlus"
"""System of the numbers of its leaderboard; the base model is the model."""
LEADERBOARD = "evalplus/evalplus.github.io 8741845, results.json"
BASE_INPUTS = "base inputs"
"""A subset: all problems, without the inputs that EvalPlus adds."""
_EVALPLUS_BENCHMARKS = {"humaneval": "humaneval-plus", "mbpp": "mbpp-plus"}


@dataclass(frozen=True, slots=True)
class Published:
    """One number of one paper."""

    benchmark: str
    setting: str
    """How the model got there and how it was sampled, as far as the source says."""
    system: str
    base_model: str
    size: str
    critic_sampling: bool
    subset: str
    """A difficulty, `all`, or `test (500)`."""
    metric: str
    """`pass@5`."""
    value_percent: float
    source: str
    where_in_source: str
    confidence: str
    note: str

    @property
    def k(self) -> int:
        """Budget of the metric."""
        return int(self.metric.removeprefix("pass@"))

    @property
    def group(self) -> str:
        """The subset in the words of `metrics.json`: a difficulty, or `all`."""
        return "all" if self.subset.startswith("test (") or self.subset == BASE_INPUTS else self.subset

    @property
    def profile(self) -> str | None:
        """The comparison profile whose number it is, where the source's grader has one of its own."""
        if self.system != EVALPLUS:
            return None
        return "evalplus-base" if self.subset == BASE_INPUTS else "evalplus"

    @property
    def beam_search(self) -> bool:
        """The source decoded by beam search instead of sampling, as its note says."""
        return "beam search" in self.note

    @property
    def filtered(self) -> bool:
        """Programs that fail the statement's example tests were left out before counting (n@k)."""
        return "filtered by example tests" in self.setting

    @property
    def ranked(self) -> bool:
        """The best k of many programs count, by a model that ranks them, as the note says."""
        return "ranked by a reward model" in self.note

    @property
    def one_source(self) -> bool:
        """Known from a single source that is not the paper itself."""
        return self.confidence == "one transcription"

    @property
    def prompt(self) -> str | None:
        """The prompt's format, where the setting names one."""
        found = re.search(r"\bprompt ([\w-]+)", self.setting)
        return found[1] if found else None

    @property
    def temperature(self) -> float | None:
        """Sampling temperature, where the setting names one."""
        found = re.search(r"\bT=([0-9.]+[0-9])", self.setting)
        return float(found[1]) if found else None

    @property
    def top_p(self) -> float | None:
        """Nucleus, where the setting names one."""
        found = re.search(r"\btop-p ([0-9.]+[0-9])", self.setting)
        return float(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class PaperTable:
    """One table of the RLTF paper."""

    name: str
    """As `--table` takes it."""
    title: str
    where: str
    """Value of `where_in_source`."""
    benchmark: str
    preset: str
    """Of `rltf eval`, by the paper's sampling."""

    @property
    def rows(self) -> list[Published]:
        """The table's numbers, in the order of the file."""
        found = [row for row in published() if row.source == RLTF and row.where_in_source == self.where]
        return found


def _tables() -> list[PaperTable]:
    apps = {
        3: "APPS test split",
        4: "Ablation of the framework, APPS",
        5: "Ablation of the feedback, APPS",
        7: "Ablation of the training temperature, APPS",
        8: "Another base model, APPS",
    }
    presets = {8: "rltf-apps-codegen"}
    found = [
        PaperTable(f"rltf-{number}", title, f"Table {number}", "apps", presets.get(number, "rltf-apps"))
        for number, title in apps.items()
    ]
    return [*found, PaperTable("rltf-9", "MBPP, zero-shot after APPS", "Table 9", "mbpp", "rltf-mbpp")]


TABLES: Mapping[str, PaperTable] = {table.name: table for table in _tables()}
"""The tables that can be laid out, by name."""


@cache
def published() -> Sequence[Published]:
    """Every number of the file, in its order."""
    text = (files("harness.report") / "published.csv").read_text(encoding="utf-8")
    return (*(_row(row) for row in csv.DictReader(text.splitlines())), *_leaderboard())


def _leaderboard() -> Iterator[Published]:
    """EvalPlus' numbers: pass@1 of one greedy sample."""
    text = (files("harness.report") / "evalplus.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        for name, benchmark in _EVALPLUS_BENCHMARKS.items():
            for inputs, subset in (("plus", "all"), ("base", BASE_INPUTS)):
                value = row[f"{name}_{inputs}"]
                if value:
                    yield Published(
                        benchmark=benchmark,
                        setting=f"greedy, prompt {row['prompt']}",
                        system=EVALPLUS,
                        base_model=row["model"],
                        size=f"{row['size_b']}B" if row["size_b"] else "",
                        critic_sampling=False,
                        subset=subset,
                        metric="pass@1",
                        value_percent=float(value),
                        source="EvalPlus leaderboard",
                        where_in_source=LEADERBOARD,
                        confidence="the source's own file",
                        note="",
                    )


def _row(row: Mapping[str, str]) -> Published:
    changed = {
        "critic_sampling": row["critic_sampling"] == "yes",
        "value_percent": float(row["value_percent"]),
    }
    return Published(**{field.name: changed.get(field.name, row[field.name]) for field in fields(Published)})  # type: ignore[arg-type]
