"""Test suites from the "ground truths" that data sets for reinforcement learning and benchmarks carry.

    suite = read(row["reward_model"]["ground_truth"])

Covers: the shapes listed in `shapes.py`, encodings with bounded sizes, and files of such rows as benchmarks
(`jsonl:PATH`); what reference solutions return. Does not cover: grading
(`harness.runner`), what counts as equal (`harness.compare`).
"""

from harness.suites.encodings import unpack
from harness.suites.references import Output, Reference, reference_outputs, text_of, value_of
from harness.suites.shapes import read

__all__ = ["Output", "Reference", "read", "reference_outputs", "text_of", "unpack", "value_of"]
