"""`rltf prompt`: it prints the prompt byte for byte, and a mistake is one line that names what exists."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import registry
from harness.extraction import RULES
from harness.prompts import find_format, formats_of, make_prompt
from harness.registry import load_benchmark
from rltf.cli import main

ROOT = Path(registry.__file__).parents[1]


def mini(form: str | None = None, number: int = 0):
    benchmark = load_benchmark("mini")
    return make_prompt(find_format(benchmark, form), benchmark.problems[number])


def run(capfdbinary, *arguments: str) -> tuple[int, bytes, str]:
    status = main(["prompt", *arguments])
    out, err = capfdbinary.readouterr()
    return status, out, err.decode()


@pytest.mark.slow
@pytest.mark.parametrize("form", [None, "inference", "training", "chat"])
def test_the_prompt_comes_byte_for_byte_and_nothing_else(form, capfdbinary):
    chosen = ["--format", form] if form else []
    status, out, err = run(capfdbinary, "--benchmark", "mini", "--id", "0", *chosen)
    assert (status, out, err) == (0, mini(form).text.encode(), "")


@pytest.mark.slow
def test_a_line_end_of_the_data_is_printed_as_it_is_and_text_is_utf_8_whatever_the_locale(tmp_path):
    (tmp_path / "strange.py").write_text(
        "from harness.types import *\n"
        "def load(*, data_dir=None):\n"
        "    suite = TestSuite.pack(TestKind.STDIN, [])\n"
        "    problems = [Problem('strange/1', 'é\\r\\n漢\\ud800', lambda: suite)]\n"
        "    return Benchmark('strange', 'test', '1', problems, 'h', 's')\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{tmp_path}", "LC_ALL": "C", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "rltf", "prompt", "--benchmark", "strange:load", "--id", "1"]
    done = subprocess.run(command, capture_output=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "é\r\n漢\ud800".encode(errors="surrogatepass") in done.stdout


def test_verbose_tells_the_format_on_stderr_and_leaves_stdout_alone(capfdbinary):
    prompt = mini()
    status, out, err = run(capfdbinary, "--benchmark", "mini", "--id", "0", "-v")
    assert (status, out) == (0, prompt.text.encode())
    assert f"format inference version 1 sha256 {prompt.hash}\n" in err
    assert "problem mini/test/0\n" in err
    assert "'\\nQUESTION:'" in err
    assert prompt.format.extraction in RULES
    assert f"extraction {prompt.format.extraction}\n" in err


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ["--id", "0", "--format", "chta"],
            "mini has no prompt format 'chta'; available: inference, training, chat",
        ),
        (["--id", "9999"], "mini has no '9999' in this split; its 200 ids run from mini/test/0"),
        (["--id", "0-3"], "--id 0-3 names 4 problems"),
        (["--id", "0", "--max-prompt-tokens", "5"], "--tokenizer and --max-prompt-tokens go together"),
        (["--id", "0", "--tokenizer", "x"], "--tokenizer and --max-prompt-tokens go together"),
        (["--id", "0", "--truncation", "start"], "'end', 'middle', 'reference'"),
        ([], "--id"),
    ],
)
def test_a_mistake_is_one_line_that_names_what_exists(arguments, error, capfdbinary):
    status, out, err = run(capfdbinary, "--benchmark", "mini", *arguments)
    assert (status, out) == (2, b"")
    assert err.startswith("rltf: error: ")
    assert error in err
    assert err.count("\n") == 1


@pytest.fixture
def tokenizer(tmp_path) -> Path:
    """A token for each word, `[UNK]` for all of them."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    # A limit of the file's own must not hide a prompt's length.
    made.enable_truncation(10)
    made.enable_padding(length=64)
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


@pytest.mark.parametrize("file", ["", "tokenizer.json"])
def test_a_prompt_is_shortened_to_the_tokens_that_fit(file, tokenizer, capfdbinary):
    limit = ["--tokenizer", str(tokenizer / file), "--max-prompt-tokens", "30", "-v"]
    status, out, err = run(capfdbinary, "--benchmark", "mini", "--id", "0", *limit)
    assert status == 0
    assert len(out.split()) == 30
    assert out.endswith(b"format\nANSWER:\n")
    assert f"tokens 30, shortened from {len(mini().text.split())}\n" in err


def test_a_prompt_that_does_not_fit_is_refused_in_one_line(tokenizer, capfdbinary):
    limit = ["--tokenizer", str(tokenizer), "--max-prompt-tokens", "3"]
    status, out, err = run(capfdbinary, "--benchmark", "mini", "--id", "0", *limit)
    assert (status, out) == (2, b"")
    assert "may not be cut" in err
    assert err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(("name", "task"), [("apps", "0"), ("mini", "0"), ("mbpp", "11")])
def test_an_unknown_format_lists_those_that_exist(data_dir, capfdbinary, name, task):
    command = ["--benchmark", name, "--id", task, "--format", "nothing", "--data", str(data_dir)]
    status, _, shown = run(capfdbinary, *command)
    assert status == 2
    assert ", ".join(formats_of(load_benchmark(name, data_dir=data_dir))) in shown
