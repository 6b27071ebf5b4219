"""llama.cpp's own server for `real_model_servers.py`, in an interpreter with xllamacpp: `MODEL.gguf PORT`.

Not llama-cpp-python's, which is a Python server over the same library. Keys and values are kept in F32 and
flash attention is off, as everywhere else in the study: llama.cpp's defaults are F16, and a flash attention
that moves log-probabilities by about 1e-3.
"""

import os
import sys
import time

import xllamacpp


def main() -> None:
    """Serve until ended."""
    params = xllamacpp.CommonParams()
    params.model.path, params.port = sys.argv[1], int(sys.argv[2])
    params.n_ctx, params.n_parallel = 4096, 2
    threads = int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.flash_attn_type = xllamacpp.llama_flash_attn_type(0)
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    server = xllamacpp.Server(params)
    print(f"llama.cpp listens at {server.listening_address}", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
