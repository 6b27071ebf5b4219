"""The HTML of `rltf report` and of a run folder, as a file: self-contained, hostile text inert, in budget."""

import json
import shutil
import sys
from html.parser import HTMLParser

import pytest

from harness.report import browser, programs
from harness.report.browser import browser_data
from harness.report.run_page import write_page
from harness.run_store.finished_run import read_run
from harness.text import shown
from harness.types import Benchmark, Problem, StdinTest, TestKind, TestSuite
from rltf import cli

P, W = "passed", "wrong_answer"
HOSTILE = "</script><script>alert(1)</script><!--<img onerror alert(1)>\u2028{{ 7*7 }}"
"""As a run's name, an exception's name and a program's text."""
LEVELS = {f"apps/test/{n}": ("introductory", "interview", "competition")[n % 3] for n in range(9)}
SECRET = "expected output 4711"


@pytest.fixture
def runs(make_run):
    words = {
        count: {f"apps/test/{n}": [P if n < count else W, "runtime_error KeyError"] for n in range(9)}
        for count in (3, 6)
    }
    options = {"benchmark": "apps", "levels": LEVELS, "ks": [1, 2]}
    return [str(make_run(name, words[n], **options)) for name, n in (("one", 3), ("two", 6))]


class _Page(HTMLParser):
    """Collects what a test asks of the page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.headings, self.scripts, self.words = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        if self.lasttag == "script" and data.strip():
            self.scripts.append(data)
        if self.lasttag in ("h1", "h2", "figcaption"):
            self.headings.append(data.strip())
        if self.lasttag == "text":
            self.words.append(data.strip())

    @property
    def data(self):
        return json.loads(self.scripts[0])


def _page(tmp_path, *arguments):
    path = tmp_path / "page.html"
    assert cli.main(["report", *map(str, arguments), "--out", str(path)]) == 0
    return _Page(path.read_text(encoding="utf-8"))


def _write(folder, name, rows):
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def _rows(folder, name="samples.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_the_page_needs_no_network_and_runs_no_script_but_its_own(runs, tmp_path):
    page = _page(tmp_path, *runs, "--paired")
    for tag, name, value in page.attributes:
        assert not (name in ("src", "href", "data", "action") and not value.startswith("#")), (
            tag,
            name,
            value,
        )
        assert "url(" not in value
        assert name != "style"
    assert not {"link", "img", "iframe", "object"} & set(page.tags)
    (policy,) = [v for t, n, v in page.attributes if t == "meta" and n == "content" and "default-src" in v]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src 'sha256-" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "url(" not in page.scripts[1] + "".join(page.headings)


def test_every_column_of_every_table_has_a_button_that_sorts(runs, tmp_path):
    page = _page(tmp_path, *runs, "--paired")
    assert page.tags.count("table") == 5
    heads = [a for a in page.attributes if a[0] == "th" and a[1] == "aria-sort"]
    assert len(heads) == page.tags.count("th") > 20


def test_the_page_draws_pass_at_k_difficulties_and_outcomes_without_matplotlib(runs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = _page(tmp_path, *runs)
    assert page.tags.count("figure") == 3
    titles = [heading for heading in page.headings if heading]
    assert {"pass@k", "pass@1 by difficulty", "Outcomes of the samples"} <= set(titles)
    assert {"introductory", "interview", "competition", "all", "17 %", "33 %"} <= set(page.words)
    points = [value for tag, name, value in page.attributes if (tag, name) == ("circle", "cy")]
    assert len(points) == 4  # two runs, k = 1 and 2


def test_a_single_k_is_no_curve(make_run, tmp_path):
    page = _page(tmp_path, make_run("r", {"mbpp/11": [P, W]}, ks=[1]))
    assert "pass@k" not in page.headings
    assert "circle" not in page.tags


def test_runs_stand_side_by_side_in_the_browser(runs, tmp_path):
    data = _page(tmp_path, *runs).data
    assert data["runs"] == ["one", "two"]
    assert data["of"] == 9
    fourth = data["problems"][3]
    assert fourth["id"] == "apps/test/3"
    verdicts = [[data["statuses"][s["verdicts"][0]] for s in run["samples"]] for run in fourth["runs"]]
    assert verdicts == [["wrong answer", "runtime error"], ["passed", "runtime error"]]


def test_programs_can_be_left_out(runs, tmp_path):
    page = _page(tmp_path, *runs, "--programs", "0")
    assert len(page.scripts) == 1
    assert "Programs" not in page.headings


# --- Hostile text ------------------------------------------------------------------------------------------


def test_hostile_text_is_text_wherever_it_stands(make_run, tmp_path):
    run = make_run("bad", {"mbpp/11": [f"runtime_error {HOSTILE}", P]})
    rows = _rows(run)
    _write(run, "samples.jsonl", [row | {"code": HOSTILE, "completion": HOSTILE * 2} for row in rows])
    _write(run, "prompts.jsonl", [{"task_id": "mbpp/11", "prompt": HOSTILE, "shortened": True}])
    page = _page(tmp_path, f"{HOSTILE}={run}", "--against", "published")
    assert page.tags.count("script") == 2
    assert "img" not in page.tags
    assert not [a for a in page.attributes if a[1].startswith("on") or "javascript" in a[2]]
    assert "49" not in page.headings[0]
    (problem,) = page.data["problems"]
    sample = problem["runs"][0]["samples"][0]
    assert sample["code"] == problem["runs"][0]["prompt"] == shown(HOSTILE)
    assert sample["completion"] == shown(HOSTILE) * 2
    assert "<" not in page.scripts[0]


def test_programs_that_are_no_unicode_are_shown_all_the_same(make_run):
    run = make_run("bad", {"mbpp/11": [P]})
    _write(run, "samples.jsonl", [row | {"code": "print('\ud800\x00')"} for row in _rows(run)])
    page = _Page(write_page(run).read_text(encoding="utf-8"))
    assert page.data["problems"][0]["runs"][0]["samples"][0]["code"] == r"print('\ud800\x00')"


# --- What goes in ------------------------------------------------------------------------------------------


def test_a_run_writes_its_page_with_statement_difficulty_and_known_bad_problems(make_run):
    run = make_run("r", {"mbpp/11": [P], "mbpp/12": [W]}, command="rltf score x --benchmark mbpp")
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest(SECRET, SECRET)])
    problems = [Problem(f"mbpp/{n}", f"Question {n}", lambda: suite, difficulty="hard") for n in (11, 12)]
    benchmark = Benchmark("mbpp", "test", "1", problems, "h", "s", errata={"mbpp/12": "wrong answer listed"})
    text = write_page(run, benchmark).read_text(encoding="utf-8")
    page = _Page(text)
    assert page.headings[0] == "r on mbpp (test)"
    assert "rltf score x --benchmark mbpp" in text
    first, second = page.data["problems"]
    assert (first["statement"], first["level"], first["erratum"]) == ("Question 11", "hard", None)
    assert second["erratum"] == "wrong answer listed"
    assert SECRET not in text


def test_evaluation_leaves_the_page_in_the_run_folder(make_run):
    run = make_run("r", {"mbpp/11": [P]})
    assert _Page((run / "report.html").read_text(encoding="utf-8")).data["problems"][0]["id"] == "mbpp/11"


def test_answers_are_kept_where_they_are_not_the_program(make_run):
    run = make_run("r", {"mbpp/11": [P, W]})
    first, second = _rows(run)
    first |= {"completion": f"Sure!\n{first['code']}", "finish": "length", "tokens": 12, "changed": True}
    second |= {"completion": second["code"], "finish": "stop", "tokens": 3, "changed": False}
    _write(run, "samples.jsonl", [first, second])
    _write(run, "prompts.jsonl", [{"task_id": "mbpp/11", "prompt": "Do it.", "shortened": False}])
    data = json.loads(browser_data([read_run(run)]))
    seen = data["problems"][0]["runs"][0]
    assert (seen["prompt"], seen["shortened"], seen["total"]) == ("Do it.", False, 2)
    assert seen["samples"][0]["completion"].startswith("Sure!")
    assert (seen["samples"][0]["finish"], seen["samples"][0]["tokens"]) == ("length", 12)
    assert "completion" not in seen["samples"][1]


def test_the_statement_is_added_where_the_prompt_does_not_hold_all_of_it(make_run):
    run = make_run("r", {"mbpp/11": [P], "mbpp/12": [P]})
    prompts = [{"task_id": f"mbpp/{n}", "prompt": "Q", "shortened": n == 12} for n in (11, 12)]
    _write(run, "prompts.jsonl", prompts)
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest("", "")])
    problems = [Problem(f"mbpp/{n}", "Question", lambda: suite) for n in (11, 12)]
    data = json.loads(browser_data([read_run(run)], Benchmark("mbpp", "test", "1", problems, "h", "s")))
    assert ["statement" in problem for problem in data["problems"]] == [False, True]


def test_what_the_command_takes_by_default_is_the_budget():
    assert cli.build_parser().parse_args(["report", "x"]).programs * 2**20 == browser.BUDGET


def test_long_texts_are_cut_and_say_so(make_run, monkeypatch):
    monkeypatch.setattr(programs, "_TEXT", 40)
    monkeypatch.setattr(programs, "SAMPLES", 2)
    assert programs.cut("x" * 50, 40) == "x" * 40 + "\n[… 10 more characters]"
    run = make_run("r", {"mbpp/11": [P] * 5})
    seen = json.loads(browser_data([read_run(run)]))["problems"][0]["runs"][0]
    assert (len(seen["samples"]), seen["total"]) == (2, 5)


# --- The budget --------------------------------------------------------------------------------------------


def _shown(folder, budget):
    data = json.loads(browser_data([read_run(folder)], budget=budget))
    return [problem["id"] for problem in data["problems"]], data["of"]


def test_beyond_the_budget_the_same_problems_stay_whatever_the_run(make_run):
    tasks = [f"mbpp/{n}" for n in range(11, 111)]
    one = make_run("one", {task: [P] for task in tasks})
    two = make_run("two", {task: [W, W, W] for task in reversed(tasks)})
    few, of = _shown(one, 8_000)
    assert of == 100
    assert 10 < len(few) < 80
    fewer, _ = _shown(two, 8_000)
    assert set(fewer) < set(few)
    assert set(few) < set(_shown(one, 12_000)[0])
    assert few == [task for task in tasks if task in few]  # still in the run's order
    by_hash = sorted(tasks, key=browser._rank)
    assert set(few) == set(by_hash[: len(few)])


def test_two_runs_over_the_budget_show_problems_of_both(make_run):
    tasks = [f"mbpp/{n}" for n in range(11, 111)]
    runs = [read_run(make_run(name, {t: [W] * n for t in tasks})) for name, n in (("one", 1), ("two", 5))]
    data = json.loads(browser_data(runs, budget=20_000))
    assert 1 <= len(data["problems"]) < 80
    assert all(all(problem["runs"]) for problem in data["problems"])


def test_one_problem_over_the_budget_is_shown_alone(make_run):
    seen, of = _shown(make_run("r", {"mbpp/11": [P], "mbpp/12": [P]}), 10)
    assert (len(seen), of) == (1, 2)


# --- Mistakes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("samples.jsonl", "", "outcomes.jsonl is damaged"),
        ("samples.jsonl", "{}\n", "samples.jsonl is damaged"),
        ("samples.jsonl", "[]\n", "samples.jsonl is damaged"),
        ("outcomes.jsonl", "{\n", "outcomes.jsonl is damaged"),
        ("prompts.jsonl", '{"task_id": 3}\n', "prompts.jsonl is damaged"),
        (
            "samples.jsonl",
            '{"task_id": "mbpp/11", "sample_id": 7, "code": ""}\n',
            "outcomes.jsonl is damaged",
        ),
        ("samples.jsonl", None, "samples.jsonl cannot be read: No such file or directory"),
    ],
)
def test_a_damaged_folder_is_named_in_one_line(make_run, capsys, name, content, problem):
    run = make_run("r", {"mbpp/11": [P]})
    if content is None:
        (run / name).unlink()
    else:
        (run / name).write_text(content)
    assert cli.main(["report", str(run), "--out", str(run / "x.html")]) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert len(error.splitlines()) == 1


def test_the_page_is_the_same_each_time_and_wherever_the_folder_lies(make_run, tmp_path):
    run = make_run("r", {"mbpp/11": [P, W]})
    first = write_page(run).read_bytes()
    shutil.copytree(run, tmp_path / "elsewhere" / "r")
    assert write_page(tmp_path / "elsewhere" / "r").read_bytes() == first
