"""llama.cpp for `sampling_speed.py`, in an interpreter that has xllamacpp: `MODEL.gguf ASKED.json`.

Prints the useful tokens and the seconds of all rows, loading left out, as one line of JSON. Every row is
asked for at once; the server continues as many as it has slots. Keys and values are kept in F32.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import xllamacpp

SLOTS = 64


def main() -> None:
    """Sample, count, print."""
    asked = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    params = xllamacpp.CommonParams()
    params.model.path = sys.argv[1]
    longest = max(map(len, asked["rows"])) + asked["new"]
    params.n_parallel, params.n_ctx = SLOTS, SLOTS * (longest + 8)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = len(os.sched_getaffinity(0))
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32  # as the others
    server = xllamacpp.Server(params)

    def complete(number: int) -> int:
        answer = server.handle_completions(
            {
                "prompt": asked["rows"][number],
                "max_tokens": asked["new"],
                "temperature": asked["temperature"],
                "top_p": asked["top_p"],
                "top_k": 0,
                "min_p": 0.0,
                "seed": number,
            }
        )
        return int(answer["usage"]["completion_tokens"])

    complete(0)
    started = time.perf_counter()
    with ThreadPoolExecutor(len(asked["rows"])) as threads:
        tokens = sum(threads.map(complete, range(len(asked["rows"]))))
    print(json.dumps({"tokens": tokens, "seconds": round(time.perf_counter() - started, 2)}))


if __name__ == "__main__":
    main()
