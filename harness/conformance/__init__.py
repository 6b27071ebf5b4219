"""`rltf grader-test`: programs with required verdicts, played against any grader; how much its rewards are
worth.

`cases.py` and `tricks.py` have the programs, `targets.py` the ways to ask, `sheet.py` the marks.
Does not cover: our own isolation in depth (`tests/runner`); these attacks are of the cheap kinds.
"""
