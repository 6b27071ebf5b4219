"""Evaluations of a training run, and what training changed."""
