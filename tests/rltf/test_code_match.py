"""AST and DFG match against CodeBLEU's own numbers and edges, and against hostile programs."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from cases import cases

pytest.importorskip("tree_sitter")
pytest.importorskip("tree_sitter_python")

from harness.errors import InputError
from rltf.rewards.ast_match import AstMatch, ast_match
from rltf.rewards.code_tree import LONGEST, without_comments
from rltf.rewards.data_flow import Edge
from rltf.rewards.dfg_match import DfgMatch, data_flow, dfg_match, normalised
from rltf.rewards.terms import make_terms

ADD = "n = int(input())\nprint(n + 1)\n"
PAIR = "a, b = map(int, input().split())\nprint(a + b)\n"
HALF = "n = 7\nprint(n // 2)\n"
SUM = "s = 0\nfor i in range(3):\n    s += i\nprint(s)\n"

ROWS = [
    # Reference, program, AST, DFG, AST by the rule for Java: codebleu 0.7.0's own.
    (ADD, ADD.replace("n =", "m =").replace("n +", "m +"), 1, 1, 1),
    (ADD, ADD.replace("+", "-"), 1, 1, 1),
    (ADD, "print(int(input()) + 1)\n", 4 / 11, 0, 4 / 11),
    (PAIR, "x, y = map(int, input().split())\ns = x + y\nprint(s)\n", 11 / 15, 1, 11 / 15),
    ("print(1)\n", "print(1)\n", 1, 0, 1),
    (HALF, HALF, 1, 1, 1),
    (HALF, "n = 7\nprint(n)\n", 0.2857142857142857, 1, 0.5),
    (HALF, "n = 7\nprint(n / 2)\n", 1, 1, 0.5),
    (ADD, "n = int(input()\nprint(n + 1)\n", 4 / 11, 0.25, 4 / 11),
    (ADD, "", 0, 0, 0),
    (ADD, "# add one\n" + ADD, 1, 1, 0.9090909090909091),
    (SUM, "t = 0\nfor k in range(3):\n    t += k\nprint(t)\n", 1, 1, 1),
    (SUM, "t = 0\nfor k in range(3):\n    t = t + k\nprint(t)\n", 7 / 12, 0.875, 7 / 12),
    (SUM, "print(sum(range(3)))\n", 1 / 6, 0, 1 / 6),
]


@cases(("reference", "code", "tree", "flow", "java"), ROWS)
def test_matches_are_codebleus(reference, code, tree, flow, java):
    plain = without_comments(reference), without_comments(code)
    assert ast_match(*plain) == pytest.approx(tree, abs=1e-9)
    assert dfg_match(*plain) == pytest.approx(flow, abs=1e-9)
    original = without_comments(reference, "c"), without_comments(code, "c")
    assert ast_match(*original) == pytest.approx(java, abs=1e-9)
    assert dfg_match(*original) == pytest.approx(flow, abs=1e-9)


FLOWS = [
    # Program, its edges (name, token, kind, names of parents in order of the alphabet, parents), the same
    # normalised: codebleu's own.
    (
        "n = int(input())\nprint(n + 1)\n",
        [
            ("n", 0, "computedFrom", ["input", "int"], [2, 4]),
            ("int", 2, "comesFrom", [], []),
            ("input", 4, "comesFrom", [], []),
            ("n", 10, "comesFrom", ["n"], [0]),
        ],
        [
            ("var_2", "computedFrom", ["var_0", "var_1"]),
            ("var_0", "comesFrom", []),
            ("var_1", "comesFrom", []),
            ("var_2", "comesFrom", ["var_2"]),
        ],
    ),
    (
        "n = int(input()\nprint(n + 1)\n",
        [("n", 0, "comesFrom", [], []), ("n", 9, "comesFrom", ["n"], [0])],
        [("var_0", "comesFrom", []), ("var_0", "comesFrom", ["var_0"])],
    ),
    (
        "print(int(input()) + 1)\n",
        [],
        [],
    ),
    (
        "a, b = map(int, input().split())\nprint(a + b)\n",
        [
            ("a", 0, "computedFrom", ["map"], [4]),
            ("b", 2, "computedFrom", ["input", "int", "split"], [6, 8, 12]),
            ("map", 4, "comesFrom", [], []),
            ("int", 6, "comesFrom", [], []),
            ("input", 8, "comesFrom", [], []),
            ("split", 12, "comesFrom", [], []),
            ("a", 18, "comesFrom", ["a"], [0]),
            ("b", 20, "comesFrom", ["b"], [2]),
        ],
        [
            ("var_1", "computedFrom", ["var_0"]),
            ("var_5", "computedFrom", ["var_2", "var_3", "var_4"]),
            ("var_0", "comesFrom", []),
            ("var_2", "comesFrom", []),
            ("var_3", "comesFrom", []),
            ("var_4", "comesFrom", []),
            ("var_1", "comesFrom", ["var_1"]),
            ("var_5", "comesFrom", ["var_5"]),
        ],
    ),
    (
        "x, y = map(int, input().split())\ns = x + y\nprint(s)\n",
        [
            ("x", 0, "computedFrom", ["map"], [4]),
            ("y", 2, "computedFrom", ["input", "int", "split"], [6, 8, 12]),
            ("map", 4, "comesFrom", [], []),
            ("int", 6, "comesFrom", [], []),
            ("input", 8, "comesFrom", [], []),
            ("split", 12, "comesFrom", [], []),
            ("s", 16, "computedFrom", ["x", "y"], [18, 20]),
            ("x", 18, "comesFrom", ["x"], [0]),
            ("y", 20, "comesFrom", ["y"], [2]),
            ("s", 23, "comesFrom", ["s"], [16]),
        ],
        [
            ("var_1", "computedFrom", ["var_0"]),
            ("var_5", "computedFrom", ["var_2", "var_3", "var_4"]),
            ("var_0", "comesFrom", []),
            ("var_2", "comesFrom", []),
            ("var_3", "comesFrom", []),
            ("var_4", "comesFrom", []),
            ("var_6", "computedFrom", ["var_1", "var_5"]),
            ("var_1", "comesFrom", ["var_1"]),
            ("var_5", "comesFrom", ["var_5"]),
            ("var_6", "comesFrom", ["var_6"]),
        ],
    ),
    (
        "n = 7\nprint(n // 2)\n",
        [
            ("n", 0, "computedFrom", ["7"], [2]),
            ("7", 2, "comesFrom", [], []),
            ("n", 5, "comesFrom", ["n"], [0]),
        ],
        [("var_1", "computedFrom", ["var_0"]), ("var_0", "comesFrom", []), ("var_1", "comesFrom", ["var_1"])],
    ),
    (
        "print(1)\n",
        [],
        [],
    ),
    (
        "s = 0\nfor i in range(3):\n    s += i\nprint(s)\n",
        [
            ("s", 0, "computedFrom", ["0"], [2]),
            ("0", 2, "comesFrom", [], []),
            ("i", 4, "computedFrom", ["3", "range"], [6, 8]),
            ("range", 6, "comesFrom", ["range"], [6]),
            ("3", 8, "comesFrom", [], []),
            ("s", 11, "computedFrom", ["i"], [13]),
            ("i", 13, "comesFrom", ["i"], [4]),
            ("s", 16, "comesFrom", ["s"], [11]),
        ],
        [
            ("var_1", "computedFrom", ["var_0"]),
            ("var_0", "comesFrom", []),
            ("var_4", "computedFrom", ["var_2", "var_3"]),
            ("var_2", "comesFrom", ["var_2"]),
            ("var_3", "comesFrom", []),
            ("var_1", "computedFrom", ["var_4"]),
            ("var_4", "comesFrom", ["var_4"]),
            ("var_1", "comesFrom", ["var_1"]),
        ],
    ),
    (
        "t = 0\nfor k in range(3):\n    t = t + k\nprint(t)\n",
        [
            ("t", 0, "computedFrom", ["0"], [2]),
            ("0", 2, "comesFrom", [], []),
            ("k", 4, "computedFrom", ["3", "range"], [6, 8]),
            ("range", 6, "comesFrom", ["range"], [6]),
            ("3", 8, "comesFrom", [], []),
            ("t", 11, "computedFrom", ["k", "t"], [13, 15]),
            ("t", 13, "comesFrom", ["t"], [0, 11]),
            ("k", 15, "comesFrom", ["k"], [4]),
            ("t", 18, "comesFrom", ["t"], [11]),
        ],
        [
            ("var_1", "computedFrom", ["var_0"]),
            ("var_0", "comesFrom", []),
            ("var_4", "computedFrom", ["var_2", "var_3"]),
            ("var_2", "comesFrom", ["var_2"]),
            ("var_3", "comesFrom", []),
            ("var_1", "computedFrom", ["var_1", "var_4"]),
            ("var_1", "comesFrom", ["var_1"]),
            ("var_4", "comesFrom", ["var_4"]),
            ("var_1", "comesFrom", ["var_1"]),
        ],
    ),
    (
        "print(sum(range(3)))\n",
        [],
        [],
    ),
    (
        "if a:\n    b = 1\nelse:\n    b = 2\nprint(b)\n",
        [
            ("b", 3, "computedFrom", ["1"], [5]),
            ("1", 5, "comesFrom", [], []),
            ("b", 8, "computedFrom", ["2"], [10]),
            ("2", 10, "comesFrom", [], []),
            ("b", 13, "comesFrom", ["b"], [3, 8]),
        ],
        [
            ("var_1", "computedFrom", ["var_0"]),
            ("var_0", "comesFrom", []),
            ("var_1", "computedFrom", ["var_2"]),
            ("var_2", "comesFrom", []),
            ("var_1", "comesFrom", ["var_1"]),
        ],
    ),
    (
        "def f(x, y=1):\n    return x + y\nprint(f(2))\n",
        [
            ("f", 1, "comesFrom", [], []),
            ("x", 3, "comesFrom", [], []),
            ("y", 5, "comesFrom", ["1"], [7]),
            ("1", 7, "comesFrom", [], []),
            ("x", 11, "comesFrom", ["x"], [3]),
            ("y", 13, "comesFrom", ["y"], [5]),
            ("f", 16, "comesFrom", ["f"], [1]),
        ],
        [
            ("var_0", "comesFrom", []),
            ("var_1", "comesFrom", []),
            ("var_3", "comesFrom", ["var_2"]),
            ("var_2", "comesFrom", []),
            ("var_1", "comesFrom", ["var_1"]),
            ("var_3", "comesFrom", ["var_3"]),
            ("var_0", "comesFrom", ["var_0"]),
        ],
    ),
]


@cases(("code", "raw", "plain"), FLOWS)
def test_edges_are_codebleus_with_parents_in_the_order_of_the_program(code, raw, plain):
    edges = data_flow(code)
    found = [(e.name, e.token, e.kind, sorted(e.parent_names), [*e.parents]) for e in edges]
    assert found == [(name, token, kind, sorted(names), at) for name, token, kind, names, at in raw]
    assert [(name, kind, [*parents]) for name, kind, parents in normalised(edges)] == plain


# --- comments ------------------------------------------------------------------------------------


def test_tabs_stay_where_comments_and_docstrings_go():
    code = 'def f(n):\n\t"""Doc."""\n\tif n:  # one\n\t\tn += 1\n\n\t\tn += 2\n\treturn "a # b"\n'
    assert without_comments(code).split("\n") == [
        "def f(n):",
        "\tif n:  ",
        "\t\tn += 1",
        "\t\tn += 2",
        '\treturn "a # b"',
    ]


def test_what_has_no_tokens_is_compared_as_it_is():
    assert without_comments("n = (1  # one\n") == "n = (1  # one"


# --- hostile programs ------------------------------------------------------------------------------

HOSTILE = {
    "brackets": "x = " + "(" * 4_900 + "1" + ")" * 4_900,
    "signs": "x = " + "-" * 9_900 + "1",
    "open": "[" * 9_900,
    "loops": "".join(f"{' ' * i}for a{i} in b:\n" for i in range(90)) + " " * 90 + "c = a1\n",
    "ifs": "".join(f"if a: b{i} = a\n" for i in range(700)),
    "elifs": "if a: b = 1\n" + "elif a: b = 2\n" * 650,
    "wide": "a" + ", a" * 1_700 + " = b" + ", b" * 1_500,
    "bytes": "x = '\x00\ud800'\n\x0c\x00",
    "quotes": '"' + '\\"' * 1_000,
}


@pytest.mark.slow
@cases("name", HOSTILE)
def test_hostile_programs_have_a_value_like_others(name):
    program = program_of(HOSTILE[name], [ADD])
    for term in (AstMatch(), DfgMatch(), AstMatch(comments="c")):
        assert 0 <= term(program).value <= 1
    reference = program_of(ADD, [HOSTILE[name]])
    assert 0 <= AstMatch()(reference).value <= 1
    assert 0 <= DfgMatch()(reference).value <= 1


def test_a_program_that_is_too_long_matches_nothing():
    code = ADD + "x = 1\n" * (LONGEST // 6)
    assert AstMatch()(program_of(code, [ADD])).value == 0
    assert AstMatch()(program_of(ADD, [code])).value == 0


# --- the terms -----------------------------------------------------------------------------------


def program_of(code, solutions):
    return SimpleNamespace(code=code, problem=SimpleNamespace(solutions=solutions))


def test_the_first_solution_is_the_reference_or_the_best_of_several():
    program = program_of(HALF, ["print(1)\n", HALF])
    assert AstMatch()(program).value < 1
    assert DfgMatch()(program).value == 0
    assert AstMatch(references=2)(program).value == DfgMatch(references=2)(program).value == 1
    assert DfgMatch(without_edges="one")(program).value == 1


def test_a_problem_without_solutions_matches_nothing():
    for term in make_terms({"ast": 1.0, "dfg": 1.0}):
        assert term(program_of(ADD, ())).value == 0


@pytest.mark.slow
def test_values_do_not_depend_on_the_seed_of_hashes():
    code = (
        "from rltf.rewards.dfg_match import *\n"
        "print(normalised(data_flow('for i in a + b + c + d: e = i + a + b')))"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in (1, 2, 3)
    }
    assert len(runs) == 1


def test_parents_of_merged_edges_are_named_once():
    first = Edge("a", 9, "comesFrom", ("b", "c"), (1, 4))
    both = first.with_parents_of(Edge("a", 9, "comesFrom", ("c",), (0, 4)))
    assert (both.parent_names, both.parents) == (("c", "b"), (0, 1, 4))


def test_without_tree_sitter_the_terms_name_the_extra(monkeypatch):
    from rltf.rewards import code_tree

    code_tree._parser.cache_clear()
    monkeypatch.setitem(sys.modules, "tree_sitter", None)
    with pytest.raises(InputError, match=r"rltf-harness\[code-match\]"):
        AstMatch()
    monkeypatch.undo()
    AstMatch()
