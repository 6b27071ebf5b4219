"""Our verdicts in the trainers that people use: TRL, verl, slime, OpenRLHF, AReaL.

Start at `scoring.py`, which all of them call. None imports its trainer.
"""
