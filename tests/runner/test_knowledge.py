"""Who knows what: what is sent to a server, and what a program finds in its own process."""

import pytest

from harness import Job, Limits, Problem, Runner, TestSuite
from harness.runner import fork_server as module
from harness.runner.fork_server import ForkServer, ProgramRequest
from harness.runner.sandbox import protocol
from harness.runner.split_suite import prepare
from harness.types import AssertTest, CallTest, StdinTest, TestKind

PAIRS = {
    "stdin": [
        TestSuite.pack(TestKind.STDIN, [StdinTest("1", out), StdinTest("2", "x")]) for out in ("3\n", "4.25")
    ],
    "call": [
        TestSuite.pack(TestKind.CALL, [CallTest([1], value), CallTest([2], 0)], entry_point="f")
        for value in (3, [["many"] * 50])
    ],
    "asserts": [
        TestSuite.pack(TestKind.ASSERTS, [AssertTest(f"assert f({n}) == {value}") for n in (1, 2)])
        for value in ("3", "[4, {5: 6}]")
    ],
    "asserts about truth": [
        TestSuite.pack(TestKind.ASSERTS, [AssertTest(source)])
        for source in ("assert f(1)", "assert not f(1)")
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", PAIRS)
def test_every_byte_sent_is_the_same_whatever_is_expected(kind, monkeypatch):
    sent = []

    def keep(_fd, header, blobs=()):
        sent.append(protocol.frame(header, blobs))

    monkeypatch.setattr(module.protocol, "write_frame", keep)
    for suite in PAIRS[kind]:
        server = ForkServer.__new__(ForkServer)
        server._begin()
        server._out = -1
        prepared = prepare(suite)
        server.send([ProgramRequest(1, "x = 1", prepared), ProgramRequest(2, "x = 2", prepared)])
    first, second = sent
    assert first == second
    assert PAIRS[kind][0].digest != PAIRS[kind][1].digest


# A marker is put together nowhere but in what must not be found.
LOOK = """
hits = memory((b"marker-{name}", b"4711")) + len(find("marker-{name}[-]4711"))
"""


def marker(name):
    return f"marker-{name}-4711"


@pytest.fixture(scope="module")
def batch():
    """Grades programs side by side, in one server."""
    with Runner(1, Limits(cpu_seconds=20.0, load_cpu_seconds=20.0)) as runner:

        def run(jobs):
            numbered = [
                Job(f"task/{n}", n, code, Problem(f"task/{n}", "", load_suite=lambda suite=suite: suite))
                for n, (code, suite) in enumerate(jobs)
            ]
            return sorted(runner.run(numbered), key=lambda outcome: outcome.sample_id)

        yield run


def scripts(*inputs):
    return TestSuite.pack(TestKind.STDIN, [StdinTest(text, "0\n") for text in inputs])


@pytest.mark.slow
def test_a_script_finds_neither_its_neighbours_nor_the_inputs_of_other_tests_nor_earlier_results(
    batch, search
):
    def looks(*names):
        return (
            search
            + "".join(LOOK.format(name=name) + f"assert hits == 0, ({name!r}, hits)\n" for name in names)
            + "print(0)\n"
        )

    plain = scripts("", "")
    neighbour = f"# {marker('source')}\nprint({marker('output')!r})\nraise ValueError({marker('report')!r})\n"
    thief = looks("source", "output", "report", "input")
    inputs = scripts("", f"{marker('input')}\n", "")
    jobs = [(neighbour + f"# {n}", plain) for n in range(3)] + [(thief, inputs)]
    jobs += [(neighbour + f"# {n}", plain) for n in range(3, 6)] + [(thief + "# again", plain)]
    outcomes = batch(jobs)
    statuses = [test.statuses["strict"].value for test in outcomes[3].tests]
    # The second test has the marker on its own standard input, but has not read it.
    assert statuses == ["passed"] * 3, outcomes[3]
    assert outcomes[7].verdicts["strict"] == "passed", outcomes[7]


@pytest.mark.slow
def test_an_imported_program_finds_neither_its_neighbours_nor_inputs_of_other_problems(batch, search):
    def suite(argument):
        return TestSuite.pack(TestKind.CALL, [CallTest([argument], 0)], entry_point="f")

    thief = (
        search
        + "def f(x):\n"
        + "".join(
            f"    hits = memory((b'marker-{name}', b'4711')) + len(find('marker-{name}[-]4711'))\n"
            f"    assert hits == 0, ({name!r}, hits)\n"
            for name in ("source", "value", "argument", "preamble", "setup")
        )
        + "    return 0\n"
    )
    neighbour = f"# {marker('source')}\ndef f(x): return {marker('value')!r}\n"
    other = TestSuite.pack(
        TestKind.CALL, [CallTest([marker("argument")], 0)], entry_point="f",
        preamble=f"a = {marker('preamble')!r}", setup=f"b = {marker('setup')!r}",
    )  # fmt: skip
    outcomes = batch([(neighbour + f"#{n}", other) for n in range(4)] + [(thief, suite(1))])
    assert outcomes[4].verdicts["strict"] == "passed", outcomes[4]


def test_the_look_finds_what_is_the_programs_own(batch, search):
    own = search + f"own = {marker('own')!r}\n" + LOOK.format(name="own") + "print(0 if hits else 1)\n"
    (outcome,) = batch([(own, scripts(""))])
    assert outcome.verdicts["strict"] == "passed", outcome


def test_what_several_problems_promise_is_run_once_for_all_and_names_are_there(batch):
    preamble = "import math\ndef helper(n): return math.floor(n) + 1\n"
    suites = [
        TestSuite.pack(TestKind.CALL, [CallTest([n], n + 1)], entry_point="f", preamble=preamble)
        for n in range(4)
    ]  # fmt: skip
    outcomes = batch([(f"def f(n): return helper(n) # {n}", suite) for n, suite in enumerate(suites)])
    assert all(outcome.verdicts["strict"] == "passed" for outcome in outcomes)


def test_no_test_gets_code_that_an_earlier_one_has_forged(batch):
    code = """
import marshal, os, struct
n = int(input())
if n == 1:
    forged = marshal.dumps(compile("print(0)", "solution.py", "exec"))
    for fd in range(3, 64):
        try:
            os.ftruncate(fd, 0)
            os.pwrite(fd, struct.pack("<Id", len(forged), 0.0) + forged, 0)
        except OSError:
            pass
    os._exit(0)
print(n)
"""
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest(f"{n}\n", "0\n") for n in (1, 2, 3)])
    (outcome,) = batch([(code, suite)])
    assert [test.statuses["strict"].value for test in outcome.tests[1:]] == ["wrong_answer"] * 2
