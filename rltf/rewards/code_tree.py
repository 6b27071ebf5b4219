"""Syntax trees for the match terms: parsing with tree-sitter, and the text without comments and docstrings.

Covers: programs that do not parse (tree-sitter makes a tree of any text), tabs, trees of any depth (walked
without recursion), a limit of length. Does not cover: what is made of a tree (`rltf.rewards.ast_match`,
`rltf.rewards.dfg_match`).
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Literal

from harness.errors import InputError
from rltf.bounds import option
from rltf.rewards.terms import GradedProgram, TermValue

Comments = Literal["python", "c"]
LONGEST = 10_000
"""Characters of a program that are compared; a longer one matches nothing. (Python's own tokenizer takes
seconds for so many of the worst kind, escaped quotes, and four times as long for twice as many.)"""

_C_COMMENT = re.compile(r"""//[^\n]*|/\*.*?\*/|'(?:\\.|[^\\'])*'|"(?:\\.|[^\\"])*\"""", re.DOTALL)


def parse(code: str) -> Any:
    """The root of the program's tree.

    Raises:
        InputError: If tree-sitter or its grammar of Python is not installed.
    """
    return _parser().parse(code.encode("utf-8", "replace")).root_node


@lru_cache(maxsize=1)
def _parser() -> Any:
    try:
        import tree_sitter  # noqa: PLC0415 - optional
        import tree_sitter_python  # noqa: PLC0415 - optional
    except ImportError:
        raise InputError(
            "the reward terms ast and dfg need tree-sitter and tree-sitter-python; pip install"
            " 'rltf-harness[code-match]'"
        ) from None
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_python.language()))


def check_installed() -> None:
    """
    Raises:
        InputError: As `parse`.
    """
    _parser()


@dataclass(frozen=True, slots=True)
class CodeMatch:
    """What the terms that match a program with the problem's solutions have in common."""

    references: int = option(1, at_least=1)
    """The first so many of the problem's solutions, of which the best match counts (PPOCoder: 1)."""
    comments: Literal["python", "c"] = option("python", choices=("python", "c"))
    """What is taken out before: comments and docstrings, or what would be comments in Java (PPOCoder's code:
    everything behind `//`)."""

    def __post_init__(self) -> None:
        """
        Raises:
            InputError: If tree-sitter is not installed.
        """
        check_installed()

    def best(self, program: GradedProgram, match: Callable[[str, str], float]) -> TermValue:
        """The best of `match(solution, program)`; 0 without a solution."""
        code, references = compared_texts(program, self.references, self.comments)
        return TermValue(max((match(each, code) for each in references), default=0.0))


def compared_texts(program: GradedProgram, references: int, comments: Comments) -> tuple[str, list[str]]:
    """What the match terms compare: the program and the problem's first solutions, without comments.

    Returns:
        No solutions for a program that is too long; those that are too long themselves are left out.
    """
    if len(program.code) > LONGEST:
        return "", []
    some = [each for each in islice(program.problem.solutions, references) if len(each) <= LONGEST]
    return _cleaned(program.code, comments), [_cleaned(each, comments) for each in some]


@lru_cache(maxsize=1024)
def _cleaned(code: str, comments: Comments) -> str:
    return without_comments(code, comments)


def without_comments(code: str, rule: Comments = "python") -> str:
    """The text without comments, docstrings and blank lines.

    Args:
        code: A program.
        rule: `python`: comments, and strings that stand alone where a statement begins, by their tokens; the
            text is left as it is where it has none, for example for an open bracket. `c`: the rule for Java,
            which PPOCoder's code applies to Python: it takes `n // 2` for `n`, and leaves `#` alone.
    """
    if rule == "c":
        kept = _C_COMMENT.sub(lambda found: " " if found[0].startswith("/") else found[0], code)
    else:
        kept = _without_tokens(code)
    return "\n".join(line for line in kept.split("\n") if line.strip())


def _without_tokens(code: str) -> str:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError, ValueError, RecursionError):
        return code
    starts = [0]
    for line in io.StringIO(code):
        starts.append(starts[-1] + len(line))
    pieces, done, before = [], 0, None
    for token in tokens:
        # A formatted string is a token of this type until Python 3.11 only.
        plain = (
            token.type == tokenize.STRING and "f" not in token.string.partition(token.string[-1])[0].lower()
        )
        alone = plain and (before in {tokenize.INDENT, tokenize.NEWLINE} or token.start[1] == 0)
        if token.type == tokenize.COMMENT or alone:
            first, last = (starts[line - 1] + column for line, column in (token.start, token.end))
            pieces.append(code[done:first])
            done = last
        before = token.type
    return "".join([*pieces, code[done:]])
