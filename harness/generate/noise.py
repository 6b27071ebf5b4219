"""Gumbel noise that is a function of (seed, task, sample, position, token), on any device and in any batch.

The integers are the same everywhere; the logarithms may differ in their last bit between devices, which the
choice allows for (`harness.generate.choosing`). Not for cryptography.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import torch
from torch import Tensor


def row_key(seed: int, task_id: str, sample_id: int) -> bytes:
    """What the noise of one sample grows from, 32 bytes."""
    parts = f"{seed}\0{task_id}\0{sample_id}".encode(errors="surrogatepass")
    return blake2b(parts, digest_size=32).digest()


def step_words(keys: Sequence[bytes], positions: Sequence[int], device: torch.device) -> Tensor:
    """`[B, 2]` int32: the two words from which a row's noise at its position is mixed."""
    digests = [
        blake2b(position.to_bytes(8, "little"), key=key, digest_size=8).digest()
        for key, position in zip(keys, positions, strict=True)
    ]
    words = torch.frombuffer(bytearray(b"".join(digests)), dtype=torch.int32)
    return words.view(len(digests), 2).to(device)


def gumbel(words: Tensor, tokens: Tensor) -> Tensor:
    """Gumbel(0, 1) noise, fp32 `[B, K]`, for `tokens` (`[B, K]` or `[K]`, token ids).

    Token `i` with score `s_i` has the largest `s_i + noise_i` with probability `softmax(s)_i`.
    """
    bits = _mix(tokens.to(torch.int32) * _signed(0x9E3779B1) + words[:, :1], words[:, 1:])
    # 31 bits: small numbers, which are the winners', stay exact in fp32.
    uniform = bits.bitwise_and_(0x7FFFFFFF).to(torch.float32).add_(0.5).mul_(2.0**-31)
    return uniform.neg_().log1p_().neg_().log_().neg_()


def _mix(bits: Tensor, second: Tensor) -> Tensor:
    """Two rounds of xor-shift and multiply, a key word in each; wraps around as 32-bit arithmetic does."""
    for multiplier, word in ((0x85EBCA6B, second), (0xC2B2AE35, None)):
        bits ^= _logical_shift(bits, 16)
        bits *= _signed(multiplier)
        bits ^= _logical_shift(bits, 13)
        if word is not None:
            bits ^= word
        bits *= _signed(0x27D4EB2F)
    bits ^= _logical_shift(bits, 16)
    return bits


def _logical_shift(bits: Tensor, count: int) -> Tensor:
    # torch's shift copies the sign bit.
    return (bits >> count).bitwise_and_((1 << (32 - count)) - 1)


def _signed(word: int) -> int:
    return word - (1 << 32) if word >= 1 << 31 else word
