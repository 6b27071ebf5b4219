"""Files that hold answers instead of programs: noticed, and read as a model's answers if that is asked for.

Covers: fences and prose, bodies that continue their row's prompt, completions of problems whose prompt is
code. Asked for, each answer goes through the extraction of the chat formats, as in `rltf eval`; where its row
names the prompt format that it answers, through that format's.
Does not cover: the rules (`harness.extraction`). Nothing is run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import indent

from harness.extraction import RULES, Wanted, extract, extract_program
from harness.extraction.parsing import Syntax, parse, parses
from harness.programs.formats import RawProgram
from harness.prompts import find_format, make_prompt
from harness.types import Benchmark, Problem

RULE = "chat"
"""Of the chat formats of `rltf eval`."""


def described() -> str:
    """The extraction and its version, for a run's identity."""
    return f"extracted by {RULE} version {RULES[RULE].version}"


@dataclass
class Answers:
    """What a file holds, by what its programs look like."""

    benchmark: Benchmark
    extracting: bool
    """Take programs out of answers; else leave them as they are and count what looks like answers."""
    total: int = 0
    answers: int = 0
    continuing: int = 0
    changed: int = 0
    continued: int = 0
    """Completions that were put behind the code which their problem gives."""

    formats: dict[str, None] = field(default_factory=dict)
    """Prompt formats that rows named, by whose rules their programs were taken out."""

    def program(self, raw: RawProgram, problem: Problem) -> str:
        """The program to grade."""
        self.total += 1
        if self.extracting and raw.prompt_format:
            prompt = make_prompt(find_format(self.benchmark, raw.prompt_format), problem)
            code = extract_program(raw.code, prompt).code
            self.changed += code != raw.code
            self.formats[raw.prompt_format] = None
            return code
        if raw.completion and problem.code_prompt:
            return self._continued(raw.code, problem)
        if not self.extracting:
            continuing = _continues(raw)
            self.continuing += continuing
            self.answers += not continuing and _is_answer(raw.code, problem)
            return raw.code
        # The row's prompt is not handed on: it is code in many files, and an answer that begins with it would
        # lose its head as an echo.
        if _continues(raw):
            code = raw.prompt + raw.code
        else:
            code = extract(raw.code, RULE, wanted=Wanted.of(problem)).code
        self.changed += code != raw.code
        return code

    def _continued(self, completion: str, problem: Problem) -> str:
        """The problem's code and the completion; if asked for, the whole program that an answer holds."""
        if self.extracting and not parses(problem.code_prompt + completion):
            wanted = Wanted.of(problem)
            found = extract(completion, RULE, wanted=wanted).code
            self.changed += found != completion
            syntax = parse(found)
            if isinstance(syntax, Syntax) and wanted.defined_by(syntax):
                return found
            # A body by itself, whose indentation went as the rule found it.
            completion = found if found[:1] in (" ", "\t") else indent(found, "    ")
        self.continued += 1
        return problem.code_prompt + completion

    def done(self) -> list[str]:
        """What was done; one sentence for each thing."""
        found = []
        if self.continued:
            found.append(
                f"{self.continued:,} of {self.total:,} completions were put behind the code that their"
                " problem gives; a whole program goes into a field `solution` or `code`."
            )
        if self.extracting:
            how = f"by the rule of format {', '.join(self.formats)}" if self.formats else described()
            found.append(f"Extraction changed {self.changed:,} of {self.total:,} programs ({how}).")
        return found

    def warnings(self) -> list[str]:
        """What the numbers would be wrong without; one sentence each."""
        found = []
        if 2 * self.answers > self.total:
            found.append(
                f"{self.answers:,} of {self.total:,} programs are no Python and hold Markdown fences, or a"
                " program among other text: they are answers, and fail as they stand; pass --extract to grade"
                " the programs in them."
            )
        if 2 * self.continuing > self.total:
            found.append(
                f"{self.continuing:,} of {self.total:,} programs are no Python but continue the prompt of"
                " their row; pass --extract to grade prompt and continuation together."
            )
        return found


def _is_answer(text: str, problem: Problem) -> bool:
    """No Python, but fences, prose or thoughts with a program in them."""
    if parses(text):
        return False
    if "```" in text or "~~~" in text:
        return True
    found = extract(text, RULE, wanted=Wanted.of(problem)).code
    return bool(found.strip()) and parses(found)


def _continues(raw: RawProgram) -> bool:
    """A text that is Python only behind its prompt."""
    return bool(raw.prompt) and not parses(raw.code) and parses(raw.prompt + raw.code)
