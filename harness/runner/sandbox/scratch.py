"""The one folder that programs may write to, emptied after each.

Never raises over what a program left there: a folder that can't be emptied is said to be so, and costs a new
fork server with a new folder, not a verdict.
"""

from __future__ import annotations

import os
import stat


def clean(folder: str) -> bool:
    """Empty the folder; whether it is empty now."""
    try:
        if not os.listdir(folder):
            return True
        for entry in list(os.scandir(folder)):
            _remove(entry)
        return not os.listdir(folder)
    except Exception:  # whatever a program thinks of
        return False


def _remove(entry: os.DirEntry[str]) -> None:
    """Remove a file, or a folder with all that is in it, whatever its mode.

    Not by shutil, whose import maps zlib, bz2 and lzma: 30 of the 172 mappings that every fork copied.
    """
    if not entry.is_dir(follow_symlinks=False):
        os.unlink(entry.path)
        return
    os.chmod(entry.path, stat.S_IRWXU)
    for inner in list(os.scandir(entry.path)):  # a list, so that no folder stays open for each level
        _remove(inner)
    os.rmdir(entry.path)
