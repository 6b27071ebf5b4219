"""How HumanEval is put to a model: as code to go on with, and as a question to a chat model.

Does not cover: the prompts of EvalPlus, which has HumanEval in a frame of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.extraction import Rule, steps
from harness.types import Piece, Problem, PromptFormat, TestKind

_ASSERTS = (TestKind.ASSERTS,)

BODY = Rule("body", "1", (steps.special_tokens, steps.line_ends, steps.echo, steps.stop_strings))
"""The answer goes on inside of a function, so that its indentation is no fault to be mended."""


def _completion(problem: Problem) -> Sequence[Piece]:
    return (Piece(_code(problem)),)


def _chat(problem: Problem) -> Sequence[Piece]:
    return (
        Piece("Complete this Python 3 function.\n\n```python\n"),
        Piece(_code(problem).strip("\n"), cut=True),
        Piece(
            "\n```\n\nAnswer with one fenced code block that starts with ```python and holds the complete"
            " program, with the imports and functions above, and with nothing after it.\n"
        ),
    )


def _code(problem: Problem) -> str:
    # A format's hash is taken over problems that have no code to go on with.
    return problem.code_prompt or problem.question


COMPLETION = PromptFormat(
    name="completion",
    version="1",
    build=_completion,
    source="Chen et al. 2021, arXiv:2107.03374, section 2 and its stop sequences",
    stop=("\nclass", "\ndef", "\n#", "\nif", "\nprint"),
    extraction=BODY,
    in_program=True,
    kinds=_ASSERTS,
)
"""The row's prompt as it is: imports, signature, docstring. The model goes on with the body."""

CHAT = PromptFormat(
    name="chat",
    version="1",
    build=_chat,
    source="ours: a user's message with the function to complete, which asks for one fenced block",
    extraction="chat",
    chat=True,
    kinds=_ASSERTS,
)
"""In the place of the project's own `chat`, which would put the code as a statement in words."""

PROMPTS = {each.name: each for each in (COMPLETION, CHAT)}
"""The default first."""
