"""Test suites from the "ground truths" that data sets for reinforcement learning and benchmarks carry.

    suite = read(row["reward_model"]["ground_truth"])

Covers: the shapes listed in `shapes.py`, encodings with bounded sizes, and files of such rows as benchmarks
(`jsonl:PATH`). Does not cover: running programs (`harness.runner`), what counts as equal (`harness.compare`).
"""

from harness.suites.encodings import unpack
from harness.suites.shapes import read

__all__ = ["read", "unpack"]
