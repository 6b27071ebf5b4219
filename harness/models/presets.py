"""Decoding presets of `rltf eval`, by the paper whose table they are for.

A preset gives defaults; what is written on the command line goes over it, and the manifest records both.
Each value's source stands in the preset's docstring; file and line numbers point into the released code.
`top_k` is 0 in all of them: the papers name none. The released code of CodeRL and RLTF passes none either,
and so may have sampled under the library's own default, 50; `--top-k 50` repeats that.
Does not cover: beam search (hendrycks' own numbers) and critic sampling (CodeRL's), which no run here does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.errors import InputError
from harness.models.base import Decoding


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings of one paper; `None` leaves the default."""

    name: str
    n: int
    temperature: float
    top_p: float
    max_new_tokens: int
    top_k: int = 0
    source_tokens: int | None = None
    """Prompts are shortened to so many tokens."""
    truncation: str | None = None
    """Of `harness.prompts.TRUNCATIONS`."""
    format: str | None = None
    """Prompt format; `None` takes the benchmark's first, which is the papers' own."""

    def values(self) -> dict[str, Any]:
        """What it sets, by the names of the options."""
        return {name: value for name, value in asdict(self).items() if name != "name" and value is not None}


RLTF_APPS = Preset(
    "rltf-apps",
    n=160,
    temperature=0.6,
    top_p=0.95,
    max_new_tokens=512,
    source_tokens=800,
    truncation="reference",
)
"""RLTF (arXiv:2307.04349), Table 3, CodeT5.

temperature, top_p: Table 3 and RLTF scripts/generate_parallel.py:23-36. n: the same script, 20 samples in
each of 8 rounds; pass@1000 needs `--n 1000`. source_tokens, max_new_tokens: RLTF generate_online.py:36-37,
train_online_v1.py:117-119. truncation: RLTF generate.py encodes with `max_length` and so loses the end of a
prompt that is too long, format line and `ANSWER:` included.
"""

RLTF_APPS_CODEGEN = Preset(
    "rltf-apps-codegen",
    n=100,
    temperature=0.6,
    top_p=0.95,
    max_new_tokens=512,
    source_tokens=800,
    truncation="end",
)
"""RLTF, Table 8, CodeGen.

temperature, top_p, n: RLTF's evaluation script draws 100 samples in one round at T 0.6, top-p 0.95.
source_tokens, truncation: RLTF generate_codegen.py:93-95 shortens the question and keeps what follows it.
max_new_tokens: 1312 tokens in all less the 800 of the prompt, train_codegen_online_v1.py:127-129.
"""

RLTF_MBPP = Preset(
    "rltf-mbpp",
    n=80,
    temperature=1.2,
    top_p=0.95,
    max_new_tokens=512,
    source_tokens=800,
    truncation="reference",
)
"""RLTF, Table 9, MBPP zero-shot after APPS.

temperature, top_p: the paper's setting of Table 9. n: ours, the least that pass@80 allows; the paper does not
say how many were drawn. source_tokens, max_new_tokens, truncation: as on APPS; nothing else was released.
"""

CODERL_APPS = Preset(
    "coderl-apps",
    n=200,
    temperature=0.6,
    top_p=0.95,
    max_new_tokens=512,
    source_tokens=600,
    truncation="reference",
)
"""CodeRL (arXiv:2207.01780) on APPS, without critic sampling.

temperature, top_p: CodeRL generate.py:191-197. n: the paper's N of each round. source_tokens, max_new_tokens:
CodeRL configs/generate_configs.py:22-23. truncation: generate.py, as RLTF's.
"""

AUSTIN_MBPP = Preset(
    "austin-mbpp",
    n=80,
    temperature=0.5,
    top_p=1.0,
    max_new_tokens=512,
    format="austin-3shot",
)
"""Austin et al. (arXiv:2108.07732), MBPP few-shot.

format: google-research/mbpp/README.md. n, temperature: the paper's section on sampling, 80 programs at 0.5.
top_p: none is named. max_new_tokens: ours; the longest solution has under 512 tokens.
"""

PRESETS = {each.name: each for each in (RLTF_APPS, RLTF_APPS_CODEGEN, RLTF_MBPP, CODERL_APPS, AUSTIN_MBPP)}

_DEFAULTS: dict[str, Any] = {
    "n": 1, "temperature": 1.0, "top_p": 1.0, "top_k": 0, "max_new_tokens": 512,
    "source_tokens": None, "truncation": "end", "format": None,
}  # fmt: skip
_SEVERAL = {"temperature": 0.8, "top_p": 0.95}
"""Without preset, where more than one sample is asked for: Chen et al. (arXiv:2107.03374) take nucleus 0.95
throughout and find 0.8 best for many samples. One sample is greedy."""
_OF_SAMPLING = ("temperature", "top_p", "top_k")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run samples with, and where that came from."""

    n: int
    decoding: Decoding
    source_tokens: int | None
    truncation: str
    format: str | None
    record: dict[str, Any]
    """For the manifest: the preset, and what was given over it."""


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        InputError: If there is none; names those that exist.
    """
    if name not in PRESETS:
        raise InputError(f"unknown preset {name!r}; available: {', '.join(PRESETS)}")
    return PRESETS[name]


def settings(
    preset: str | None,
    given: Mapping[str, Any],
    *,
    greedy: bool = False,
    seed: int = 0,
    stop: Sequence[str] = (),
) -> Settings:
    """Defaults, the preset over them, and what was given over both.

    Args:
        preset: A name, or `None`.
        given: By the names of `Preset`'s fields; only what the user wrote. `source_tokens` 0 means no limit.
        greedy: Asked for; otherwise one sample without any word on sampling is greedy, too.
        seed: Of sampling.
        stop: Strings that end an answer, besides the format's own.

    Raises:
        InputError: If they contradict one another, or a value is out of its range.
    """
    chosen = find_preset(preset).values() if preset else {}
    drawn = sorted(name for name in _OF_SAMPLING if name in given)
    if greedy and drawn:
        raise InputError(f"--greedy has no use for {_flags(drawn)}; leave out one or the other")
    if greedy:
        chosen.pop("n", None)
    several = {} if preset else _SEVERAL
    n = int((_DEFAULTS | chosen | dict(given))["n"])
    greedy = greedy or (n == 1 and not preset and not drawn)
    if greedy and n > 1:
        raise InputError(
            f"{n} greedy samples of a problem are all the same; pass --n 1, or leave out --greedy"
        )
    values = _DEFAULTS | ({} if greedy else several) | chosen | dict(given)
    try:
        decoding = Decoding(
            **{name: values[name] for name in (*_OF_SAMPLING, "max_new_tokens")},
            stop=tuple(stop),
            seed=seed,
            greedy=greedy,
        )
    except ValueError as error:
        raise InputError(str(error)) from None
    record = {"preset": preset, "preset_values": chosen, "given": dict(given)}
    return Settings(
        n, decoding, values["source_tokens"] or None, values["truncation"], values["format"], record
    )


def _flags(names: Sequence[str]) -> str:
    return ", ".join("--" + name.replace("_", "-") for name in names)
