"""Programs from the policy, graded: what the online buffer is filled with.

Covers: prompts without replacement in passes over the problems, n programs for each at a list of
temperatures, a greedy one where the objective asks for it, grading while the next programs are sampled. The
objective decides each group's credit here, once, when the group is new. Does not cover: what credit is
(`rltf.objectives`), which process this runs in (`rltf.rollout.sampler_process`), or what becomes of the
programs (`rltf.rollout.replay_buffer`).

The next prompts are drawn in place of those whose group teaches nothing, if the objective asks for it: as
many more at once as the last refresh lets expect, since each further round waits for its slowest program.

Every draw is a function of seed and count, so the sampler's place in a checkpoint is one number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from harness.evaluate.evaluation import Grader
from harness.models import Finish, Sampler
from harness.types import Outcome, Problem, PromptFormat, TestKind
from rltf.rewards.feedback import Compat, Feedback, feedback
from rltf.rollout.draws import Draw, Sampling, next_draws, sampled
from rltf.rollout.grading import Key, Program, grade_beside, timed
from rltf.rollout.hacking import HackWatch
from rltf.rollout.held_back import number_held_back, rewarded_part
from rltf.rollout.make_rollout import make_rollout
from rltf.rollout.records import CreditRule, Group, Rollout, is_zero
from rltf.rollout.rollout_rows import rollouts_of, rows_of
from rltf.rollout.rounds import GradedCompletion, Round, mean_notes, teaches_nothing
from rltf.rollout.statistics import program_statistics


@dataclass(frozen=True, slots=True)
class Collected:
    """What one call of `Rollouts.start` made."""

    rollouts: list[Rollout]
    """Those of a group one after another."""
    metrics: dict[str, float]
    """Means over the new programs."""
    seconds: dict[str, float]
    """`sampling`; `grading` that went on after it, for what was graded meanwhile costs none; `judging` by the
    objective's models (critic, reference); `crediting`, the reward terms and what is made of them; `watching`
    for hacks."""
    zero_advantage: int = 0
    """Programs that were graded and left out, since their credit is zero."""
    notes: dict[str, float] = field(default_factory=dict)
    """What the objective says of the new programs, for the log: a mean is over those refreshes that have it.
    """

    def row(self) -> dict[str, Any]:
        """Plain JSON values, for a checkpoint."""
        return asdict(replace(self, rollouts=[])) | {"rollouts": rows_of(self.rollouts)}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Collected:
        """From the plain values that `row` made."""
        return cls(**{**row, "rollouts": rollouts_of(row["rollouts"])})


@dataclass
class Rollouts:
    """Draws prompts, has them completed and graded, and has the objective decide their credit."""

    problems: Sequence[Problem]
    """This process's share of them."""
    prompt_format: PromptFormat
    sampling: Sampling
    objective: CreditRule
    profile: str = "strict"
    keep_zero_advantage: bool = True
    """Hand out programs whose credit is zero, too."""
    feedback_variant: Compat = "paper"
    """Whose classes and scopes."""
    held_back: float = 0.0
    """Share of each problem's tests that decide no reward (`rltf.rollout.held_back`)."""
    unsolvable: int = 0
    """Passing programs that are graded on problems that cannot be solved, each time."""
    prompts_drawn: int = 0
    """Prompts drawn so far."""
    useful_share: float = 1.0
    """Of the last refresh's groups, those that teach something; 1 where no prompts are replaced."""

    def start(self, count: int, step: int, sampler: Sampler, grader: Grader) -> Callable[[], Collected]:
        """Sample at least `count` programs of the policy after `step`, all of a prompt's together.

        Returns:
            What waits until they are graded, and gives them; called before the next `start`. They are fewer
            where the grader itself failed: those are dropped and counted, and never rewarded.
        """
        seconds: dict[str, float] = {}
        wanted = -(-count // self.sampling.samples_per_problem)

        def begin(prompts: int) -> Callable[[], Round]:
            draws = next_draws(
                self.problems,
                self.prompt_format,
                seed=self.sampling.seed,
                drawn=self.prompts_drawn,
                count=prompts,
            )
            self.prompts_drawn += len(draws)
            return self._begin(draws, step, sampler, grader, seconds)

        if not self.objective.resampling_rounds:
            first = begin(wanted)
            return lambda: self._collected([first()], wanted, seconds, grader)
        # All of it here: the policy must not learn while it is sampled from.
        rounds = self._resampled(wanted, begin)
        return lambda: self._collected(rounds, wanted, seconds, grader)

    def _begin(
        self, draws: Sequence[Draw], step: int, sampler: Sampler, grader: Grader, seconds: dict[str, float]
    ) -> Callable[[], Round]:
        """Have programs sampled; what is returned waits for their verdicts."""
        problems = {draw.problem.task_id: draw.problem for draw in draws}
        greedy = "greedy" in self.objective.needs
        programs = sampled(draws, self.sampling, sampler, greedy=greedy)
        verdicts = grade_beside(programs, problems, grader, seconds)
        return lambda: self._round(draws, verdicts(), step, seconds)

    def _resampled(self, wanted: int, begin: Callable[[int], Callable[[], Round]]) -> list[Round]:
        """Rounds until as many groups as are wanted teach something, or enough prompts were drawn."""
        rounds: list[Round] = []
        useful, drawn, most = 0, 0, wanted * (1 + self.objective.resampling_rounds)
        expected = max(self.useful_share, wanted / most)
        while useful < wanted and drawn < most:
            prompts = min(most - drawn, math.ceil((wanted - useful) / expected))
            rounds.append(begin(prompts)())
            useful, drawn = useful + rounds[-1].useful, drawn + prompts
        self.useful_share = useful / drawn
        return rounds

    def _round(
        self,
        draws: Sequence[Draw],
        graded: Sequence[tuple[Program, Outcome]],
        step: int,
        seconds: dict[str, float],
    ) -> Round:
        sound = [(program, outcome) for program, outcome in graded if outcome.infrastructure_error is None]
        programs = {
            program.key: (program, outcome, self._feedback(program, outcome)) for program, outcome in sound
        }
        groups = [self._group(draw, programs, step) for draw in draws]
        with timed(seconds, "judging"):
            notes = self.objective.prepare(groups)
        with timed(seconds, "crediting"):
            credited = [
                [replace(each, credit=credit) for each, credit in zip(group.rollouts, credits_, strict=True)]
                for group, credits_ in zip(groups, self.objective.credit_groups(groups), strict=True)
            ]
        return Round(list(programs.values()), groups, credited, len(graded) - len(sound), notes)

    def _collected(
        self, rounds: Sequence[Round], wanted: int, seconds: dict[str, float], grader: Grader
    ) -> Collected:
        groups = [group for each in rounds for group in each.groups]
        credited = [rollouts for each in rounds for rollouts in each.credited]
        made = [each for rollouts in credited for each in rollouts]
        kept = [each for rollouts in credited for each in rollouts if self._keeps(each, rollouts)]
        rewards = self._rewards(groups)
        programs = [program for each in rounds for program in each.programs]
        own = [each for each in programs if each[0].temperature is not None]
        told = [(each, found) for each, _, found in own]
        metrics = program_statistics("sampled", [(found, rewards[each.key]) for each, found in told]) | {
            "sampled/programs": len(told),
            "sampled/tokens": _mean([each.completion.tokens for each, _ in told]),
            "sampled/truncated": _mean([each.completion.finish is Finish.LENGTH for each, _ in told]),
            "sampled/unique": _mean(
                [len({each.code for each in of.rollouts}) / len(of.rollouts) for of in groups if of.rollouts]
            ),
            "sampled/infrastructure_errors": sum(each.lost for each in rounds),
            "sampled/zero_advantage": _mean([is_zero(each.credit) for each in made]),
        }
        if self.objective.resampling_rounds:
            metrics["sampled/replaced_groups"] = len(groups) - wanted
        with timed(seconds, "watching"):
            hacks = self._hacks.seen(own, [each.problem for each in groups], grader)
        notes = mean_notes(rounds) | hacks
        return Collected(kept, metrics, seconds, zero_advantage=len(made) - len(kept), notes=notes)

    def _keeps(self, rollout: Rollout, group: Sequence[Rollout]) -> bool:
        """Whether a rollout is handed out."""
        if self.objective.resampling_rounds and teaches_nothing(group):
            return False
        return self.keep_zero_advantage or not is_zero(rollout.credit)

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, as plain JSON values."""
        return {"prompts_drawn": self.prompts_drawn, "useful_share": self.useful_share}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where the rollouts were whose `state` this is; problems and seed must be the same."""
        self.prompts_drawn = state["prompts_drawn"]
        self.useful_share = state.get("useful_share", self.useful_share)  # not in folders of 0.1

    # --- rewarding -------------------------------------------------------------------------------

    def _feedback(self, program: Program, outcome: Outcome) -> Feedback:
        truncated = program.completion.finish is Finish.LENGTH
        return feedback(
            self._rewarded(outcome),
            program.code,
            truncated=truncated,
            profile=self.profile,
            compat=self.feedback_variant,
            kind=self._kind(program.completion.task_id),
        )

    def _rewarded(self, outcome: Outcome) -> Outcome:
        """What rewards may know of it."""
        return rewarded_part(outcome, number_held_back(len(outcome.tests), self.held_back))

    @cached_property
    def _hacks(self) -> HackWatch:
        return HackWatch(self.profile, self.held_back, self.unsolvable)

    def _kind(self, task_id: str) -> TestKind:
        """Of a problem's tests; asked once, since a suite may be read anew each time."""
        if task_id not in self._kinds:
            self._kinds[task_id] = self._by_id[task_id].suite.kind
        return self._kinds[task_id]

    @cached_property
    def _by_id(self) -> Mapping[str, Problem]:
        return {problem.task_id: problem for problem in self.problems}

    @cached_property
    def _kinds(self) -> dict[str, TestKind]:
        return {}

    def _group(self, draw: Draw, programs: Mapping[Key, GradedCompletion], step: int) -> Group:
        """The draw's programs in the order of their numbers, without those that could not be graded."""
        n, task = self.sampling.samples_per_problem, draw.prompt.task_id
        keys = [(task, number, False) for number in range(draw.epoch * n, (draw.epoch + 1) * n)]
        rollouts = [self._rollout(draw, programs[key], step) for key in keys if key in programs]
        found = programs.get((task, draw.epoch, True))
        greedy = None if found is None else self._rollout(draw, found, step)
        return Group(draw.problem, rollouts, greedy)

    def _rollout(self, draw: Draw, graded: GradedCompletion, step: int) -> Rollout:
        program, outcome, said = graded
        return make_rollout(draw.number, program, self._rewarded(outcome), said, step)

    def _rewards(self, groups: Sequence[Group]) -> dict[Key, Mapping[str, float]]:
        return {
            (each.task_id, each.sample_id, False): values
            for group in groups
            for each, values in zip(group.rollouts, self.objective.rewards(group), strict=True)
        }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
