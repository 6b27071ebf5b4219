"""How EvalPlus puts a task to a model (evalplus/codegen.py, evalplus/provider/utility.py).

Does not cover: the beginning of the answer that EvalPlus gives a chat model, which our chat formats have no
place for; the request names the block that it wants instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.types import Piece, Problem, PromptFormat, TestKind

_ASSERTS = (TestKind.ASSERTS,)
_STOPS = ("\nif __name__", "\ndef main(", "\nprint(")


def _completion(problem: Problem) -> Sequence[Piece]:
    return (Piece(_code(problem).strip() + "\n"),)


def _chat(problem: Problem) -> Sequence[Piece]:
    return (
        Piece(
            "Please provide a self-contained Python script that solves the following problem in a markdown"
            " code block:\n```\n"
        ),
        Piece(_code(problem).strip(), cut=True),
        Piece("\n```\n"),
    )


def _code(problem: Problem) -> str:
    # A format's hash is taken over problems that have no code to go on with.
    return problem.code_prompt or problem.question


def _formats(*stops: str) -> dict[str, PromptFormat]:
    completion = PromptFormat(
        name="completion",
        version="1",
        build=_completion,
        source="EvalPlus, codegen.py and provider/utility.py: direct completion",
        stop=(*_STOPS, *stops),
        extraction="continuation",
        in_program=True,
        kinds=_ASSERTS,
    )
    chat = PromptFormat(
        name="chat",
        version="1",
        build=_chat,
        source="EvalPlus, codegen.py and provider/utility.py: the instruction without the answer's beginning",
        extraction="chat",
        chat=True,
        kinds=_ASSERTS,
    )
    return {each.name: each for each in (completion, chat)}


HUMANEVAL_PROMPTS = _formats("\ndef ", "\nclass ", "\nimport ", "\nfrom ", "\nassert ")
MBPP_PROMPTS = _formats('\n"""', "\nassert")
