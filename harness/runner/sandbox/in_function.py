"""Programs that are no scripts, but compile as the body of a function.

In APPS's own solutions `exit()` was turned into `return`, and some lost the function around them but not its
`nonlocal`: 292 of the 3,705 first solutions of the test split. The reference grader puts every program
into a function, so it takes them, and models trained on APPS write them. What runs here is the user's own
syntax tree under one new node, so lines are the user's and strings over several lines stay as they are.
Does not cover: which profile accepts this (`harness.compare.profiles`); programs that are legal scripts,
which never come here.
"""

from __future__ import annotations

import re
from types import CodeType

_MISPLACED = re.compile(
    r"'return' outside function|nonlocal declaration not allowed at module level|no binding for nonlocal '"
)


def belongs_in_function(source: str, filename: str, error: SyntaxError) -> bool:
    """Whether this is why the program does not compile, and all that keeps it from it."""
    if _MISPLACED.match(error.msg or "") is None:
        return False
    try:
        compile_in_function(source, filename)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def compile_in_function(source: str, filename: str) -> CodeType:
    """Code that defines a function with the program for its body, and calls it.

    As in the reference, the imports that the text begins with stay outside.

    Raises:
        SyntaxError: If the program does not compile in a function either.
    """
    import ast  # noqa: PLC0415 - for few programs, and in a fork server each fork would pay

    tree = ast.parse(source, filename)
    first = _lines_of_imports(source) + 1
    inside = [node for node in tree.body if (node.end_lineno or 0) >= first]
    outside = tree.body[: len(tree.body) - len(inside)]
    wrapper = ast.parse("def code(): pass\ncode()")
    for node in wrapper.body:
        if isinstance(node, ast.FunctionDef):
            node.body = inside
    tree.body = [*outside, *wrapper.body]
    return compile(tree, filename, "exec", dont_inherit=True)


def _lines_of_imports(source: str) -> int:
    """How many lines the text begins with that are imports at the left margin."""
    for number, line in enumerate(source.split("\n")):
        if not line.startswith(("from ", "import ")):
            return number
    return source.count("\n") + 1
