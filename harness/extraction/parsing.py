"""Python's parser for text that a model wrote: it answers, or says no; it neither raises nor warns.

Covers: text that is too long or nested too deeply for CPython's parser, NUL characters, lone surrogates,
warnings about escapes. Does not cover: whether a program compiles; `return` outside a function parses.
Nothing is ever run.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from harness.extraction import facts

MAX_TEXT = 1 << 20
"""Characters of an answer that rules read: what comes after them is cut off. It is what `rltf score` takes a
program to have at most; 128 thousand tokens have about half of it."""

MAX_CHARACTERS = 1 << 18
"""A longer text is taken for no program: APPS's longest reference solution has under 0.1 MiB, an answer of
2,048 tokens about 8 KiB, and parsing a mebibyte takes seconds."""

MAX_DEPTH = 200
"""Open brackets at once, and signs or `not`s in a row. CPython's tokenizer stops at 200 brackets; for the
others its parser counts frames of C, whose size is the platform's affair, so they never get that far."""

_BRACKETS = re.compile(r"[()\[\]{}]")
_SIGNS = re.compile(r"[-+~\s]+")
_WORDS = re.compile(r"(?:(?:not|await|lambda)\b[ \t:(]*)++")


@dataclass(frozen=True, slots=True)
class Syntax:
    """What is known of a text that parses; its tree is many times the text's size and is not kept."""

    acts: bool
    """One statement is more than a bare name or text, as prose that happens to parse is."""
    defines: bool
    """A function or class is defined at the top."""
    makes: frozenset[str]
    """Names of functions, classes and variables of the top level."""
    stubs: frozenset[str]
    """Those functions of it that hold nothing."""
    methods: frozenset[str]
    """Of a class `Solution`."""
    imports: frozenset[str]
    """Names that imports bind."""
    needs: frozenset[str]
    """Names that are used, bound nowhere and no built-ins."""
    reads: bool
    """Standard input is read somewhere."""
    writes: bool
    """Something is printed somewhere."""
    runs: bool
    """The top level does more than define."""
    asks: bool
    """Input is read where the top level runs, or in a function beside it."""
    prose: bool
    """A statement of the top level is a name, or names, that nothing binds."""
    redefined: Mapping[str, int]
    """Functions that are defined a second time, and the line where."""

    @property
    def binds(self) -> frozenset[str]:
        """All names that the text offers to what stands beside it."""
        return self.makes | self.imports


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a text does not parse."""

    message: str
    """CPython's own, or ours."""
    line: int | None
    """1-based, where the parser gave up."""


# The steps of a rule ask about the same text in turn.
@lru_cache(maxsize=32)
def parse(text: str) -> Syntax | Failure:
    """What `text` is as Python, or why it is none."""
    tree = parse_tree(text)
    return tree if isinstance(tree, Failure) else _known(tree)


def parse_tree(text: str) -> ast.Module | Failure:
    """`text` as a tree, which is many times as large, or why it is none."""
    if len(text) > MAX_CHARACTERS:
        return Failure("too long", None)
    if _too_deep(text):
        return Failure("nested too deeply", None)
    # Not safe to do from several threads at once: the filters are the process's.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except SyntaxError as error:
            return Failure(str(error.msg), error.lineno)
        except (ValueError, OverflowError, RecursionError, MemoryError, SystemError) as error:
            return Failure(type(error).__name__, None)


def _known(tree: ast.Module) -> Syntax:
    lacking = facts.needs(tree)
    return Syntax(
        acts=any(not facts.is_idle(each) for each in tree.body),
        defines=any(
            isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for each in tree.body
        ),
        makes=facts.defined(tree),
        stubs=facts.stubs(tree),
        methods=facts.methods(tree),
        imports=facts.imported(tree),
        needs=lacking,
        reads=facts.reads_input(tree),
        writes=facts.writes_output(tree),
        runs=facts.runs(tree),
        asks=facts.asks_when_imported(tree),
        prose=facts.has_prose(tree, lacking),
        redefined=facts.redefined(tree),
    )


def parses(text: str) -> bool:
    """Whether `text` is Python by its syntax."""
    return isinstance(parse(text), Syntax)


def _too_deep(text: str) -> bool:
    """By counting, strings and comments included: a harmless text may be called so, and is left as it is."""
    depth = 0
    for bracket in _BRACKETS.findall(text):
        depth = depth + 1 if bracket in "([{" else max(0, depth - 1)
        if depth > MAX_DEPTH:
            return True
    signs = any(len("".join(run[0].split())) > MAX_DEPTH for run in _SIGNS.finditer(text))
    return signs or any(len(run[0]) > MAX_DEPTH * len("not ") for run in _WORDS.finditer(text))
