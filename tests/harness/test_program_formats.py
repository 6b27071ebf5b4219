"""Files of other tools: what they mean is never guessed, and what is not read is refused by name."""

import json
import sys
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.programs.source import ProgramFile
from harness.types import Benchmark, Piece, Problem, PromptFormat, TestKind, TestSuite

EMPTY = TestSuite.pack(TestKind.STDIN, [])
REFERENCE, MODEL = "def f():\n    return 1\n", "def f():\n    return 2\n"


def _benchmark(name: str, *numbers: int) -> Benchmark:
    problems = [Problem(f"{name}/{number}", "", lambda: EMPTY) for number in numbers]
    return Benchmark(name, "test", "1", problems, "hash", "made here")


MBPP = _benchmark("mbpp", 11, 12)


def _read(
    path: Path, benchmark: Benchmark = MBPP, **options: Any
) -> tuple[list[tuple[Any, ...]], ProgramFile]:
    source = ProgramFile(path, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [(s.task_id, s.sample_id, s.code) for s in source.read(benchmark)], source


def _rows(tmp_path: Path, *rows: Any) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


MODELS = {
    "the dataset's columns": {"text": "t", "code": REFERENCE, "test_list": ["x"], "completion": MODEL},
    "the dataset's columns, solution": {"code": REFERENCE, "test_list": ["x"], "solution": MODEL},
    "AgentCoder": {"code": REFERENCE, "test_list": [], "completion": MODEL, "completion_list": ["a", "b"]},
    "HumanEval's reference": {"canonical_solution": REFERENCE, "completion": MODEL},
    "a reference": {"reference": REFERENCE, "code": MODEL},
    "ground truth": {"ground_truth": REFERENCE, "generation": MODEL},
    "a target": {"target": REFERENCE, "solution": MODEL},
    "lm-eval": {
        "doc": {"code": REFERENCE},
        "target": REFERENCE,
        "resps": [["raw"]],
        "filtered_resps": [MODEL],
    },
    "LiveCodeBench": {"code_list": [MODEL], "output_list": ["raw"]},
    "MapCoder": {"source_codes": [MODEL], "responses": ["raw"], "test": "x"},
    "Reflexion": {"solution": MODEL, "implementations": ["x", MODEL], "is_solved": True},
    "BigCodeBench": {"solution": MODEL, "raw_solution": "raw"},
    "our own samples": {"sample_id": 0, "code": MODEL, "completion": "raw", "changed": True},
    "the same twice": {"code": MODEL, "completion": MODEL},
    "a conversation": {"completion": [{"role": "assistant", "content": MODEL}]},
}


@pytest.mark.parametrize("kind", MODELS)
def test_the_models_program_is_graded_and_not_the_reference(tmp_path, kind):
    found, _ = _read(_rows(tmp_path, {"task_id": 11} | MODELS[kind]))
    assert [code for _, _, code in found] == [MODEL]


AMBIGUOUS = {
    "code and solution": {"code": REFERENCE, "solution": MODEL},
    "code and completion": {"code": REFERENCE, "completion": MODEL},
    "code and generation": {"code": REFERENCE, "generation": MODEL},
    "solution and completion": {"solution": REFERENCE, "completion": MODEL},
    "code and a model that failed": {"code": REFERENCE, "completion": None},
}


@pytest.mark.parametrize("kind", AMBIGUOUS)
def test_two_fields_that_may_be_the_models_are_refused_by_name_and_decided_by_an_option(tmp_path, kind):
    row = {"task_id": 11} | AMBIGUOUS[kind]
    first, second = AMBIGUOUS[kind]
    path = _rows(tmp_path, row)
    with pytest.raises(InputError, match=f"line 1: ambiguous: '{first}' and '{second}'.*--field {second}"):
        _read(path)
    assert _read(path, program_field=first)[0] == [("mbpp/11", 0, REFERENCE)]
    assert ProgramFile(path, program_field=first).fingerprint() != ProgramFile(path).fingerprint()


@pytest.mark.parametrize("row", [{"code": REFERENCE, "test_list": ["x"]}, {"canonical_solution": REFERENCE}])
def test_a_row_of_the_dataset_alone_holds_no_program_of_a_model(tmp_path, row):
    with pytest.raises(InputError, match="the dataset's own solution"):
        _read(_rows(tmp_path, {"task_id": 11} | row))


@pytest.mark.parametrize("spelling", [11.0, "11.0", "Mbpp/11", "mbpp_11_remove_Occ", "mbpp-11", "Mbpp_11"])
def test_ids_are_found_as_pandas_evalplus_and_multipl_e_spell_them(tmp_path, spelling):
    assert _read(_rows(tmp_path, {"task_id": spelling, "code": "x"}))[0] == [("mbpp/11", 0, "x")]


@pytest.mark.parametrize("key", ["question_id", "problem_id", "name"])
def test_the_id_may_have_the_names_that_other_tools_give_it(tmp_path, key):
    assert _read(_rows(tmp_path, {key: "mbpp_11_f", "code_list": ["x", "y"]}))[0] == [
        ("mbpp/11", 0, "x"),
        ("mbpp/11", 1, "y"),
    ]


def test_an_id_that_is_no_whole_number_and_columns_instead_of_rows_are_refused(tmp_path):
    with pytest.raises(InputError, match="task_id is a number; write a string or a whole number"):
        _read(_rows(tmp_path, {"task_id": 11.5, "code": "x"}))
    with pytest.raises(InputError, match="orient='records'"):
        _read(_rows(tmp_path, {"task_id": {"0": 11}, "code": {"0": "x"}}))


def test_lm_evals_filters_are_not_mixed(tmp_path):
    row = {"doc": {"task_id": 11}, "resps": [["raw"]], "filtered_resps": ["x"]}
    assert _read(_rows(tmp_path, row | {"filter": "a"}))[0] == [("mbpp/11", 0, "x")]
    with pytest.raises(InputError, match=r"line 2: lm-eval's filter 'b' after 'a'"):
        _read(_rows(tmp_path, row | {"filter": "a"}, row | {"filter": "b"}))


def test_rows_of_our_lm_eval_tasks_are_read_by_the_format_that_they_answer(tmp_path):
    form = PromptFormat(
        "body", "1", lambda _: (Piece("def f():\n"),), "made here", ("\nprint",), in_program=True
    )
    benchmark = replace(MBPP, prompts={"body": form})
    graded = json.dumps({"benchmark": "mbpp", "prompt_format": "body"})
    doc = {"task_id": 11, "prompt": "def f():\n", "graded": graded}
    answer = "    return 2\nprint(f())\n"
    path = _rows(tmp_path, {"doc": doc, "resps": [[answer]], "filtered_resps": [[answer]], "filter": "all"})
    ((_, _, code),), source = _read(path, benchmark, extract=True)
    assert code.strip() == MODEL.strip()
    assert source.notices[-1] == "Extraction changed 1 of 1 programs (by the rule of format body)."
    assert _read(path, benchmark)[0] == [("mbpp/11", 0, answer)]
    with pytest.raises(InputError, match="no prompt format 'body'"):
        _read(path, extract=True)


def test_the_folders_of_rltf_and_coderl_are_read_in_the_order_of_their_numbers(tmp_path):
    for number in (12, 11):
        content = {str(number): {"code": ["a", f"{number}"], "prompt": "p"}}
        (tmp_path / f"{number}.json").write_text(json.dumps(content))
    (tmp_path / "config.json").write_text("not JSON")
    found, source = _read(tmp_path)
    assert found == [("mbpp/11", 0, "a"), ("mbpp/11", 1, "11"), ("mbpp/12", 0, "a"), ("mbpp/12", 1, "12")]
    before = source.fingerprint()
    (tmp_path / "11.json").rename(tmp_path / "13.json")
    assert source.fingerprint() != before


def test_evalplus_folders_of_programs_are_read(tmp_path):
    for number in (10, 2):
        (tmp_path / "Mbpp_11").mkdir(exist_ok=True)
        (tmp_path / "Mbpp_11" / f"{number}.py").write_text(f"{number}")
    assert _read(tmp_path)[0] == [("mbpp/11", 2, "2"), ("mbpp/11", 10, "10")]
    (tmp_path / "Mbpp_11" / "3.py").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"3\.py: not UTF-8"):
        _read(tmp_path)
    (tmp_path / "11.json").write_text("{}")
    with pytest.raises(InputError, match="both"):
        _read(tmp_path)


SAMPLE = {
    "id": 11,
    "epoch": 1,
    "input": "Write f",
    "target": "x",
    "output": {"completion": f"```python\n{MODEL}```"},
}


def test_inspects_logs_are_read_as_answers(tmp_path):
    log = {"version": 2, "status": "success", "eval": {"task": "t"}, "samples": [SAMPLE], "stats": {}}
    document, archive = tmp_path / "log.json", tmp_path / "log.eval"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("header.json", "{}")
        stream.writestr("samples/11_epoch_1.json", json.dumps(SAMPLE))
    for indent in (None, 2):
        document.write_text(json.dumps(log, indent=indent))
        for path in (document, archive):
            (found,) = _read(path, extract=True)[0]
            assert (found[:2], found[2].strip()) == (("mbpp/11", 1), MODEL.strip())
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(InputError, match="damaged zip archive"):
        _read(archive)


def test_trls_completions_are_read_if_they_name_their_problem(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    path = tmp_path / "completions_00001.parquet"
    rows = {"step": [1, 1], "prompt": ["p", "q"], "completion": ["x", "y"], "advantage": [0.1, -0.1]}
    pandas.DataFrame(rows).to_parquet(path)
    with pytest.raises(InputError, match=r"log_extra\('task_id'"):
        _read(path)
    pandas.DataFrame(rows | {"task_id": ["mbpp/11", "mbpp/12"]}).to_parquet(path)
    assert _read(path)[0] == [("mbpp/11", 0, "x"), ("mbpp/12", 0, "y")]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="parquet that cannot be read"):
        _read(path)


def test_parquet_without_pyarrow_is_refused_in_one_line(tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1" + b"\0" * 40)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match="pip install pyarrow"):
        _read(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.zst", b"\x28\xb5\x2f\xfd\0\0", "zstd -d"),
        ("a.xz", b"\xfd7zXZ\0\0", "unxz"),
        ("a.pkl", b"\x80\x04\x95\0", "is a pickle"),
        ("a.csv", b"task_id,code\n11,x\n", r"pandas.read_csv\(FILE\)"),
        ("a.arrow", b"ARROW1\0\0", "Dataset.from_file"),
        ("a.py", b"x = 1\n", "is one program"),
        ("a.zip", b"PK\x03\x04\0\0", "damaged zip"),
    ],
)
def test_what_is_not_read_is_refused_by_name_with_the_way_to_convert_it(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        _read(tmp_path / name)


@pytest.mark.parametrize(
    ("spelling", "said"),
    [("Mbpp/11", ["another's tasks"]), ("Mbpp_11", ["another's tasks"]), ("mbpp/11", []), (11, [])],
)
def test_numbering_that_means_the_tasks_of_another_data_set_is_said(tmp_path, spelling, said):
    path = _rows(tmp_path, {"task_id": spelling, "solution": "x"})
    source = ProgramFile(path)
    benchmark = replace(_benchmark("mbpp", 11), foreign_ids={"Mbpp[/_][0-9]+": "another's tasks"})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        list(source.read(benchmark))
    assert [str(each.message) for each in caught] == source.notices == said


def test_numbering_of_another_data_set_is_said_where_the_problem_is_unknown_too(tmp_path):
    path = _rows(tmp_path, {"task_id": "Mbpp/2", "solution": "x"})
    benchmark = replace(_benchmark("mbpp", 11), foreign_ids={"Mbpp[/_][0-9]+": "Pass --benchmark other."})
    with pytest.raises(InputError, match=r"line 1: unknown problem 'Mbpp/2'.*\. Pass --benchmark other\."):
        list(ProgramFile(path).read(benchmark))


ANSWER = f"Here you go:\n```python\n{MODEL}```\nHope it helps."


def test_answers_instead_of_programs_are_noticed_and_their_programs_taken_if_asked(tmp_path):
    path = _rows(tmp_path, {"task_id": 11, "completion": ANSWER}, {"task_id": 12, "completion": MODEL})
    assert _read(path)[1].notices == []  # one of two is not most
    path = _rows(tmp_path, {"task_id": 11, "completion": ANSWER})
    found, source = _read(path)
    assert found == [("mbpp/11", 0, ANSWER)]
    assert "1 of 1 programs are no Python and hold Markdown fences" in source.notices[0]
    found, taken = _read(path, extract=True)
    assert found[0][2].strip() == MODEL.strip()
    assert taken.fingerprint() != source.fingerprint()
    assert taken.notices[0].startswith("Extraction changed 1 of 1 programs")


@pytest.mark.parametrize(
    ("text", "noticed"),
    [
        (f"Here is the code:\n\n{MODEL}\nIt returns two.", True),
        (f"<think>\nhm, two?\n</think>\n{MODEL}", True),
        (f"~~~\n{MODEL}~~~", True),
        ("def f(:\n", False),
        ("I am not able to write this.", False),
    ],
)
def test_a_program_among_prose_or_thoughts_is_noticed_and_a_broken_program_is_none(tmp_path, text, noticed):
    path = _rows(tmp_path, {"task_id": 11, "completion": text})
    assert any("pass --extract" in each for each in _read(path)[1].notices) == noticed
    if noticed:
        assert _read(path, extract=True)[0][0][2].strip() == MODEL.strip()


def test_a_continuation_that_begins_within_a_line_of_its_prompt_is_noticed_and_joined(tmp_path):
    path = _rows(tmp_path, {"task_id": 11, "prompt": "def f():\n    ", "completion": "x = 2\n    return x\n"})
    assert "continue the prompt" in _read(path)[1].notices[0]
    assert _read(path, extract=True)[0] == [("mbpp/11", 0, "def f():\n    x = 2\n    return x\n")]


GOLD = "def f():\n    return 1\n"


@pytest.mark.parametrize("name", ["generated", "pred", "model_solution", "program", "a name of its own"])
def test_a_program_under_a_name_that_is_not_known_is_never_passed_over_for_code(tmp_path, name):
    row = {"task_id": 11, "code": GOLD, name: [MODEL]}
    with pytest.raises(InputError, match=f"ambiguous: 'code' and '{name}'"):
        _read(_rows(tmp_path, row))
    assert _read(_rows(tmp_path, row), program_field=name)[0] == [("mbpp/11", 0, MODEL)]


@pytest.mark.parametrize(
    "others",
    [
        {"llm_reply": f"Sure:\n```python\n{MODEL}```"},  # the program was taken from it
        {"prompt": GOLD, "test": "def check(f):\n    assert f() == 2\n", "declaration": "def f():"},
        {"canonical_solution": GOLD, "passed": True, "time": 0.1, "note": "print what f gives"},
    ],
)
def test_what_stands_beside_a_program_in_common_files_is_not_taken_for_another(tmp_path, others):
    assert _read(_rows(tmp_path, {"task_id": 11, "code": MODEL} | others))[0] == [("mbpp/11", 0, MODEL)]


def test_a_fence_inside_a_program_is_no_answer(tmp_path):
    path = _rows(tmp_path, {"task_id": 11, "code": "X = '''\n```python\ny\n```\n'''\n"})
    assert _read(path)[1].notices == []


def test_a_continuation_of_its_rows_prompt_is_noticed_and_joined_if_asked(tmp_path):
    path = _rows(tmp_path, {"task_id": 11, "prompt": "def f():\n", "completion": "    return 2\n"})
    assert "continue the prompt" in _read(path)[1].notices[0]
    assert _read(path, extract=True)[0] == [("mbpp/11", 0, MODEL)]


def test_ids_outside_a_selection_are_counted_and_the_first_is_named(tmp_path):
    path = _rows(tmp_path, {"task_id": 11, "code": "x"}, {"task_id": "HumanEval/5", "code": "y"})
    _, source = _read(path, skip_unselected=True)
    assert source.skipped == 1
    assert "'HumanEval/5' (line 2)" in source.notices[0]


def test_a_program_that_begins_with_its_rows_prompt_keeps_it(tmp_path):
    prompt = "def f(number: int) -> int:\n"
    path = _rows(tmp_path, {"task_id": 11, "prompt": prompt, "solution": prompt + "    return 2\n"})
    assert _read(path, extract=True)[0] == [("mbpp/11", 0, prompt + "    return 2\n")]
