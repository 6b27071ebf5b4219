"""`make extras`: does pip find versions for every extra, on each Python?

    python studies/extras.py [--python PATH ...] [--only EXTRA ...] [--out FILE]

Builds the wheel, then asks the pip of each Python for `rltf-harness[EXTRA]` with `--dry-run
--ignore-installed`: nothing is installed. Each extra is asked for alone, as people install them.
Does not cover: whether what resolves works; `make test`, `make test-python` and `make integrations` say that.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.run_store import environment

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "results" / "reports" / "extras.md"
SECONDS = 900


def main() -> None:
    """Ask for all, write the table; exit status 1 if one does not resolve."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", nargs="+", default=[sys.executable])
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--out", type=Path, default=REPORT)
    args = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = args.only or ["", *sorted(project["optional-dependencies"])]
    found: dict[tuple[str, str], str] = {}
    with TemporaryDirectory() as scratch:
        build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
        subprocess.run([*build, "--wheel-dir", scratch, "."], cwd=ROOT, check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        for python in args.python:
            for name in names:
                wanted = f"{wheel}[{name}]" if name else str(wheel)
                found[name, python] = resolved(python, wanted, Path(scratch))
                print(f"{python}  {name or '(none)'}: {found[name, python]}", flush=True)
    args.out.write_text(report(names, args.python, found), encoding="utf-8")
    sys.exit(any("packages" not in each for each in found.values()))


def resolved(python: str, wanted: str, scratch: Path) -> str:
    """What pip says: how many packages it would install, or why it can't."""
    told = scratch / "report.json"
    told.unlink(missing_ok=True)
    options = ["-q", "--disable-pip-version-check", "--dry-run", "--ignore-installed", "--report", told]
    try:
        done = subprocess.run(
            [python, "-m", "pip", "install", *options, wanted],
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"no answer within {SECONDS} s"
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        return (errors or ["ERROR: pip ended without a word"])[-1][:200]
    return f"{len(json.loads(told.read_text())['install'])} packages"


def report(names: list[str], pythons: list[str], found: dict[tuple[str, str], str]) -> str:
    """The table in Markdown."""
    hardware = environment.describe()["hardware"]
    versions = [_version(python) for python in pythons]
    rows = [
        f"| {f'`{name}`' if name else 'none'} | {' | '.join(found[name, python] for python in pythons)} |\n"
        for name in names
    ]
    return "".join(
        [
            "# Extras, on each Python\n\n",
            "What `pip install --dry-run 'rltf-harness[EXTRA]'` resolves to in an empty environment;"
            " nothing was installed.\n\n",
            f"| extra | {' | '.join(versions)} |\n|---|{'---|' * len(pythons)}\n",
            *rows,
            '\n## Made by\n\n```sh\nmake extras ARGS="--python python3.11 python3.12 python3.13"\n```\n\n',
            f"Machine: {', '.join(f'{name} {value}' for name, value in hardware.items())}.\n",
        ]
    )


def _version(python: str) -> str:
    shown = [python, "-c", "import platform; print('Python', platform.python_version())"]
    return subprocess.run(shown, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
