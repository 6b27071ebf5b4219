"""What the pieces of a program file mean: the shapes that code evaluation tools write.

Covers, by content:

- our rows `{"task_id", "sample_id", "code"}`, `sample_id` optional;
- EvalPlus rows `{"task_id": "Mbpp/11", "solution": whole program}`;
- HumanEval rows `{"task_id", "completion"}`; where the problem has code that a completion goes on from, that
  goes in front of it, else the completion is the whole program;
- rows of LiveCodeBench (`question_id`, `code_list`), MapCoder, Reflexion (`name`), AgentCoder, lm-eval
  (`doc`, `filtered_resps`), and TRL's completions if a `task_id` was logged with them;
- dataset rows `{"problem_id", "split", "code" or "codes", …}`;
- samples of inspect's logs, the epoch being the sample id;
- bigcode's list of lists, by index into the problems that were selected;
- APPS's `{"65": [programs], …}` and RLTF's and CodeRL's `{"65": {"code": [programs], "prompt"}}`.

Which field is the program: `harness.programs.row_fields`.
Does not cover: whether the problem exists or the program is sane (`harness.programs.source`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.programs.json_stream import Piece
from harness.programs.row_fields import COMPLETION_FIELDS, NoProgramField, key_list, program_field

ID_KEYS = ("task_id", "problem_id", "question_id", "name")
"""In the order in which they are looked for."""
ROW = '{"task_id": …, "sample_id": …, "code": …}'
_MAX_NESTING = 4
"""Of lists of programs: lm-eval has two."""


@dataclass(frozen=True, slots=True)
class RawProgram:
    """A program as a file gives it, its problem not yet looked up."""

    line: int
    task: str | int
    """As spelled in the file; for `by_position`, the index of the problem in the selection."""
    code: str
    sample_id: int | str | None = None
    split: str | None = None
    by_position: bool = False
    prompt: str = ""
    """What the model was given, where the row says so."""
    completion: bool = False
    """The row calls it a completion: what follows a prompt."""
    filter: str | None = None
    """Name of lm-eval's filter: a file may hold every answer once for each."""
    prompt_format: str = ""
    """Of the benchmark, where the row says which was answered: those of our tasks for lm-eval do."""


class WrongShape(ValueError):
    """The piece is none of the shapes above; the message says what is wrong and what would do."""


def programs_in(piece: Piece, field: str | None = None) -> Iterator[RawProgram]:
    """The programs of one piece, in order; `field` is where the user says that they are.

    Raises:
        WrongShape: If the piece is none of the shapes that this module covers.
    """
    try:
        yield from _programs(piece, field)
    except NoProgramField as error:
        raise WrongShape(f"{error}; a row is {ROW}") from None


def _programs(piece: Piece, field: str | None) -> Iterator[RawProgram]:
    key, value = piece.key, piece.value
    if isinstance(key, str):
        if isinstance(value, Mapping):  # RLTF and CodeRL
            name, where = program_field(value, field), f"problem {key!r}"
            for code in _codes(value[name], where):
                yield RawProgram(piece.line, key, code, prompt=_prompt(value))
        else:
            for code in _codes(value, f"problem {key!r}"):
                yield RawProgram(piece.line, key, code, piece.sample_id)
    elif isinstance(key, int) and not isinstance(value, Mapping):
        for code in _codes(value, f"element {key}"):
            yield RawProgram(piece.line, key, code, by_position=True)
    else:
        yield from _row(piece.line, value, field)


def _row(line: int, row: Any, field: str | None) -> Iterator[RawProgram]:
    if not isinstance(row, Mapping):
        raise WrongShape(f"a {_kind(row)} where a row was expected; write {ROW}")
    if _is_inspect(row):
        row = _of_inspect(row)
    task, split = _task(row), row.get("split")
    if split is not None and not isinstance(split, str):
        raise WrongShape(f"split is a {_kind(split)}; write a string, or leave it out")
    name, sample_id = program_field(row, field), _sample_id(row)
    completion = name in COMPLETION_FIELDS
    codes = _codes(row[name], name)
    if len(codes) > 1 and sample_id is not None:
        raise WrongShape(
            f"one sample_id for the list in {name!r}; leave it out, or write one row per program"
        )
    chosen = row.get("filter") if "resps" in row else None
    for code in codes:
        yield RawProgram(
            line,
            task,
            code,
            sample_id,
            split,
            prompt=_prompt(row),
            completion=completion,
            filter=_text_or_none(chosen),
            prompt_format=_prompt_format(row),
        )


def _task(row: Mapping[str, Any]) -> str | int:
    doc = row.get("doc")
    sources = [row, doc] if isinstance(doc, Mapping) else [row]  # lm-eval has the dataset's row in `doc`
    found = next(((source, key) for source in sources for key in ID_KEYS if key in source), None)
    if found is None:
        raise WrongShape(_no_task(row))
    source, key = found
    task = _whole(source[key])
    if isinstance(task, Mapping):
        raise WrongShape(
            f"{key} is an object: columns where rows are expected; write them by pandas with"
            " to_json(orient='records', lines=True)"
        )
    if isinstance(task, bool) or not isinstance(task, int | str):
        raise WrongShape(f"{key} is a {_kind(task)}; write a string or a whole number")
    return task


def _no_task(row: Mapping[str, Any]) -> str:
    names = ", ".join(ID_KEYS[:-1])
    said = f"no problem: keys are {key_list(row)}, none of {names}"
    if "completion" in row and ("advantage" in row or "step" in row):
        return f"{said}; TRL logs the problem if a reward function calls log_extra('task_id', task_id)"
    return f"{said}; write {ROW}"


def _sample_id(row: Mapping[str, Any]) -> int | str | None:
    sample_id = _whole(row.get("sample_id"))
    if sample_id is not None and (isinstance(sample_id, bool) or not isinstance(sample_id, int | str)):
        raise WrongShape(
            f"sample_id is a {_kind(sample_id)}; write a whole number or a string, or leave it out"
        )
    return sample_id


def _whole(value: Any) -> Any:
    """A whole number, where pandas made it 11.0 because another row had none."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_inspect(row: Mapping[str, Any]) -> bool:
    return "id" in row and "epoch" in row and isinstance(row.get("output"), Mapping)


def _of_inspect(row: Mapping[str, Any]) -> dict[str, Any]:
    output, shown = row["output"], row.get("input")
    answer = output.get("completion")
    if not isinstance(answer, str):
        choices = output.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        answer = first.get("message") if isinstance(first, Mapping) else None
    if answer is None:
        raise WrongShape(
            f"sample {str(row['id'])[:80]!r} has no answer (its request failed); evaluate or delete it"
        )
    prompt = shown if isinstance(shown, str) else ""
    return {"task_id": row["id"], "sample_id": row["epoch"], "completion": answer, "prompt": prompt}


def _codes(value: Any, where: str, depth: int = 0) -> list[str]:
    if isinstance(value, list) and not _is_chat(value) and depth < _MAX_NESTING:
        return [code for each in value for code in _codes(each, where, depth + 1)]
    code = _content(value)
    if not isinstance(code, str):
        raise WrongShape(f"{where}: a program is a {_kind(code)}; write its text as a string")
    return [code]


def _is_chat(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(each, Mapping) and "role" in each for each in value)


def _content(value: Any) -> Any:
    """The text of a chat, or of its message: the last that the assistant wrote."""
    if isinstance(value, list):
        said = [each for each in value if isinstance(each, Mapping) and each.get("role") == "assistant"]
        value = said[-1] if said else value
    if isinstance(value, Mapping) and isinstance(value.get("content"), str):
        return value["content"]
    return value


def _prompt(row: Mapping[str, Any]) -> str:
    prompt = row.get("prompt")
    return prompt if isinstance(prompt, str) else ""


def _prompt_format(row: Mapping[str, Any]) -> str:
    """What `harness.integrations.lm_eval` wrote into its documents."""
    doc = row.get("doc")
    graded = doc.get("graded") if isinstance(doc, Mapping) else None
    try:
        options = json.loads(graded) if isinstance(graded, str) else None
    except (ValueError, RecursionError):
        return ""
    name = options.get("prompt_format") if isinstance(options, dict) else None
    return name if isinstance(name, str) else ""


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _kind(value: Any) -> str:
    names = {dict: "object", list: "list", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
