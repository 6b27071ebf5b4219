"""A training run on disk: manifest, checkpoints, evaluations, comparison."""
