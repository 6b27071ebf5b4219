"""RL rows against the tokens that were sampled: 480 programs of a trained toy, causal and seq2seq.

    python studies/sampled_rows.py [--steps 60] [--folder FOLDER]

Both kinds of model are made and trained on mini's solutions for a while, so that most of what they write are
programs; then `Rollouts` has 60 problems answered 8 times each at temperature 1, without stop strings and
with some. A row is right if it is the sampled tokens to the last, or, where something other than the program
follows it, their beginning up to there. The columns behind say what was learned before: rows whose text,
tokenised again, has other tokens. No program is run: every one gets the same verdict.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.mini import load as load_mini
from harness.models.hf.loading import load
from harness.models.hf.sampler import LocalSampler
from harness.models.hf.stopping import StopCriteria
from harness.prompts import find_format
from harness.types import Outcome, Status, TestOutcome
from rltf.build import make_trainer
from rltf.data.batch import rollout_row
from rltf.options.parse import make_config
from rltf.rollout.draws import Sampling
from rltf.rollout.rollout import Rollouts
from rltf.tiny_model import make_toy

PROBLEMS, SAMPLES = 60, 8
STOPS = {"none": (), "two": ("\nprint", " + ")}


class Passing:
    """A grader that runs nothing."""

    def run(self, jobs: Any) -> Any:
        for job in jobs:
            passed = {"strict": Status.PASSED}
            yield Outcome(job.task_id, job.sample_id, passed, (TestOutcome(passed),))

    def describe(self) -> dict[str, Any]:
        return {}


def trained(kind: str, folder: Path, steps: int) -> Any:
    benchmark = load_mini(split="train", size=400)
    make_toy(folder / kind, benchmark, kind=kind, seed=1)
    loaded = load(str(folder / kind), device="cpu")
    settings = (
        "learning_rate=3e-3",
        "per_device_train_batch_size=8",
        "max_new_tokens=64",
        "save_steps=100000",
    )
    config = make_config(
        None, settings, method="sft", output_dir=str(folder / f"{kind}-run"), max_steps=steps, use_cpu=True,
        disable_tqdm=True,
    )  # fmt: skip
    make_trainer(loaded.model, loaded.tokenizer, config, benchmark).train()
    return loaded


def compare(loaded: Any, stop: tuple[str, ...]) -> dict[str, int]:
    """How many rows are what was sampled; and what was learned before."""
    benchmark = load_mini(split="train", size=PROBLEMS)
    form = replace(find_format(benchmark), stop=stop)
    sampled: dict[tuple[str, int], tuple[list[int], str]] = {}
    sampler = LocalSampler(loaded.model, loaded.tokenizer, trace=True)
    complete = sampler._completion

    def noting(row: Any) -> Any:
        made = complete(row)
        sampled[row.prompt.task_id, row.sample_id] = (list(row.tokens), made.text)
        return made

    sampler._completion = noting  # type: ignore[method-assign]
    config = make_config(None, ("baseline=none",), output_dir=".", max_steps=1, use_cpu=True)
    made = Rollouts(
        benchmark.problems, form, Sampling(SAMPLES, max_new_tokens=64, seed=1), config.make_objective()
    )
    experiences = made.start(PROBLEMS * SAMPLES, 0, sampler, Passing())().rollouts
    by_task: dict[str, list[Any]] = {}
    for each in experiences:
        by_task.setdefault(each.task_id, []).append(each)
    counts = dict.fromkeys(
        ("rows", "whole", "beginnings", "wrong", "other tokens before", "end not written"), 0
    )
    tokenizer = loaded.tokenizer
    for (task, number), (tokens, text) in sampled.items():
        target = rollout_row(by_task[task][number]).target
        counts["rows"] += 1
        counts["whole"] += target == tokens
        counts["beginnings"] += target != tokens and tokens[: len(target)] == target
        counts["wrong"] += tokens[: len(target)] != target
        written = tokens[:-1] if tokens[-1] == tokenizer.eos_token_id else tokens
        before = StopCriteria(tokenizer, frozenset(), ()).added((), written)
        counts["other tokens before"] += tokenizer(before, add_special_tokens=False).input_ids != written
        counts["end not written"] += text != before
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for kind in ("causal", "seq2seq"):
            loaded = trained(kind, given.folder or Path(temporary), given.steps)
            for name, stop in STOPS.items():
                print(kind, f"stop strings: {name}", compare(loaded, stop), flush=True)


if __name__ == "__main__":
    main()
