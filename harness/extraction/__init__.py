"""From what a model wrote to a program, by rules with names; nothing is run and no answer is refused."""

from harness.extraction import steps
from harness.extraction.rules import (
    RULES,
    Extraction,
    Rule,
    extract,
    extract_program,
    find_rule,
    versioned,
)
from harness.extraction.wanted import ANYTHING, Wanted

__all__ = [
    "ANYTHING",
    "RULES",
    "Extraction",
    "Rule",
    "Wanted",
    "extract",
    "extract_program",
    "find_rule",
    "steps",
    "versioned",
]
