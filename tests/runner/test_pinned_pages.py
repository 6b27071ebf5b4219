"""Pages that fork copies: found in a rehearsal, pinned, and out of every program's reach."""

import signal

import pytest

_PINNING = """
import mmap, os, resource, sys
sys.path.append(sys.argv[1])
from sandbox import pinned_pages
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
own = pinned_pages.WritablePages()
entries = memoryview(bytearray(own.entries_bytes))
own.read(pinned_pages.open_pagemap(), entries)
before = own.own(entries)
shared = faults_of_a_child()
ring = pinned_pages.open_ring()
pinned = 0 if ring is None else pinned_pages.pin(ring, before)
print(len(before), shared, pinned, faults_of_a_child() if pinned else -1)
"""

_REHEARSING = """
import mmap, os, sys
sys.path.append(sys.argv[1])
from sandbox import child, job, page_profile, pinned_pages, template
page = 1 << 16
ours = mmap.mmap(-1, 64 * page, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
ours.write(bytes(len(ours)))

class Touching:
    def enter(self):  # what every process does, on a page of its own
        ours[0] = 1
        if sys.argv[2] == "die":
            os._exit(1)

board = job.Board()
beginning = child.Beginning(Touching(), board, output=1 << 24, dispatcher=None)

class Template(template.Template):
    def make(self, *args, **keywords):  # what the template does for each
        ours[32 * page] = 2
        return super().make(*args, **keywords)

descriptors = os.listdir("/proc/self/fd")
try:
    pages = page_profile.pages_written(Template(beginning, board), beginning, job.How.SCRIPT)
except ValueError:
    print("no program ended")
    sys.exit()
import ctypes
start = ctypes.addressof(ctypes.c_char.from_buffer(ours))
found = sorted((address - start) / page for address in pages if 0 <= address - start < len(ours))
print(len(pages), *found, all(address % mmap.PAGESIZE == 0 for address in pages))
children = open(f"/proc/self/task/{os.getpid()}/children").read()
print(os.listdir("/proc/self/fd") == descriptors, repr(children), board.spawned(job.How.SCRIPT, 1))
"""


def test_a_child_of_a_process_with_pinned_pages_writes_to_them_without_a_fault(words_of):
    own, shared, pinned, faults = map(int, words_of(_PINNING))
    assert own > 200
    assert shared > 200
    if not pinned:
        pytest.skip("this kernel refuses io_uring, or the memory to pin")
    assert faults < shared - 190


def test_a_rehearsal_finds_what_every_process_writes_to(words_of):
    found, page, aligned, descriptors, children, spawned = words_of(_REHEARSING, "live")
    # Some dozens at least: types, modules, functions whose reference counts each program changes.
    assert int(found) > 50
    # Not the other one, which only the template writes to: copying costs no less than its fault.
    assert (page, aligned) == ("0.0", "True")
    assert (descriptors, children) == ("True", "''")
    # Or the first job's process would be taken for one of these, which has ended.
    assert spawned == "0"


def test_a_rehearsal_that_no_program_survives_is_none(words_of):
    assert " ".join(words_of(_REHEARSING, "die")) == "no program ended"


_BOARD = """
import os, sys
sys.path.append(sys.argv[1])
from sandbox import job

def status_of(act):
    pid = os.fork()
    if pid == 0:
        act()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.wait()[1])

board = job.Board()
board.keep_from_children()
before = board.unconfined
read = status_of(lambda: board.spawned(job.How.SCRIPT, 1))
said = status_of(board.say_unconfined)
print(before, read, said, board.unconfined)
"""


def test_a_process_of_a_template_can_say_that_it_is_unconfined_and_has_no_page_of_it(words_of):
    before, read, said, unconfined = words_of(_BOARD)
    assert (before, unconfined) == ("False", "True")
    assert (int(read), said) == (-signal.SIGSEGV, "0")


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


def test_a_program_begins_without_collecting_what_its_server_holds(words_of):
    # Its own garbage is collected as ever. Each collection writes to all that it looks at.
    assert words_of(_COLLECTING) == ["0", "True", "True"]
