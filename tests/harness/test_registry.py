"""Benchmarks by name and in parts, with benchmarks of three problems and entry points made up here."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from harness import registry
from harness.errors import InputError
from harness.registry import benchmark_names, load_benchmark
from harness.types import AssertTest, Benchmark, Problem, TestKind, TestSuite

REPOSITORY = Path(registry.__file__).parents[1]


def problem(task_id: str, difficulty: str | None = None) -> Problem:
    suite = TestSuite.pack(TestKind.ASSERTS, [AssertTest("assert f()")])
    return Problem(task_id=task_id, question="q", load_suite=lambda: suite, difficulty=difficulty)


def toy(*, split="test", data_dir=None) -> Benchmark:
    levels = ("easy", "hard", "easy", "middle")
    problems = [problem(f"toy/{split}/{n}", level) for n, level in zip((3, 5, 10, 65), levels, strict=True)]
    return Benchmark("toy", split, "1", problems, dataset_hash="h", source=f"made from {data_dir}")


@pytest.fixture(autouse=True)
def toy_module(monkeypatch):
    module = ModuleType("toy_benchmark")
    module.load = toy
    module.number = 3
    module.load_wrong = lambda *, data_dir=None: "no benchmark"
    monkeypatch.setitem(sys.modules, "toy_benchmark", module)


def install(monkeypatch, *entries: tuple[str, str]) -> None:
    found = [EntryPoint(name, value, registry.ENTRY_POINT_GROUP) for name, value in entries]
    monkeypatch.setattr(registry, "entry_points", lambda group: found)


def ids_of(benchmark: Benchmark) -> list[int]:
    return [int(each.task_id.rpartition("/")[2]) for each in benchmark.problems]


def pick(*ids: str, **options) -> list[int]:
    return ids_of(load_benchmark("toy_benchmark:load", ids=ids, **options))


# By name


def test_an_entry_point_of_another_package_is_found(monkeypatch):
    install(monkeypatch, ("toy", "toy_benchmark:load"))
    assert load_benchmark("toy").name == "toy"
    assert "toy" in benchmark_names()


def declared() -> dict[str, str]:
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return project["entry-points"][registry.ENTRY_POINT_GROUP]


def test_a_checkout_knows_what_it_declares_whatever_was_installed(monkeypatch):
    install(monkeypatch)
    assert benchmark_names() == sorted(declared())
    assert {"apps", "mbpp", "mini"} <= set(benchmark_names())


def test_outside_of_a_checkout_our_names_are_those_of_our_distribution(monkeypatch):
    class Installed:
        name = "rltf_harness"

    ours = EntryPoint("made", "toy_benchmark:load", registry.ENTRY_POINT_GROUP)
    theirs = EntryPoint("made", "elsewhere:load", registry.ENTRY_POINT_GROUP)
    vars(ours)["dist"] = Installed()
    monkeypatch.setattr(registry, "_declared", dict)
    monkeypatch.setattr(registry, "entry_points", lambda group: [theirs, ours])
    assert benchmark_names() == ["made"]
    assert load_benchmark("made").name == "toy"


def test_another_package_cannot_take_a_name_of_ours(monkeypatch):
    install(monkeypatch, ("apps", "toy_benchmark:load"))
    with pytest.raises(InputError, match="apps has no split 'nowhere'"):
        load_benchmark("apps", split="nowhere")


def test_a_name_claimed_by_two_packages_must_be_told_apart(monkeypatch):
    install(monkeypatch, ("toy", "toy_benchmark:load"), ("toy", "other:load"))
    with pytest.raises(InputError, match=r"several packages: .* other:load or toy_benchmark:load"):
        load_benchmark("toy")


def test_the_same_entry_point_seen_twice_is_one(monkeypatch):
    install(monkeypatch, ("toy", "toy_benchmark:load"), ("toy", "toy_benchmark:load"))
    assert load_benchmark("toy").name == "toy"


def test_an_unknown_name_names_all_that_exist(monkeypatch):
    install(monkeypatch, ("toy", "toy_benchmark:load"))
    with pytest.raises(
        InputError,
        match=r"unknown benchmark 'mbbp'; available: apps, .*mbpp-sanitized, mini, mini-introductory,",
    ):
        load_benchmark("mbbp")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("no_such_module_here:load", r"cannot load .*No module named"),
        ("toy_benchmark:nothing", r"cannot load .*no attribute 'nothing'"),
        (":load", "cannot load"),
        ("toy_benchmark:number", "is no function but int"),
        ("toy_benchmark:load_wrong", "returned str, not a Benchmark"),
    ],
)
def test_a_target_that_does_not_load_says_why(target, reason):
    with pytest.raises(InputError, match=reason):
        load_benchmark(target)


def test_split_and_folder_reach_the_benchmark():
    benchmark = load_benchmark("toy_benchmark:load", split="train", data_dir="/data")
    assert benchmark.split == "train"
    assert benchmark.source == "made from /data"


def test_without_a_split_the_benchmark_takes_its_default():
    assert load_benchmark("toy_benchmark:load").split == "test"


@pytest.mark.parametrize("name", ["apps", "mbpp", "mbpp-sanitized"])
def test_our_benchmarks_refuse_an_unknown_split_with_the_known_ones(name):
    with pytest.raises(InputError, match=f"{name} has no split 'dev'; available: .*test"):
        load_benchmark(name, split="dev")


def foreign_benchmarks(folder: Path, **files: str) -> Path:
    """A package `benchmarks` as another wheel would install it."""
    for name, text in ({"__init__": ""} | files).items():
        path = folder / "benchmarks" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder / "benchmarks" / "__init__.py"


@pytest.mark.slow
@pytest.mark.parametrize("files", [{}, {"apps": "def load(**options): raise SystemExit('ran foreign code')"}])
def test_a_foreign_package_called_benchmarks_is_named_by_its_file(tmp_path, files):
    where = foreign_benchmarks(tmp_path, **files)
    program = f"""
import sys
sys.path[:0] = [{str(tmp_path)!r}]
sys.path.append({str(REPOSITORY)!r})
from harness.errors import InputError
from harness.registry import load_benchmark
try:
    load_benchmark("apps")
except InputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert f"not rltf-harness's but {where}" in done.stdout


# By id


def test_full_ids_short_ids_and_comma_lists_select():
    assert pick("toy/test/5") == [5]
    assert pick("65", "3") == [3, 65]
    assert pick("3, toy/test/10", "5,") == [3, 5, 10]
    assert pick("3", "3", "3-4") == [3]
    assert pick("Toy/test/5") == [5]


def test_a_single_text_is_one_list_and_not_its_letters():
    assert ids_of(load_benchmark("toy_benchmark:load", ids="65")) == [65]


def test_ranges_hold_both_ends_and_reach_over_gaps():
    assert pick("3-10") == [3, 5, 10]
    assert pick("0-4,60-99") == [3, 65]
    assert pick("toy/test/4-9") == [5]


def test_the_folder_names_of_the_original_data_select_too():
    assert pick("0065") == [65]
    assert pick("toy/test/0003") == [3]


def test_ids_keep_the_benchmarks_order_and_its_hash():
    benchmark = load_benchmark("toy_benchmark:load", ids=["65", "3"])
    assert ids_of(benchmark) == [3, 65]
    assert benchmark.dataset_hash == "h"


@pytest.mark.parametrize("wrong", ["4", "toy/train/3", "other/3-5", "20-30", "x", "3-"])
def test_an_unknown_id_is_refused_by_name(wrong):
    with pytest.raises(
        InputError, match=f"toy has no '{wrong}' in this split; its 4 ids run from toy/test/3 to"
    ):
        pick("3", wrong)


def test_only_the_first_few_unknown_ids_are_named():
    with pytest.raises(InputError, match="'100', '101', '102', '103', '104' and 15 more in"):
        pick(*map(str, range(100, 120)))


def test_a_range_that_runs_backwards_is_refused_with_the_fix():
    with pytest.raises(InputError, match="'10-3' runs backwards; write 3-10"):
        pick("10-3")


@pytest.mark.parametrize("nothing", [[], ["", " , "], ""])
def test_no_ids_at_all_are_refused(nothing):
    with pytest.raises(InputError, match="no task ids given"):
        load_benchmark("toy_benchmark:load", ids=nothing)


# By difficulty


def test_difficulties_select():
    assert ids_of(load_benchmark("toy_benchmark:load", difficulty="easy")) == [3, 10]
    assert ids_of(load_benchmark("toy_benchmark:load", difficulty="hard,middle")) == [5, 65]
    assert ids_of(load_benchmark("toy_benchmark:load", difficulty=["hard", "easy"])) == [3, 5, 10]


def test_an_unknown_difficulty_names_the_available_ones():
    with pytest.raises(InputError, match="toy has no difficulty 'heavy' here; available: easy, hard, middle"):
        load_benchmark("toy_benchmark:load", difficulty="easy,heavy")


def test_a_benchmark_without_difficulties_says_so(toy_module):
    plain = Benchmark("plain", "test", "1", [problem("plain/1")], dataset_hash="h", source="s")
    sys.modules["toy_benchmark"].load = lambda **options: plain
    with pytest.raises(InputError, match="plain has no difficulty 'easy' here; its problems have none"):
        load_benchmark("toy_benchmark:load", difficulty="easy")


def test_ids_and_difficulty_must_both_hold():
    assert pick("3-10", difficulty="easy") == [3, 10]
    with pytest.raises(InputError, match="no difficulty 'middle' here; available: easy, hard"):
        pick("3-10", difficulty="middle")
