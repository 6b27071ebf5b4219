"""Which of several runs of a test counts, where one ended by itself a little over its limit.

CPU seconds of the same run differ (see `sandbox.again`), so such a test is run again: each time in another
server, whose processes can't find out what the run before had worked out. Pure functions.
"""

from __future__ import annotations

from harness.runner.fork_server import Result

MOST_RUNS = 3


def settled(tries: list[Result], result: Result) -> Result | None:
    """The result that counts: the first without a test over its limit, or else the best of `MOST_RUNS`.

    Args:
        tries: Earlier results from the same test on; changed.
        result: The newest.

    Returns:
        `None` if the test is to be run again.
    """
    if not result.over:
        tries.clear()
        return result
    tries.append(result)
    if len(tries) < MOST_RUNS:
        return None
    best = min(tries, key=lambda each: each.over)
    tries.clear()
    return best
