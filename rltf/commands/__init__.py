"""Sub-commands of `rltf` that need the trainer; importing them costs nothing."""
