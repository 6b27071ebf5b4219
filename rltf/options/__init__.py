"""Options of `rltf train`: read from text by type, held to bounds."""
