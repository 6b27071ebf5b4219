"""A program and whose it is: the word between files of programs and run folders.

Apart from what reads such files, which is much to import for the workers' cache of verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """One program for one problem."""

    task_id: str
    sample_id: int | str
    """Unique among the problem's samples; numbered from 0 in file order where the file gives none."""
    code: str

    @property
    def key(self) -> tuple[str, int | str]:
        return self.task_id, self.sample_id
