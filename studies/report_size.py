"""A run of 100,000 programs: what scoring it again, its summary and its page cost, and how the page opens.

    python studies/report_size.py            (make report-size)

2,000 problems and 50 programs of each are made, in the size of MBPP's and with every fourth program right,
and scored by `rltf score` as a user would. Then the same command again, which finds nothing to do, and
`rltf report` in its formats. The page is opened in Chromium by playwright, with an empty cache, and asked for
a search, another problem, another program. Peak memory is that of the command's own process.

Needs `pip install playwright` and a Chromium on PATH. Does not cover: graders' memory (`studies/soak.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import machine

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "results" / "reports" / "report-size.md"
PROBLEMS, PROGRAMS, DIFFERENT = 2000, 50, 10
"""Ten different programs of each problem: the others are graded without being run."""
_RUNS = 5
"""Of the page, in new browsers."""
_WORDS = ("list", "number", "value", "first", "sum", "pair", "string", "return", "given", "every", "order")
_WIDTHS = {"1,280 px": {"width": 1280, "height": 900}, "400 px": {"width": 400, "height": 800}}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one command."""

    command: str
    cpu: float
    """Seconds, its graders included."""
    wall: float
    peak: float
    """MiB."""


def write_problems(path: Path, rng: Random) -> None:
    """Problems of one function and three asserts, each with a statement of some 300 characters."""
    with path.open("w", encoding="utf-8") as stream:
        for number in range(PROBLEMS):
            text = " ".join(rng.choice(_WORDS) for _ in range(55))
            tests = [f"assert f({x}) == {x + number}" for x in (1, 2, 10**6)]
            row = {"task_id": number, "question": f"Write f(x), which adds {number}. {text}.", "tests": tests}
            stream.write(json.dumps(row) + "\n")


def write_programs(path: Path, rng: Random) -> None:
    """A fourth right, the others wrong or with an error; some 400 characters each."""
    with path.open("w", encoding="utf-8") as stream:
        for number in range(PROBLEMS):
            programs = [_program(number, each, rng) for each in range(DIFFERENT)]
            for sample in range(PROGRAMS):
                row = {
                    "task_id": f"problems/{number}",
                    "sample_id": sample,
                    "code": programs[sample % DIFFERENT],
                }
                stream.write(json.dumps(row) + "\n")


def _program(number: int, sample: int, rng: Random) -> str:
    ends = (f"x + {number}", f"x - {number + 1}", f"x + {number} + undefined", f"{{}}[x + {number}]")
    lines = [
        f"    value_{n} = '{' '.join(rng.choice(_WORDS) for _ in range(6))}'"
        for n in range(rng.randrange(2, 14))
    ]
    return "\n".join([f"def f(x):  # {sample}", *lines, f"    return {ends[sample % 4]}", ""])


def measure(*command: str, cwd: Path) -> Cost:
    """Run `rltf` with these arguments."""
    before, started = os.times(), time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "rltf", *command], cwd=cwd, stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        with suppress(OSError, ValueError):  # it has just ended
            peak = max(peak, machine.peak_mib(process.pid))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"rltf {' '.join(command)} ended with status {process.returncode}")
    after = os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return Cost(f"rltf {' '.join(command)}", cpu, time.perf_counter() - started, peak)


_PROBES = {
    "search": "const q = at('query'); q.value = '12'; q.dispatchEvent(new Event('input'))",
    "search undone": "const q = at('query'); q.value = ''; q.dispatchEvent(new Event('input'))",
    "another profile": "at('profile').selectedIndex = 1; at('profile').dispatchEvent(new Event('input'))",
    "next problem": "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'j', bubbles: true}))",
    "next program": "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'n', bubbles: true}))",
}
"""What a reader does; the layout that follows is part of it."""


def open_page(page: Path, chromium: str, size: dict[str, int]) -> dict[str, float]:
    """Milliseconds until the page is loaded with its programs to be browsed, and of what a reader does there.

    Raises:
        SystemExit: If playwright is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise SystemExit("the page is opened by playwright; pip install playwright") from None
    with sync_playwright() as library:
        browser = library.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            tab = browser.new_page(viewport=size)
            tab.goto(page.as_uri(), wait_until="load", timeout=120_000)
            tab.wait_for_selector("#detail h3")
            times = "performance.getEntriesByType('navigation')[0].loadEventEnd"
            found = {
                "first contents": tab.evaluate("performance.getEntriesByType('paint').at(-1).startTime"),
                "loaded": tab.evaluate(times),
            }
            for name, action in _PROBES.items():
                found[name] = tab.evaluate(
                    "(() => { const at = id => document.getElementById(id); const start = performance.now();"
                    f" {action}; document.body.offsetHeight; return performance.now() - start }})()"
                )
            wide = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wide > 0:
                raise SystemExit(f"the page is {wide} px wider than a window of {size['width']} px")
            return found
        finally:
            browser.close()


def page_rows(page: Path) -> Iterator[list[str]]:
    """Rows of the table on the page: medians over new browsers."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SystemExit("no Chromium on PATH: install one, as by apt-get install chromium")
    for width, size in _WIDTHS.items():
        found = [open_page(page, chromium, size) for _ in range(_RUNS)]
        for name in found[0]:
            times = sorted(each[name] for each in found)
            yield [width, name, f"{times[_RUNS // 2]:.0f}", f"{times[0]:.0f} to {times[-1]:.0f}"]


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    """Markdown; the first column is text."""
    ruler = ["---", *["--:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(each) + " |" for each in (header, ruler, *rows)) + "\n"


def main() -> None:
    """Make the run, measure, write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="keep the run here, and go on with it (default: none)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        write_report(folder)


def write_report(folder: Path) -> None:
    """Measure in `folder`, and write the report."""
    rng = Random(0)
    write_problems(folder / "problems.jsonl", rng)
    write_programs(folder / "programs.jsonl", rng)
    score = ("score", "programs.jsonl", "--benchmark", "jsonl:problems.jsonl", "--no-cache", "--out", "run")
    costs = [
        (f"{PROBLEMS * PROGRAMS:,} programs graded, report.html written", measure(*score, cwd=folder)),
        ("the same command again: nothing to grade", measure(*score, cwd=folder)),
        ("`rltf report`, Markdown", measure("report", "run", cwd=folder)),
        ("`rltf report`, page", measure("report", "run", "--out", "page.html", cwd=folder)),
    ]
    manifest = json.loads((folder / "run" / "manifest.json").read_text(encoding="utf-8"))
    session = manifest["sessions"][-1]
    files = sorted((folder / "run").iterdir())
    text = [
        f"# A report on {PROBLEMS * PROGRAMS:,} programs\n",
        f"{PROBLEMS:,} problems of three asserts, {PROGRAMS} programs of each, {DIFFERENT} of them different;"
        " peak memory is of the command's own process, CPU seconds are its graders' too.\n",
        table(
            ["what", "CPU seconds", "wall seconds", "peak MiB"],
            ([name, f"{c.cpu:.1f}", f"{c.wall:.1f}", f"{c.peak:.0f}"] for name, c in costs),
        ),
        table(["file", "MiB"], ([each.name, f"{each.stat().st_size / 2**20:.1f}"] for each in files)),
        "The page in Chromium, in a new browser each time, from the start of the navigation; what a reader"
        f" does, with the layout that follows. Milliseconds, the median of {_RUNS}:\n",
        table(["window", "what", "ms", "range"], page_rows(folder / "run" / "report.html")),
        machine.section("make report-size", session["runner"], "made by the script, seed 0", session),
    ]
    REPORT.write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
