"""inspect's command on our task: `inspect eval harness/code`, with the recorded answers behind a server."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from callers import answers, told

found = answers()
with tempfile.TemporaryDirectory() as folder:
    command = [
        str(Path(sys.executable).with_name("inspect")), "eval", "harness/code",
        "-T", f"benchmark={os.environ['BENCHMARK']}",
        "--sample-id", ",".join(each.task_id for each in found),
        "--model", "openai-api/recorded/recorded", "--display", "plain",
        "--log-format", "json", "--log-dir", folder,
    ]  # fmt: skip
    environment = os.environ | {"RECORDED_BASE_URL": os.environ["BASE_URL"], "RECORDED_API_KEY": "none"}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    logs = [json.loads(path.read_text()) for path in Path(folder).glob("*.json")]
    if done.returncode or len(logs) != 1 or logs[0]["status"] != "success":
        raise SystemExit(f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    (log,) = logs
values = {sample["id"]: sample["scores"]["passes_tests"]["value"] for sample in log["samples"]}
accuracy = log["results"]["scores"][0]["metrics"]["accuracy"]["value"]
if abs(accuracy - sum(values.values()) / len(values)) > 1e-9:
    raise SystemExit(f"inspect's accuracy is {accuracy}, of {values}")
told([values[each.task_id] for each in found], "inspect eval harness/code")
