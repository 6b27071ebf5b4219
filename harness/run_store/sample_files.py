"""The samples of a run while they are made: `samples.jsonl`, `prompts.jsonl`, and `lost.jsonl` for lost ones.

Covers: which samples are there, in the journals of all processes too; adding one with its prompt; the final
files in their order. Does not cover: making samples (`harness.evaluate.generation`), or what lost samples
mean for a run's numbers (`harness.metrics.lost_samples`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.models.unanswered import Loss, Unanswered
from harness.prompts import Prompt
from harness.run_store.journal import RowFile
from harness.run_store.records import Key


class SampleFiles:
    """The sample files of a run, and this process' journals beside them."""

    def __init__(self, folder: Path, shard: int = 0, *, prompted: bool = True) -> None:
        """Read which samples are there.

        Args:
            folder: Of the run.
            shard: Number of this process.
            prompted: Whether each sample is the answer to a prompt, which is recorded with it; programs that
                were made elsewhere have none.
        """
        self.samples = sample_rows(folder, shard=shard)
        self.prompts = RowFile(folder / "prompts.jsonl", _prompt_key, shard=shard)
        self.lost = LostFile(folder, shard)
        self._prompted = prompted

    def __contains__(self, key: Key) -> bool:
        return key in self.samples and (not self._prompted or (key[0], "prompt") in self.prompts)

    def add(self, prompt: Prompt, row: dict[str, Any]) -> None:
        """Record a sample, and its prompt if that is not recorded yet."""
        if (prompt.task_id, "prompt") not in self.prompts:
            self.prompts.append_row(
                {
                    "task_id": prompt.task_id,
                    "prompt": prompt.sent or prompt.text,
                    "shortened": prompt.shortened,
                }
            )
        self.samples.append_row(row)

    def scan(self) -> None:
        """Read again what is there: other processes have written, too."""
        self.samples.scan()
        self.prompts.scan()
        self.lost.scan()

    def given(self, keys: Sequence[Key]) -> list[Key]:
        """Those of `keys` that are not lost: a sample counts over a loss, of whichever session."""
        return [key for key in keys if key in self or key not in self.lost]

    def finish(self, keys: Sequence[Key]) -> None:
        """Write the files in the order of `keys`, and drop the journals of all processes.

        Raises:
            InfrastructureError: If a sample is missing: a sampler, or a process, gave fewer than asked for.
        """
        given = self.given(keys)
        lost = set(keys).difference(given)
        self.lost.finish([key for key in keys if key in lost])
        if self._prompted:
            self.prompts.finish([(task, "prompt") for task in dict.fromkeys(task for task, _ in given)])
        self.samples.finish(given)

    def close(self) -> None:
        self.prompts.close()
        self.samples.close()
        self.lost.close()


def sample_rows(folder: Path, *, shard: int = 0, read: bool = True) -> RowFile:
    """The rows of `samples.jsonl`."""
    return RowFile(folder / "samples.jsonl", _sample_key, shard=shard, read=read)


class LostFile(RowFile):
    """The rows of `lost.jsonl`: samples that were asked for and not given."""

    def __init__(self, folder: Path, shard: int = 0) -> None:
        super().__init__(folder / "lost.jsonl", _lost_key, shard=shard)

    def add(self, lost: Unanswered) -> None:
        """Record a sample that was asked for and not given."""
        self.append_row(lost.row())

    def finish(self, keys: Iterable[Key]) -> None:
        """As `RowFile.finish`; without keys no file is left."""
        keys = list(keys)
        if keys:
            if len(keys) < len(self):  # some were given since: with a journal the file is written again
                self.journal.touch()
            super().finish(keys)
            return
        self.close()
        for path in (self.final, *self.journals):
            path.unlink(missing_ok=True)
        self.scan()


def _prompt_key(row: Mapping[str, Any]) -> Key:
    return row["task_id"], "prompt"


def _sample_key(row: Mapping[str, Any]) -> Key:
    if not isinstance(row["code"], str):
        raise TypeError("code")
    return row["task_id"], row["sample_id"]


def _lost_key(row: Mapping[str, Any]) -> Key:
    if row["loss"] not in list(Loss):
        raise TypeError("loss")
    return row["task_id"], row["sample_id"]
