"""The main path (`evaluation.py`): complete `samples.jsonl`, grade its rows, summarise, report."""
