"""What a problem wants of a program, read from its tests."""

from cases import cases

from harness.extraction import Wanted, extract, extract_program
from harness.extraction.parsing import Syntax, parse
from harness.prompts import make_prompt
from harness.prompts.chat import CHAT
from harness.prompts.examples import EXAMPLES
from harness.types import AssertTest, CallTest, Problem, StdinTest, TestKind, TestSuite


def problem(kind: TestKind, tests, **suite) -> Problem:
    packed = TestSuite.pack(kind, tests, **suite)
    return Problem("t/0", "Add.", lambda: packed)


def of_asserts(*sources: str, **suite) -> tuple[str, ...]:
    return Wanted.of(problem(TestKind.ASSERTS, [AssertTest(each) for each in sources], **suite)).names


def test_a_stdin_problem_wants_a_script():
    found = Wanted.of(problem(TestKind.STDIN, [StdinTest("1\n", "2\n")]))
    assert (found.script, found.names) == (True, ())


def test_a_call_based_problem_wants_its_entry_point_as_a_function_or_a_method():
    found = Wanted.of(problem(TestKind.CALL, [CallTest([1], 2)], entry_point="f"))
    assert (found.script, found.names, found.in_solution) == (False, ("f",), True)


@cases(
    ("asserts", "suite", "names"),
    [
        (["assert f(1) == 2", "assert f(2) == 3"], {}, ("f",)),
        (["assert set(f([1])) == set([1])"], {}, ("f",)),
        (["assert 3 == f(1)"], {}, ("f",)),
        (["assert math.isclose(f(1), 2.0)"], {}, ("f",)),
        (["assert is_same(f(1), 2)"], {"setup": "def is_same(a, b):\n    return a == b\n"}, ("f",)),
        (["assert check(f)"], {"setup": "def check(g):\n    return g(1) == 2\n"}, ("f",)),
        (["assert f(root) == 2", "assert f(None) == 0"], {"setup": "root = Node(1)\n"}, ("f", "Node")),
        (["assert f(P(1)) == 2", "assert f(1) == 1"], {"preamble": "class P:\n    pass\n"}, ("f",)),
        (["assert all(f(x) for x in range(3))"], {}, ("f",)),
        (["assert sum(1, 2) == 3"], {}, ("sum",)),  # as one task of MBPP has it
        (["assert Solution().f(1) == 2"], {}, ("Solution",)),
        (["assert (lambda g: g(1))(f) == 2"], {}, ("f",)),
        (["no Python", "assert f(1) == 2"], {}, ("f",)),
    ],
)  # fmt: skip
def test_asserts_want_what_they_use_and_do_not_bring_along(asserts, suite, names):
    assert of_asserts(*asserts, **suite) == names


@cases(
    ("code", "count"),
    [
        ("def f(x):\n    return g(x)\n", 1),
        ("class f:\n    pass\ndef g(): pass\n", 2),
        ("if True:\n    def f(): pass\nelse:\n    def f(): pass\n", 1),
        ("f = g = len\n", 2),
        ("f: int = 1\n", 1),
        ("f: int\n", 0),
        ("from solution import f, g\n", 0),
        ("def h():\n    def f(): pass\n", 0),
        ("class A:\n    def f(self): pass\n", 0),
        ("class Solution:\n    def f(self): pass\n", 0),
    ],
)
def test_what_a_program_defines_is_counted_at_its_top_level(code, count):
    syntax = parse(code)
    assert isinstance(syntax, Syntax)
    assert Wanted(("f", "g")).defined_by(syntax) == count
    assert Wanted(("f",), in_solution=True).defined_by(syntax) == (count > 0 or "Solution" in code)


def test_the_problem_travels_with_its_prompt_into_the_extraction():
    call = next(each for each in EXAMPLES if each.suite.kind is TestKind.CALL)
    prompt = make_prompt(CHAT, call)
    assert prompt.wanted == Wanted.of(call)
    answer = (
        "```python\ndef other():\n    x = 1\n    return x\n```\n```python\ndef f(x):\n    return x\n```\n"
    )
    both = answer + "```python\ndef third():\n    y = 1\n    z = 2\n    return y\n```\n"
    assert extract_program(both, prompt).code == "def f(x):\n    return x\n"
    assert extract(both, "chat").code != extract_program(both, prompt).code


def test_stop_strings_beside_the_formats_own_end_an_answer():
    prompt = make_prompt(CHAT, EXAMPLES[0])
    assert extract_program("print(1)\nSTOP\nprint(2)", prompt, stop=("STOP",)).code == "print(1)\n"
