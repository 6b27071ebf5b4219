"""The page in headless Chromium, after its scripts ran: tables, programs, keys; hostile text does nothing."""

import base64
import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
from html.parser import HTMLParser

import pytest

from harness.report.run_page import write_page
from harness.types import Benchmark, Problem, StdinTest, TestKind, TestSuite

P, W = "passed", "wrong_answer"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"]
FLAGS += ["--hide-scrollbars", "--virtual-time-budget=4000"]
HOSTILE = (
    "x = 1\n"
    "# </script><script>document.title = 'owned'</script>\n"
    "s = '<img src=x onerror=\"document.title=\\'owned\\'\">'  # <b>bold</b>\n"
    "x = y\n"
)
LEVELS = ("introductory", "interview", "competition")
PROBE = """
const note = (name, value) => { document.body.dataset[name] = value; };
addEventListener("securitypolicyviolation", event => note("violation", event.violatedDirective));
const press = key => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const type = (id, value) => {
  const field = document.getElementById(id);
  field.value = value;
  field.dispatchEvent(new Event("input"));
};
const all = selector => [...document.querySelectorAll(selector)];
const listed = () => all("#problems button:not([hidden])").map(button => button.dataset.task).join();
const shown = () => document.querySelector("#detail h3").firstChild.textContent;
"""


@pytest.fixture(scope="module")
def chromium():
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on PATH: the page is not looked at in a browser")
    return found


@pytest.fixture
def look(chromium, tmp_path):
    """`look(page, *flags)` opens a page in a profile of its own and gives what the browser prints."""

    def run(url, *flags):
        process = subprocess.Popen(
            [chromium, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *flags, url],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"HOME": str(tmp_path)},
            start_new_session=True,
        )
        try:
            return process.communicate(timeout=120)[0]
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)

    return run


class _Dom(HTMLParser):
    """The elements of a dumped page, each with its attributes and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", **{name: value or "" for name, value in attrs}}
        self.elements.append(element)
        if tag not in ("meta", "input", "img", "br", "link"):
            self._open.append(element)

    def handle_endtag(self, tag):
        while self._open and self._open.pop()["tag"] != tag:
            pass

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def all(self, **wanted):
        return [e for e in self.elements if all(value in e.get(n, "").split() for n, value in wanted.items())]

    def text(self, **wanted):
        (element,) = self.all(**wanted)
        return element["text"]

    @property
    def noted(self):
        (body,) = self.all(tag="body")
        return {name.removeprefix("data-"): value for name, value in body.items() if name.startswith("data-")}


@pytest.fixture
def page(make_run):
    """A run of six problems with two programs each; the second is hostile and has raised an error."""
    words = {
        f"mini/test/{n}": [P if n < 2 else W, f"runtime_error {'KeyError' if n else 'NameError'}"]
        for n in range(6)
    }
    levels = {task: LEVELS[n % 3] for n, task in enumerate(words)}
    run = make_run("run", words, benchmark="mini", levels=levels, ks=[1, 2])
    samples = [json.loads(line) for line in (run / "samples.jsonl").read_text().splitlines()]
    outcomes = [json.loads(line) for line in (run / "outcomes.jsonl").read_text().splitlines()]
    for sample, outcome in zip(samples, outcomes, strict=True):
        if sample["sample_id"] == 1:
            sample |= {
                "code": HOSTILE,
                "completion": f"Sure!\n{HOSTILE}Done.",
                "finish": "length",
                "tokens": 9,
            }
            error = {"type": outcome["error"]["type"], "message": "<i>name</i> 'y'", "line": 4}
            passed = outcome["tests"][0] | {"strict": P, "apps": W, "error": None, "cpu_seconds": 0.25}
            outcome |= {"error": error, "tests": [passed, outcome["tests"][0] | {"error": error}]}
    prompts = [{"task_id": task, "prompt": f"Do {task}. {HOSTILE}", "shortened": True} for task in words]
    for name, rows in (("samples", samples), ("outcomes", outcomes), ("prompts", prompts)):
        (run / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest("", "")])
    problems = [Problem(task, "", lambda: suite, difficulty=level) for task, level in levels.items()]
    return write_page(run, Benchmark("mini", "test", "1", problems, "h", "s"))


def _probed(page, script):
    """A copy of the page that runs `script` after its own; its policy is kept but for that script's hash."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = page.read_text(encoding="utf-8")
    allowed = text.replace("script-src ", f"script-src &#39;sha256-{digest}&#39; ", 1)
    assert allowed != text
    probe = page.with_name("probe.html")
    probe.write_text(allowed.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    return probe.as_uri()


def _size(png):
    content = png.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) > 30_000  # an empty page has a tenth of that
    return struct.unpack(">II", content[16:24])


def test_the_program_that_the_address_names_is_shown_with_its_error_under_its_line(look, page):
    dom = _Dom(look(f"{page.as_uri()}#task=mini/test/4&sample=1", "--dump-dom"))
    assert dom.text(tag="h3").startswith("mini/test/4")
    (line,) = dom.all(tag="div", **{"class": "wrong"})
    assert (line["data-line"], line["text"].strip()) == ("4", "x = y")
    assert dom.text(**{"class": "message"}) == "KeyError: <i>name</i> 'y'"
    assert dom.text(**{"class": "badge"}) == "runtime error"
    assert "9 tokens · cut at the length limit · changed by extraction" in dom.text(**{"class": "verdict"})
    marks = [e for e in dom.elements if e["tag"] == "button" and "Test " in e.get("aria-label", "")]
    assert [mark["text"] for mark in marks] == ["✓", "!"]
    assert marks[0]["aria-label"] == "Test 1 of 2: passed · 0.250 s"
    assert marks[1]["aria-label"].endswith("KeyError: <i>name</i> 'y'")
    assert dom.text(**{"class": "prompt"}).startswith("Do mini/test/4. x = 1")
    assert [e["text"].strip() for e in dom.all(**{"class": "dropped"})] == ["Sure!", "Done."]


def test_hostile_text_does_nothing_but_stand_there(look, page):
    dom = _Dom(look(f"{page.as_uri()}#task=mini/test/0&sample=1", "--dump-dom"))
    assert dom.all(tag="title")[0]["text"] == "run on mini (test)"
    assert not [
        e for e in dom.elements if e["tag"] in ("img", "b", "i") or any(n.startswith("on") for n in e)
    ]
    assert len(dom.all(tag="script")) == 2
    code = "".join(e["text"] for e in dom.elements if e["tag"] == "code")
    assert code == HOSTILE


def test_tables_sort_and_programs_are_found_by_keyboard_and_search(look, page):
    script = (
        PROBE
        + """
      const cells = column => [...all("tbody")[0].rows].map(row => row.cells[column].textContent);
      const heads = all("table")[0].querySelectorAll("th button");
      heads[0].click(); note("first", cells(0)[0]);
      heads[0].click(); note("last", cells(0)[0]);
      const column = [...heads].findIndex(head => head.textContent === "pass@1");
      heads[column].click(); note("numbers", cells(column).map(parseFloat).join());
      press("j"); press("n");
      note("pressed", shown());
      note("address", location.hash);
      type("verdict", "solved"); note("solved", listed());
      type("verdict", "unsolved"); type("level", "competition"); note("unsolved", listed());
      type("verdict", ""); type("level", ""); type("query", "nameerror"); note("nameerror", listed());
      type("query", "TEST/3"); note("three", listed());
      document.querySelector("#problems button:not([hidden])").click();
      note("clicked", shown());
      type("profile", "apps"); press("n");
      note("apps", all(".strip button").map(button => button.textContent).join(""));
      try { document.body.innerHTML = "<b>markup</b>"; } catch (error) { note("markup", error.name); }
    """
    )
    noted = _Dom(look(_probed(page, script), "--dump-dom")).noted
    assert (noted["first"], noted["last"]) == ("all", "introductory")
    numbers = [float(number) for number in noted["numbers"].split(",")]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 1
    assert noted["pressed"] == "mini/test/1"
    assert noted["address"] == "#task=mini%2Ftest%2F1&run=0&sample=1"
    assert noted["solved"] == "mini/test/0,mini/test/1"
    assert noted["unsolved"] == "mini/test/2,mini/test/5"
    assert noted["nameerror"] == "mini/test/0"
    assert noted["three"] == "mini/test/3"
    assert noted["clicked"] == "mini/test/3"
    assert noted["apps"] == "✗!"
    # The page's own policy refuses what its scripts never do.
    assert noted["markup"] == "TypeError"


def test_a_click_on_a_test_marks_the_line_of_its_own_error(look, page):
    script = (
        PROBE
        + """
      press("n");
      document.querySelectorAll(".strip button")[0].click();
      note("first", document.querySelectorAll(".wrong").length);
      document.querySelectorAll(".strip button")[1].click();
      note("second", document.querySelector(".wrong").dataset.line);
      note("said", document.querySelector(".said").textContent);
    """
    )
    noted = _Dom(look(_probed(page, script), "--dump-dom")).noted
    assert "violation" not in noted
    assert (noted["first"], noted["second"]) == ("0", "4")
    assert noted["said"].startswith("Test 2 of 2: runtime error")


@pytest.mark.parametrize(("width", "height"), [(1400, 2000), (500, 2400)])
def test_the_page_fits_a_desktop_and_a_narrow_window(look, page, tmp_path, width, height):
    shot = tmp_path / "shot.png"
    script = PROBE + 'note("wide", document.documentElement.scrollWidth); note("window", innerWidth);'
    size = f"--window-size={width},{height}"
    noted = _Dom(look(_probed(page, script), "--dump-dom", size)).noted
    assert noted["wide"] == noted["window"] == str(width)
    assert "violation" not in noted
    look(page.as_uri(), f"--screenshot={shot}", size)
    assert _size(shot) == (width, height)


def test_no_table_of_two_runs_on_three_difficulties_is_cut_at_1280_pixels(look, make_run, tmp_path):
    from rltf.cli import main

    words = {"sums/1": ["passed"] * 2, "sums/2": ["passed", "wrong_answer"], "sums/3": ["passed"] * 2}
    levels = dict(zip(words, ("introductory", "interview", "competition"), strict=True))
    runs = [make_run(name, words, benchmark="mini", levels=levels) for name in ("before", "after")]
    systems = [f"mini {run.name}={run}" for run in runs]
    assert main(["report", *systems, "--out", str(tmp_path / "page.html")]) == 0
    script = PROBE + (
        'const cut = [...document.querySelectorAll(".scroll")].filter(e => e.scrollWidth > e.clientWidth);'
        'note("cut", cut.map(e => e.ariaLabel).join());'
        'note("tables", document.querySelectorAll(".scroll").length);'
    )
    noted = _Dom(look(_probed(tmp_path / "page.html", script), "--dump-dom", "--window-size=1280,900")).noted
    assert int(noted["tables"]) > 1
    assert noted["cut"] == ""
