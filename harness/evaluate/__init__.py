"""The main path: complete `samples.jsonl`, grade its rows, summarise, report."""
