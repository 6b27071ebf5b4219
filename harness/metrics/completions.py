"""What a run's samples say of the answers they came from: how many extraction changed, how they ended.

Covers: the optional fields `changed`, `finish` and `tokens` of samples.jsonl. A share is of the samples that
record the field, which is said beside it.
Does not cover: runs of programs made elsewhere, which record none of it and get nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any


def recorded(lines: Iterable[bytes]) -> dict[str, Any]:
    """What the lines of samples.jsonl add up to, for metrics.json; empty where none records anything.

    Returns:
        `changed` `{count, of}`: programs that are not the answer as the model gave it; `finish`
        `{counts, of}`: answers by how they ended (`stop`, `length`, …); `tokens` `{total, most, of}`.
    """
    changed: Counter[bool] = Counter()
    finish: Counter[str] = Counter()
    tokens: list[int] = [0, 0, 0]
    for line in lines:
        row = json.loads(line)
        if isinstance(row.get("changed"), bool):
            changed[row["changed"]] += 1
        if isinstance(row.get("finish"), str):
            finish[row["finish"]] += 1
        if isinstance(row.get("tokens"), int):
            tokens = [tokens[0] + row["tokens"], max(tokens[1], row["tokens"]), tokens[2] + 1]
    found: Mapping[str, dict[str, Any]] = {
        "changed": {"count": changed[True], "of": changed.total()},
        "finish": {"counts": dict(sorted(finish.items())), "of": finish.total()},
        "tokens": dict(zip(("total", "most", "of"), tokens, strict=True)),
    }
    return {name: values for name, values in found.items() if values["of"]}
