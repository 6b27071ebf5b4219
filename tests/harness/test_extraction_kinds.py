"""Answers as models write them, by kind, and the program in each when the problem is known.

Does not cover: rules that reproduce papers, and what holds for any text (`test_extraction.py`).
"""

from cases import cases

from harness.extraction import Wanted, extract

F = "```"
ADD = "def add(a, b):\n    return a + b\n"
DRAFT = "def add(a, b):\n    c = a - b\n    d = c\n    return d\n"
MUL = "def mul(a, b):\n    r = 0\n    for _ in range(a):\n        r += b\n    return r\n"
MAIN = "a, b = map(int, input().split())\nprint(a + b)\n"
SCRIPT = Wanted(script=True)
METHOD = Wanted(("add",), in_solution=True)
CLASS = "class Solution:\n    def add(self, a, b):\n        return a + b\n"


def py(code: str, mark: str = f"{F}python", end: str = F) -> str:
    return f"{mark}\n{code}{end}\n"


def indented(text: str, by: str) -> str:
    return "".join(by + line if line.strip() else line for line in text.splitlines(keepends=True))


DOCSTRING = 'def add(a, b):\n  """Add.\n\n  ```\n  add(1, 2)\n  ```\n  """\n  return a + b\n'
MARGIN_DOCSTRING = 'def add(a, b):\n    """Add.\n```\nadd(1, 2)\n```\n"""\n    return a + b\n'
PYTHON_DOCSTRING = (
    'def add(a, b):\n    """Add:\n    ```python\n    add(1, 2)\n    ```\n    """\n    return a + b\n'
)

FENCES = [
    ("longer closing fence", f"{F}python\n{ADD}{F}``\nDone.", ADD),
    ("shorter marks close nothing", f"{F}``python\ns = '''\n{F}\n'''\n{ADD}{F}``\n", f"s = '''\n{F}\n'''\n{ADD}"),
    ("tildes hold backticks", f"~~~python\ns = '''\n{F}\n'''\n{ADD}~~~\n", f"s = '''\n{F}\n'''\n{ADD}"),
    ("ticks in the info string of tildes", f"~~~ python `x`\n{ADD}~~~\n", ADD),
    ("an info string with more", f'{F}python title="add.py" {{1-2}}\n{ADD}{F}\n', ADD),
    ("an info string in braces", f"{F}{{.python .numberLines}}\n{ADD}{F}\n", ADD),
    ("a version", f"{F}Python3.11\n{ADD}{F}\n", ADD),
    ("a blank before the language", f"{F} python\n{ADD}{F}\n", ADD),
    ("a wrong language", f"{F}java\n{ADD}{F}\n", ADD),
    ("three columns to the right", f"   {F}python\n{indented(ADD, '   ')}   {F}\n", ADD),
    ("in a list", f"1. So:\n\n    {F}python\n{indented(ADD, '    ')}    {F}\n2. Done", ADD),
    ("behind a bullet", f"- {F}python\n{indented(ADD, '  ')}  {F}\n", ADD),
    ("a fence to the right of its code", f"   {F}python\n{ADD}   {F}\n", ADD),
    ("a closing fence at the margin", f"   {F}python\n{indented(ADD, '   ')}{F}\n", ADD),
    ("tabs", f"\t{F}python\n{indented(ADD, chr(9))}\t{F}\n", ADD),
    ("in a quote", f"> {F}python\n{indented(ADD, '> ')}> {F}\n", ADD),
    ("in a docstring", py(DOCSTRING) + "Done.", DOCSTRING),
    ("in a docstring, at the margin", py(MARGIN_DOCSTRING) + "Done.", MARGIN_DOCSTRING),
    ("in a docstring, with a language", py(PYTHON_DOCSTRING) + "Done.", PYTHON_DOCSTRING),
    ("in a docstring, without language", f"{F}\n{DOCSTRING}{F}\nDone.", DOCSTRING),
    ("in a docstring, a block after it", py(DOCSTRING) + py("print(add(1, 2))\n"), DOCSTRING),
    ("in a comment", py(f"# {F}\n{ADD}") + "Done.", f"# {F}\n{ADD}"),
    ("text behind marks closes nothing", py(f"s = '''\n{F} x\n'''\n{ADD}"), f"s = '''\n{F} x\n'''\n{ADD}"),
    ("never closed", f"So:\n{F}python\n{ADD}", ADD),
    ("never closed, and cut", f"So:\n{F}python\n{ADD}\n\ndef more(a):\n    return (", f"{ADD}\n\n"),
    ("the next one opens before it is closed", f"{F}python\n{MUL}{F}python\n{ADD}{F}\n", ADD),
    ("a list ends before its block is closed", f"3. Like:\n   {F}python\n{indented(MUL, '   ')}\n# So:\n{ADD}", ADD),
    ("glued on, prose behind", f"{F}python\n{ADD.rstrip()}{F}\nThis adds.\n", ADD.rstrip()),
    ("glued on, prose on the same line", f"{F}python\n{ADD.rstrip()}{F} This adds.\n", ADD.rstrip()),
    ("marks in a text", py(f"s = '{F}'\nt = '{F} x'\n{ADD}"), f"s = '{F}'\nt = '{F} x'\n{ADD}"),
    ("glued to prose", f"Here it is: {F}python\n{ADD}{F}\nDone", ADD),
    ("on one line", f"It is {F}add = max{F}.\nDone (I think", "add = max"),
    ("on one line, with a language", f"{F}python add = max{F}", "add = max"),
    ("Markdown in Markdown", f"{F}markdown\n{F}python\n{ADD}{F}\n{F}\n", ADD),
    ("CRLF", py(ADD).replace("\n", "\r\n"), ADD),
    ("empty blocks", f"{F}python\n{F}\n{py(ADD)}{F}\n\n{F}\n", ADD),
]  # fmt: skip


@cases(("answer", "program"), [row[1:] for row in FENCES])
def test_a_fence_is_read_as_commonmark_has_it_or_as_models_mean_it(answer, program):
    assert extract(answer, "chat", wanted="add").code == program


BLOCKS = [
    ("a longer one before", py(MUL) + "So:\n" + py(ADD), ADD),
    ("a longer one after", py(ADD) + "Also:\n" + py(MUL), ADD),
    ("tests after", py(ADD) + py("def test():\n    assert add(1, 2) == 3\n\ntest()\n"), ADD),
    ("an example after", py(ADD) + "Use:\n" + py("print(add(1, 2))\n"), ADD),
    ("a main program after", py(ADD) + py(f"def main():\n    {MAIN.splitlines()[0]}\n    print(add(a, b))\n\nmain()\n"), ADD),
    ("output after", py(ADD) + f"Output:\n{F}\n3\n{F}\n", ADD),
    ("a longer draft before", py(DRAFT) + "Wait, that is wrong:\n" + py(ADD), ADD),
    ("the same with a main program after", py(ADD) + "All:\n" + py(ADD + MAIN), ADD),
    ("the same with a guarded main program after", py(DRAFT) + py(ADD + 'if __name__ == "__main__":\n    print(input())\n'),
     ADD + 'if __name__ == "__main__":\n    print(input())\n'),
    ("a stub before", py("def add(a, b):\n    pass\n") + py(ADD), ADD),
    ("a stub after", py(ADD) + "To fill in:\n" + py('def add(a, b):\n    """Add."""\n    ...\n'), ADD),
    ("one that only imports it", py(ADD) + py("from solution import add\n\ndef test():\n    assert add(1, 2) == 3\n\n"), ADD),
    ("another language beside", f"{F}js\nfunction add(a, b) {{ return a + b }}\n{F}\n" + py(ADD), ADD),
    ("another language that parses", py(ADD) + f"{F}json\n[1, 2]\n{F}\n", ADD),
    ("unmarked beside unmarked", f"{F}\n{MUL}{F}\n{F}\n{ADD}{F}\n", ADD),
    ("unmarked beside marked", py(MUL) + f"So:\n{F}\n{ADD}{F}\n", ADD),
    ("broken, then whole", py("def add(a, b:\n    return\n") + py(ADD), ADD),
    ("whole, then broken", py(ADD) + py("def add(a, b:\n    return\n"), ADD),
    ("none is whole", py(MUL) + py(ADD + "print 1\n"), ADD),
    ("imports apart", py("import math\n") + "Then:\n" + py("def add(a, b):\n    return math.fsum([a, b])\n"),
     "import math\ndef add(a, b):\n    return math.fsum([a, b])\n"),
    ("a helper before", py("def plus(a, b):\n    return a + b\n") + py("def add(a, b):\n    return plus(a, b)\n"),
     "def plus(a, b):\n    return a + b\ndef add(a, b):\n    return plus(a, b)\n"),
    ("a helper after", py("def add(a, b):\n    return plus(a, b)\n") + py("def plus(a, b):\n    return a + b\n"),
     "def add(a, b):\n    return plus(a, b)\ndef plus(a, b):\n    return a + b\n"),
    ("helpers of helpers", py("K = 1\n") + py("def one():\n    return K\n") + py("x = input()\n") + py("def add(a, b):\n    return a + b * one()\n"),
     "K = 1\ndef one():\n    return K\ndef add(a, b):\n    return a + b * one()\n"),
    ("a variable", py(MUL) + py("add = lambda a, b: a + b\n"), "add = lambda a, b: a + b\n"),
    ("a class", py(MUL) + py("class add:\n    pass\n"), "class add:\n    pass\n"),
    ("in a try", py(MUL) + py(f"try:\n{indented(ADD, '    ')}except E:\n    raise\n"),
     f"try:\n{indented(ADD, '    ')}except E:\n    raise\n"),
    ("outside of the only block", f"{ADD}\nFor example:\n{F}python\nprint(add(1, 2))\n{F}\n", f"{ADD}\n"),
    ("behind the only block", f"Like:\n{py(MUL)}\nSo:\n\n{ADD}", ADD),
    ("in no block", py(MUL) + "Sorry.", MUL),
]  # fmt: skip


@cases(("answer", "program"), [row[1:] for row in BLOCKS])
def test_of_several_blocks_the_one_that_defines_what_is_wanted_is_taken_with_its_helpers(answer, program):
    assert extract(answer, "chat", wanted="add").code == program


def test_a_method_of_solution_is_what_a_call_based_problem_may_want():
    answer = py(MUL) + py(CLASS) + py("def test():\n    assert Solution().add(1, 2) == 3\n\n\ntest()\n")
    assert extract(answer, "chat", wanted=METHOD).code == CLASS
    assert extract(py(MUL) + py(ADD), "chat", wanted=METHOD).code == ADD


SCRIPTS = [
    ("one block", py(MAIN), MAIN),
    ("example input after", py(MAIN) + f"Input:\n{F}\n1 2\n{F}\n", MAIN),
    ("an example of use after", py(MAIN) + "Try:\n" + py("print(1 + 2)\nprint(3)\n"), MAIN),
    ("a longer idea before", py(MUL) + py(MAIN), MAIN),
    ("a function, then what calls it", py(ADD) + py("a, b = map(int, input().split())\nprint(add(a, b))\n"),
     f"{ADD}a, b = map(int, input().split())\nprint(add(a, b))\n"),
    ("a main function, then its call", py(f"def main():\n{indented(MAIN, '    ')}") + "Call it:\n" + py("main()\n"),
     f"def main():\n{indented(MAIN, '    ')}main()\n"),
    ("step by step", "First:\n" + py("a, b = map(int, input().split())\n") + "Then:\n" + py("c = a + b\n") + py("print(c)\n"),
     "a, b = map(int, input().split())\nc = a + b\nprint(c)\n"),
    ("step by step, then all of it", py("a, b = map(int, input().split())\n") + py("c = a + b\n") + "All:\n" + py(MAIN), MAIN),
    ("draft, then better", py("a = int(input())\nb = int(input())\nprint(a - b)\n") + "Better:\n" + py(MAIN), MAIN),
    ("sys.stdin", py("import sys\nprint(sum(map(int, sys.stdin.read().split())))\n") + py("print(3)\n"),
     "import sys\nprint(sum(map(int, sys.stdin.read().split())))\n"),
    ("pip before", f"{F}bash\npip install x\n{F}\n" + py(MAIN), MAIN),
    ("no fence", f"Here it is:\n\n{MAIN}\nIt adds the two (see above.\n", f"{MAIN}\n"),
]  # fmt: skip


@cases(("answer", "program"), [row[1:] for row in SCRIPTS])
def test_of_several_blocks_those_that_make_a_script_are_taken(answer, program):
    assert extract(answer, "chat", wanted=SCRIPT).code == program


THOUGHTS = [
    ("<antThinking>", "</antThinking>"), ("<think >", "</think >"), ("<|channel>thought", "<channel|>"),
    ("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<Think>", "</Think>"), ("<thought>", "</thought>"),
    ("<thoughts>", "</thoughts>"), ("<reasoning>", "</reasoning>"), ("<seed:think>", "</seed:think>"),
    ("<mm:think>", "</mm:think>"), ("[THINK]", "[/THINK]"), ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"), ("<|think|>", "<|/think|>"), ("<|think_start|>", "<|think_end|>"),
    ("◁think▷", "◁/think▷"), ("<longcat_think>", "</longcat_think>"), ("<reflection>", "</reflection>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"), ("<unused94>", "<unused95>"),
]  # fmt: skip


@cases(("begin", "end"), THOUGHTS)
@cases("rule", ["chat", "program"])
def test_thoughts_of_every_spelling_are_left_out(begin, end, rule):
    for opening in (f"{begin}\n", ""):  # a template may have opened them
        for thought in (DRAFT, py(DRAFT), f"Try:\n{F}python\n{DRAFT}", f"Is it\n\n{MUL}?\n\nNo.\n"):
            for wanted in ("add", Wanted()):
                found = extract(f"{opening}{thought}{end}\n\n{py(ADD)}", rule, wanted=wanted)
                assert (found.code, found.fired[0]) == (ADD, "thinking")
                assert (
                    extract(f"{opening}{thought}{end}\n{ADD}", rule, wanted=wanted).code.strip()
                    == ADD.strip()
                )


MORE_THOUGHTS = [
    ("a mark in the program", f"<think>\nhm\n</think>\n{py(ADD + 'END = chr(60) + f({!r})'.format('</think>') + chr(10))}",
     ADD + "END = chr(60) + f('</think>')\n"),
    ("a mark in a program without thoughts", "So:\n" + py("def add(a, b):\n    return '</think>'\n"),
     "def add(a, b):\n    return '</think>'\n"),
    ("twice", f"<think>a</think>\n{py(DRAFT)}\n<think>b</think>\n{py(ADD)}", ADD),
    ("closed twice", f"<think>a\n</think>\n\n</think>\n\n{ADD}", f"\n\n{ADD}"),
    ("answer tags", f"<think>a</think><answer>\n{ADD}</answer>", f"\n{ADD}"),
    ("a solution's tokens", f"<|begin_of_thought|>a<|end_of_thought|>\n\n<|begin_of_solution|>\n{py(ADD)}<|end_of_solution|>", ADD),
    ("never closed", f"<think>\nTry:\n{py(ADD)}", ADD),
    ("on one line", f"<think>short</think>{py(ADD)}", ADD),
]  # fmt: skip


@cases(("answer", "program"), [row[1:] for row in MORE_THOUGHTS])
def test_only_what_ends_thoughts_ends_them(answer, program):
    assert extract(answer, "chat", wanted="add").code == program


C, M, E = "<|channel|>", "<|message|>", "<|end|>"
CHANNELS = [
    ("analysis, then final", f"{C}analysis{M}Try\n{py(DRAFT)}{E}<|start|>assistant{C}final{M}{py(ADD)}<|return|>"),
    ("without the first token", f"analysis{M}Try\n{py(DRAFT)}{E}<|start|>assistant{C}final{M}{py(ADD)}"),
    ("commentary between", f"{C}analysis{M}x{E}<|start|>assistant{C}commentary{M}{py(DRAFT)}{E}<|start|>assistant{C}final{M}{py(ADD)}"),
    ("on new lines", f"{C}analysis{M}x{E}\n<|start|>assistant\n{C}final{M}\n{py(ADD)}<|return|>\n"),
    ("with a constraint", f"{C}analysis{M}x{E}<|start|>assistant{C}final <|constrain|>python{M}{ADD}<|return|>"),
    ("tokens dropped by decoding", f"analysisTry\n{py(DRAFT)}assistantfinal{py(ADD)}"),
    ("final alone", f"{C}final{M}{py(ADD)}"),
]  # fmt: skip


@cases("answer", [row[1] for row in CHANNELS])
@cases("rule", ["chat", "program"])
def test_of_channels_the_final_one_is_read(answer, rule):
    assert extract(answer, rule, wanted="add").code == ADD


RUN_ON = [
    ("prose and a longer program", f"{ADD}\n\nWrite a function to multiply.\n\nassert mul(1, 2) == 2\n\n{MUL}", f"{ADD}\n\n"),
    ("a longer program alone", f"{ADD}\n\n{MUL}", f"{ADD}\n\n{MUL}"),
    ("the same once more, worse", f"{ADD}\n\n{DRAFT}", f"{ADD}\n\n"),
    ("the same many times, cut", f"{ADD}\n\n" * 5 + "def add(a,", f"{ADD}\n\n"),
    ("a word, then examples", f"{ADD}\n\nExample:\n\nx = add(1, 2)\nprint(x)\nprint(y)\n", f"{ADD}\n\n"),
    ("a word that parses, then examples", f"{ADD}\nExample\nx = add(1, 2)\nprint(x)\n", f"{ADD}\n"),
    ("a wrong assert", f"{ADD}\nassert add(1, 2) == 4\n", f"{ADD}\n"),
    ("asserts before", f"assert add(1, 2) == 3\nassert add(0, 0) == 0\n\n{ADD}", ADD),
    ("a loop of asserts", f"{ADD}\nfor i in range(3):\n    assert add(i, i) == i\n", f"{ADD}\n"),
    ("results of examples", f"{ADD}\nx = add(1, 2)\ny = x + 1\nassert y == 5\n", f"{ADD}\n"),
    ("a main program", f"{ADD}\nn = int(input())\nprint(add(n, n))\n", f"{ADD}\n"),
    ("what the function needs stays", f"import sys\nsys.setrecursionlimit(9)\n{ADD}\nadd.calls = 0\nadd = sys.intern(add)\n",
     f"import sys\nsys.setrecursionlimit(9)\n{ADD}\nadd.calls = 0\nadd = sys.intern(add)\n"),
    ("a stub, then the program", f"def add(a, b):\n    pass\n\n{ADD}", f"def add(a, b):\n    pass\n\n{ADD}"),
    ("overloads", f"@overload\ndef add(a): ...\n@overload\n{ADD}{ADD}", f"@overload\ndef add(a): ...\n@overload\n{ADD}{ADD}"),
    ("end of text", f"{ADD}<|endoftext|>{DRAFT}", ADD),
    ("a chat's next turn", f"{ADD}<|im_end|>\n<|im_start|>user\n{DRAFT}", ADD),
    ("tags of another format", f"{ADD}[DONE]\n\n[BEGIN]\n{DRAFT}[DONE]", ADD),
    ("a docstring and its next task", f'{ADD}\n"""\nMultiply\nassert mul(1, 2) == 2\n"""\n{MUL}', f'{ADD}\n"""\nMultiply\nassert mul(1, 2) == 2\n"""\n{MUL}'),
    ("cut in the next one", f"{ADD}\n\ndef mul(a, b):\n    return (a", f"{ADD}\n\n"),
    ("imports, prose between", "import math\n\nHere it is then:\n\ndef add(a, b):\n    return math.fsum([a, b])\n",
     "import math\n\ndef add(a, b):\n    return math.fsum([a, b])\n"),
    ("a fence, as a chat model writes it", f"Sure.\n{py(ADD)}Use:\n{py('print(add(1, 2))' + chr(10))}", ADD),
]  # fmt: skip


@cases(("answer", "program"), [row[1:] for row in RUN_ON])
def test_of_a_model_that_runs_on_the_first_program_is_kept(answer, program):
    assert extract(answer, "program", wanted="add").code == program


def test_a_model_that_runs_on_has_a_first_program_where_nothing_is_known_of_the_problem():
    prose = "\n\nWrite a function to multiply.\n\n"
    assert extract(f"{ADD}{prose}{MUL}", "program").code == f"{ADD}\n\n"
    assert extract(f"{MAIN}{prose}{MUL}{MAIN}", "program", wanted=SCRIPT).code == f"{MAIN}\n\n"
    assert extract(f"{ADD}{prose}{MUL}", "chat").code == MUL


OPENED = f"Answer:\n{F}python\n"
PARTIAL = [
    ("closed", OPENED, f"{ADD}{F}\nThis adds.", ADD),
    ("prose with another block behind", OPENED, f"{ADD}{F}\nUse:\n{py('print(add(1, 2))' + chr(10))}", ADD),
    ("another block of the same name behind", OPENED, f"{ADD}{F}\nNot:\n{py(MUL)}", ADD),
    ("opened once more", OPENED, py(ADD) + "Done", ADD),
    ("never closed", OPENED, ADD, ADD),
    ("cut", OPENED, f"{ADD}\ndef more(", f"{ADD}\n"),
    ("the language is the answer's", f"Answer:\n{F}", f"python\n{ADD}{F}\nThis adds.", ADD),
    ("the language alone", "Answer:", f"python\n{ADD}", ADD),
    ("the prompt does not say so", "Answer:", f"{ADD}{F}\nThis adds.", ADD),
    ("a fence that the prompt has closed", f"{F}\nx\n{F}\n", f"Sure:\n{py(ADD)}", ADD),
]  # fmt: skip


@cases(("prompt", "answer", "program"), [row[1:] for row in PARTIAL])
@cases("rule", ["chat", "program"])
def test_a_fence_that_the_prompt_opened_is_known(prompt, answer, program, rule):
    assert extract(answer, rule, prompt=prompt, wanted="add").code == program
