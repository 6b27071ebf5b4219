"""The runner: host → judges → servers (a dispatcher, and a template that is copied) → one process a program. Start at `host.py`."""

from harness.runner.cache import VerdictCache
from harness.runner.host import Runner

__all__ = ["Runner", "VerdictCache"]
