"""`make kills`: end or stop processes at random moments, run again, compare.

    python studies/kills.py [--rounds N] [--seed N] [--out FILE]

Each round scores the same programs (for each of some mini problems one that is right, one wrong, one raising,
and for each kind of hostile program one) into a new run folder. At a random moment the host, a worker, a
dispatcher or a template gets SIGKILL or SIGTERM, or a worker SIGSTOP. A host that ended is started
again with the same command. Every round must end with the `metrics.json` of an undisturbed run, all bytes,
with one outcome for each program, and with no process left over: of a host that ended, two seconds after it.
Exit status 1 if one does not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from harness import load_benchmark
from harness.run_store import environment

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "results" / "reports" / "kills.md"
PROBLEMS = 4
ENDING = (signal.SIGKILL, signal.SIGTERM)
VICTIMS = [(victim, number) for number in ENDING for victim in ("host", "worker", "dispatcher", "template")]
VICTIMS.append(("worker", signal.SIGSTOP))
HOSTILE = (
    "while True:\n    print('x' * 65536)",
    "held = bytearray(1 << 36)",
    "import os\nos.kill(os.getpid(), 9)",
    "import os\nfor fd in range(3, 64):\n    try:\n        os.write(fd, b'x' * 5000)\n    except OSError:\n"
    "        pass\nos._exit(0)",
    "import os\nfor _ in range(500):\n    os.mkdir('d')\n    os.chdir('d')",
)
"""None that uses its whole time: a round is to be short."""
PROGRAMS = (3 + len(HOSTILE)) * PROBLEMS
PATIENCE_SECONDS = 20
LEFT_OVER_SECONDS = 2
"""After the end of the host, until all that it had started is gone."""


def main() -> int:
    """Kill, compare, write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    dice = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        programs = write_programs(folder / "programs.jsonl")
        started = time.monotonic()
        finish(start(programs, folder / "straight"))
        length = time.monotonic() - started
        rows = []
        for number in range(args.rounds):
            victim, sent = VICTIMS[number % len(VICTIMS)]
            moment = dice.uniform(0.2, length)
            run, straight = folder / f"round-{number}", folder / "straight"
            held = play(programs, run, straight, victim=victim, number=sent, moment=moment, dice=dice)
            rows.append([f"{victim}, {sent.name}", moment, *held])
            print(f"round {number + 1}: {victim} after {moment:.2f} s: {rows[-1][2:]}", flush=True)
    args.out.write_text(report(rows, args.seed, length))
    print(f"{args.out} written")
    return 0 if all(row[2:] == [True, True, True] for row in rows) else 1


def write_programs(path: Path) -> Path:
    """Right, wrong, raising and hostile programs."""
    with path.open("w") as file:
        for problem in load_benchmark("mini").problems[:PROBLEMS]:
            for sample, code in enumerate((problem.solutions[0], "print(0)", "1 / 0", *HOSTILE)):
                row = {"task_id": problem.task_id, "sample_id": sample, "code": f"{code}\n# {sample}\n"}
                file.write(json.dumps(row) + "\n")
    return path


def start(programs: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start scoring, or going on with it."""
    selection = ["--benchmark", "mini", "--ids", f"0-{PROBLEMS - 1}", "--no-cache"]
    command = [sys.executable, "-m", "rltf", "score", str(programs), *selection, "--out", str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for a run that must end well."""
    if process.wait() != 0:
        raise SystemExit(f"rltf score ended with {process.returncode}")


def play(
    programs: Path,
    run: Path,
    straight: Path,
    *,
    victim: str,
    number: signal.Signals,
    moment: float,
    dice: random.Random,
) -> list[bool]:
    """One round: whether the metrics are the same, each program has one outcome, and nothing is left."""
    process = start(programs, run)
    time.sleep(moment)
    family = descendants(process.pid)
    kill(process.pid, victim, number, dice)
    left = False
    if victim == "host":
        process.wait()
        left = not all_gone(family, LEFT_OVER_SECONDS)
        finish(start(programs, run))
    else:
        finish(process)
    same = (run / "metrics.json").read_bytes() == (straight / "metrics.json").read_bytes()
    lines = (run / "outcomes.jsonl").read_text().splitlines()
    keys = {(row["task_id"], row["sample_id"]) for row in map(json.loads, lines)}
    return [same, len(lines) == len(keys) == PROGRAMS, not left and all_gone(family, PATIENCE_SECONDS)]


def kill(host: int, victim: str, number: signal.Signals, dice: random.Random) -> None:
    """Signal one of the processes; no one if it has not come up or has ended."""
    workers = [pid for pid in children(host) if children(pid)]
    dispatchers = [each for worker in workers for waiting in children(worker) for each in children(waiting)]
    # The two oldest children of a dispatcher's. The others are programs, whose verdict a signal changes.
    templates = [each for dispatcher in dispatchers for each in sorted(children(dispatcher))[:2]]
    candidates = {"host": [host], "worker": workers, "dispatcher": dispatchers, "template": templates}[victim]
    with contextlib.suppress(ProcessLookupError, IndexError):
        os.kill(dice.choice(candidates), number)


def children(pid: int) -> list[int]:
    """Child processes of all of its threads."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, task.read_text().split())
    return found


def descendants(pid: int) -> set[int]:
    """Everything below a process."""
    below = children(pid)
    return {*below, *(deeper for child in below for deeper in descendants(child))}


def all_gone(pids: set[int], seconds: float) -> bool:
    """Whether these processes come to their end in that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(map(is_alive, pids)):
            return True
        time.sleep(0.1)
    return False


def is_alive(pid: int) -> bool:
    """Whether a process has not ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def report(rows: list[list[object]], seed: int, length: float) -> str:
    """The page that is committed."""
    about = environment.describe()
    lines = [
        "# Killed at random moments",
        "",
        f"Made by `make kills` on {date.today()}, commit {about['commit']}, seed {seed}:",
        f"`rltf score` of {PROGRAMS} programs on mini, {len(HOSTILE) * PROBLEMS} of them hostile,",
        f"{length:.1f} s undisturbed, one process signalled in each round; a host that ended is started",
        "again by the same command.",
        "",
        "| round | signal to | after | same `metrics.json` | one outcome a program | nothing left |",
        "|---|---|---|---|---|---|",
    ]
    for number, (victim, moment, *held) in enumerate(rows, 1):
        lines.append(
            f"| {number} | {victim} | {moment:.2f} s | {' | '.join('yes' if h else 'NO' for h in held)} |"
        )
    good = sum(row[2:] == [True, True, True] for row in rows)
    lines += ["", f"{good} of {len(rows)} rounds held.", ""]
    lines += [f"- {name}: {value}" for name, value in about["hardware"].items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
