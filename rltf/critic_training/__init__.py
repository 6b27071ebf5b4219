"""Training a critic from graded programs on disk: `rltf critic`."""
