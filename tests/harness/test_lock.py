"""Locks of run folders and journals: they end with their process, whatever its children do."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from harness.errors import InputError
from harness.run_store.journal import RowFile
from harness.run_store.lock import locked

HOLDER = """
import os, subprocess, sys, time
from pathlib import Path
import multiprocess
from harness.run_store.journal import RowFile
from harness.run_store.lock import locked

folder = Path(sys.argv[1])
journal = RowFile(folder / "rows.jsonl", lambda row: ("", row["n"]))
with locked(folder):
    journal.append_row({"n": 1})
    if sys.argv[2] == "fork":
        child = 0 if os.fork() else os.getpid()  # it says itself that it has begun
    elif sys.argv[2] == "multiprocess":  # as grader workers and samplers are started
        process = multiprocess.get_context("spawn").Process(target=time.sleep, args=(60,))
        process.start()
        child = process.pid
    else:
        child = subprocess.Popen(["sleep", "60"]).pid
    if child:
        print(child, flush=True)
    time.sleep(60)
"""


def row_file(folder):
    return RowFile(folder / "rows.jsonl", lambda row: ("", row["n"]))


@pytest.mark.slow
@pytest.mark.parametrize("started_by", ["fork", "multiprocess", "subprocess"])
def test_a_killed_process_leaves_its_locks_free_though_its_child_lives(tmp_path, started_by):
    (tmp_path / "holder.py").write_text(HOLDER)
    folder = tmp_path / "run"
    command = [sys.executable, str(tmp_path / "holder.py"), str(folder), started_by]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    child = int(holder.stdout.readline())
    try:
        with pytest.raises(InputError, match="in use by another rltf process"), locked(folder):
            pass
        with pytest.raises(InputError, match="in use by another rltf process"):
            row_file(folder).append_row({"n": 2})
        holder.kill()
        holder.wait()
        os.kill(child, 0)  # it lives
        with locked(folder):
            row_file(folder).append_row({"n": 2})
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
        os.kill(child, signal.SIGKILL)


def test_a_child_that_leaves_the_block_takes_nothing_from_its_parent(tmp_path):
    with locked(tmp_path / "run"):
        child = os.fork()
        if child == 0:
            try:
                with locked(tmp_path / "another"):
                    pass
                with locked(tmp_path / "run"):
                    os._exit(1)
            except InputError:
                os._exit(0)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        with pytest.raises(InputError, match="in use"), locked(tmp_path / "run"):
            pass


def test_a_file_system_without_locks_is_worked_on_with_a_warning(tmp_path, monkeypatch):
    def without(_fd, _operation):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", without)
    with pytest.warns(UserWarning, match="cannot be locked"), locked(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()
