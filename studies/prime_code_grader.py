"""verl's `prime_code` as a function for `rltf grader-test`, loaded by path from its unpacked wheel.

    pip download --no-deps verl==0.9.1 && unzip -d verl-0.9.1 verl-0.9.1-py3-none-any.whl
    VERL=verl-0.9.1 PYTHONPATH=studies rltf grader-test prime_code_grader:grade

Does not cover: verl itself, which is not needed; `prime_code` wants numpy.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path


def _load():
    folder = Path(os.environ["VERL"], "verl/utils/reward_score/prime_code").absolute()
    spec = importlib.util.spec_from_file_location(
        "prime_code", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["prime_code"] = module
    spec.loader.exec_module(module)
    return module


def grade(code, tests):
    """Whether verl's default code reward is 1; arguments and values as it takes them, a line of JSON each."""
    module = sys.modules.get("prime_code") or _load()
    tests = dict(tests)
    if "fn_name" in tests:
        tests["inputs"] = ["\n".join(map(json.dumps, each)) for each in tests["inputs"]]
        tests["outputs"] = [json.dumps(each) for each in tests["outputs"]]
    score, _ = module.compute_score(f"```python\n{code}\n```", json.dumps(tests), continuous=True)
    return float(score) == 1.0
