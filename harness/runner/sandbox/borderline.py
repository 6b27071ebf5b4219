"""When a test is over its CPU limit: only if that is sure, so that load times out nothing that is within it.

CPU seconds of the same run differ by 10 % from one time to the next, and by more on a shared machine, whose
caches and clock others use too: measured, 4.0 to 5.2 s for one test, its least of eight the same to 0.3 %
with load and without. So a test is stopped at `KILL_AT` times its limit; one that ends by itself, beyond
`RETRY_AT` times it, is run again, and is over if every run was. What never ends costs one run.
Does not cover: loading, which has no such margin; the limit of a whole program, which counts best runs only.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from . import protocol

if TYPE_CHECKING:
    from .dispatcher import Run

RETRY_AT = 1.1
"""A test that needs no more than its limit has a run below this, whatever runs beside it."""
KILL_AT = 1.25
"""At 4 s a test that never ends costs a limit and a second."""


def script_over(run: Run, limit: float) -> int:
    """1 if the script's one test is surely over its limit, else 0; compiling doesn't count."""
    compiled_at = next((cpu for cpu, _ in protocol.clamped_records(run.report, run.ended.cpu, 1)), 0.0)
    return int(run.ended.cpu - compiled_at >= RETRY_AT * limit)


def tests_over(run: Run, limit: float, most: int) -> int:
    """How many of an imported program's tests are surely over their limit; loading doesn't count.

    Args:
        run: The run.
        limit: CPU seconds of a test.
        most: Records that an honest program leaves.
    """
    if run.ended.cpu < RETRY_AT * limit:
        return 0
    times = [cpu for cpu, _ in protocol.clamped_records(run.report, run.ended.cpu, most)][1:]
    return sum(after - before >= RETRY_AT * limit for before, after in pairwise([*times, run.ended.cpu]))
