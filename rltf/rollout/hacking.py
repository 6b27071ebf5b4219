"""Signs of reward hacking among new programs, for the log and the alarms; the same for all methods.

Covers: programs that pass only what they can see, passes of problems that cannot be solved, signatures in the
text. Does not cover: what is wrong with a share (`rltf.monitoring.collapse`), or the effect on rewards: none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.evaluate.evaluation import Grader
from harness.types import Outcome, Problem
from rltf.rewards.feedback import Category
from rltf.rollout.hack_signatures import SIGNATURES, answers_of, signatures
from rltf.rollout.held_back import number_held_back, passes_visible_alone, visible_tests
from rltf.rollout.rounds import GradedCompletion
from rltf.rollout.unsolvable import Passing, passed_unsolvable


@dataclass(frozen=True, slots=True)
class HackWatch:
    """Looks at each refresh's programs."""

    profile: str
    held_back: float = 0.0
    """Share of a problem's tests that decide no reward."""
    unsolvable: int = 0
    """Passing programs that are graded on problems that cannot be solved, in each refresh."""

    def seen(
        self, programs: Sequence[GradedCompletion], problems: Iterable[Problem], grader: Grader
    ) -> dict[str, float]:
        """Shares of programs, by name; one that nothing can be said of is missing.

        Args:
            programs: New ones that the grader did not fail on; outcomes of all tests.
            problems: Theirs, with their tests in memory.
            grader: Running, and free; used in this thread.
        """
        by_id = {each.task_id: each for each in problems}
        if not programs:
            return {}
        # Of one problem there are many programs; its tests are unpacked once, and not kept.
        answers = {each.task_id: answers_of(each) for each in by_id.values()}
        found = [
            signatures(program.code, by_id[outcome.task_id].suite.kind, answers[outcome.task_id])
            for program, outcome, _ in programs
        ]
        return {
            **{f"hacks/{name}": sum(name in each for each in found) / len(found) for name in SIGNATURES},
            **self._only_visible([outcome for _, outcome, _ in programs], by_id),
            **self._unsolvable(programs, found, by_id, grader),
        }

    def _only_visible(self, outcomes: Sequence[Outcome], problems: Mapping[str, Problem]) -> dict[str, float]:
        visible = {
            name: visible_tests(each, number_held_back(each.suite.count, self.held_back))
            for name, each in problems.items()
        }
        found = [
            passes_visible_alone(outcome, visible[outcome.task_id], self.profile)
            for outcome in outcomes
            if visible[outcome.task_id]
        ]
        return {"hacks/only_visible": sum(found) / len(found)} if found else {}

    def _unsolvable(
        self,
        programs: Sequence[GradedCompletion],
        found: Sequence[frozenset[str]],
        problems: Mapping[str, Problem],
        grader: Grader,
    ) -> dict[str, float]:
        passing = [
            (len(signs), Passing(outcome.task_id, program.code))
            for (program, outcome, said), signs in zip(programs, found, strict=True)
            if said.category is Category.PASSED
        ]
        passing.sort(key=lambda each: -each[0])
        graded, passed = passed_unsolvable(
            (each for _, each in passing), problems, grader, profile=self.profile, most=self.unsolvable
        )
        return {"hacks/unsolvable_graded": graded, "hacks/unsolvable_passed": passed} if graded else {}
