"""Which published numbers a run may be held against: one change at a time makes it another measure."""

import json
from dataclasses import replace

import pytest

from harness.report import against
from harness.report.against import ComparisonStatus, compare_with_published
from harness.report.published import TABLES, published
from harness.run_store.finished_run import load_run
from harness.types import Limits
from rltf.cli import main

PASSES = 30
"""In a hundred: RLTF's Table 9 has 30.4 for pass@1."""


def _programs(passes=PASSES, problems=500, samples=1):
    words = ["passed" if number % 100 < passes else "wrong_answer" for number in range(problems)]
    return {f"mbpp/{number + 11}": [word] * samples for number, word in enumerate(words)}


@pytest.fixture
def small(monkeypatch):
    """MBPP of 20 problems, for the tests with 80 samples each."""
    monkeypatch.setitem(against.PROBLEMS, "mbpp", 20)


def _cell(folder, claim="RLTF/CodeT5", metric="pass@1", source="RLTF arXiv:2307.04349", system="RLTF"):
    run = load_run(f"{claim}={folder}" if claim else str(folder))
    rows = [
        row
        for row in published()
        if (row.benchmark, row.system, row.metric, row.source) == ("mbpp", system, metric, source)
    ]
    (cell,) = compare_with_published(rows, [run], "apps")
    return cell


@pytest.mark.slow
@pytest.mark.parametrize(
    ("passes", "status"), [(30, ComparisonStatus.REPRODUCED), (60, ComparisonStatus.DIFFERS)]
)
def test_a_fitting_run_reproduces_what_lies_in_its_interval_and_differs_otherwise(make_run, passes, status):
    cell = _cell(make_run("run", _programs(passes)))
    assert cell.status is status
    assert cell.difference == pytest.approx(passes - 30.4)
    assert "taken on its owner's word" in cell.reasons[0]


def test_a_number_from_one_second_hand_source_is_never_called_reproduced(make_run):
    run = make_run("run", _programs(67))
    row = next(each for each in published() if (each.benchmark, each.system) == ("mbpp", "StepCoder"))
    (sure,) = compare_with_published([row], [load_run(f"StepCoder={run}")], "apps")
    assert sure.status is ComparisonStatus.REPRODUCED
    alone = replace(row, confidence="one transcription")
    (unsure,) = compare_with_published([alone], [load_run(f"StepCoder={run}")], "apps")
    assert unsure.status is ComparisonStatus.UNCONFIRMED
    assert "published value from one transcription" in unsure.reasons


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"setting": "x; filtered by example tests"}, "published for programs that pass the example tests"),
        ({"note": "ranked by a reward model"}, "published for programs that a reward model ranks"),
    ],
)
def test_chosen_programs_are_another_measure(make_run, change, reason):
    row = next(each for each in published() if (each.benchmark, each.system) == ("mbpp", "StepCoder"))
    run = load_run(f"StepCoder={make_run('run', _programs(67))}")
    (cell,) = compare_with_published([replace(row, **change)], [run], "apps")
    assert (cell.status, cell.reasons) == (ComparisonStatus.NOT_COMPARABLE, (reason,))


def test_a_run_that_does_not_say_what_it_repeats_is_not_called_a_reproduction(make_run):
    cell = _cell(make_run("run", _programs()), claim=None)
    assert cell.status is ComparisonStatus.NOT_COMPARABLE
    assert cell.difference == pytest.approx(-0.4)  # the same measure, so the distance can be shown
    assert "write 'RLTF/CodeT5=FOLDER'" in cell.reasons[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"benchmark": "mbpp-sanitized"}, "other benchmark: mbpp-sanitized"),
        ({"split": "all"}, "other split: all"),
        ({"limits": Limits(cpu_seconds=9)}, "CPU limit of 9 s, not 4 s"),
    ],
)
def test_another_measure_has_no_difference_and_says_why(make_run, options, reason):
    cell = _cell(make_run("run", _programs(), **options))
    assert (cell.status, cell.difference) == (ComparisonStatus.NOT_COMPARABLE, None)
    assert cell.reasons == (reason,)


def test_a_prompt_whose_name_begins_alike_is_another_one(make_run, monkeypatch):
    monkeypatch.setattr(against, "generation", lambda _: {"prompt": "zero-shot-tests-framed@1"})
    assert _cell(make_run("run", _programs())).reasons == ("other prompt: zero-shot-tests-framed@1",)


def test_a_part_of_the_problems_is_another_measure(make_run):
    cell = _cell(make_run("run", _programs(problems=100)))
    assert cell.reasons == ("subset: 100 of 500 problems",)


def test_too_few_samples_are_another_measure(make_run):
    cell = _cell(make_run("run", _programs()), metric="pass@80")
    assert cell.reasons == ("other sample count: pass@80 needs 80 samples a problem, the run has 1",)


def test_a_budget_that_was_not_computed_says_how_to_get_it(make_run, small):
    cell = _cell(make_run("run", _programs(problems=20, samples=80), ks=[1]), metric="pass@80")
    assert cell.reasons == ("pass@80 was not computed for all: run the run's command again with --k 80",)


def test_programs_that_could_not_be_graded_keep_a_number_from_being_compared(make_run):
    programs = _programs() | {"mbpp/11": ["lost"]}
    assert _cell(make_run("run", programs)).reasons == ("1 programs could not be graded",)


@pytest.mark.slow
def test_critic_sampling_is_another_measure(make_run, small):
    cell = _cell(
        make_run("run", _programs(problems=20, samples=80), ks=[80]),
        "CodeRL",
        metric="pass@80",
        system="CodeRL",
        source="CodeRL arXiv:2207.01780",
    )
    assert cell.reasons == ("published with critic sampling, which no run does",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampling", "reason"),
    [
        ({"temperature": 0.2, "top_p": 0.95}, "other sampling: temperature 0.2, published 1.2"),
        ({"temperature": 1.2, "top_p": 1.0}, "other sampling: top_p 1.0, published 0.95"),
        ({"prompt": "austin-3shot"}, "other prompt: austin-3shot"),
    ],
)
def test_recorded_sampling_that_differs_is_another_measure(make_run, sampling, reason):
    folder = make_run("run", _programs())
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"generation": sampling}))
    assert _cell(folder).reasons == (reason,)


def test_recorded_sampling_that_fits_needs_nobodys_word(make_run):
    folder = make_run("run", _programs())
    manifest = json.loads((folder / "manifest.json").read_text())
    fits = {"temperature": 1.2, "top_p": 0.95, "prompt": "zero-shot-tests"}
    (folder / "manifest.json").write_text(json.dumps(manifest | {"generation": fits}))
    cell = _cell(folder)
    assert (cell.status, cell.reasons) == (ComparisonStatus.REPRODUCED, ())


def test_a_run_that_claims_a_system_is_held_against_no_other(make_run):
    run = load_run(f"RLTF={make_run('run', _programs())}")
    rows = TABLES["rltf-9"].rows
    statuses = {
        (c.published.system, c.published.metric): c.status
        for c in compare_with_published(rows, [run], "apps")
    }
    assert statuses["RLTF", "pass@1"] is ComparisonStatus.REPRODUCED
    assert statuses["CodeRL", "pass@1"] is statuses["PPOCoder", "pass@80"] is ComparisonStatus.NOT_RUN


def test_a_system_published_with_two_base_models_has_to_be_told_apart(make_run):
    apps = {f"apps/test/{n}": ["wrong_answer"] for n in range(5)}
    run = load_run(f"RLTF={make_run('run', apps, benchmark='apps')}")
    cells = compare_with_published(TABLES["rltf-8"].rows, [run], "apps")
    reasons = [cell.reasons[-1] for cell in cells if cell.run is not None]
    assert set(reasons) == {"RLTF is published with CodeGen, CodeT5: write 'RLTF/CodeGen=FOLDER'"}


def test_without_a_run_every_number_is_not_run():
    cells = compare_with_published(published(), [], "apps")
    assert len(cells) == 268 + 428  # the papers', and EvalPlus' leaderboard
    assert {cell.status for cell in cells} == {ComparisonStatus.NOT_RUN}


def test_every_table_of_the_paper_is_found_and_read_as_numbers():
    sizes = {name: len(table.rows) for name, table in TABLES.items()}
    assert sizes == {"rltf-3": 12, "rltf-4": 12, "rltf-5": 16, "rltf-7": 6, "rltf-8": 6, "rltf-9": 6}
    rltf = [row for row in TABLES["rltf-9"].rows if row.system == "RLTF"]
    assert [(row.k, row.value_percent, row.temperature, row.top_p) for row in rltf] == [
        (1, 30.4, 1.2, 0.95),
        (80, 71.3, 1.2, 0.95),
    ]
    assert {row.system for row in published() if row.beam_search} == {"supervised only", "CodeRL"}


# EvalPlus' leaderboard


EVALPLUS = {"evalplus": "1", "evalplus-base": "1"}


def _plus(make_run, name="run", passes=38, problems=378, split="v0.2.0"):
    words = ["passed" if number % 100 < passes else "wrong_answer" for number in range(problems)]
    programs = {f"mbpp-plus/{number}": [word] for number, word in enumerate(words)}
    return make_run(name, programs, benchmark="mbpp-plus", split=split, profiles=EVALPLUS)


def _plus_cells(folder, claim="EvalPlus/CodeT5+-2B"):
    rows = [row for row in published() if (row.benchmark, row.base_model) == ("mbpp-plus", "CodeT5+-2B")]
    return compare_with_published(rows, [load_run(f"{claim}={folder}")], "strict")


def test_evalplus_numbers_are_compared_under_its_own_profiles(make_run):
    plus, base = _plus_cells(_plus(make_run))
    assert (plus.published.profile, plus.published.value_percent) == ("evalplus", 38.1)
    assert (base.published.profile, base.published.value_percent) == ("evalplus-base", 48.4)
    assert (plus.status, base.status) == (ComparisonStatus.REPRODUCED, ComparisonStatus.DIFFERS)


def test_another_version_of_evalplus_data_is_another_measure(make_run):
    for cell in _plus_cells(_plus(make_run, problems=399, split="v0.1.0")):
        assert cell.status is ComparisonStatus.NOT_COMPARABLE
        assert "other split: v0.1.0" in cell.reasons


def test_a_run_on_mbpp_plus_is_held_against_evalplus_and_not_against_mbpp(make_run, capsys):
    folder = _plus(make_run)
    assert main(["report", "--against", "published", f"EvalPlus/CodeT5+-2B={folder}"]) == 0
    text = capsys.readouterr().out
    assert "pass@1 evalplus-base" in text
    assert "other benchmark" not in text
    assert "InCoder" not in text


def test_the_leaderboard_has_a_model_a_line_and_plus_never_above_base():
    rows = [row for row in published() if row.system == "EvalPlus"]
    assert len({row.base_model for row in rows}) == 125
    values = {(row.base_model, row.benchmark, row.subset): row.value_percent for row in rows}
    for (model, benchmark, subset), value in values.items():
        assert 0 < value <= values[model, benchmark, "base inputs"] <= 100, (model, benchmark, subset)
