"""How much the tests of random inputs try, and how each example ended, for `studies/fuzz.py`.

`RLTF_FUZZ` multiplies the numbers of examples; `RLTF_FUZZ_COUNTS` names a file for the counts.
"""

import atexit
import json
import os
from collections import Counter
from pathlib import Path

from fakes import ONE_TEST, made_benchmark
from hypothesis import HealthCheck, settings

from harness.types import Benchmark

MORE = int(os.environ.get("RLTF_FUZZ", "1"))
RESULT, REFUSED = "result", "one line"

_ends: Counter[str] = Counter()


def bounded(examples: int) -> settings:
    """Settings for so many examples, times `RLTF_FUZZ`, however long each takes."""
    return settings(
        max_examples=examples * MORE,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=True,
    )


def ended(kind: str, how: str) -> None:
    """Count an example."""
    _ends[f"{kind}: {how}"] += 1


def is_one_line(text: str) -> bool:
    """Whether a refusal is a line that a terminal shows as one, and not a page of it."""
    return bool(text.strip()) and text.isprintable() and len(text) < 1000


def twelve_problems(*, split: str = "test", data_dir: Path | None = None) -> Benchmark:
    """A benchmark, `fuzzing:twelve_problems`, that costs nothing to load."""
    return made_benchmark(*[ONE_TEST] * 12)


def _write() -> None:
    path = os.environ.get("RLTF_FUZZ_COUNTS")
    if path and _ends:
        before = json.loads(Path(path).read_text()) if Path(path).exists() else {}
        Path(path).write_text(json.dumps(Counter(before) + _ends, indent=1, sort_keys=True))


atexit.register(_write)
