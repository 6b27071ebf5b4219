"""lm-eval's command on our task pack, with the recorded answers behind a server.

It has one number for the whole, so that is compared; the samples that it wrote are graded by
`integrations.py` again.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from callers import answers, told

from harness.integrations import lm_eval

found = answers()
with tempfile.TemporaryDirectory() as folder:
    command = [
        str(Path(sys.executable).with_name("lm_eval")), "--model", "local-chat-completions",
        "--apply_chat_template",
        "--model_args", f"model=recorded,base_url={os.environ['BASE_URL']}/chat/completions",
        "--include_path", str(lm_eval.FOLDER), "--tasks", "rltf_code", "--limit", str(len(found)),
        "--metadata", json.dumps({"benchmark": os.environ["BENCHMARK"], "prompt_format": "chat"}),
        "--output_path", folder, "--log_samples",
    ]  # fmt: skip
    done = subprocess.run(
        command, env=os.environ | {"OPENAI_API_KEY": "none"}, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    (results,) = (json.loads(path.read_text()) for path in Path(folder).rglob("results_*.json"))
    (samples,) = (path.read_text().splitlines() for path in Path(folder).rglob("samples_*.jsonl"))
if {json.loads(line)["doc"]["task_id"] for line in samples} != {each.task_id for each in found}:
    raise SystemExit("lm-eval asked for other problems")
told([results["results"]["rltf_code"]["pass@1,all"]], "lm_eval --tasks rltf_code")
