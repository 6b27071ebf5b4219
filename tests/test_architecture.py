"""The import arrows of the design, read from the code: who may know whom, and that importing stays cheap.

Covers: every module of the three packages, imports under TYPE_CHECKING and inside functions included.
Does not cover: modules named in strings, which is how harness finds benchmarks on purpose.
"""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("harness", "rltf", "benchmarks")
MODULES = sorted(path.relative_to(ROOT) for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
SANDBOX = Path("harness/runner/sandbox")

OPEN_TO_BENCHMARKS = {
    "harness.types",
    "harness.errors",
    "harness.datasource",
    "harness.compare",
    "harness.extraction",
    "harness.suites",
}
MOST_LOOSE_FILES = 12
"""In a package beside its folders."""

# Seconds to import, or gigabytes to install. Everything but these exceptions imports them in functions.
HEAVY = {"accelerate", "datasets", "evaluate", "numpy", "pandas", "peft", "rich", "torch", "transformers"}
_TENSORS = (
    "harness/models/hf/kv_batch.py",
    "harness/models/hf/kv_kinds.py",
    "harness/models/hf/unbatched.py",
    "harness/models/hf/token_sampling.py",
    "harness/models/hf/decode.py",
    "harness/models/hf/forward.py",
    "harness/models/hf/sampler.py",
    "harness/models/hf/noise.py",
    "harness/models/hf/packed_products.py",
    "harness/models/positions.py",
    "harness/models/hf/virtual_tokens.py",
    "rltf/data/batch.py",
    "rltf/objectives/losses.py",
    "rltf/monitoring/metrics.py",
    "rltf/rollout/sampler_process.py",
    "rltf/rollout/ray_actor.py",
    "rltf/data/loss_batch.py",
    "rltf/critic/values.py",
    "rltf/critic/model.py",
    "rltf/critic/fitting.py",
)
_TRAINER = (
    "rltf/build.py",
    "rltf/monitoring/callbacks.py",
    "rltf/monitoring/trackers.py",
    "rltf/config.py",
    "rltf/evaluation/evaluations.py",
    "rltf/train.py",
    "rltf/critic_training/config.py",
    "rltf/critic_training/training.py",
)
HEAVY_ON_PURPOSE = {
    "harness/hf_metric.py": {"datasets", "evaluate"},  # defines a subclass of evaluate.Metric
    "harness/report/console.py": {"rich"},  # imported by the command when there is something to show
    # Sampling and training are about tensors; commands import them when they run.
    **{module: {"torch"} for module in _TENSORS},
    **{module: {"transformers"} for module in _TRAINER},
    "harness/models/hf/adapters.py": {"torch", "transformers"},
    "harness/models/hf/kv_columns.py": {"torch", "transformers"},
    "rltf/rollout/model_files.py": {"torch", "transformers"},
    "rltf/rollout/weight_buffer.py": {"numpy", "torch"},
    "harness/models/hf/loading.py": {"torch", "transformers"},
    "harness/models/hf/prompt_reader.py": {"transformers"},
    "rltf/monitoring/finite.py": {"torch", "transformers"},
    "rltf/trainer.py": {"torch", "transformers"},
}

# Calls that run text or bytes as code, each with its reason.
DANGEROUS = {"eval", "exec", "marshal.loads", "marshal.load", "pickle.loads", "pickle.load"}
DANGEROUS_ON_PURPOSE = {
    # The program under test, in its own confined process, and the benchmark's own preamble there.
    "harness/runner/sandbox/program.py": {"eval", "exec"},
    # Its tests, from the dispatcher; its own code, sealed before it ran: both in that process.
    "harness/runner/sandbox/child.py": {"marshal.loads"},
    # A preamble that a benchmark promises to all programs, in the confined template.
    "harness/runner/sandbox/template.py": {"exec"},
    # Host and worker are both ours; what programs produce travels between them as JSON.
    "harness/runner/worker.py": {"pickle.loads"},
    "harness/runner/channels.py": {"pickle.loads"},
}


@cache
def _tree(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"))


def _imports(module: Path, nodes: Iterator[ast.AST] | None = None) -> set[str]:
    """Dotted names of what a module imports; `from a import b` is `a.b` if that is a module of ours."""
    package = module.parent.parts
    found = set()
    for node in nodes or ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*up, *([node.module] if node.module else [])))
            found |= {_module_or_owner(base, alias.name) for alias in node.names}
    return found


def _module_or_owner(base: str, name: str) -> str:
    path = ROOT.joinpath(*base.split("."), name)
    return f"{base}.{name}" if path.is_dir() or path.with_suffix(".py").exists() else base


def _at_import(module: Path) -> Iterator[ast.AST]:
    """Nodes that run when the module is imported: neither functions nor TYPE_CHECKING blocks."""
    waiting: list[ast.AST] = [_tree(module)]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        waiting.extend(ast.iter_child_nodes(node))


def _within(name: str, allowed: set[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in allowed)


def _allowed(module: Path) -> set[str]:
    """What of our own a module may import."""
    if module.is_relative_to(SANDBOX):
        return {".".join(SANDBOX.parts)}
    if module.parts[0] == "harness":
        return {"harness"}
    if module.parts[0] == "rltf":
        return {"rltf", "harness"}
    own = ".".join(module.parts[:2]) if len(module.parts) > 2 else "benchmarks"
    return {own, *OPEN_TO_BENCHMARKS}


def test_the_reader_of_imports_sees_every_form(monkeypatch, tmp_path):
    (tmp_path / "rltf").mkdir()
    (tmp_path / "rltf" / "losses.py").touch()
    module = Path("rltf", "trial.py")
    (tmp_path / module).write_text(
        "from . import losses\nfrom .losses import coarse\nimport numpy.linalg as la\n"
        "from rltf import missing\n"
        "if TYPE_CHECKING:\n    import torch\n"
        "def late():\n    from benchmarks.apps import load\n"
    )
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    everything = {"rltf", "rltf.losses", "numpy.linalg", "torch", "benchmarks.apps"}
    assert _imports(module) == everything
    assert _imports(module, _at_import(module)) == everything - {"torch", "benchmarks.apps"}
    assert not _within("benchmarks.apps", _allowed(module))
    assert not _within("harness.runner", _allowed(Path("benchmarks/apps/rows.py")))
    assert not _within("benchmarks.mbpp", _allowed(Path("benchmarks/apps/rows.py")))
    assert not _within("harness.types", _allowed(SANDBOX / "wire.py"))


def _none(complaints: Iterable[str]) -> None:
    listed = sorted(complaints)
    assert not listed, "\n".join(listed)


def test_modules_import_only_what_their_arrows_allow():
    ours = (*PACKAGES, "tests", "studies", "results", "examples")
    _none(
        f"{module} may import {sorted(_allowed(module))} of ours, not {name}"
        for module in MODULES
        for name in _imports(module)
        if name.split(".")[0] in ours and not _within(name, _allowed(module))
    )


def test_the_sandbox_needs_nothing_that_is_not_in_the_standard_library():
    known = sys.stdlib_module_names | {"harness"}
    _none(
        f"{module} runs in an interpreter without site-packages, and imports {name}"
        for module in MODULES
        if module.is_relative_to(SANDBOX)
        for name in {name.split(".")[0] for name in _imports(module)} - known
    )


def test_modules_import_heavy_packages_only_when_they_are_needed():
    for module in MODULES:
        heavy = {name.split(".")[0] for name in _imports(module, _at_import(module))} & HEAVY
        assert heavy == HEAVY_ON_PURPOSE.get(module.as_posix(), set()), (
            f"{module} imports {sorted(heavy)} at its top: move it into the function that needs it"
        )


def test_only_the_files_listed_here_run_text_as_code():
    for module in MODULES:
        calls = {ast.unparse(node.func) for node in ast.walk(_tree(module)) if isinstance(node, ast.Call)}
        assert calls & DANGEROUS == DANGEROUS_ON_PURPOSE.get(module.as_posix(), set()), module


def test_modules_say_what_they_are_for_and_print_nothing():
    for module in MODULES:
        tree = _tree(module)
        assert ast.get_docstring(tree), f"{module} has no docstring"
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert not any(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls), (
            f"{module} prints; results go to sys.stdout in commands, everything else is returned"
        )


def test_packages_have_few_loose_files():
    for package in ("harness", "rltf"):
        loose = sorted(path.name for path in (ROOT / package).glob("*.py"))
        assert len(loose) <= MOST_LOOSE_FILES, f"{package}: {loose}"


def _folder(name: str) -> str:
    """The folder of a module, or the module itself where it stands loose in its package."""
    parts = name.split(".")
    folder = ROOT.joinpath(*parts[:2])
    return ".".join(parts[:2]) if len(parts) > 1 and folder.is_dir() else name


def test_no_folder_imports_one_that_imports_it():
    arrows: dict[str, set[str]] = {}
    for module in MODULES:
        name = ".".join(module.with_suffix("").parts).removesuffix(".__init__")
        for other in _imports(module):
            if other.split(".")[0] in PACKAGES and _folder(other) != _folder(name):
                arrows.setdefault(_folder(name), set()).add(_folder(other))
    try:
        graphlib.TopologicalSorter(arrows).prepare()
    except graphlib.CycleError as error:
        raise AssertionError(f"imports go in a circle: {' -> '.join(error.args[1])}") from None


def test_the_exceptions_listed_here_exist():
    assert {*HEAVY_ON_PURPOSE, *DANGEROUS_ON_PURPOSE} <= {module.as_posix() for module in MODULES}


def test_importing_the_packages_loads_nothing_heavy_and_does_nothing(tmp_path):
    code = (
        "import sys, threading\n"
        "import harness, harness.types, harness.registry, rltf.cli\n"
        "import benchmarks.apps, benchmarks.mbpp, benchmarks.mini\n"
        "import harness.models.prompt_choice, harness.models.api.sampler\n"
        "rltf.cli.build_parser()\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)), threading.active_count())"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[] 1\n", "")
    assert list(tmp_path.iterdir()) == []


def test_tests_have_no_packages_so_that_none_is_taken_for_one_of_ours():
    assert [str(path) for path in (ROOT / "tests").rglob("__init__.py")] == []


def test_every_test_file_has_a_name_of_its_own():
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
