"""Sampling from a Hugging Face checkpoint in this process."""
