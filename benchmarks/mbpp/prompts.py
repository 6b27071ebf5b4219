r"""How MBPP is put to a model: four spellings, since published numbers come from all of them.

Covers: the format of the data's authors, the zero-shot ones of CodeRL/RLTF and of InCoder/bigcode.
Does not cover: MBPP's data. The worked examples of `austin-3shot` are read from it at run time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from harness.errors import DatasetError
from harness.types import AssertTest, Piece, Problem, PromptFormat, TestKind

SHOTS = (2, 3, 4)
"""Task numbers of the worked examples: google-research/mbpp/README.md."""

_ASSERTS = (TestKind.ASSERTS,)


def formats(shots: Mapping[int, Problem]) -> dict[str, PromptFormat]:
    """MBPP's formats by name, the default first.

    Args:
        shots: by task number, those of `SHOTS` that the data has; needed only when a prompt is built.
    """
    austin = PromptFormat(
        name="austin-3shot",
        version="1",
        build=partial(_austin, shots),
        source="Austin et al. 2021, google-research/mbpp/README.md; joined as lm-evaluation-harness does",
        stop=("[DONE]",),
        extraction="done",
        kinds=_ASSERTS,
    )
    return {each.name: each for each in (ZERO_SHOT, ZERO_SHOT_FRAMED, austin, DOCSTRING)}


def _austin(shots: Mapping[int, Problem], problem: Problem) -> Sequence[Piece]:
    r"""Three solved tasks, blank lines between them, then the task up to `[BEGIN]`.

    Ours: line ends are `\n`, while the data's programs have `\r\n`, which no other part of the prompt has.
    """
    missing = [number for number in SHOTS if number not in shots]
    if missing:
        raise DatasetError(
            f"austin-3shot shows tasks {', '.join(map(str, SHOTS))} to the model, but the MBPP data lacks"
            f" {', '.join(map(str, missing))}; get the whole file"
        )
    solved = [shots[number] for number in SHOTS]
    shown = "".join(
        f"{''.join(piece.text for piece in _austin_task(shot))}{shot.solutions[0]}\n[DONE]\n\n"
        for shot in solved
    )
    return (Piece(shown), *_austin_task(problem))


def _austin_task(problem: Problem) -> Sequence[Piece]:
    tests = "\n".join(_tests(problem))
    return (
        Piece("You are an expert Python programmer, and here is your task: "),
        Piece(problem.question, cut=True),
        Piece(f" Your code should pass these tests:\n\n{tests}\n[BEGIN]\n"),
    )


def _zero_shot(problem: Problem) -> Sequence[Piece]:
    tests = "".join(f"\n{test}" for test in _tests(problem))
    return (
        Piece(problem.question, cut=True),
        Piece(f" Your code should satisfy these tests:\n{tests}"),
    )


def _zero_shot_framed(problem: Problem) -> Sequence[Piece]:
    head, *body = _zero_shot(problem)
    # Spelled out and not imported: benchmarks do not know one another. A test holds it against APPS' own.
    return (Piece("\nQUESTION:\n"), head, *body, Piece("\nUse Call-Based format\nANSWER:\n"))


def _docstring(problem: Problem) -> Sequence[Piece]:
    # Left as it is: a docstring that ends early because the statement holds three quotes is bigcode's too
    # (no statement of the data does).
    return (Piece('"""\n'), Piece(problem.question, cut=True), Piece(f'\n{_tests(problem)[0]}\n"""\n'))


def _tests(problem: Problem) -> list[str]:
    """The ordinary tests: challenge tests, where they were loaded, are never shown."""
    # MBPP's problems all have public tests. A format's hash is taken over problems that have none.
    tests = problem.public_tests or problem.suite.tests()
    return [test.source for test in tests if isinstance(test, AssertTest)]


ZERO_SHOT = PromptFormat(
    name="zero-shot-tests",
    version="2",
    build=_zero_shot,
    source="CodeRL and RLTF papers, in words only; spelled as early bigcode/codeparrot harnesses do",
    extraction="program",
    kinds=_ASSERTS,
)
"""Statement, ` Your code should satisfy these tests:`, a blank line, the asserts.

Neither repository holds code for MBPP, so the spelling is the likeliest and not the known one.
"""

ZERO_SHOT_FRAMED = PromptFormat(
    name="zero-shot-tests-framed",
    version="2",
    build=_zero_shot_framed,
    source="ours: zero-shot-tests inside the APPS frame, which a model trained on APPS knows",
    stop=("\nQUESTION:", "\nANSWER:"),
    extraction="program",
    kinds=_ASSERTS,
)
"""`zero-shot-tests` as the question of APPS' inference format, call-based.

Whether RLTF did this is unknown (reference code for MBPP was never released): report both.
"""

DOCSTRING = PromptFormat(
    name="docstring-1test",
    version="1",
    build=_docstring,
    source="InCoder (Fried et al. 2022); bigcode-evaluation-harness tasks/mbpp.py:33-72",
    stop=("\nclass", "\nassert", '\n"""', "\nprint", "\nif", "\n<|/", "\n```"),
    extraction="continuation",
    in_program=True,
    kinds=_ASSERTS,
)
"""A docstring with the statement and the first assert; the model goes on after it."""
