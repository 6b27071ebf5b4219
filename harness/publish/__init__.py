"""A finished run in the formats of others: the Hub's results and data sets, EvalPlus, lm-evaluation-harness.

Start at `results.py`. Never goes out: a row of a benchmark, a test, a prompt.
"""
