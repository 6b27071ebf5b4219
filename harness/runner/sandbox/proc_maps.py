"""What is mapped into this process's memory, as the kernel lists it."""

from __future__ import annotations

from typing import NamedTuple


class Mapping(NamedTuple):
    """Neighbouring pages of one kind."""

    start: int
    end: int
    """Address behind the last byte."""
    rights: str
    """`rwxp`, with `-` for what is not allowed and `s` for shared."""
    path: str
    """Empty where it is no file's."""


def own_mappings() -> list[Mapping]:
    """All mappings of this process, by address."""
    found = []
    with open("/proc/self/maps") as file:
        for line in file.readlines():  # whole, before what is made of it changes it
            addresses, rights, _, _, _, *path = line.split(maxsplit=5)
            start, end = (int(address, 16) for address in addresses.split("-"))
            found.append(Mapping(start, end, rights, "".join(path).rstrip("\n")))
    return found
