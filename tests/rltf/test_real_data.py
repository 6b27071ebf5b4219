"""Programs of a real model on APPS train, through runner, feedback and tokenizer, to the blamed tokens."""

import gzip
import json
from collections import defaultdict

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness import Runner, load_benchmark
from harness.generate import Completion, Finish
from harness.generate.loading import load_tokenizer
from harness.prompts import find_format
from rltf.data import Tokens
from rltf.feedback import Scope
from rltf.rewards import RewardConfig
from rltf.rollout import Rollouts, Sampling

PROGRAMS = 16
"""Of each problem."""


class Recorded:
    """A sampler that hands out programs that CodeRL's model wrote; every eighth as if it had been cut off."""

    def __init__(self, programs):
        self.programs = programs

    def complete(self, requests, decoding):
        for request in requests:
            for number in request.sample_ids:
                code = self.programs[request.task_id][number]
                finish = Finish.LENGTH if number % 8 == 7 else Finish.STOP
                text = code[: len(code) * 2 // 3] if finish is Finish.LENGTH else code
                yield Completion(request.prompt, number, text, finish, 1)


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
    rollouts = Rollouts(benchmark.problems, prompt_format, Sampling(PROGRAMS), RewardConfig(baseline="none"))
    with Runner(workers=2) as runner:
        count = PROGRAMS * len(known)
        experiences = rollouts.start(count, 0, Recorded(programs), runner)().experiences
    assert len(experiences) == count
    assert {each.feedback.scope for each in experiences} == set(Scope)

    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = load_tokenizer(str(data_dir / "tokenizers" / "codet5-base"))
    model = T5ForConditionalGeneration(
        T5Config(vocab_size=8, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    )
    tokens = Tokens(model, tokenizer, max_prompt_tokens=800, max_target_tokens=512)
    for each in experiences:
        row = tokens.experience_row(each, prompt_format)
        blamed = [token for token, marked in zip(row.target, row.span, strict=True) if marked]
        if each.feedback.scope is Scope.GLOBAL:
            assert blamed == row.target
        elif each.feedback.scope is Scope.IGNORE:
            assert not blamed
        else:
            line = each.text.splitlines()[each.feedback.line - 1]
            assert tokenizer.decode(blamed).split() == line.split()
