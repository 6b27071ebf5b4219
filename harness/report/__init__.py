"""Reports on one run, on several, and against published numbers; progress while a run is made.

Does not cover: computing the numbers (`harness.metrics`).
"""
