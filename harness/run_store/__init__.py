"""Run folders on disk: manifest, samples, outcomes, metrics."""
