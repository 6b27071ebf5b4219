"""`make hostile`: how long the verdict takes on programs that are made to stall or topple the grader.

    python studies/hostile.py [--out FILE]

Each program leaves as much as it may, 16 MiB, of what is slow to read or to compare, or prints without end;
each is graded alone, on one worker, with a right program after it. Said of each: its verdict, the seconds
until it, and the largest memory that the worker ever had. Exit status 1 if one takes longer than a limit and
2 s, if the worker has had more than 512 MiB, or if a verdict is not what it should be. With RLTF_DATA, the
flood of output is on APPS' test/65 too.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from machine import peak_mib, section

from harness import Job, Limits, Problem, Runner, TestSuite, load_benchmark
from harness.types import CallTest, StdinTest, TestKind

REPORT = Path(__file__).resolve().parents[1] / "results" / "reports" / "hostile.md"
LIMITS = Limits()
MOST_SECONDS = LIMITS.cpu_seconds + 2
MOST_FLOOD_SECONDS = 15
MOST_MIB = 512
FAILED = ("wrong_answer", "output_limit", "runtime_error")

SCRIPTS = {
    "digits, then a letter": "print('1' * 16_000_000 + 'x')",
    "a point, digits, a letter": "print('1.' + '1' * 16_000_000 + 'x')",
    "numbers of many spellings": "print(' '.join(f'{n}.0' for n in range(1_700_000)))",
    "many lines": "print('a\\n' * ((16 << 20) // 2 - 1))",
    "separators": "print('\\x0b\\x0c\\x1c\\x1d' * ((16 << 20) // 4 - 1))",
}
_FORGE = """
import os, struct
def leave(*datas):
    for data in datas:
        data = struct.pack("<Id", len(data), 0.01) + data
        while data:
            data = data[os.write(3, data):]
    os._exit(0)
leave(b'{{"kind":"loaded"}}', {value})
"""
_HEAD, _TAIL = """b'{"kind":"value","value":' + """, """ + b'}'"""
FORGED = {
    "a set of tuples of one hash": "repr(['s', [['t', [['F', '0x1', '0x1']] * 500 + "
    "[-1 if n >> b & 1 else -2 for b in range(10)]] for n in range(1000)]]).replace(\"'\", '\"').encode()",
    "a range as long as a number can be": """b'["l",[["r",0,["i","0x' + b'f' * 60 + b'"],1]]]'""",
    "sixteen MiB of objects": "b'[' + b'{},' * 5_000_000 + b'{}]'",
    "brackets": "b'[' * 16_000_000",
    "a long fraction": """b'["F","0x' + b'f' * 8_000_000 + b'","0x3"]'""",
    "a long decimal": """b'["D","' + b'1' * 16_000_000 + b'"]'""",
    "empty deques": """b'["l",[' + b'["q",[]],' * 1_300_000 + b'["q",[]]]]'""",
    "text": """b'"' + b'a' * 16_000_000 + b'"'""",
}
FLOOD = "import sys\nwhile True:\n    sys.stdout.write('x' * 65536)\n"

STDIN = TestSuite.pack(TestKind.STDIN, [StdinTest("1\n", "1\n2.5\n3\n")])
CALL = TestSuite.pack(TestKind.CALL, [CallTest([], [[1, 2], [0.5, 1]])], entry_point="f")
MANY = TestSuite.pack(TestKind.STDIN, [StdinTest(f"{n}\n", f"{n}\n") for n in range(114)])
RIGHT = {"stdin": "print(1, 2.5, 3, sep='\\n')", "call": "def f():\n    return [[1, 2], [0.5, 1]]"}


def worker_of(runner: Runner) -> int:
    """The one worker's process: the last child of ours (the other tracks resources)."""
    return max(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()))


def measured(runner: Runner, name: str, code: str, problem: Problem, right: str | None) -> tuple[str, float]:
    """Verdict and seconds of a program; then a right one is graded, which has to pass."""
    started = time.perf_counter()
    (outcome,) = runner.run([Job(problem.task_id, name, code, problem)])
    seconds = time.perf_counter() - started
    if right is not None:
        (after,) = runner.run([Job(problem.task_id, "right", f"{right}  # after {name}", problem)])
        if not after.passed("strict"):
            raise SystemExit(f"the right program after {name!r} came out as {after.verdicts}")
    return outcome.infrastructure_error or str(outcome.verdicts["strict"]), seconds


def main() -> int:
    """Measure, write, and say whether all held."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    stdin, call, many = (
        Problem(name, "", load_suite=lambda suite=suite: suite)  # type: ignore[misc]
        for name, suite in (("stdin", STDIN), ("call", CALL), ("many", MANY))
    )
    programs = [
        (f"prints {name}", code, stdin, RIGHT["stdin"], MOST_SECONDS) for name, code in SCRIPTS.items()
    ]
    programs += [
        (f"reports {name}", _FORGE.format(value=_HEAD + value + _TAIL), call, RIGHT["call"], MOST_SECONDS)
        for name, value in FORGED.items()
    ]
    programs.append(("prints without end, 114 tests", FLOOD, many, None, MOST_FLOOD_SECONDS))
    data = "programs of its own"
    if os.environ.get("RLTF_DATA"):
        flooded = load_benchmark("apps", split="test", ids=["65"]).problems[0]
        programs.append(("prints without end, APPS test/65", FLOOD, flooded, None, MOST_FLOOD_SECONDS))
        data += ", APPS test/65"
    rows, held = [], True
    with Runner(1, limits=LIMITS) as runner:
        before = peak_mib(worker_of(runner))
        for name, code, problem, right, most in programs:
            verdict, seconds = measured(runner, name, code, problem, right)
            peak = peak_mib(worker_of(runner))
            fine = seconds <= most and peak <= MOST_MIB and verdict in FAILED
            held = held and fine
            rows.append(f"| {name} | {verdict} | {seconds:.2f} | {peak:.0f} | {'yes' if fine else 'NO'} |")
            print(rows[-1], flush=True)
        about = section("make hostile", runner.describe(), data)
    lines = [
        "# Programs made to stall or topple the grader",
        "",
        "One after the other on one worker, each followed by a right program, which passed every time. The",
        f"limit is {LIMITS.cpu_seconds:g} CPU seconds a test; {MOST_SECONDS:g} s are allowed for a verdict,",
        f"{MOST_FLOOD_SECONDS} s for the floods of 114 tests; {MOST_MIB} MiB for the worker, which had"
        f" {before:.0f} before.",
        "",
        "| the program | verdict | seconds | the worker's peak so far, MiB | within bounds |",
        "|---|---|---|---|---|",
        *rows,
        "",
        about,
    ]
    args.out.write_text("\n".join(lines))
    print(f"written to {args.out}")
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main())
