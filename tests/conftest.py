"""Fixtures that every folder of tests may use."""

import contextlib
import gc
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

# Before torch is imported: tiny models gain nothing from threads, and with two of them on two busy processors
# the same tests take twice as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Some tests send Ctrl-C to processes of theirs, which inherit it if a session in the background ignores it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test asserts a time: on a busy machine an example takes a hundred times as long.
examples = int(os.environ.get("RLTF_TEST_EXAMPLES", "100"))
hypothesis.settings.register_profile("no clock", deadline=None, max_examples=examples)
hypothesis.settings.load_profile("no clock")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep what importing made out of the garbage collector's sight.

    torch and its like are two million objects that stay; each full collection among them takes half a second.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse ids that differ between processes: `make check` runs the tests in several."""
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid}: an address in a test's id; give the parameters `ids`")


@pytest.fixture
def started() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """`subprocess.Popen` of text, whose process ends with the test, however that ends."""
    processes = []

    def start(command: list[str], **options: object) -> "subprocess.Popen[str]":
        processes.append(subprocess.Popen(command, text=True, **options))  # type: ignore[call-overload]
        return processes[-1]

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The real benchmark data, where `$RLTF_DATA` points to it; tests that need it skip elsewhere."""
    folder = os.environ.get("RLTF_DATA")
    if not folder or not Path(folder, "mbpp", "mbpp.jsonl").exists():
        pytest.skip("$RLTF_DATA does not point to the benchmark data")
    return Path(folder)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`tiny_checkpoint(kind, seed=0, **config)` gives a folder with a tiny random model and its tokenizer.

    Kinds: `t5`, `gpt2`, `codegen`, `gpt-neo`, `llama`, `qwen2` (with a chat template); made once a session.
    Skips where torch or transformers are not installed.
    """
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    import checkpoints

    made: dict[str, Path] = {}

    def make(kind: str, seed: int = 0, **changes: object) -> Path:
        name = f"{kind}-{seed}-{sorted(changes.items())}"
        if name not in made:
            folder = tmp_path_factory.mktemp(kind)
            made[name] = checkpoints.make_checkpoint(kind, folder, seed=seed, **changes)
        return made[name]

    return make
