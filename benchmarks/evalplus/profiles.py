"""EvalPlus' verdicts as comparison profiles.

| profile | passes where | tolerance |
|---|---|---|
| `evalplus` | base and added inputs pass: EvalPlus' plus status | stays for later inputs, as in EvalPlus |
| `evalplus-base` | base inputs pass: its base status | the same |
| `evalplus-fixed` | all pass | of each input alone |

The rules themselves are the checker's (`checker.py`).
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.evalplus.checker import is_base
from harness.compare import PROFILES

EVALPLUS = replace(PROFILES["strict"], name="evalplus", version="1")
EVALPLUS_BASE = replace(EVALPLUS, name="evalplus-base", counts=is_base)
EVALPLUS_FIXED = replace(EVALPLUS, name="evalplus-fixed")
