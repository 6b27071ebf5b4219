"""Prompts drawn from the problems, and what is asked of the sampler for them.

Every draw is a function of seed and count. Does not cover: grading, or which programs are kept
(`rltf.rollout.rollout`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.models import Decoding, Request, Sampler
from harness.prompts import Prompt, make_prompt
from harness.types import Problem, PromptFormat
from rltf.rollout.grading import Program, read_program
from rltf.rollout.shuffle import shuffled


@dataclass(frozen=True, slots=True)
class Sampling:
    """How programs are drawn from the policy."""

    samples_per_problem: int
    temperatures: Sequence[float] = (1.0,)
    """Of a prompt's programs in turn."""
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 512
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Draw:
    """A prompt drawn."""

    number: int
    """Of the prompts drawn so far."""
    problem: Problem
    prompt: Prompt
    epoch: int
    """Pass over the problems, from 0; in the samples' numbers, so that no two passes share their noise."""


def next_draws(
    problems: Sequence[Problem], prompt_format: PromptFormat, *, seed: int, drawn: int, count: int
) -> list[Draw]:
    """The `count` prompts behind the first `drawn`: each problem once in a pass, each in its own order."""
    draws: list[Draw] = []
    while len(draws) < count:
        number = drawn + len(draws)
        epoch, done = divmod(number, len(problems))
        order = shuffled(len(problems), f"{seed} prompts {epoch}")
        for place, i in enumerate(order[done : done + count - len(draws)]):
            problem = problems[i].loaded()  # prompts ask for its tests, and so does each program's job
            draws.append(Draw(number + place, problem, make_prompt(prompt_format, problem), epoch))
    return draws


def sampled(
    draws: Sequence[Draw], sampling: Sampling, sampler: Sampler, *, greedy: bool
) -> Iterator[Program]:
    """Have every prompt completed, one temperature after the other, the greedy programs last."""
    n, temperatures = sampling.samples_per_problem, sampling.temperatures
    for place_in_list, temperature in enumerate(temperatures):
        numbers = range(place_in_list, n, len(temperatures))
        requests = [Request(draw.prompt, tuple(draw.epoch * n + i for i in numbers)) for draw in draws]
        decoding = Decoding(
            temperature=temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_new_tokens=sampling.max_new_tokens,
            seed=sampling.seed,
        )
        if numbers:
            yield from (read_program(each, temperature) for each in sampler.complete(requests, decoding))
    if greedy:
        requests = [Request(draw.prompt, (draw.epoch,)) for draw in draws]
        decoding = Decoding(greedy=True, max_new_tokens=sampling.max_new_tokens)
        yield from (read_program(each, None) for each in sampler.complete(requests, decoding))
