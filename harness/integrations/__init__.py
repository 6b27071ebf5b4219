"""Our verdicts in the trainers that people use: TRL, verl, slime, OpenRLHF, AReaL.

Start at `scoring.py`, which all of them call. None imports its trainer.
"""

TOKEN_VARIABLE = "RLTF_SERVE_TOKEN"  # noqa: S105 - its name
"""Holds the token of a server: that `rltf serve` asks for, and that its clients here send."""
