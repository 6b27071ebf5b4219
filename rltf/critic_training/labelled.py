"""Graded programs on disk as what a critic is trained on.

Covers: run folders of `rltf eval` and `rltf score`, and those of `rltf train`, whose newest checkpoint holds
the programs of its buffer as they were sampled. Reference solutions have the class of passing programs and
are not run (as in the released code). Does not cover: files without verdicts, which `rltf score` grades.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.models import Finish
from harness.prompts import make_prompt
from harness.run_store.rows import graded_samples
from harness.types import Benchmark, Problem, PromptFormat
from rltf.critic.classes import ORDER, class_of
from rltf.critic.model import LabelledProgram
from rltf.critic_training.config import CriticConfig
from rltf.data.batch import Tokens
from rltf.rewards.feedback import feedback
from rltf.rollout.rollout_rows import rollouts_of
from rltf.rollout.shuffle import shuffled
from rltf.run import checkpoints


@dataclass(frozen=True, slots=True)
class LabelledData:
    """What a critic learns from, and what it is held to."""

    training: list[LabelledProgram]
    validation: list[LabelledProgram]
    """Sampled programs of problems that none of the others is for."""
    sampled: int
    """Programs of `training` that a model wrote; the others are reference solutions."""
    left_out: int
    """Programs that have no class (the grader failed), or that the tokenizer cannot write."""


class Labelling:
    """Makes programs of a benchmark into labelled ones."""

    def __init__(
        self, benchmark: Benchmark, prompt_format: PromptFormat, tokens: Tokens, config: CriticConfig
    ) -> None:
        self._problems = {problem.task_id: problem for problem in benchmark.problems}
        self._format = prompt_format
        self._tokens = tokens
        self._config = config
        self.left_out = 0

    def data(self, folders: Sequence[Path]) -> LabelledData:
        """All programs of the folders, and reference solutions of the problems that they are for.

        Raises:
            InputError: If there is none, or a folder holds no graded programs.
        """
        config = self._config
        programs = [each for folder in folders for each in self._of_folder(folder)]
        if not programs:
            raise InputError("--samples has no graded program of the selected problems; choose another run")
        tasks = sorted({task for task, _ in programs})
        order = shuffled(len(tasks), f"{config.seed} validation")
        held = {tasks[i] for i in order[: round(config.validation_share * len(tasks))]}
        training = [each for task, each in programs if task not in held]
        if not training:
            raise InputError("all problems are held back for validation; lower validation_share")
        references = self._references([task for task in tasks if task not in held], len(training))
        return LabelledData(
            [*training, *references],
            [each for task, each in programs if task in held],
            len(training),
            self.left_out,
        )

    # --- sampled programs ------------------------------------------------------------------------

    def _of_folder(self, folder: Path) -> Iterator[tuple[str, LabelledProgram]]:
        checkpoint = checkpoint_of(folder)
        return self._of_run(folder) if checkpoint is None else self._of_checkpoint(checkpoint)

    def _of_run(self, folder: Path) -> Iterator[tuple[str, LabelledProgram]]:
        for row, outcome_of in graded_samples(folder):
            problem = self._problems.get(row["task_id"])
            if problem is None:
                continue
            cut = row.get("finish") == Finish.LENGTH
            try:
                said = feedback(
                    outcome_of(),
                    row["code"],
                    truncated=cut,
                    profile=self._config.profile,
                    compat=self._config.feedback,
                    kind=problem.suite.kind,
                )
            except ValueError:  # nothing can be said of it
                self.left_out += 1
                continue
            label = class_of(said.category, self._config.critic_classes)
            found = self._program(problem, row.get("completion") or row["code"], label, ended=not cut)
            if found is not None:
                yield problem.task_id, found

    def _of_checkpoint(self, checkpoint: Path) -> Iterator[tuple[str, LabelledProgram]]:
        refreshes = checkpoints.read_state(checkpoint, 0)["stream"]["buffer"]["refreshes"]
        for rollout in (each for rows in refreshes for each in rollouts_of(rows)):
            if rollout.task_id in self._problems:
                label = class_of(rollout.feedback.category, self._config.critic_classes)
                yield rollout.task_id, LabelledProgram(rollout.prompt_ids, rollout.token_ids, label)

    # --- reference solutions ---------------------------------------------------------------------

    def _references(self, tasks: Sequence[str], sampled: int) -> list[LabelledProgram]:
        label = class_of(ORDER[-1], self._config.critic_classes)
        all_ = [
            (self._problems[task], solution) for task in tasks for solution in self._problems[task].solutions
        ]
        share = self._config.references
        count = len(all_) if share is None else min(len(all_), round(share * sampled))
        chosen = shuffled(len(all_), f"{self._config.seed} references")[:count]
        found = (self._program(*all_[i], label, ended=True) for i in chosen)
        return [each for each in found if each is not None]

    def _program(self, problem: Problem, text: str, label: int, *, ended: bool) -> LabelledProgram | None:
        row = self._tokens.solution_row(make_prompt(self._format, problem.loaded()), text)
        if row is None:
            self.left_out += 1
            return None
        end = self._tokens.end_id
        cut = not ended and row.target[-1:] == [end]
        return LabelledProgram(row.prompt, row.target[:-1] if cut else row.target, label)


def checkpoint_of(folder: Path) -> Path | None:
    """Where the graded programs of a folder of `rltf train` are; `None` if it is one of a run itself.

    Raises:
        InputError: If it is neither.
    """
    if (folder / "outcomes.jsonl").exists():
        return None
    newest = checkpoints.newest(folder) if folder.is_dir() else None
    if newest is None:
        raise InputError(
            f"{folder} holds no graded programs: give a run folder of rltf eval or rltf train, or grade a"
            " file with rltf score first"
        )
    return newest


def check_vocabulary(data: LabelledData, model: Any) -> None:
    """
    Raises:
        InputError: If programs are of tokens that the model does not have.
    """
    size = model.get_input_embeddings().weight.shape[0]
    programs = (*data.training, *data.validation)
    if any(max((*each.prompt, *each.program), default=0) >= size for each in programs):
        raise InputError(
            "--samples has another model's tokens; give the checkpoint that sampled it as --model"
        )
