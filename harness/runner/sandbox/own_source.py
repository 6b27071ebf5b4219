"""Which programs may read their own source, and so find it as a file in their folder.

With `python solution.py` the script lies in the working folder: `open(__file__)`, `inspect.getsource` and the
lines in `traceback.format_exc()` come from there. To make and remove a file costs more than to look for a
word, and next to no program reads it; so the dispatcher puts it there for those whose text has a word of
those ways, as it puts a job's own files, and the folder of all others stays empty.
Does not cover: a program that puts the file's name together out of pieces, or that looks up its traceback
by `logging`.
"""

from __future__ import annotations

_WORDS = (
    b"file",  # __file__, co_filename
    b"argv",
    b".py",
    b"inspect",
    b"traceback",
)
"""Few: each costs about a microsecond for a kilobyte of program."""
_MOST_BYTES = 8 << 20
"""Of a source that is put there: the folder must have room for it beside a job's files."""


def may_be_read(source: bytes) -> bool:
    """Whether the program says that it may want its source."""
    return len(source) <= _MOST_BYTES and any(word in source for word in _WORDS)
