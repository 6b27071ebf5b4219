"""What happened since the last line of the log: means and sums by name, from all parts of the trainer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor


class Meter:
    """Collects numbers until they are taken."""

    def __init__(self) -> None:
        self._means: dict[str, list[Tensor | float]] = {}
        self._groups: dict[str, list[Mapping[str, float]]] = {}
        self._sums: dict[str, float] = {}
        self._since = time.perf_counter()

    def mean(self, name: str, value: Tensor | float) -> None:
        """Count a value into a mean. A tensor is read when the mean is taken: no waiting for the device."""
        self._means.setdefault(name, []).append(value)

    def means(self, group: str, values: Mapping[str, float]) -> None:
        """Count values into means over all calls with this group: a name that is left out counts as 0."""
        self._groups.setdefault(group, []).append(values)

    def add(self, name: str, value: float) -> None:
        """Add to a sum."""
        self._sums[name] = self._sums.get(name, 0.0) + value

    @contextmanager
    def seconds(self, name: str) -> Iterator[None]:
        """Add the time of the block to the sum `seconds/<name>`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(f"seconds/{name}", time.perf_counter() - started)

    def take(self) -> dict[str, float]:
        """Everything since it was last taken; `seconds/total` is the time since then."""
        now = time.perf_counter()
        means = {name: sum(map(float, values)) / len(values) for name, values in self._means.items()}
        for rows in self._groups.values():
            names = dict.fromkeys(name for row in rows for name in row)
            means |= {name: sum(row.get(name, 0.0) for row in rows) / len(rows) for name in names}
        taken = means | self._sums | {"seconds/total": now - self._since}
        self._means, self._groups, self._sums, self._since = {}, {}, {}, now
        return taken
