"""lm-eval: a task pack for `--include_path`, graded in one batch by our runner.

    lm_eval --model hf --model_args pretrained=my/model --include_path FOLDER --tasks rltf_mbpp
    lm_eval … --tasks rltf_code --metadata '{"benchmark": "humaneval", "prompt_format": "chat"}'

FOLDER is this package's: `python -c 'from harness.integrations import lm_eval; print(lm_eval.FOLDER)'`.
Neither `--confirm_run_unsafe_code` nor `HF_ALLOW_CODE_EVAL` is needed: programs run in our sandbox. They are
read out of answers as `rltf eval` does. Does not cover: pass@k beyond 1, and a verdict for each sample
(`rltf score` gives it of lm-eval's `samples_*.jsonl`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.integrations.options import reward_or_raise, scorer_of
from harness.prompts import find_format, make_prompt

FOLDER = Path(__file__).parent
"""For `--include_path`."""
_GRADED = ("split", "data_dir", "profile", "workers", "url")


def problems(benchmark: str = "mini", prompt_format: str | None = None, **metadata: Any) -> dict[str, Any]:
    """The documents of a benchmark, as lm-eval's `custom_dataset`.

    Args:
        benchmark: Its name.
        prompt_format: One of its formats, or `chat`; its first, for base models, without.
        metadata: More options of `scorer_of`: `split`, `data_dir`, `profile` (the benchmark's first without),
            `workers`, `url`. What else lm-eval hands over, arguments of the model, is not looked at.

    Returns:
        The split `test`, with columns `prompt`, `task_id` and `graded`, the options as JSON.

    Raises:
        InputError: If benchmark or format is unknown.
    """
    from datasets import Dataset  # noqa: PLC0415 - heavy

    options: dict[str, Any] = {"profile": None, "benchmark": benchmark}
    options |= {name: metadata[name] for name in _GRADED if name in metadata}
    loaded = scorer_of(**options).loaded()
    form = find_format(loaded, prompt_format)
    graded = json.dumps(options | {"prompt_format": form.name})
    prompts = [make_prompt(form, problem) for problem in loaded.problems]
    rows = [{"prompt": each.text, "task_id": each.task_id, "graded": graded} for each in prompts]
    return {"test": Dataset.from_list(rows)}


def keep_all(answers: Sequence[Sequence[str]], docs: Sequence[Mapping[str, Any]]) -> Any:
    """lm-eval's filter: every answer of every document, with `repeats` more than one."""
    return answers


def process_results(doc: Mapping[str, Any], results: Sequence[Sequence[str]]) -> dict[str, Any]:
    """What is graded in the end: lm-eval calls this for one document at a time, too little for a batch."""
    return {"pass@1": {"task_id": doc["task_id"], "answers": list(results[0]), "graded": doc["graded"]}}


def pass_at_1(documents: Sequence[Mapping[str, Any]]) -> float:
    """Mean over documents of the share of their answers that pass; all are graded together.

    Documents without tests are left out, as in `rltf eval`.

    Raises:
        InfrastructureError: If the grader failed on one of them, three times.
        ZeroDivisionError: If no document has tests.
    """
    (graded,) = {each["graded"] for each in documents}
    scorer = scorer_of(**json.loads(graded))
    pairs = [(answer, each["task_id"]) for each in documents for answer in each["answers"]]
    scored = iter(scorer.score_all(pairs))
    shares = []
    for each in documents:
        found = [next(scored) for _ in each["answers"]]
        scorable = [one for one in found if one.verdict(scorer.profile) != "unscorable"]
        if scorable:
            shares.append(sum(map(reward_or_raise, scorable)) / len(scorable))
    return sum(shares) / len(shares)
