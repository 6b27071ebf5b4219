"""`rltf serve`: grading over HTTP, in a protocol of its own and in those that trainers already speak.

Start at `app.py`. Needs the extra `serve`. Does not cover: grading itself (`harness.service`).
"""
