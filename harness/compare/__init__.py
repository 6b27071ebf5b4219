"""Comparison profiles: what counts as the right answer.

Read `profiles.py` first; `strict.py`, `apps.py` and `asserts.py` hold the rules. Everything here is
called by the trusted grader worker on data that a hostile program made: a comparison answers True or False,
raises nothing, and its cost is bounded by the sizes of what it compares.
"""

from harness.compare.asserts import assert_matches
from harness.compare.checkers import Check, CheckError, find_check
from harness.compare.plain import Opaque
from harness.compare.problem import is_wrapped
from harness.compare.profiles import PROFILES, Profile, get_profiles
from harness.compare.strict import RealPositions, real_positions

__all__ = [
    "PROFILES",
    "Check",
    "CheckError",
    "Opaque",
    "Profile",
    "RealPositions",
    "assert_matches",
    "find_check",
    "get_profiles",
    "is_wrapped",
    "real_positions",
]
