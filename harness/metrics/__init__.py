"""pass@k, n@k, paired differences, and the summary of a run."""
