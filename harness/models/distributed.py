"""The processes of one evaluation: one, or those that `accelerate launch` (or `torchrun`) started together.

Covers: who one is, and waiting for one another. Everything else goes through the run folder, so that nothing
is lost with a process.
Does not cover: starting processes; sharing a model between them (each loads its own).

Importing this costs nothing; `accelerate` is imported where several processes were started.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from harness.errors import HarnessError, InfrastructureError, InputError

_PATIENCE = timedelta(days=14)
"""The first process to end its share waits for the last, and shares are not equally long."""


@dataclass(frozen=True)
class Processes:
    """This process among those of its launch."""

    index: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the one that owns the run folder and grades."""
        return self.index == 0

    def barrier(self) -> None:
        """Wait until all have come here."""
        if self.count > 1:
            from accelerate import PartialState  # noqa: PLC0415 - imports torch

            PartialState().wait_for_everyone()

    @contextmanager
    def main_process_first(self) -> Iterator[None]:
        """What process 0 does first, while the others `wait_for_main`; if it fails, they end too."""
        try:
            yield
        except BaseException:
            self._broadcast(False)
            raise
        self._broadcast(True)

    def wait_for_main(self) -> None:
        """Wait until process 0 has done what it does first.

        Raises:
            InfrastructureError: If it failed; its own line says why.
        """
        if not self._broadcast(False):
            raise InfrastructureError(f"process {self.index} ends because process 0 could not start")

    def _broadcast(self, well: bool) -> bool:
        """Process 0's word, for all."""
        if self.count == 1:
            return well
        from accelerate.utils import broadcast_object_list  # noqa: PLC0415 - imports torch

        words = [well]
        broadcast_object_list(words)
        return words[0]


def current_processes() -> Processes:
    """Join the others of this launch, if there are any.

    Raises:
        InputError: If several were started and `accelerate` is not installed.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started == 1:
        return Processes()
    try:
        import torch  # noqa: PLC0415 - slow, and only needed here
        from accelerate import PartialState  # noqa: PLC0415 - the same
    except ImportError:
        raise InputError(
            "several processes were started ($WORLD_SIZE), and they meet through accelerate;"
            " pip install 'rltf-harness[models]'"
        ) from None
    try:
        # Also gives each process a GPU of its own, where there are any; without, it must be told so.
        state = PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)
    except (ValueError, RuntimeError) as error:
        raise HarnessError(f"the processes of this launch cannot meet: {error}") from None
    if state.num_processes != started:
        raise InputError(
            f"$WORLD_SIZE says {started} processes, and accelerate finds {state.num_processes};"
            " start them with accelerate launch or torchrun"
        )
    return Processes(state.process_index, state.num_processes)
