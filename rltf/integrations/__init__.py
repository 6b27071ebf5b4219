"""RLTF's line-level feedback in trainers of others; rewards alone are in `harness.integrations`."""
