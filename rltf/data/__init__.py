"""Rows, batches and micro-batches for the trainer."""
