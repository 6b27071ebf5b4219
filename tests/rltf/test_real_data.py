"""Programs of a real model on APPS train, through runner, feedback and tokenizer, to the blamed tokens."""

import gzip
import json
from collections import defaultdict
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness import Runner, load_benchmark
from harness.models import Completion, Finish, Trace
from harness.models.hf.loading import load_tokenizer
from harness.models.hf.stopping import StopCriteria
from harness.prompts import find_format
from rltf.objectives.rltf import RLTF
from rltf.rewards.feedback import Scope
from rltf.rewards.rltf import RewardConfig
from rltf.rollout.draws import Sampling
from rltf.rollout.rollout import Rollouts

PROGRAMS = 16
"""Of each problem."""


class Recorded:
    """A sampler that hands out programs that CodeRL's model wrote; every eighth as if it had been cut off."""

    def __init__(self, programs, tokenizer):
        self.programs = programs
        self.tokenizer = tokenizer
        self.endings = StopCriteria(tokenizer, frozenset({tokenizer.eos_token_id}), ())

    def complete(self, requests, decoding):
        for request in requests:
            for number in request.sample_ids:
                code = self.programs[request.task_id][number]
                finish = Finish.LENGTH if number % 8 == 7 else Finish.STOP
                text = code[: len(code) * 2 // 3] if finish is Finish.LENGTH else code
                ids = self.tokenizer(text, add_special_tokens=False).input_ids
                ids += [self.tokenizer.eos_token_id] * (finish is Finish.STOP)
                spans = self.endings.spans((), ids, text)
                trace = Trace((), tuple(ids), (0.0,) * len(ids), spans)
                yield Completion(request.prompt, number, text, finish, len(ids), trace)


@pytest.mark.slow
@pytest.mark.data
def test_every_scope_is_seen_and_a_blamed_line_is_blamed_to_the_token(data_dir):
    programs = defaultdict(list)
    with gzip.open(data_dir / "generations" / "coderl_apps_train5.jsonl.gz", "rt") as lines:
        for row in map(json.loads, lines):
            if row["kind"] == "gen_solutions":
                programs[f"apps/train/{row['problem_id']}"].append(row["code"])
    known = [task for task, codes in programs.items() if len(codes) >= PROGRAMS]
    benchmark = load_benchmark("apps", split="train", data_dir=data_dir, ids=known)
    prompt_format = find_format(benchmark)
    training = SimpleNamespace(samples_per_problem=PROGRAMS, terms={}, term_options={})
    objective = RLTF(RewardConfig(baseline="none"), training)
    rollouts = Rollouts(benchmark.problems, prompt_format, Sampling(PROGRAMS), objective)
    tokenizer = load_tokenizer(str(data_dir / "tokenizers" / "codet5-base"))
    with Runner(workers=2) as runner:
        count = PROGRAMS * len(known)
        made = rollouts.start(count, 0, Recorded(programs, tokenizer), runner)().rollouts
    assert len(made) == count
    assert {each.located_feedback.scope for each in made} == set(Scope)

    for each in made:
        said, weights = each.located_feedback, each.credit["fine"].weights
        blamed = [token for token, marked in zip(each.token_ids, weights, strict=True) if marked]
        if said.scope is Scope.GLOBAL:
            assert blamed == list(each.token_ids)
        elif said.scope is Scope.IGNORE:
            assert not blamed
        else:
            text = tokenizer.decode(list(each.token_ids), skip_special_tokens=True)
            line = text.splitlines()[said.line - 1]
            assert tokenizer.decode(blamed).split() == line.split()
