"""How LiveCodeBench puts a problem to a model (lcb_runner/prompts/code_generation.py), and reads the answer.

Does not cover: the spellings for single models, and its worked examples for base models, in whose place
stands one of our own.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.extraction import Rule
from harness.types import Piece, Problem, PromptFormat

_SYSTEM = (
    "You are an expert Python programmer. You will be given a question (problem specification) and will"
    " generate a correct Python program that matches the specification and passes all tests."
)
_WITH_STARTER = (
    "You will use the following starter code to write the solution to the problem and enclose your code"
    " within delimiters."
)
_WITHOUT_STARTER = (
    "Read the inputs from stdin solve the problem and write the answer to stdout (do not directly test on the"
    " sample inputs). Enclose your code within delimiters as follows. Ensure that when the python program"
    " runs, it reads the inputs, runs the algorithm and writes output to STDOUT."
)


def _last_block(text: str, _: object) -> str:
    """What stands between the last two lines with three backticks; nothing where there is one.

    Its own rule has nothing either where there is none. Here that is the whole answer: a rule is applied to
    its own output, which has none.
    """
    lines = text.split("\n")
    fences = [number for number, line in enumerate(lines) if "```" in line]
    if not fences:
        return text
    return "\n".join(lines[fences[-2] + 1 : fences[-1]]) if len(fences) >= 2 else ""


LAST_BLOCK = Rule("lcb", "1", (_last_block,))
WHOLE = Rule("lcb-base", "1", (lambda text, _: text.strip(),))


def _chat(problem: Problem) -> Sequence[Piece]:
    starter = problem.starter_code
    how, code = (_WITH_STARTER, starter) if starter else (_WITHOUT_STARTER, "# YOUR CODE HERE")
    return (
        Piece(_SYSTEM, role="system"),
        Piece("### Question:\n"),
        Piece(problem.question, cut=True),
        Piece(f"\n\n### Format: {how}\n```python\n{code}\n```\n\n"),
        Piece("### Answer: (use the provided format with backticks)\n\n"),
    )


_EXAMPLE_STDIN = """\
### Question
Read a number n, then n whole numbers on one line. Print their sum.

### Answer

n = int(input())
print(sum(map(int, input().split())))

"""
_EXAMPLE_FUNCTION = """\
### Question
Given a list of whole numbers, return how many of them are even.

### Starter Code
class Solution:
    def countEven(self, nums: List[int]) -> int:

### Answer

class Solution:
    def countEven(self, nums: List[int]) -> int:
        return sum(num % 2 == 0 for num in nums)

"""


def _base(problem: Problem) -> Sequence[Piece]:
    starter = problem.starter_code
    return (
        Piece(_EXAMPLE_FUNCTION if starter else _EXAMPLE_STDIN),
        Piece("### Question\n"),
        Piece(problem.question, cut=True),
        Piece((f"\n\n### Starter Code\n{starter}" if starter else "") + "\n\n### Answer\n\n"),
    )


CHAT = PromptFormat(
    name="chat",
    version="1",
    build=_chat,
    source="LiveCodeBench, lcb_runner/prompts/code_generation.py: generic system and user message",
    extraction=LAST_BLOCK,
    chat=True,
)
BASE = PromptFormat(
    name="base",
    version="1",
    build=_base,
    source="LiveCodeBench, lcb_runner/prompts/code_generation.py, with a worked example of ours",
    stop=("###",),
    extraction=WHOLE,
)
PROMPTS = {each.name: each for each in (CHAT, BASE)}
"""The default first."""
