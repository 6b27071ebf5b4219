"""mini: programming problems that the project generates itself, in the APPS shape; see README.md."""

from benchmarks.mini.loading import SIZES, VERSION, generate, load, load_introductory

__all__ = ["SIZES", "VERSION", "generate", "load", "load_introductory"]
