"""Releases, files and windows of contest dates, as `--split` names them."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from harness.errors import InputError

FILES = ("test.jsonl", "test2.jsonl", "test3.jsonl", "test4.jsonl", "test5.jsonl", "test6.jsonl")
"""One for each version; a release is all up to its own."""
_SPLIT = re.compile(
    r"(?:release_v(?P<release>[1-6])|v(?P<file>[1-6])(?:_v(?P<last>[1-6]))?)?"
    r"(?P<sep>:)?(?:(?P<from>\d{4}-\d\d(?:-\d\d)?)?\.\.(?P<to>\d{4}-\d\d(?:-\d\d)?)?)?"
)
_FIRST, _LAST = "0000", "9999"


@dataclass(frozen=True, slots=True)
class Window:
    """What a split stands for."""

    files: tuple[str, ...]
    first: str = _FIRST
    """Dates from this on, compared as far as it goes: a month is the whole month."""
    last: str = _LAST


def parse_split(split: str) -> Window:
    """The files and the dates of a split.

    Raises:
        InputError: If it is none.
    """
    split = split.replace("release_latest", f"release_v{len(FILES)}")
    found = _SPLIT.fullmatch(split)
    if found is None or not split or (bool(found["sep"]) != (":" in split and ".." in split)):
        raise InputError(
            f"livecodebench has no split {split!r}; available: release_v1 to release_v6, v1 to v6, v4_v5, and"
            " a window of contest dates, alone or behind one of these: 2024-08..2025-01, release_v5:2024-08.."
        )
    first, last = found["from"] or _FIRST, found["to"] or _LAST
    for date in (found["from"], found["to"]):
        if date and not _is_date(date):
            raise InputError(f"{date} in {split!r} is no date; write YYYY-MM or YYYY-MM-DD")
    if first[: len(last)] > last:
        raise InputError(f"window {first}..{last} runs backwards; write {last}..{first}")
    return Window(_files(found), first, last)


def _is_date(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text if len(text) > len("YYYY-MM") else f"{text}-01")
    except ValueError:
        return False
    return True


def _files(found: re.Match[str]) -> tuple[str, ...]:
    if found["file"]:
        first, last = int(found["file"]), int(found["last"] or found["file"])
        if first > last:
            raise InputError(f"versions v{first}_v{last} run backwards; write v{last}_v{first}")
        return FILES[first - 1 : last]
    return FILES[: int(found["release"] or len(FILES))]
