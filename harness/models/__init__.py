"""Completions from a model: a local checkpoint (`local`) or an OpenAI-compatible server (`server`).

Importing this package does not import torch.
"""

from harness.models.base import Completion, Decoding, Finish, Request, Sampler, Trace

__all__ = ["Completion", "Decoding", "Finish", "Request", "Sampler", "Trace"]
