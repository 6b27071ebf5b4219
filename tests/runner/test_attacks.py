# ruff: noqa: E501 - programs are clearer on their own lines than wrapped to ours
"""Programs that attack: none changes a verdict, its own or another's, and none gets out.

An attempt prints "held" when it was refused. Where the machine lacks a layer, what it alone stops is skipped
(`under_landlock`, `under_seccomp`).
"""

import os
import socket
import threading
from pathlib import Path

import pytest
from cases import cases

import harness
from harness import Job, Limits, Problem, Runner, TestSuite
from harness.runner.readable_paths import without
from harness.types import AssertTest, CallTest, StdinTest, TestKind

SECRET = "expected-7f3a9c-never-in-the-process"
NUMBER = 918273645546372819


def held(grader, code):
    """Whether the program says that its attempt was refused; and the next one is graded as ever."""
    outcome = grader.script(code, ("", "held\n"))
    grader.still_sane()
    assert outcome.verdicts["strict"] == "passed", (outcome, code)


def refused(grader, setup, *attempts):
    """Hold that each attempt, an expression, raises OSError or gives a libc call's -1 (EPERM, EACCES, …)."""
    lines = "\n".join(f"attempt(lambda: {attempt}, {attempt!r})" for attempt in attempts)
    held(
        grader,
        f"""
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
done = []
def attempt(action, name):
    try:
        result = action()
    except OSError:
        return
    if not (type(result) is int and result == -1 and ctypes.get_errno()):
        done.append((name, result))
{setup}
{lines}
print(done or "held")
""",
    )


# --- the verdict ----------------------------------------------------------------------------------

ALWAYS_EQUAL = """
class Always{base}:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __len__(self): return 3
    def __iter__(self): return iter([1, 2, 3])
    def __getitem__(self, key): return 1
    def __instancecheck__(self, kind): return True
    def __class_getitem__(self, key): return self
    def __str__(self): return "7"
    __repr__ = __str__
    def __index__(self): return 7
    __int__ = __add__ = __radd__ = __index__
    def __reduce__(self): return int, (7,)
def f(*args): return Always({args})
"""


@cases(
    ("base", "args"),
    [("", ""), ("(int)", "5"), ("(float)", "1.5"), ("(str)", "'x'"), ("(list)", "[0]"), ("(tuple)", "[0]"), ("(dict)", ""), ("(set)", ""), ("(bytes)", "b'x'"), ("(frozenset)", "")],
)  # fmt: skip
def test_an_object_that_equals_everything_equals_nothing(grader, base, args):
    code = ALWAYS_EQUAL.format(base=base, args=args)
    outcome = grader.asserts(
        code, "assert f(1) == 7", "assert f(1) == [1, 2, 3]", "assert f(1) == 'abc'", "assert f(1) == {1: 2}"
    )
    assert grader.statuses(outcome) == ["wrong_answer"] * 4, outcome
    outcome = grader.call(code, "f", ([1], 7), ([1], [1, 2, 3]), ([1], "abc"))
    assert grader.statuses(outcome) == ["wrong_answer"] * 3
    assert grader.statuses(outcome, "apps") == ["wrong_answer"] * 3
    grader.still_sane()


def test_a_class_that_lies_about_its_type_is_opaque(grader):
    code = "class A:\n    __class__ = int\n    def __eq__(self, o): return True\ndef f(): return A()"
    assert grader.asserts(code, "assert f() == 7").verdicts["strict"] == "wrong_answer"
    code = "class M(type):\n    __module__ = 'numpy'\nclass A(metaclass=M):\n    __module__ = 'numpy'\n    def item(self): return self\ndef f(): return A()"
    assert grader.asserts(code, "assert f() == 7").verdicts["strict"] != "passed"
    grader.still_sane()


@pytest.mark.slow
def test_expected_values_are_nowhere_in_the_process(default_grader, search):
    code = search + (
        "def f(x):\n    hits = memory((b'expected-7f3a9c', b'never-in-the-process'))\n"
        "    return [hits, len(find('expected[-]7f3a9c[-]never-in-the-process'))]"
    )
    # The first answer says what was found: nothing. What is searched for is expected by the others.
    suites = [
        TestSuite.pack(
            TestKind.ASSERTS,
            [
                AssertTest("assert f(1) == [0, 0]"),
                AssertTest(f"assert f(1) == {SECRET!r}"),
                AssertTest(f"assert {[SECRET]!r} == f(2)"),
            ],
        ),
        TestSuite.pack(
            TestKind.CALL,
            [CallTest([1], [0, 0]), CallTest([1], SECRET), CallTest([2], [SECRET, NUMBER])],
            entry_point="f",
        ),
        TestSuite.pack(
            TestKind.STDIN, [StdinTest("", "0 0"), StdinTest("", SECRET), StdinTest("", f"{SECRET} {NUMBER}")]
        ),
    ]
    for suite in suites:
        outcome = default_grader.run(code + "\nif __name__ == '__main__': print(*f(1))", suite)
        assert default_grader.statuses(outcome) == ["passed", "wrong_answer", "wrong_answer"], outcome


def test_the_search_finds_what_is_there(default_grader, search):
    """The test above can fail: an input is in the process, and its search sees it."""
    code = (
        search
        + "def f(x):\n    return [memory((b'input', b'55aa-here')) > 0, len(find('input[-]55aa[-]here')) > 0]"
    )
    outcome = default_grader.call(code, "f", (["input-55aa-here"], [True, True]))
    assert outcome.verdicts["strict"] == "passed", outcome


FORGED = [
    '{"kind":"held"}', '{"kind":"held","nonce":"0"}', '{"kind":"held","nonce":null}', '{"kind":"value","value":true}',
    '{"kind":"passed"}', '{"status":"passed"}', '{"kind":"ended","exit":0}', '{"verdicts":{"strict":"passed"}}', "", "[]", "1",
    '{"kind":"value","value":["o"]}', '{"kind":"value","value":["d",[[[],1]]]}', '{"kind":"value","value":{"a":1}}',
    '{"kind":"value","value":["F","0x1","0x0"]}', '{"kind":"value","value":["zz"]}', '{"kind":"value"}', '{"kind":["value"]}',
    '{"kind":"raised","error":7}', '{"kind":"raised","error":["\\\\ud800","\\\\u001b[2J",-1]}', '{"kind":"raised","error":["E","m",true]}',
]  # fmt: skip


@cases("record", FORGED)
def test_a_forged_report_is_no_pass(grader, record):
    forge = (
        f"import os, struct\ndata = {record!r}.encode()\nrecord = struct.pack('<Id', len(data), 0.0) + data\n"
        "loaded = b'{\"kind\":\"loaded\"}'\nloaded = struct.pack('<Id', len(loaded), 0.0) + loaded\n"
        "for fd in range(3, 64):\n    try: os.write(fd, LOADED + record * 50)\n    except OSError: pass\nos._exit(0)"
    )
    asserts = ["assert f(1) == 7", "assert abs(f(1) - 7) < 1", "assert f(2) == [7]"]
    for prefix in ("b''", "loaded"):
        outcome = grader.asserts(forge.replace("LOADED", prefix), *asserts)
        assert "passed" not in grader.statuses(outcome), outcome
        assert len(outcome.tests) == 3
    outcome = grader.asserts(
        "def f(x):\n" + "\n".join("    " + line for line in forge.replace("LOADED", "b''").splitlines()),
        *asserts,
    )
    assert "passed" not in grader.statuses(outcome), outcome
    assert len(outcome.tests) == 3
    outcome = grader.script(forge.replace("LOADED", "b''"), ("", "7"), ("", "8"))
    assert set(grader.statuses(outcome)) <= {"wrong_answer", "runtime_error", "syntax_error", "not_run"}
    assert len(outcome.tests) == 2
    grader.still_sane()


@cases(
    "forge",
    [
        "os.ftruncate(3, 0)", "os.pwrite(3, bytes(1 << 20), 0)", "os.pwrite(3, b'\\xff' * 10000, 0)", "os.ftruncate(3, 1 << 26)",
        "os.lseek(3, 1 << 25, 0), os.write(3, b'x')", "os.pwrite(3, bytes([0] * 12) * 300000, 0)",
        "os.pwrite(3, struct.pack('<Id', 0, float('nan')) * 9, 0)", "os.pwrite(3, struct.pack('<Id', 0, -1e308) * 9, 0)",
        "os.pwrite(3, struct.pack('<Id', 0, 1e308) * 9, 0)", "os.close(3)", "os.dup2(1, 3)", "os.dup2(3, 1)", "os.sendfile(3, 0, 0, 9)",
    ],
)  # fmt: skip
def test_a_broken_report_is_no_pass_and_breaks_nothing(grader, forge):
    code = f"import os, struct\n{forge}\nos._exit(0)"
    assert "passed" not in grader.statuses(grader.asserts(code, "assert f(1) == 7", "assert f(2) == 7"))
    assert "passed" not in grader.statuses(grader.call(code, "f", ([1], 7), ([2], 8)))
    assert "passed" not in grader.statuses(grader.script(code, ("", "7"), ("", "8")))
    grader.still_sane()


@cases(
    "data", ["'[' * 100000", "'[[],' * 100000", "'{\"a\":' * 100000", "'1' * 1000000", "'\"' + 'x' * 1000000"]
)
def test_a_forged_value_of_any_shape_is_no_pass(grader, data):
    code = (
        f'import os, struct\ndef f(x):\n    data = b\'{{"kind":"value","value":\' + ({data}).encode() + b\'}}\'\n'
        "    os.write(3, struct.pack('<Id', len(data), 0.0) + data)\n    os._exit(0)"
    )
    assert grader.asserts(code, "assert f(1) == 7").verdicts["strict"] in ("wrong_answer", "runtime_error")
    grader.still_sane()


COSTLY = {
    "colliding integers": "{'kind': 'value', 'value': ['s', [['i', hex(n * ((1 << 61) - 1))] for n in range(8, 90000)]]}",
    "colliding tuples": "{'kind': 'value', 'value': ['s', [['t', [-1 - (n >> b & 1) for b in range(16)]] for n in range(50000)]]}",
    "colliding keys": "{'kind': 'value', 'value': ['d', [[['i', hex(n * ((1 << 61) - 1))], 0] for n in range(8, 90000)]]}",
    "fraction of giants": "{'kind': 'value', 'value': ['F', '0x' + format(3 ** 2000000, 'x'), '0x' + format(7 ** 1100000, 'x')]}",
    "decimal of giants": "{'kind': 'value', 'value': ['D', '1e999999999999999999']}",
    "integer of giants": "{'kind': 'value', 'value': ['i', '0x' + 'f' * 3000000]}",
    "range of giants": "{'kind': 'value', 'value': ['r', ['i', '0x0'], ['i', '0x' + 'f' * 3000000], ['i', '0x1']]}",
}


@pytest.mark.slow
@cases("name", COSTLY)
def test_a_forged_value_that_is_costly_to_read_does_not_keep_the_worker(grader, name):
    """Ends at all: read carelessly, each of these takes the worker minutes that no limit of the program's counts."""
    code = f"import json, os, struct\ndef f(x):\n    data = json.dumps({COSTLY[name]}).encode()\n    os.write(3, struct.pack('<Id', len(data), 0.0) + data)\n    os._exit(0)"
    outcome = grader.asserts(code, "assert f(1) == {7}", "assert f(2) == {7}")
    first, second = grader.statuses(outcome)
    assert first == "wrong_answer", outcome
    assert second in ("wrong_answer", "runtime_error", "not_run"), outcome
    grader.still_sane()


@pytest.mark.slow
def test_forged_times_gain_no_more_than_the_sum_of_the_limits(grader):
    code = (
        "import os, struct, time\n"
        "while True: os.write(3, struct.pack('<Id', 0, time.process_time() + 1000))"
    )  # fmt: skip
    assert grader.script(code, ("", "1")).verdicts["strict"] in ("timed_out", "runtime_error")
    assert "passed" not in grader.statuses(grader.asserts(code, "assert f(1) == 1"))
    code = "import os, struct\nos.pwrite(3, struct.pack('<Id', 0, 1e9), 0)\nprint(1, flush=True)\nwhile True: pass"
    assert grader.script(code, ("", "1")).verdicts["strict"] == "timed_out"
    grader.still_sane()


@cases(
    "end",
    [
        "import sys; sys.exit(0)",
        "exit()",
        "quit(0)",
        "raise SystemExit(0)",
        "import os; os._exit(0)",
        "import os; os.kill(os.getpid(), 9)",
    ],
)
def test_ending_before_the_asserts_is_no_pass(grader, end):
    outcome = grader.asserts(f"def f(x): return x\n{end}", "assert f(1) == 1", "assert f(2) == 2")
    assert grader.statuses(outcome) == ["runtime_error"] * 2
    outcome = grader.asserts(f"def f(x):\n    {end}", "assert f(1) == 1", "assert f(2) < 5")
    assert grader.statuses(outcome) == ["runtime_error"] * 2
    grader.still_sane()


@cases(
    "patch",
    [
        "import builtins\nfor n in ('print', 'len', 'isinstance', 'eval', 'exec', 'compile', 'open', 'type', 'str', 'int', 'list', 'AssertionError', 'BaseException', 'Exception'): setattr(builtins, n, lambda *a, **k: True)",
        "import json\njson.JSONEncoder.encode = json.JSONEncoder.iterencode = lambda self, o: '{\"kind\":\"held\"}'\njson.dumps = json.loads = lambda *a, **k: 7",
        "import json.encoder\njson.encoder.encode_basestring_ascii = json.encoder.c_make_encoder = None",
        "import sys, io\nsys.stdout = io.StringIO()\nsys.stdout.write('7')",
        "import unittest\nunittest.TestCase.assertEqual = lambda *a: None",
        "import sys\nfor name in list(sys.modules): sys.modules[name] = None",
        "import sys\nsys.modules.clear()",
        "import sys\nfor name, m in list(sys.modules.items()):\n    if 'sandbox' in name or name in ('values', 'wire', 'program', 'runs'): vars(m).clear()",
        "import sys\nframe = sys._getframe()\nwhile frame:\n    for v in list(frame.f_locals.values()):\n        if hasattr(v, '_room'): v._room = -1\n        if hasattr(v, '_fd'): v._fd = 1\n    frame = frame.f_back",
        "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)\nsys.excepthook = sys.unraisablehook = lambda *a: None",
        "import os\nos._exit = lambda *a: None",
        "import operator, functools\noperator.eq = lambda a, b: True",
        "import ctypes\nctypes.memset(id(True), 0, 8)",
        "import gc\nfor o in gc.get_objects():\n    if isinstance(o, dict):\n        for k in list(o):\n            if isinstance(o[k], str) and 'wrong' in o[k]: o[k] = 'passed'",
        "import builtins\nbuiltins.__build_class__ = builtins.__import__ = None",
        "import sys\nsys.setrecursionlimit(60)",
        "import sys, threading\nthreading._shutdown = None\nsys.flags = None",
    ],
)  # fmt: skip
def test_patching_the_process_changes_no_verdict_to_a_pass(grader, patch):
    outcome = grader.asserts(
        f"def f(x): return 1\n{patch}", "assert f(1) == 7", "assert f(2) == [7]", "assert f(3) == 'x'"
    )
    assert "passed" not in grader.statuses(outcome), outcome
    assert "passed" not in grader.statuses(grader.call(f"def f(x): return 1\n{patch}", "f", ([1], 7)))
    assert "passed" not in grader.statuses(grader.script(f"{patch}\nprint(1)", ("", "7")))
    grader.still_sane()


def test_an_assert_that_runs_inside_is_held_by_its_nonce_alone(grader):
    """The edge of what is promised: these few asserts are marked, so that a reader can leave them out."""
    code = "import builtins\nbuiltins.abs = lambda x: 0\ndef f(x): return 1"
    outcome = grader.asserts(code, "assert abs(f(1) - 7) < 1", "assert f(1) == 7")
    assert [test.ran_inside for test in outcome.tests] == [True, False]
    assert outcome.verdicts["strict"] == "wrong_answer"


# --- what it can see ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/proc/self/mem", "/proc/self/maps", "/proc/self/environ", "/proc/1/environ", "/proc/1/cmdline", "/proc/1/mem",
        "/proc/mounts", "/proc/self/mountinfo", "/proc/self/status", "/proc/cpuinfo", "/proc", "/proc/self/fd", "/sys", "/etc/passwd",
        "/etc/hostname", "/etc", "/", "/tmp", "/home", "/root", "/var", "/dev", "/dev/shm", "/dev/mem", "/dev/tty", "/dev/ptmx", "/run",
        "/proc/self/exe", "/proc/self/root/etc/passwd",
    ],
)  # fmt: skip
def test_nothing_of_the_system_can_be_read(under_landlock, path):
    refused(
        under_landlock,
        "",
        f"os.listdir({path!r}) if os.path.isdir({path!r}) else open({path!r}, 'rb').read(1)",
        f"os.open({path!r}, os.O_RDONLY)",
    )


def test_other_processes_cannot_be_looked_at(under_landlock, processes):
    pids = [os.getpid(), *processes.workers(under_landlock.runner), *processes.servers(under_landlock.runner)]
    attempts = [f"open('/proc/{pid}/{name}', 'rb').read(1)" for pid in pids for name in ("cmdline", "stat")]
    refused(under_landlock, "", *attempts)


def test_the_memory_of_other_processes_can_be_neither_read_nor_written(grader, processes):
    """Which has what is expected; other users, and other user namespaces, are refused without Landlock too.

    Not the dispatcher and the template, which are of the program's own user and namespace.
    """
    layers = grader.runner.layers
    others = ("landlock", "user namespace", "unprivileged user")
    if not any(layers.get(name) == "on" for name in others):
        pytest.skip(f"landlock: {layers['landlock']}, nor another user or user namespace")
    pids = [os.getpid(), *processes.workers(grader.runner)]
    if layers["landlock"] == "on":
        pids += processes.servers(grader.runner)
    attempts = [
        f"open('/proc/{pid}/{name}', {mode!r}).read(1)"
        for pid in pids
        for name, mode in (("mem", "rb"), ("mem", "r+b"), ("environ", "rb"), ("maps", "rb"))
    ]
    attempts += [
        f"os.readlink('/proc/{pid}/{name}')" for pid in pids for name in ("cwd", "exe", "root", "fd/3")
    ]
    refused(grader, "", *attempts)


def test_the_harness_and_the_data_cannot_be_read(under_landlock, tmp_path):
    data = tmp_path / "tests.json"
    data.write_text("expected")
    package = Path(harness.__file__)
    attempts = [
        f"open({str(path)!r}).read()"
        for path in (data, package, package.parent / "runner" / "worker.py", __file__)
    ]
    attempts += [f"os.listdir({str(folder)!r})" for folder in (package.parent, tmp_path, package.parents[1])]
    refused(under_landlock, f"os.symlink({str(data)!r}, 'link')", *attempts, "open('link').read()")
    outcome = under_landlock.script(
        f"import sys\nsys.path.insert(0, {str(package.parents[1])!r})\nimport harness", ("", "")
    )
    assert outcome.error.type in ("ModuleNotFoundError", "PermissionError")


def test_a_package_among_the_interpreters_own_is_left_out(tmp_path):
    for name in (
        "lib/python/os.py",
        "lib/python/site-packages/harness/types.py",
        "lib/python/site-packages/other.py",
        "lib/x.so",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "lib")
    hidden = os.path.realpath(tmp_path / "lib/python/site-packages")
    for start in ("lib", "link"):
        assert sorted(without(str(tmp_path / start), [hidden])) == [
            f"{tmp_path}/lib/python/os.py",
            f"{tmp_path}/lib/x.so",
        ]
    assert without(str(tmp_path / "lib/x.so"), [hidden]) == [f"{tmp_path}/lib/x.so"]
    assert without(hidden, [hidden]) == []


def test_no_folder_of_installed_packages_can_be_read(under_landlock):
    import sysconfig

    attempts = [f"os.listdir({sysconfig.get_path(name)!r})" for name in ("purelib", "platlib")]
    if sysconfig.get_path("purelib").startswith(sysconfig.get_path("stdlib")):
        pytest.skip("no virtual environment: its packages are the interpreter's own")
    refused(under_landlock, "", *attempts)


def test_the_hosts_environment_is_not_passed_on(monkeypatch, grader_of):
    monkeypatch.setenv("RLTF_TEST_SECRET", "s3cr3t")
    with Runner(workers=1, limits=Limits(cpu_seconds=1.0)) as runner:
        code = (
            "import ctypes, os\nenviron = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), 'environ')\nn = 0\nraw = []\n"
            "while environ[n]: raw.append(environ[n]); n += 1\n"
            "print('s3cr3t' in str(os.environ) or b's3cr3t' in b''.join(raw), 'PATH' in os.environ)"
        )
        assert grader_of(runner).script(code, ("", "False False")).verdicts["strict"] == "passed"


def test_who_runs_a_program_has_an_answer_and_it_is_nobody(grader):
    code = "import getpass, os\nprint(getpass.getuser(), os.environ['USER'], os.path.expanduser('~') == os.getcwd())"
    assert grader.script(code, ("", "user user True")).verdicts["strict"] == "passed"


def test_no_program_sees_what_another_left(grader):
    for leave in (
        "open('left', 'w').write('7')",
        "os.mkdir('left', 0)",
        "os.symlink('/etc/passwd', 'left')",
        "os.makedirs('left/deep/er')",
    ):
        outcome = grader.script(f"import os\n{leave}\nprint(1)", ("", "1"))
        assert outcome.verdicts["strict"] == "passed"
        held(grader, "import os\nprint(os.listdir('.') or os.path.lexists('left') or 'held')")


def test_no_lock_is_left_on_what_programs_share(under_seccomp):
    lock = "struct.pack('<hhqqi4x', 1, 0, 0, 0, 0)"
    refused(
        under_seccomp, "import fcntl, struct", *[f"fcntl.flock({fd}, fcntl.LOCK_EX | fcntl.LOCK_NB)" for fd in range(4)],
        *[f"fcntl.fcntl(2, {command}, {lock})" for command in (36, 37, 38)], "fcntl.fcntl(2, 1024, 1)", "fcntl.fcntl(2, 1026, 1)",
    )  # fmt: skip


def test_flags_left_on_shared_descriptors_harm_nobody(grader):
    code = "import fcntl, os\nfor n in (0, 1, 2):\n    try: fcntl.fcntl(n, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)\n    except OSError: pass\n"
    assert grader.script(code + "print(1)", ("", "1")).verdicts["strict"] == "passed"
    assert grader.asserts(code + "def f(): return 1", "assert f() == 1").verdicts["strict"] == "passed"
    held(grader, "import sys\nprint('x' * 100000, file=sys.stderr)\nprint(sys.stdin.read() or 'held')")


# --- where it can write ---------------------------------------------------------------------------


def test_nothing_outside_the_folder_can_be_written(grader, tmp_path):
    layers = grader.runner.layers
    missing = [name for name in ("landlock", "seccomp") if layers[name] != "on"]
    if missing and layers["read-only mounts"] != "on":
        pytest.skip(f"{missing[0]}: {layers[missing[0]]}, nor read-only mounts")
    import sysconfig

    mine = tmp_path / "mine"
    mine.write_text("kept")
    folders = [
        "/tmp",
        "/var/tmp",
        "/dev/shm",
        "/root",
        "/",
        "/etc",
        "/usr/lib",
        sysconfig.get_path("stdlib"),
        str(tmp_path),
        str(Path.home()),
        "..",
        "/proc/self",
    ]
    attempts = [f"open({folder!r} + '/rltf-escape', 'w').write('x')" for folder in folders]
    attempts += [f"os.mkdir({folder!r} + '/rltf-escape')" for folder in folders]
    attempts += [f"os.symlink('x', {folder!r} + '/rltf-escape')" for folder in folders]
    path = str(mine)
    attempts += [
        f"open({path!r}, 'w')", f"open({path!r}, 'a')", f"os.truncate({path!r}, 0)", f"os.unlink({path!r})", f"os.rename({path!r}, 'x')",
        f"os.rename('own', {path!r} + '2')", f"os.link({path!r}, 'x')", f"os.link('own', {path!r} + '2')", f"os.chmod({path!r}, 0)",
        f"os.chown({path!r}, 1, 1)", f"os.utime({path!r}, (0, 0))", f"os.rmdir({str(tmp_path)!r})", f"os.setxattr({path!r}, 'user.a', b'x')",
        f"os.replace('own', {path!r})", f"os.mknod({path!r} + '2')", f"os.mkfifo({path!r} + '2')",
    ]  # fmt: skip
    refused(
        grader,
        f"open('own', 'w').close()\nos.symlink({path!r}, 'link')",
        *attempts,
        "open('link', 'w')",
    )
    assert mine.read_text() == "kept"
    assert sorted(os.listdir(tmp_path)) == ["mine"]
    assert not any(
        os.path.lexists(os.path.join(folder, "rltf-escape")) for folder in folders if folder != ".."
    )


def test_devices_can_only_be_read(under_landlock):
    refused(
        under_landlock,
        "",
        "open('/dev/urandom', 'wb')",
        "open('/dev/zero', 'wb')",
        "open('/dev/full', 'wb')",
        "os.mknod('d', 0o20666, 0x103)",
    )


# --- ways out -------------------------------------------------------------------------------------


def test_sockets_reach_nobody(under_seccomp, tmp_path):
    server = socket.create_server(("127.0.0.1", 0))
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(tmp_path / "socket"))
    local.listen()
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(b"\0rltf-test")
    abstract.listen()
    port = server.getsockname()[1]
    pair = "a, b = socket.socketpair()"
    refused(
        under_seccomp, f"import socket\n{pair}",
        f"socket.create_connection(('127.0.0.1', {port}))", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_INET6)", "socket.socket(socket.AF_UNIX)", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", "socket.socket(socket.AF_VSOCK)",
        "socket.socketpair(socket.AF_INET)", f"a.connect({str(tmp_path / 'socket')!r})", "a.bind('x')", "a.listen()",
        "a.sendto(b'x', b'\\0rltf-test')", "a.sendmsg([b'x'])", "a.sendmsg([b'x'], [(1, 1, b'\\0\\0\\0\\0')])", "a.recvmsg(1)",
        "a.connect(b'\\0rltf-test')", "a.setsockopt(1, 1, 1)", "socket.getaddrinfo('example.com', 80)",
    )  # fmt: skip
    for listener in (server, local, abstract):
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
        listener.close()


def test_no_other_program_can_be_started(under_seccomp):
    refused(
        under_seccomp, "import sys",
        "os.execv('/bin/true', ['true'])", "os.execv(sys.executable, ['python'])", "os.execve('/bin/sh', ['sh'], {})", "os.fork()",
        "libc.execve(b'/bin/true', None, None)", "libc.fork()", "libc.vfork()", "libc.syscall(57)", "libc.syscall(58)", "libc.syscall(56, 17, 0, 0, 0, 0)",
        "libc.syscall(435, b'\\0' * 88, 88)", "libc.syscall(322, 0, b'/bin/true', None, None, 0)",
    )  # fmt: skip


def test_others_cannot_be_signalled(under_seccomp, processes):
    pids = {
        os.getpid(),
        os.getppid(),
        *processes.workers(under_seccomp.runner),
        *processes.servers(under_seccomp.runner),
        1,
        2,
    }
    attempts = [
        f"os.kill({target}, {number})" for pid in pids for target in (pid, -pid) for number in (0, 9, 19)
    ]
    attempts += [
        "os.kill(0, 9)",
        "os.kill(-1, 9)",
        "os.kill(os.getppid(), 9)",
        "os.killpg(0, 9)",
        "os.killpg(os.getpgrp(), 9)",
    ]
    attempts += [f"libc.syscall(234, {pid}, {pid}, 9)" for pid in pids] + [
        f"libc.syscall(200, {pid}, 9)" for pid in pids
    ]
    attempts += [f"libc.syscall(129, {pid}, 9, bytes(128))" for pid in pids] + [
        "libc.syscall(424, 3, 9, None, 0)"
    ]
    attempts += [f"os.pidfd_open({pid})" for pid in pids]
    attempts += [f"fcntl.fcntl(0, fcntl.F_SETOWN, {pid})" for pid in pids] + ["fcntl.fcntl(0, 10, 9)"]
    refused(under_seccomp, "import fcntl", *attempts)


def test_others_cannot_be_traced_limited_or_read(under_seccomp, processes):
    pids = {
        os.getpid(),
        *processes.workers(under_seccomp.runner),
        *processes.servers(under_seccomp.runner),
        1,
    }
    attempts = [f"libc.ptrace({request}, {pid}, 0, 0)" for pid in pids for request in (16, 0x4206, 8)] + [
        "libc.ptrace(0, 0, 0, 0)"
    ]
    attempts += [
        f"libc.syscall({number}, {pid}, bytes(16), 1, bytes(16), 1, 0)"
        for pid in pids
        for number in (310, 311)
    ]
    attempts += [f"resource.prlimit({pid}, resource.RLIMIT_CPU, (1, 1))" for pid in pids] + [
        f"resource.prlimit({pid}, resource.RLIMIT_CPU)" for pid in pids
    ]
    attempts += [f"os.sched_setaffinity({pid}, [0])" for pid in pids] + [
        f"os.setpriority(os.PRIO_PROCESS, {pid}, 19)" for pid in pids
    ]
    attempts += [f"libc.syscall(312, {pid}, {pid}, 0, 0, 0)" for pid in pids]
    refused(under_seccomp, "import resource", *attempts)


SYSCALLS = {
    # x86-64 numbers; a call that is not on the list fails whatever its arguments are.
    "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308, "bpf": 321, "keyctl": 250, "add_key": 248,
    "request_key": 249, "io_uring_setup": 425, "io_uring_enter": 426, "userfaultfd": 323, "memfd_create": 319, "memfd_secret": 447,
    "personality": 135, "perf_event_open": 298, "setuid": 105, "setgid": 106, "setreuid": 113, "setresuid": 117, "setgroups": 116, "setsid": 112, "setpgid": 109,
    "capset": 126, "reboot": 169, "swapon": 167, "sethostname": 170, "init_module": 175, "finit_module": 313, "kexec_load": 246, "iopl": 172, "ioperm": 173,
    "clock_settime": 227, "settimeofday": 164, "adjtimex": 159, "quotactl": 179, "acct": 163, "syslog": 103, "fanotify_init": 300, "inotify_init": 253,
    "open_by_handle_at": 304, "name_to_handle_at": 303, "process_madvise": 440, "pidfd_getfd": 438, "mount_setattr": 442, "open_tree": 428, "move_mount": 429, "fsopen": 430,
    "shmget": 29, "semget": 64, "msgget": 68, "mq_open": 240, "mbind": 237, "move_pages": 279, "migrate_pages": 256, "modify_ldt": 154, "seccomp": 317,
    "landlock_restrict_self": 446, "sched_setscheduler": 144, "sched_setattr": 314, "ioprio_set": 251, "vmsplice": 278, "mlockall": 151, "sync": 162, "vhangup": 153,
    "chmod": 90, "fchmod": 91, "fchmodat": 268, "chown": 92, "mknod": 133, "mknodat": 259, "fork": 57, "vfork": 58, "execve": 59, "execveat": 322, "socket": 41, "connect": 42, "bind": 49, "sendmsg": 46,
}  # fmt: skip


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="system calls by their x86-64 numbers")
def test_system_calls_off_the_list_fail_through_libc_too(under_seccomp):
    refused(
        under_seccomp,
        "",
        *[f"libc.syscall({number}, 0, 0, 0, 0, 0, 0)" for number in SYSCALLS.values()],
        "libc.syscall(999, 0)",
    )


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="system calls by their x86-64 numbers")
def test_the_other_system_call_tables_are_closed(under_seccomp):
    """x32 numbers kill or fail: libseccomp's filter refuses an architecture it was not made for."""
    outcome = under_seccomp.script(
        "import ctypes\nprint(ctypes.CDLL(None).syscall(0x40000000 + 41, 2, 1, 0))", ("", "-1")
    )
    assert outcome.verdicts["strict"] == "passed" or outcome.error.type == "SIGSYS"
    # int 0x80: the 32-bit table, where 102 is socketcall and 20 getpid.
    shell = r"b'\x53\xb8\x14\x00\x00\x00\xcd\x80\x5b\xc3'"
    code = (
        "import ctypes, mmap\nm = mmap.mmap(-1, 4096, prot=7)\n"
        f"m.write({shell})\nf = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))\n"
        "import os\nprint('held' if f() != os.getpid() else 'escaped')"
    )
    outcome = under_seccomp.script(code, ("", "held"))
    assert outcome.verdicts["strict"] == "passed" or outcome.error.type in ("SIGSYS", "SIGSEGV"), outcome


def test_its_hold_on_itself_cannot_be_loosened(under_seccomp):
    refused(
        under_seccomp, "import resource\nhard = {n: resource.getrlimit(getattr(resource, n))[1] for n in ('RLIMIT_AS', 'RLIMIT_FSIZE', 'RLIMIT_NOFILE', 'RLIMIT_CORE')}\ndef up(n):\n    try: resource.setrlimit(getattr(resource, n), (hard[n] + 1,) * 2)\n    except ValueError: raise OSError",
        "up('RLIMIT_AS')", "up('RLIMIT_FSIZE')", "up('RLIMIT_NOFILE')", "up('RLIMIT_CORE')",
        "libc.prctl(1, 0, 0, 0, 0)", "libc.prctl(22, 2, None, 0, 0)", "libc.prctl(4, 1, 0, 0, 0)", "libc.prctl(24, 0, 0, 0, 0)", "libc.prctl(47, 2, 0, 0, 0)", "libc.prctl(35, 8, 0, 0, 0)", "libc.prctl(0x59616d61, -1, 0, 0, 0)", "libc.prctl(36, 1, 0, 0, 0)",
        "os.setuid(0)", "os.setgid(0)", "os.setgroups([])", "os.setresuid(0, 0, 0)", "os.chroot('.')", "os.nice(-1)",
    )  # fmt: skip


def test_a_program_has_no_capability(grader):
    held(
        grader,
        "import ctypes, struct\nlibc = ctypes.CDLL(None)\nheader = ctypes.create_string_buffer(struct.pack('<Ii', 0x20080522, 0))\n"
        "data = ctypes.create_string_buffer(24)\nassert libc.capget(header, data) == 0\n"
        "effective, permitted, inheritable = struct.unpack('<III', data.raw[:12])\n"
        "print('held' if data.raw[:24] == bytes(24) else (effective, permitted, inheritable))",
    )


def test_layers_are_on_as_the_kernel_sees_it(grader, processes):
    """Read from outside, since a program cannot read /proc."""
    suite = TestSuite.pack(TestKind.STDIN, [StdinTest("", "1\n")])
    problem = Problem("task", "", load_suite=lambda: suite)
    seen = {}
    filters = seccomp_filters(status("self")) + (2 if grader.runner.layers["seccomp"] == "on" else 0)

    def look():
        while not done.wait(0.005):
            for pid in processes.programs(grader.runner):
                try:
                    seen.update(status(pid))
                except OSError:
                    continue
                if seccomp_filters(seen) == filters:
                    return

    done = threading.Event()
    watcher = threading.Thread(target=look)
    watcher.start()
    (outcome,) = grader.runner.run([Job("task", 0, "import time\ntime.sleep(1)\nprint(1)", problem)])
    done.set()
    watcher.join()
    assert outcome.verdicts["strict"] == "passed"
    assert seen["NoNewPrivs"] == "1"
    assert seccomp_filters(seen) == filters
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):  # CapBnd is what exec could gain, which is refused
        assert int(seen[name], 16) == 0, (name, seen[name])


def status(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def seccomp_filters(status):
    return int(status.get("Seccomp_filters", 0))


# --- descriptors and memory -----------------------------------------------------------------------


@cases(
    "code",
    [
        "import os\nos.closerange(0, 256)",
        "import os\nfor n in range(256):\n    try: os.dup2(1, n)\n    except OSError: pass",
        "import os\ntry:\n    while True: os.open('/dev/null', 0)\nexcept OSError: pass",
        "import os\ntry:\n    while True: os.pipe()\nexcept OSError: pass",
        "import fcntl\nfor n in range(4):\n    for flag in (2048, 1024, 0o20000000):\n        try: fcntl.fcntl(n, fcntl.F_SETFL, flag)\n        except OSError: pass",
        "import fcntl\nfor n in range(4):\n    for seal in (1, 2, 4, 8, 16):\n        try: fcntl.fcntl(n, 1033, seal)\n        except OSError: pass",
        "import fcntl\nfor n in range(4):\n    for f in (lambda: fcntl.flock(n, 2), lambda: fcntl.lockf(n, 2), lambda: fcntl.fcntl(n, 1024, 1)):\n        try: f()\n        except OSError: pass",
        "import mmap, os\nos.ftruncate(3, 4096)\nm = mmap.mmap(3, 4096)\nm[:] = b'\\xff' * 4096",
        "import mmap, os\nos.ftruncate(3, 1 << 20)\nm = mmap.mmap(3, 1 << 20)\nos.ftruncate(3, 0)\nm[0] = 1",
        "import os\nos.write(0, b'x' * 1000000)",
        "import os\nos.pwrite(0, b'9' * 100, 0)",
        "import os\nos.fallocate if hasattr(os, 'fallocate') else os.posix_fallocate(0, 0, 1 << 25)",
        "import os\nos.chdir('/')",
        "import os\nos.rmdir(os.getcwd())",
        "import os\nos.rename(os.getcwd(), os.getcwd() + '2')",
        "import resource\nfor n in ('RLIMIT_NOFILE', 'RLIMIT_FSIZE', 'RLIMIT_AS', 'RLIMIT_STACK', 'RLIMIT_NPROC'):\n    resource.setrlimit(getattr(resource, n), (0, 0))",
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))",
        "import gc\ngc.disable()\nimport sys\nsys.setswitchinterval(1000)",
        "import ctypes\nctypes.memset(id(type), 255, 1 << 20)",
        "import os\nos.umask(0o777)",
        "import locale, time, os\nos.environ.clear()\nos.environ['TZ'] = 'X'\ntime.tzset()\nlocale.setlocale(locale.LC_ALL, 'C')",
        "import random\nrandom.seed(7)",
    ],
)
def test_tampering_with_what_is_shared_harms_nobody_else(grader, code):
    for outcome in (
        grader.script(code, ("", "7"), ("", "8")),
        grader.asserts(code, "assert f(1) == 7", "assert f(2) == 8"),
    ):
        assert "passed" not in grader.statuses(outcome), outcome
    grader.still_sane()
    draw = "import random, os, time\nprint(random.random() == random.Random(0).random(), oct(os.umask(0o22)), len(os.environ.get('TZ', '')))"
    assert grader.script(draw, ("", "True 0o22 0")).verdicts["strict"] == "passed"
