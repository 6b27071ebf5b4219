"""A program reads its own source as Python would let it, and what it reads holds nothing else."""

from hashlib import sha256

import pytest

from harness.runner.sandbox.own_source import _WORDS

G = "def g():\n    return 1\n"

READS = {
    "open(__file__)": "print(int('unlike any other' in open(__file__).read()))  # unlike any other",
    "open(sys.argv[0])": "import sys\nprint(len(open(sys.argv[0]).readlines()) - 1)",
    "its name": "print(len(open('solution.py').readlines()))",
    "pathlib": "from pathlib import Path\nprint(len(Path(__file__).read_text().splitlines()) - 1)",
    "inspect.getsource of a function": f"import inspect\n{G}print(int(inspect.getsource(g) == {G!r}))",
    "inspect.getsource of a class": (
        "import inspect\nclass A:\n    x = 1\nprint(int(inspect.getsource(A).startswith('class A:')))"
    ),
    "inspect.getsource of the module": (
        "import inspect, sys\nprint(int('unlike' in inspect.getsource(sys.modules['__main__'])))"
    ),
    "traceback.format_exc": (
        "import traceback\ntry:\n    1 / 0  # here\nexcept ZeroDivisionError:\n"
        "    print(traceback.format_exc().count('1 / 0  # here'))"
    ),
    "traceback.print_exc": (
        "import io, traceback\nout = io.StringIO()\ntry:\n    1 / 0  # here\nexcept ZeroDivisionError:\n"
        "    traceback.print_exc(file=out)\nprint(out.getvalue().count('1 / 0  # here'))"
    ),
    "linecache": "import linecache\nprint(linecache.getline(__file__, 1).count('import'))",
    "co_filename": "import sys\nprint(len(open(sys._getframe().f_code.co_filename).readlines()) - 1)",
    "the folder": "import glob\nprint(len(glob.glob('*.py')))",
}


@pytest.mark.parametrize("name", READS)
def test_a_script_reads_its_own_source_in_each_of_its_tests(grader, name):
    outcome = grader.script(READS[name], ("", "1"), ("", "1"), ("", "2"))
    assert grader.statuses(outcome) == ["passed", "passed", "wrong_answer"], outcome


def test_an_imported_program_reads_its_own_source_and_not_its_tests(grader):
    code = f"import inspect\n{G}def f(secret): return [inspect.getsource(g), open(__file__).read()]\n"
    outcome = grader.call(code, "f", (["hidden argument"], [G, code]))
    assert grader.statuses(outcome) == ["passed"], outcome
    outcome = grader.asserts(code, f"assert f('hidden argument') == {[G, code]!r}", setup="hidden = 1")
    assert grader.statuses(outcome) == ["passed"], outcome


def test_a_script_that_runs_as_a_function_reads_what_was_written(grader):
    code = "def main():\n    print(open(__file__).read().count('return'))\nmain()\nreturn"
    assert grader.script(code, ("", "2"), ("", "2")).verdicts["apps"] == "passed"


@pytest.mark.parametrize("code", ["\ufeffx = '\u00e4\u2192'", "x = 1\r\ny = 2\r\n", "x = 1\f\n\n\n"])
def test_the_file_is_the_program_to_the_byte(grader, code):
    read = "import hashlib; print(hashlib.sha256(open(__file__, 'rb').read()[:%d]).hexdigest())"
    data = code.encode()
    code = f"{code}\n{read % len(data)}"
    assert grader.script(code, ("", sha256(data).hexdigest())).verdicts["strict"] == "passed"


def test_what_a_program_makes_of_the_file_is_gone_in_its_next_test(grader):
    code = "print(len(open(__file__).readlines()))\nopen(__file__, 'a').write('more')\n"
    assert grader.script(code, ("", "2"), ("", "2")).verdicts["strict"] == "passed"
    grader.still_sane()


def test_the_file_can_be_removed_and_replaced(grader):
    code = "import os\nos.remove(__file__)\nos.mkdir(__file__)\nprint(os.listdir())\n"
    assert grader.script(code, *[("", "['solution.py']")] * 2).verdicts["strict"] == "passed"
    grader.still_sane()


def test_the_folder_of_a_program_that_asks_for_no_source_is_empty(grader):
    code = "import os\nprint(len(os.listdir('.')))"
    assert not [word for word in _WORDS if word in code.encode()]
    assert grader.script(code, ("", "0")).verdicts["strict"] == "passed"


def test_a_source_that_is_too_large_for_the_folder_is_graded_all_the_same(grader):
    code = f"import os\nprint(len(os.listdir()))\n# file {'x' * (9 << 20)}\n"
    assert grader.script(code, ("", "0")).verdicts["strict"] == "passed"
    grader.still_sane()
