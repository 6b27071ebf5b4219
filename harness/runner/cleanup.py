"""What killed workers left on disk, removed by the runner that replaces them, or by the next one."""

from __future__ import annotations

import tempfile
from pathlib import Path

from harness.runner import cgroup
from harness.runner.fork_server import SCRATCH_PREFIX


def sweep() -> None:
    """Remove the empty folders and control groups that workers left behind when they were killed."""
    cgroup.sweep()
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH_PREFIX}*"):
        pid = folder.name.removeprefix(SCRATCH_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            try:
                folder.rmdir()
            except OSError:
                continue
