"""A model that knows the answers to known problems: prompt, sampling, extraction and grading, end to end.

A small model is trained, within seconds, until it recites one text for each problem: for three of four the
problem's own solution, for the others a solution of another problem. Whether it recites is found by comparing
texts, and whether a program is right by running it; the two must give the same share.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.prompts import find_format, make_prompt
from harness.registry import load_benchmark
from harness.types import Problem
from rltf.cli import main

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


def _shortest(name: str, data: Path | None, count: int) -> tuple[list[Problem], list[str]]:
    """The problems with the shortest solutions, and their prompts."""
    benchmark = load_benchmark(name, split="test", data_dir=data)
    taught: dict[str, Problem] = {}
    for problem in sorted(benchmark.problems, key=lambda each: len(each.solutions[0])):
        taught.setdefault(problem.solutions[0], problem)  # no two of them with one solution
    problems = list(taught.values())[:count]
    form = find_format(benchmark)
    return problems, [make_prompt(form, problem).text for problem in problems]


def _answers(problems: Sequence[Problem]) -> list[str]:
    """Their own solutions; for the last quarter, the solution of one before."""
    own = [problem.solutions[0].replace("\r\n", "\n") for problem in problems]
    wrong = len(own) // 4
    return own[:-wrong] + own[:wrong]


def _tokenizer(texts: Sequence[str]):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1200,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|endoftext|>")


def _teach(folder: Path, prompts: Sequence[str], answers: Sequence[str]) -> Path:
    """Train a model until it continues each prompt with its answer, and write it to `folder`."""
    tokenizer = _tokenizer([*prompts, *answers])
    asked = [tokenizer(prompt).input_ids for prompt in prompts]
    said = [[*tokenizer(answer).input_ids, tokenizer.eos_token_id] for answer in answers]
    width = max(len(a) + len(b) for a, b in zip(asked, said, strict=True))
    ids = torch.zeros(len(asked), width, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for row, (a, b) in enumerate(zip(asked, said, strict=True)):
        ids[row, : len(a) + len(b)] = torch.tensor(a + b)
        labels[row, len(a) : len(a) + len(b)] = torch.tensor(b)
    torch.manual_seed(0)
    sizes = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 1024, "vocab_size": len(tokenizer)}
    dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(**sizes, **dropout, bos_token_id=0, eos_token_id=tokenizer.eos_token_id)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(400):
        loss = model(input_ids=ids, labels=labels).loss
        if loss.item() < 0.02:
            break
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), [("mini", 8), pytest.param("mbpp", 20, marks=pytest.mark.data)])
def test_pass_at_1_is_exactly_the_share_that_the_model_recites(tmp_path, request, name, count, capsys):
    data = request.getfixturevalue("data_dir") if name == "mbpp" else None
    problems, prompts = _shortest(name, data, count)
    answers = _answers(problems)
    model = _teach(tmp_path / "model", prompts, answers)
    folder = tmp_path / "run"
    ids = ",".join(problem.task_id for problem in problems)
    arguments = ["eval", str(model), "--benchmark", name, "--split", "test", "--ids", ids, "--no-cache"]
    assert main([*arguments, *(["--data", str(data)] if data else []), "--out", str(folder)]) == 0
    rows = {
        row["task_id"]: row for row in map(json.loads, (folder / "samples.jsonl").read_text().splitlines())
    }
    taught = {problem.task_id: answer for problem, answer in zip(problems, answers, strict=True)}
    recited = [task for task, answer in taught.items() if rows[task]["completion"] == answer]
    assert recited == list(taught), "the model was to learn all it was taught"
    own = {problem.task_id: problem.solutions[0].replace("\r\n", "\n") for problem in problems}
    knows = {task for task in recited if taught[task] == own[task]}
    metrics = json.loads((folder / "metrics.json").read_text())
    for profile in ("strict", "apps"):
        assert metrics["profiles"][profile]["overall"]["pass@1"]["value"] == len(knows) / count
    outcomes = [json.loads(line) for line in (folder / "outcomes.jsonl").read_text().splitlines()]
    assert {row["task_id"] for row in outcomes if row["verdicts"]["strict"] == "passed"} == knows
    assert len(knows) == count * 3 // 4
    assert "75.00 [" in capsys.readouterr().out
