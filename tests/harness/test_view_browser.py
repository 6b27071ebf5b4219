"""`rltf view` in Chromium: thirty runs, two compared, a training at work, 4,000 problems, hostile text.

No test asserts a time; that of the first paint of thirty runs is a property in pytest's report, `--junitxml`.
"""

import json
import shutil
import threading
import time

import pytest

from harness.run_store.lock import locked

uvicorn = pytest.importorskip("uvicorn")
playwright = pytest.importorskip("playwright.sync_api")
app = pytest.importorskip("harness.view.app")

pytestmark = pytest.mark.slow

P, W = "passed", "wrong_answer"
HOSTILE = (
    "# </script><script>document.title = 'owned'</script>\n"
    "s = '<img src=x onerror=\"document.title=\\'owned\\'\">'  # <b>bold</b>\n"
)
WIDTHS = (1280, 400)


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on PATH: the page is not looked at in a browser")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page whose errors, and violations of the policy, fail the test."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    yield page
    page.close()
    assert complaints == []


@pytest.fixture
def url(tmp_path):
    server = uvicorn.Server(uvicorn.Config(app.create_app(tmp_path), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def copies(folder, count):
    """More runs like one, each a little better than the one before."""
    metrics = json.loads((folder / "metrics.json").read_text())
    for number in range(count):
        copy = folder.with_name(f"{folder.name}-{number:02d}")
        shutil.copytree(folder, copy)
        for group in (profile["overall"] for profile in metrics["profiles"].values()):
            group["pass@1"] |= {
                "value": 0.3 + number / 100,
                "low": 0.2 + number / 100,
                "high": 0.5 + number / 100,
            }
        (copy / "metrics.json").write_text(json.dumps(metrics))


def many(folder, problems):
    """The run of one problem as one of many, each with a hundred tests."""
    for name in ("samples.jsonl", "outcomes.jsonl"):
        row = json.loads((folder / name).read_text().splitlines()[0])
        if "tests" in row:
            row["tests"] *= 100
        lines = (json.dumps(row | {"task_id": f"mbpp/{n}"}, separators=(",", ":")) for n in range(problems))
        (folder / name).write_text("\n".join(lines) + "\n")


def check_widths(page):
    """Nothing but the boxes that scroll is wider than the window, in light and dark."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (width, scheme)
    page.set_viewport_size({"width": 1280, "height": 900})


def test_thirty_runs_are_sorted_filtered_chosen_and_compared_by_keyboard(
    page, url, make_run, record_testsuite_property
):
    copies(make_run("run", {f"mbpp/{n}": [P if n % 2 else W] for n in range(4)}), 29)
    page.goto(url)
    rows = page.locator("tr[data-words]")
    assert rows.count() == 30
    assert "run-28" in rows.first.inner_text()
    paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    record_testsuite_property("first contentful paint, ms", page.evaluate(paint))
    check_widths(page)
    page.get_by_role("button", name="pass@1").focus()
    page.keyboard.press("Enter")
    assert "30.00" in rows.first.inner_text()
    page.get_by_role("searchbox").fill("run-1")
    assert page.locator("tr[data-words]:visible").count() == 10
    button = page.get_by_role("button", name="Compare two runs")
    assert button.get_attribute("aria-disabled") == "true"
    for name in ("run-11", "run-12"):
        page.get_by_role("checkbox", name=name).focus()
        page.keyboard.press("Space")
    assert page.locator("#chosen").inner_text() == "run-12 and run-11"
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/compare?**")
    assert "Paired difference" in page.content()
    page.locator("#problems button").first.wait_for()
    page.locator("#verdict").select_option("solved by the second run only")
    assert page.locator("#count").inner_text() == "0 problems"
    check_widths(page)


def test_a_training_at_work_draws_its_new_lines_without_a_reload(page, url, tmp_path):
    folder = tmp_path / "training"
    folder.mkdir()
    (folder / "training.json").write_text(json.dumps({"options": {"max_steps": 100, "method": "rltf"}}))
    log = folder / "metrics.jsonl"
    log.write_text("".join(json.dumps({"step": n, "loss/supervised": 1 / n}) + "\n" for n in (1, 2)))
    with locked(folder):
        page.goto(f"{url}/training?name=training")
        assert "2 of 100" in page.locator("#facts").inner_text()
        page.evaluate("document.body.dataset.kept = 'yes'")
        with log.open("a") as stream:
            stream.write(
                json.dumps({"step": 50, "loss/supervised": 0.125, "sampled/passed": 0.5}) + '\n{"step": 51'
            )
        playwright.expect(page.locator("#facts")).to_contain_text("50 of 100", timeout=60_000)
    assert "0.125" in page.locator("#live").inner_text()
    assert page.locator("#live svg polyline").count() == 1
    assert page.evaluate("document.body.dataset.kept") == "yes"
    check_widths(page)


def test_a_run_of_4000_problems_lists_them_and_reads_a_program_when_it_is_looked_at(page, url, make_run):
    many(make_run("run", {"mbpp/0": [P]}, benchmark="made-here"), 4000)
    page.goto(f"{url}/run?name=run#task=mbpp/3999")
    page.locator("#problems button").first.wait_for(state="attached")
    assert page.locator("#count").inner_text() == "4,000 problems"
    page.locator(".strip button").first.wait_for()
    assert page.locator("#detail h3").inner_text() == "mbpp/3999"
    assert page.locator(".strip button").count() == 100
    page.keyboard.press("k")
    playwright.expect(page.locator("#detail h3")).to_have_text("mbpp/3998", timeout=60_000)
    page.locator("summary", has_text="Statement and tests").click()
    page.get_by_text("the benchmark 'made-here' is not installed here").wait_for()
    page.locator("#query").fill("nothing")
    assert page.locator("#count").inner_text() == "0 problems"


def test_a_hostile_program_is_text(browser, url, make_run):
    make_run("<img src=x onerror=alert(1)>", {"mbpp/1": [f"{P}\n{HOSTILE}"]})
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.goto(url)
    page.locator("tr[data-words] a").click()
    page.locator(".code").wait_for()
    assert "document.title = 'owned'" in page.locator(".code").inner_text()
    assert page.title().endswith("rltf view")
    assert page.locator("main img, main b").count() == 0
    # Behind the escaping stands the policy: what would be markup is refused by the browser itself.
    assert (
        page.evaluate("try { document.body.innerHTML = '<b>x</b>'; 'written' } catch (e) { e.name }")
        == "TypeError"
    )


def test_a_hostile_report_page_reaches_neither_our_pages_nor_a_network(browser, url, make_run, tmp_path):
    (make_run("run", {"mbpp/1": [P]}) / "report.html").write_text(
        "<p id=said></p><script>const say = text => { said.textContent += text + ';' };"
        "try { parent.document.title = 'owned' } catch (e) { say('parent ' + e.name) }"
        "fetch('/api/version').then(() => say('fetched'), e => say('fetch ' + e.name))</script>"
    )
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.goto(f"{url}/report?name=run")
    said = page.frame_locator("iframe").locator("#said")
    said.get_by_text("fetch").wait_for()
    assert said.inner_text() == "parent SecurityError;fetch TypeError;"
    assert page.title().endswith("rltf view")
