"""`make integrations`: each peer's own code calls our adapter on recorded answers.

    python studies/integrations.py [--only NAME] [--python PATH] [--sources NAME=FOLDER] [--out FILE]

A small server gives recorded answers, right and wrong ones; `rltf eval` says which pass, and each peer must
come to the same rewards: its command, or its function that calls rewards, on the same answers
(`peer_callers/`). Each runs in an environment of its own for every Python named: installed from the package
index, or, where its package needs a GPU, unpacked and called by path. Where one cannot run here, the report
says what pip makes of it. Reads MBPP where RLTF_DATA is set, `mini` otherwise. Not part of CI: environments
take minutes and gigabytes, and the peers' pins contradict each other. Does not cover: training runs
(`tests/integrations` trains with TRL).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from integration_peers import PEERS, Peer, Row, report
from recorded_model import recorded, served

from harness import load_benchmark

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "results" / "reports" / "integrations.md"
CALLERS = Path(__file__).parent / "peer_callers"
PROBLEMS = 60
SECONDS = 1200
"""For one pip or one peer."""
_COPIED = ("harness", "rltf", "benchmarks", "pyproject.toml", "README.md", "LICENSE")


def main() -> None:
    """Run all, write the report; exit status 1 if a peer came to other rewards."""
    args = _parser().parse_args()
    sources = dict(each.split("=", 1) for each in args.sources)
    benchmark = load_benchmark("mbpp" if "RLTF_DATA" in os.environ else "mini")
    ids = [problem.task_id for problem in benchmark.problems[:PROBLEMS]]
    rows = recorded(load_benchmark(benchmark.name, ids=ids))
    args.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as temporary, served(rows) as url:
        scratch = Path(temporary)
        (scratch / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        right = _by_rltf_eval(benchmark.name, ids, url, scratch)
        print(f"rltf eval: {sum(right):g} of {len(right)} pass", flush=True)
        wheel = _wheel(scratch)
        told = {"BENCHMARK": benchmark.name, "BASE_URL": url, "RLTF_WORKERS": "2", "HF_HUB_OFFLINE": "1"}
        found = _kept(args.folder, right)
        for peer in PEERS:
            for python in args.python if not args.only or peer.name in args.only else ():
                trial = Trial(peer, Path(python), args.folder, sources.get(peer.name), wheel)
                row = trial.row(scratch, told, right)
                print(peer.name, row.python, row.said, flush=True)
                found = [each for each in found if (each.peer, each.python) != (peer, row.python)] + [row]
                _keep(args.folder, right, found)
    page = report(found, benchmark.name, right)
    args.out.write_text(page, encoding="utf-8")
    print(f"\n{page}\nwritten to {args.out}")
    sys.exit(any("OTHER" in row.said or "failed" in row.said for row in found))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=[peer.name for peer in PEERS])
    parser.add_argument("--python", nargs="+", default=[sys.executable], metavar="PATH", help="interpreters")
    parser.add_argument(
        "--sources",
        nargs="+",
        default=[],
        metavar="NAME=FOLDER",
        help="a checkout of a peer that has no package",
    )
    parser.add_argument("--folder", type=Path, default=ROOT / ".venv-peers", help="environments, kept")
    parser.add_argument("--out", type=Path, default=REPORT)
    return parser


def _kept(folder: Path, right: list[float]) -> list[Row]:
    """What earlier calls found for other peers and Pythons, on the same answers."""
    path = folder / "rows.json"
    data = json.loads(path.read_text()) if path.exists() else {"right": right, "rows": []}
    peers = {peer.name: peer for peer in PEERS}
    return [Row(peers[name], *rest) for name, *rest in data["rows"]] if data["right"] == right else []


def _keep(folder: Path, right: list[float], rows: Sequence[Row]) -> None:
    said = [[row.peer.name, row.python, row.said, row.callers] for row in rows]
    (folder / "rows.json").write_text(json.dumps({"right": right, "rows": said}))


def _by_rltf_eval(benchmark: str, ids: Sequence[str], url: str, scratch: Path) -> list[float]:
    """1 for each answer that passes, in the problems' order."""
    out = scratch / "run"
    command = [
        sys.executable,
        "-m",
        "rltf",
        "eval",
        "recorded",
        "--base-url",
        url,
        "--chat",
        "on",
        "--no-cache",
    ]
    command += ["--benchmark", benchmark, "--ids", ",".join(ids), "--out", str(out)]
    environment_ = os.environ | {"OPENAI_API_KEY": "none"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment_, cwd=ROOT)
    outcomes = [json.loads(line) for line in (out / "outcomes.jsonl").read_text().splitlines()]
    passed = {each["task_id"]: float(each["verdicts"]["strict"] == "passed") for each in outcomes}
    return [passed[task_id] for task_id in ids]


def _wheel(scratch: Path) -> Path:
    """Ours, built from a copy: building leaves folders behind."""
    copy = scratch / "copy"
    copy.mkdir()
    for name in _COPIED:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", scratch, copy], check=True, stdout=subprocess.DEVNULL)
    (built,) = scratch.glob("*.whl")
    return built


class Trial:
    """One peer on one Python."""

    def __init__(self, peer: Peer, python: Path, folder: Path, sources: str | None, wheel: Path) -> None:
        self.peer, self.python, self.sources, self.wheel = peer, python, sources, wheel
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        self.version = subprocess.check_output([python, "-c", code], text=True).strip()
        self.venv = folder / f"{peer.name}-{self.version}"
        self.unpacked = folder / f"{peer.name}-sources"

    def row(self, scratch: Path, told: dict[str, str], right: list[float]) -> Row:
        """Install, run, compare."""
        if self.peer.by_path and not self._unpack():
            return Row(self.peer, self.version, "not run: its sources were not given")
        fault = self._install()
        if fault:
            return Row(self.peer, self.version, self._resolved(fault))
        rewards = scratch / "rewards.json"
        rewards.unlink(missing_ok=True)
        command = [self.venv / "bin/python", CALLERS / f"{self.peer.name}_caller.py"]
        source = {"PEER": str(self.sources or self.unpacked)} if self.peer.by_path else {}
        if self.peer.by_path:
            source["PYTHONPATH"] = source["PEER"]
        done = _run([*command, scratch / "answers.jsonl", rewards], told | source)
        if done.returncode or not rewards.exists():
            return Row(self.peer, self.version, f"failed: {_last_line(done)}")
        data = json.loads(rewards.read_text())
        return Row(self.peer, self.version, _compared(data["rewards"], right), data["callers"])

    def _unpack(self) -> bool:
        """Whether its sources are there."""
        if self.sources is not None or self.unpacked.exists():
            return True
        if "@" in self.peer.package:
            return False
        wheels = self.unpacked.with_suffix(".wheels")
        _run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", wheels, self.peer.package])
        for found in wheels.glob("*.whl"):
            with zipfile.ZipFile(found) as archive:
                archive.extractall(self.unpacked)
            for purelib in self.unpacked.glob("*.data/purelib/*"):
                purelib.rename(self.unpacked / purelib.name)
        return self.unpacked.exists()

    def _requirements(self) -> list[str]:
        """For pip: ours, with its extra, and the peer or what its caller imports."""
        ours = (
            f"rltf-harness[{self.peer.extra}] @ {self.wheel.as_uri()}" if self.peer.extra else str(self.wheel)
        )
        peer = () if self.peer.by_path else (self.peer.package,)
        torch = (_torch(),) if self.peer.torch else ()
        return [ours, *peer, *self.peer.needs, *torch]

    def _install(self) -> str:
        """What went wrong, or nothing; ours is always installed anew."""
        pip = [*self.pip, "install", "-q"]
        if not (self.venv / "installed").exists():
            _run([self.python, "-m", "venv", "--clear", "--without-pip", self.venv])
            done = _run([*pip, *self._requirements()])
            if done.returncode:
                return _last_line(done)
            (self.venv / "installed").touch()
        done = _run([*pip, "--no-deps", "--force-reinstall", self.wheel])
        return _last_line(done) if done.returncode else ""

    @property
    def pip(self) -> list[object]:
        """One for all environments, which have none of their own."""
        return [
            sys.executable,
            "-m",
            "pip",
            "--python",
            self.venv / "bin/python",
            "--disable-pip-version-check",
        ]

    def _resolved(self, fault: str) -> str:
        """What pip makes of it, without torch's CPU build and without installing."""
        wanted = [each for each in self._requirements() if not each.startswith("torch==")]
        # A new pip resolves by metadata; ours is as old as its Python, and would fetch every package.
        pip = self.venv.parent / "pip"
        if not pip.exists():
            _run([sys.executable, "-m", "pip", "install", "-q", "--target", pip, "pip"])
        command = [sys.executable, pip / "pip", "--python", self.venv / "bin/python", "install", "-q"]
        done = _run([*command, "--dry-run", "--ignore-installed", *wanted])
        if done.returncode:
            return f"does not resolve: {_last_line(done)}"
        # Without that one requirement it resolves, so that was the fault.
        return (
            f"resolves; not run: no {_torch()} for it here"
            if self.peer.torch
            else f"resolves; not run: {fault}"
        )


def _torch() -> str:
    """The CPU build of the version that we pin."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith("torch==")) + "+cpu"


def _run(command: Sequence[object], told: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | (told or {})
    words = [str(each) for each in command]
    try:
        return subprocess.run(
            words, env=variables, check=False, capture_output=True, text=True, timeout=SECONDS, cwd=CALLERS
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 124, "", f"nothing in {SECONDS} s")


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    errors = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    marked = [line for line in errors if line.startswith("ERROR")]
    return (marked or errors or ["?"])[-1][:200].replace("|", "/")


def _compared(rewards: Sequence[float], right: Sequence[float]) -> str:
    """One reward for each answer, or one mean for all."""
    if len(rewards) == 1:
        mean = sum(right) / len(right)
        return (
            f"equal: pass@1 {100 * mean:.2f} %" if abs(rewards[0] - mean) < 1e-9 else f"OTHER: {rewards[0]}"
        )
    same = sum(a == b for a, b in zip(rewards, right, strict=True))
    return f"equal: {same} of {len(right)}" if same == len(right) else f"OTHER: equal {same} of {len(right)}"


if __name__ == "__main__":
    main()
