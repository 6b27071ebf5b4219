"""Pages that fork copies: found in a rehearsal, pinned, and out of every program's reach."""

import subprocess
import sys
from pathlib import Path

import pytest

SANDBOX = Path(__file__).parents[2] / "harness" / "runner"

_PINNING = """
import mmap, os, resource, sys
sys.path.append(sys.argv[1])
from sandbox import hot_pages
memory = mmap.mmap(-1, 200 * mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

def write(value):
    for place in range(0, len(memory), mmap.PAGESIZE):
        memory[place] = value

def faults_of_a_child():
    pid = os.fork()
    if pid == 0:
        write(2)
        os._exit(memory[0] != 2)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0 and memory[0] == 1
    return usage.ru_minflt

write(1)
before = hot_pages.own_pages()
shared = faults_of_a_child()
ring = hot_pages.open_ring()
pinned = 0 if ring is None else hot_pages.pin(ring, before)
print(len(before), shared, pinned, faults_of_a_child() if pinned else -1)
"""

_REHEARSING = """
import mmap, sys
sys.path.append(sys.argv[1])
from sandbox import hot_pages, rehearsal
limits = dict(
    cpu_seconds=4.0, load_cpu_seconds=4.0, program_cpu_seconds=None, wall_factor=3.0, output_mib=16,
    stop_at_first_timeout=True, stop_at_first_failure=True,
)
pages = rehearsal.pages_of_programs(limits, sys.argv[2])
mine = hot_pages.own_pages()
print(len(pages), len(pages & mine), all(page % mmap.PAGESIZE == 0 for page in pages))
"""


def _run(source, *args):
    done = subprocess.run(
        [sys.executable, "-c", source, str(SANDBOX), *args], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_child_of_a_process_with_pinned_pages_writes_to_them_without_a_fault():
    own, shared, pinned, faults = map(int, _run(_PINNING))
    assert own > 200
    assert shared > 200
    if not pinned:
        pytest.skip("this kernel refuses io_uring, or the memory to pin")
    assert faults < shared - 190


def test_a_rehearsal_finds_pages_that_the_server_has_too(tmp_path):
    found, own, aligned = _run(_REHEARSING, str(tmp_path))
    # Some dozens at least: types, modules, functions whose reference counts each program changes.
    assert int(found) > 50
    assert int(own) > int(found) * 0.9
    assert aligned == "True"


def test_a_program_finds_no_descriptor_but_its_own(grader):
    code = (
        "import os\nopen_ones = []\nfor fd in range(1024):\n    try:\n        os.fstat(fd)\n"
        "        open_ones.append(fd)\n    except OSError:\n        pass\nprint(*open_ones)"
    )
    # Input, output, errors, the report. Not the ring that pins the server's pages.
    assert grader.script(code, ("", "0 1 2 3\n")).verdicts["strict"] == "passed"


def test_a_program_cannot_have_a_ring_of_its_own(grader):
    code = (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "print(libc.syscall(425, 1, ctypes.create_string_buffer(120)), ctypes.get_errno())"
    )
    assert grader.script(code, ("", "-1 1\n")).verdicts["strict"] == "passed"


_COLLECTING = """
import gc, sys
sys.path.append(sys.argv[1])
from sandbox import program

def collections():
    return sum(each["collections"] for each in gc.get_stats())

gc.disable()
held = [[] for _ in range(10_000)]
before = collections()
program.prepare("solution", {})
own = [[] for _ in range(200)]
print(collections() - before, gc.isenabled())
more = [[] for _ in range(10_000)]
print(collections() > before)
"""


def test_a_program_begins_without_collecting_what_its_server_holds():
    # Its own garbage is collected as ever. Each collection writes to all that it looks at.
    assert _run(_COLLECTING) == ["0", "True", "True"]
