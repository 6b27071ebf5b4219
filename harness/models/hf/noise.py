"""Noise that is a function of (seed, task, sample, position, token), on any device and in any batch.

The integers are the same everywhere; the logarithms may differ in their last bit between devices, which the
choice allows for (`harness.models.hf.token_sampling`). Not for cryptography.
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


def step_seeds(keys: Sequence[bytes], positions: Sequence[int], device: torch.device) -> Tensor:
    """`[B, 2]` int32: the two seeds from which a row's noise at its position is mixed."""
    digests = [
        blake2b(position.to_bytes(8, "little"), key=key, digest_size=8).digest()
        for key, position in zip(keys, positions, strict=True)
    ]
    seeds = torch.frombuffer(bytearray(b"".join(digests)), dtype=torch.int32)
    return seeds.view(len(digests), 2).to(device)


def exponential(seeds: Tensor, tokens: Tensor) -> Tensor:
    """Exponential(1) noise, fp32 `[B, K]`, for `tokens` (`[B, K]` or `[1, K]`, int32 token ids).

    Token `i` of weight `w_i` has the largest `w_i / noise_i` with probability `w_i / sum(w)`: the Gumbel-max
    trick, `log w_i + gumbel_i`, with one logarithm less.
    """
    bits = tokens * _signed(0x9E3779B1) ^ seeds[:, :1]
    for count, multiplier in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        _fold(bits, count)
        bits *= _signed(multiplier)
        bits ^= seeds[:, 1:]
    _fold(bits, 15)
    bits *= _signed(0x27D4EB2F)
    _fold(bits, 16)
    # 31 bits: small numbers, which are the winners', stay exact in fp32. Signs are turned for log1p.
    uniform = bits.bitwise_and_(0x7FFFFFFF).to(torch.float32).add_(0.5).mul_(-(2.0**-31))
    return uniform.log1p_().neg_()


def _fold(bits: Tensor, count: int) -> None:
    """`bits ^= bits >> count` without the copies of the sign bit that torch's shift brings."""
    bits ^= (bits >> count).bitwise_and_((1 << (32 - count)) - 1)


def _signed(word: int) -> int:
    return word - (1 << 32) if word >= 1 << 31 else word
