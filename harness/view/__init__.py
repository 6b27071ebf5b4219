"""`rltf view`: a local page over all run folders below one folder. Start at `app.py`.

Reads, and never writes. What it shows was written by programs and models, so all of it may be hostile.
"""
