"""The runner: host → grader workers → fork servers → one process for each program. Start at `runner.py`.

A server is a dispatcher, which reads and watches, and a template, which programs' processes are copies of.
"""

from harness.runner.cache import VerdictCache
from harness.runner.runner import Runner

__all__ = ["Runner", "VerdictCache"]
