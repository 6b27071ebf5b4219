"""What a program did, without a verdict: the records of `Runner.execute`, and the files that it is given.

Everything in an `Execution` but status, signal, CPU seconds and memory is the program's own word.
Does not cover: running it (`runner`, `worker`), or what it should have done.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.compare import Opaque, Profile
from harness.errors import InputError
from harness.runner.child_report import fields_of, signal_name, value_of
from harness.runner.sandbox.protocol import clamped_records
from harness.runner.split_suite import PreparedSuite
from harness.runner.verdicts import ProcessResult, exit_status
from harness.types import ErrorInfo, Status, TestKind, TestOutcome

STDERR_BYTES = 64 << 10
"""Of what a process writes to standard error, the last so many are kept."""
MOST_FILES = 64
MOST_FILE_BYTES = 8 << 20
"""Of all files that one program is given."""
_MOST_NAME_BYTES = 255


class Ending(StrEnum):
    """How a program, or one test of it, ended."""

    OK = "ok"
    ERROR = "error"
    """An exception, an exit status other than 0, or a signal that no limit of ours explains."""
    SYNTAX_ERROR = "syntax_error"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_LIMIT = "output_limit"
    NOT_RUN = "not_run"
    """The tests after one at a limit; all where a problem has none, or the grader failed."""
    LOST = "lost"
    """The grader's processes were lost whenever it ran."""


_ENDINGS = {Status.PASSED: Ending.OK, Status.RUNTIME_ERROR: Ending.ERROR, Status.WRONG_ANSWER: Ending.ERROR}
"""Of statuses that have another name there."""


@dataclass(frozen=True, slots=True)
class TestExecution:
    """What a program did in one test."""

    __test__ = False

    status: Ending
    stdout: str = ""
    """At most `Limits.output_mib`, UTF-8 with replacements."""
    stderr: str = ""
    """The last `STDERR_BYTES`. The traceback of an uncaught exception is in `error`, not here."""
    exit_code: int | None = None
    """Of a script; `None` where a signal ended it, and for imported programs that did not exit."""
    signal: str | None = None
    """What ended the process, `SIGSEGV`; `SIGKILL` where it was over a limit of ours."""
    value: Any = None
    """What a call returned, or the evaluated side of an assert, as plain data; see `is_plain`."""
    is_plain: bool = True
    """Whether `value` says it all: no part of it was of another type than those of plain data."""
    error: ErrorInfo | None = None
    cpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Execution:
    """What a program did."""

    task_id: str
    sample_id: int | str
    status: Ending
    """Of the first test that is not `ok`, else `ok`."""
    tests: tuple[TestExecution, ...] = ()
    """One for each test, in order."""
    cpu_seconds: float = 0.0
    """All of its processes."""
    peak_memory_mib: float = 0.0
    infrastructure_error: str | None = None
    """The grader failed, and not the program."""
    unusable_tests: bool = False
    """As of `Outcome`."""


def _anything(*_: object, **__: object) -> bool:
    return True


ANYTHING = Profile(
    name="execution",
    version="1",
    stdout_matches=_anything,
    value_matches=_anything,
    assert_matches=_anything,
    exit_code_fails=True,
    runs_in_function=False,
)
"""Takes every answer: what is left of a verdict says how the test ended."""


def check_files(files: Mapping[str, bytes]) -> None:
    """Hold that files can be put into a program's folder.

    Raises:
        InputError: For a name with a separator or another that means no file, or for too much.
    """
    if not files:
        return
    for name, data in files.items():
        if not isinstance(name, str) or not isinstance(data, bytes):
            raise InputError(f"file {name!r}: files are given as bytes, by name")
        if name in ("", ".", "..") or "/" in name or "\0" in name or _size(name) > _MOST_NAME_BYTES:
            raise InputError(f"file {name!r}: not a plain name; give one without separators, up to 255 bytes")
    total = sum(map(len, files.values()))
    if len(files) > MOST_FILES or total > MOST_FILE_BYTES:
        raise InputError(
            f"{len(files)} files of {total} bytes: at most {MOST_FILES} of {MOST_FILE_BYTES >> 20} MiB in all"
        )


def _size(name: str) -> float:
    """Bytes of a name in a folder; endless for a text that no folder can have."""
    try:
        return len(name.encode(errors="surrogateescape"))
    except UnicodeEncodeError:
        return math.inf


def make_execution(
    task_id: str,
    sample_id: int | str,
    suite: PreparedSuite,
    tests: Sequence[TestOutcome],
    processes: Sequence[ProcessResult],
) -> Execution:
    """The record of a program from its processes, and from how its tests ended under `ANYTHING`."""
    seen = _scripts(processes) if suite.kind is TestKind.STDIN else _imported(processes)
    made = tuple(_test(test, seen.get(number, _Seen()), suite.kind) for number, test in enumerate(tests))
    return Execution(
        task_id,
        sample_id,
        next((test.status for test in made if test.status is not Ending.OK), Ending.OK),
        made,
        round(sum(each.cpu for each in processes), 6),
        round(max((each.rss_kib for each in processes), default=0) / 1024, 1),
    )


@dataclass(slots=True)
class _Seen:
    """What is known of one test beside its status."""

    process: ProcessResult | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    record: Mapping[str, Any] | None = None
    ended: bool = False
    """Whether the process ended in this test."""


def _scripts(processes: Sequence[ProcessResult]) -> dict[int, _Seen]:
    seen = {}
    for each in processes:
        records = clamped_records(each.report, each.cpu, 2)
        record = fields_of(records[1][1]) if len(records) > 1 else {}
        seen[each.first] = _Seen(each, each.stdout, each.stderr, record, ended=True)
    return seen


def _imported(processes: Sequence[ProcessResult]) -> dict[int, _Seen]:
    """By test, with its own part of what the process wrote: where parts end is in the program's records."""
    seen = {}
    for each in processes:
        out = err = 0
        number = each.first
        for _, data in clamped_records(each.report, each.cpu, 1 << 20)[2:]:
            record = fields_of(data)
            to_out, to_err = _position(record, "stdout", out), _position(record, "stderr", err)
            seen[number] = _Seen(each, each.stdout[out:to_out], each.stderr[err:to_err], record)
            out, err, number = to_out, to_err, number + 1
        seen[number] = _Seen(each, each.stdout[out:], each.stderr[err:], ended=True)
    return seen


def _position(record: Mapping[str, Any], name: str, least: int) -> int:
    """An end that a record claims; a program that lies gets its own output cut elsewhere."""
    found = record.get(name)
    return max(least, found) if isinstance(found, int) and not isinstance(found, bool) else least


def _test(test: TestOutcome, seen: _Seen, kind: TestKind) -> TestExecution:
    status = test.statuses[ANYTHING.name]
    ending = _ENDINGS.get(status) or Ending(status.value)
    record = seen.record or {}
    value = None
    if record.get("kind") == "value" and status is Status.PASSED:
        value = value_of(record.get("value"))
    ended = seen.process if seen.ended else None
    exit_code = signal = None
    if ended is not None and ended.status < 0:
        signal = signal_name(-ended.status)
    elif ended is not None and (kind is TestKind.STDIN or ending is not Ending.OK):
        exit_code = None if ending is Ending.SYNTAX_ERROR else ended.status or exit_status(record)
    return TestExecution(
        ending,
        seen.stdout.decode(errors="replace"),
        seen.stderr.decode(errors="replace"),
        exit_code,
        signal,
        _plain(value),
        _is_plain(value),
        test.error,
        test.cpu_seconds,
    )


def _plain(value: Any) -> Any:
    """Nested plain data; a part of another type is replaced by its name's text."""
    return repr(value) if isinstance(value, Opaque) else value


def _is_plain(value: Any) -> bool:
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, Opaque):
            return False
        if isinstance(part, dict):
            pending.extend(part.keys())
            pending.extend(part.values())
        elif isinstance(part, list | tuple | set | frozenset):
            pending.extend(part)
    return True
