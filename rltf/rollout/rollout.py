"""Programs from the policy, graded: what the online buffer is filled with.

Covers: prompts without replacement in passes over the problems, n programs for each at a list of
temperatures, a greedy one where the baseline asks for it, grading while the next programs are sampled, the
baselines' memory. Rewards are made here, once, when a program is new: its baseline is what was known of the
problem then. Does not cover: which process this runs in (`rltf.rollout.sampler_process`), or what becomes of
the programs (`rltf.rollout.replay_buffer`).

Every draw is a function of seed and count, so the sampler's place in a checkpoint is one number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from harness.evaluate.evaluation import Grader
from harness.models import Decoding, Finish, Request, Sampler, Trace
from harness.prompts import Prompt, make_prompt
from harness.types import Outcome, Problem, PromptFormat, TestKind
from rltf.rewards.alignment import Place, place
from rltf.rewards.feedback import Feedback, Scope, feedback
from rltf.rewards.line_tokens import feedback_mask
from rltf.rewards.rltf import PAPER, Reward, RewardConfig, best, group_mean, raw_rewards, rewards
from rltf.rollout.grading import Key, Program, grade_beside, read_program
from rltf.rollout.replay_buffer import Experience, experience_of, feedback_of, row_of
from rltf.rollout.shuffle import shuffled
from rltf.rollout.statistics import program_statistics


@dataclass(frozen=True, slots=True)
class Sampling:
    """How programs are drawn from the policy."""

    samples_per_problem: int
    temperatures: Sequence[float] = (1.0,)
    """Of a prompt's programs in turn."""
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 512
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Collected:
    """What one call of `Rollouts.start` made."""

    experiences: list[Experience]
    metrics: dict[str, float]
    """Means over the new programs."""
    seconds: dict[str, float]
    """`sampling`, and `grading` that went on after it: what was graded meanwhile costs none."""
    neutral: int = 0
    """Programs that were graded and left out, since their rewards are all nought."""

    def row(self) -> dict[str, Any]:
        """Plain JSON values, for a checkpoint."""
        return asdict(replace(self, experiences=[])) | {"experiences": list(map(row_of, self.experiences))}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Collected:
        """From the plain values that `row` made."""
        return cls(**{**row, "experiences": list(map(experience_of, row["experiences"]))})


@dataclass(frozen=True, slots=True)
class _Visit:
    """A prompt drawn."""

    problem: Problem
    prompt: Prompt
    turn: int
    """Pass over the problems, from 0; in the samples' numbers, so that no two passes share their noise."""


@dataclass
class Rollouts:
    """Draws prompts, has them completed and graded, and remembers what to compare with."""

    problems: Sequence[Problem]
    """This process's share of them."""
    prompt_format: PromptFormat
    sampling: Sampling
    rewards: RewardConfig = PAPER
    profile: str = "strict"
    keep_neutral: bool = True
    """Hand out programs whose rewards are all nought, too."""
    visits: int = 0
    """Prompts drawn so far."""
    known: dict[str, Feedback] = field(default_factory=dict)
    """By problem: its best program so far, or its newest greedy one, as the baseline has it."""

    def start(self, count: int, step: int, sampler: Sampler, grader: Grader) -> Callable[[], Collected]:
        """Sample at least `count` programs of the policy after `step`, all of a prompt's together.

        Returns:
            What waits until they are graded, and gives them; called before the next `start`. They are fewer
            where the grader itself failed: those are dropped and counted, and never rewarded.
        """
        seconds: dict[str, float] = {}
        visits = self._next_visits(-(-count // self.sampling.samples_per_problem))
        problems = {visit.problem.task_id: visit.problem for visit in visits}
        verdicts = grade_beside(self._programs(visits, sampler), problems, grader, seconds)

        def collect() -> Collected:
            return self._collected(visits, verdicts(), step, seconds)

        return collect

    def _collected(
        self,
        visits: Sequence[_Visit],
        graded: Sequence[tuple[Program, Outcome]],
        step: int,
        seconds: dict[str, float],
    ) -> Collected:
        sound = [(program, outcome) for program, outcome in graded if outcome.infrastructure_error is None]
        told = {program.key: (program, self._told(program, outcome)) for program, outcome in sound}
        made = [each for visit in visits for each in self._experiences(visit, told, step)]
        kept = [each for each in made if self.keep_neutral or not each.reward.neutral]
        sampled = [(each.completion, said) for each, said in told.values() if each.temperature is not None]
        rewarded = [(said, raw_rewards(said, self.rewards)) for _, said in sampled]
        metrics = program_statistics("sampled", rewarded) | {
            "sampled/programs": len(sampled),
            "sampled/tokens": _mean([completion.tokens for completion, _ in sampled]),
            "sampled/truncated": _mean([each.finish is Finish.LENGTH for each, _ in sampled]),
            "sampled/infrastructure_errors": len(graded) - len(sound),
            "sampled/neutral": _mean([each.reward.neutral for each in made]),
        }
        return Collected(kept, metrics, seconds, neutral=len(made) - len(kept))

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, as plain JSON values."""
        return {"visits": self.visits, "known": {task: asdict(each) for task, each in self.known.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where the rollouts were whose `state` this is; problems and seed must be the same."""
        self.visits = state["visits"]
        self.known = {task: feedback_of(row) for task, row in state["known"].items()}

    # --- drawing and sampling --------------------------------------------------------------------

    def _next_visits(self, count: int) -> list[_Visit]:
        visits: list[_Visit] = []
        while len(visits) < count:
            turn, done = divmod(self.visits, len(self.problems))
            order = shuffled(len(self.problems), f"{self.sampling.seed} prompts {turn}")
            drawn = order[done : done + count - len(visits)]
            visits += [self._visit(self.problems[i], turn) for i in drawn]
            self.visits += len(drawn)
        return visits

    def _visit(self, problem: Problem, turn: int) -> _Visit:
        suite = problem.suite  # once: prompts ask for it, and so does each program's job
        problem = replace(problem, load_suite=lambda: suite)
        return _Visit(problem, make_prompt(self.prompt_format, problem), turn)

    def _programs(self, visits: Sequence[_Visit], sampler: Sampler) -> Iterator[Program]:
        """Have every prompt completed, one temperature after the other, the greedy programs last."""
        sampling, n = self.sampling, self.sampling.samples_per_problem
        temperatures = sampling.temperatures
        for place_in_list, temperature in enumerate(temperatures):
            numbers = range(place_in_list, n, len(temperatures))
            requests = [Request(v.prompt, tuple(v.turn * n + i for i in numbers)) for v in visits]
            decoding = Decoding(
                temperature=temperature,
                top_p=sampling.top_p,
                top_k=sampling.top_k,
                max_new_tokens=sampling.max_new_tokens,
                seed=sampling.seed,
            )
            if numbers:
                yield from (read_program(each, temperature) for each in sampler.complete(requests, decoding))
        if self.rewards.baseline == "greedy":
            requests = [Request(v.prompt, (v.turn,)) for v in visits]
            decoding = Decoding(greedy=True, max_new_tokens=sampling.max_new_tokens)
            yield from (read_program(each, None) for each in sampler.complete(requests, decoding))

    # --- rewarding -------------------------------------------------------------------------------

    def _told(self, program: Program, outcome: Outcome) -> Feedback:
        truncated = program.completion.finish is Finish.LENGTH
        return feedback(
            outcome,
            program.code,
            truncated=truncated,
            profile=self.profile,
            compat=self.rewards.feedback,
            kind=self._kind(program.completion.task_id),
        )

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

    def _experiences(
        self, visit: _Visit, told: Mapping[Key, tuple[Program, Feedback]], step: int
    ) -> list[Experience]:
        """The visit's programs with their rewards, in the order of their numbers."""
        n, task = self.sampling.samples_per_problem, visit.prompt.task_id
        keys = [(task, number, False) for number in range(visit.turn * n, (visit.turn + 1) * n)]
        group = [told[key] for key in keys if key in told]
        greedy = [said for _, said in (told[key] for key in [(task, visit.turn, True)] if key in told)]
        baseline = self._baseline(task, [said for _, said in group], greedy)
        return [
            _experience(program, said, rewards(said, self.rewards, baseline=baseline), step)
            for program, said in group
        ]

    def _baseline(
        self, task: str, group: Sequence[Feedback], greedy: Sequence[Feedback]
    ) -> Feedback | Reward | None:
        """What the group is compared with; for `historical_best`, the best program before it."""
        if self.rewards.baseline == "group_mean" and group:
            return group_mean([raw_rewards(said, self.rewards, as_baseline=True) for said in group])
        before = self.known.get(task)
        if self.rewards.baseline == "historical_best" and group:
            self.known[task] = best([*([before] if before else []), *group], self.rewards) or group[0]
        if self.rewards.baseline == "greedy" and greedy:
            self.known[task] = before = greedy[0]
        return before


def _experience(program: Program, said: Feedback, reward: Reward, step: int) -> Experience:
    completion, trace = program.completion, program.completion.trace
    if trace is None:
        raise ValueError("the sampler gives no tokens to learn from; make it with trace=True")
    prompt, text = completion.prompt, completion.text
    found = place(text, program.code, prompt.text if prompt.format.in_program else "")
    if said.scope is Scope.LINE:
        line = found and said.line and found.lines_before + said.line
        said = replace(said, line=line) if line and line > 0 else replace(said, scope=Scope.IGNORE, line=None)
    kept = _kept(trace, text, found)
    return Experience(
        task_id=completion.task_id,
        prompt=trace.prompt,
        ids=trace.ids[:kept],
        log_probs=trace.log_probs[:kept],
        span=tuple(feedback_mask(said, text, trace.spans[:kept])),
        truncated=completion.finish is Finish.LENGTH,
        feedback=said,
        reward=reward,
        temperature=program.temperature or 0.0,
        step=step,
    )


_ENDS_PROGRAM = re.compile(r"\s*(?:`{3,}|~{3,})?\s*")
"""What may follow a program without being anything else: blanks, the end of its fence."""


def _kept(trace: Trace, text: str, found: Place | None) -> int:
    """How many of the tokens are learned from: all, unless something else follows the program.

    The reward is the program's and says nothing of what the model went on to write (prose, another question),
    end token and all; what ended the program itself was the model's choice as its lines were.
    """
    if found is None or _ENDS_PROGRAM.fullmatch(text, found.end):
        return len(trace.ids)
    return next((i for i, (first, _) in enumerate(trace.spans) if first >= found.end), len(trace.ids))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
