"""`rltf`, and `python -m rltf`: first, are the packages that Python finds ours, or a folder in their place?

Their names are common words. Started by `python -m rltf`, or with `PYTHONPATH=.`, a folder `harness` or
`benchmarks` of the user's stands before ours, and the first import would end in a traceback.
Does not cover: scripts that import `harness` themselves (docs/faq.md), a folder named `rltf`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

_OURS = ("harness", "benchmarks")
_HOME = Path(__file__).resolve().parents[1]
_BAD_INPUT = 2
"""As `rltf.cli.BAD_INPUT`, which can't be imported where `harness` is not ours."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rltf`; returns the exit status."""
    for name in _OURS:
        spec = find_spec(name)
        places = list(spec.submodule_search_locations or [str(spec.origin)]) if spec else ["nothing"]
        if _HOME / name not in [Path(place).resolve() for place in places]:
            sys.stderr.write(
                f"rltf: error: Python finds {places[0]} in place of the package {name!r} of rltf-harness:"
                " rename that, or start in another folder and without it in PYTHONPATH\n"
            )
            return _BAD_INPUT
    from rltf.cli import main as run  # noqa: PLC0415 - it imports harness

    return run(argv)


if __name__ == "__main__":
    sys.exit(main())
