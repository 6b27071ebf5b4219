"""What reference solutions return, for benchmarks that come with inputs alone.

Each reference runs once in the sandbox, as any program does, on all inputs of its problem; what it returned
is kept in a file that is named by the data's hash, and read from there from then on.

Covers: running, keeping, reading back as plain data. Does not cover: which answers count as right.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.compare import Opaque
from harness.errors import InfrastructureError
from harness.files import replace_file, user_cache
from harness.runner.sandbox.values import decode, encode
from harness.types import Job, Limits, Problem, TestKind, TestSuite, ValueTest

FORMAT = 1
"""Of the kept file; part of its name."""
LIMITS = Limits(
    cpu_seconds=120.0,
    load_cpu_seconds=60.0,
    memory_mib=8192,
    output_mib=4,
    program_idle_seconds=600.0,
    stop_at_first_timeout=False,
)
"""Wide: a reference is right by definition, however long it takes. An output over the limit is an error like
any other here; `TOGETHER` of them fit into what a worker may hold."""
TOGETHER = 16
"""Inputs of a reference that are run, and whose outputs are held, at once."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference solution, and what it is asked."""

    task_id: str
    code: str
    expressions: Sequence[str]
    """One Python expression for each input, evaluated after the program, among its names."""
    setup: str = ""
    """Run after the program and before them."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a reference returned for one input."""

    data: str = ""
    """The value as text (`text_of`); empty where there is none."""
    error: str | None = None
    """Why there is none."""
    cpu_seconds: float = 0.0

    @property
    def value(self) -> Any:
        """The value as plain data; a part of another type is `harness.compare.Opaque`."""
        return value_of(self.data)


def text_of(value: Any) -> str:
    """Plain data as text that keeps its types; `value_of` reads it."""
    return json.dumps(encode(value))


def value_of(text: str) -> Any:
    """The plain data that `text_of` wrote."""
    return decode(json.loads(text), Opaque)


def reference_outputs(
    name: str, dataset_hash: str, references: Sequence[Reference], *, folder: Path | None = None
) -> Mapping[str, Sequence[Output]]:
    """By task id, one output for each expression; from the kept file where there is one.

    Args:
        name: The benchmark's, for the file.
        dataset_hash: Of the data that references and inputs come from; another gives another file.
        references: All of the benchmark's.
        folder: Where outputs are kept; by default `rltf/references` in the user's cache.

    Raises:
        IsolationError: If programs can't be run here.
        InfrastructureError: If the runner failed, and not a reference.
    """
    if not any(each.expressions for each in references):
        return {each.task_id: [] for each in references}
    path = (folder or user_cache() / "references") / f"{name}-{_digest(dataset_hash, references)}.json.gz"
    kept = _read(path, references)
    if kept is not None:
        return kept
    found = _run(references)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = {
        task_id: [[each.data, each.error, each.cpu_seconds] for each in outputs]
        for task_id, outputs in found.items()
    }
    packed = gzip.compress(json.dumps(rows).encode(), mtime=0)
    replace_file(path, lambda stream: stream.write(packed))
    return found


def _digest(dataset_hash: str, references: Sequence[Reference]) -> str:
    digest = sha256(f"{FORMAT} {dataset_hash}".encode())
    for each in references:
        digest.update(
            repr((each.task_id, each.code, tuple(each.expressions), each.setup)).encode(
                errors="surrogatepass"
            )
        )
    return digest.hexdigest()[:16]


def _read(path: Path, references: Sequence[Reference]) -> dict[str, list[Output]] | None:
    """What is kept, if it is whole."""
    try:
        rows = json.loads(gzip.decompress(path.read_bytes()))
        found = {task_id: [Output(*each) for each in outputs] for task_id, outputs in rows.items()}
    except (OSError, EOFError, zlib.error, ValueError, TypeError, AttributeError):
        return None
    whole = all(len(found.get(each.task_id, ())) == len(each.expressions) for each in references)
    return found if whole else None


def _run(references: Sequence[Reference]) -> dict[str, list[Output]]:
    found: dict[str, list[Output]] = {}
    parts = [part for each in references for part in _parts(each, TOGETHER)]
    for part, outputs in _outputs(parts):
        found.setdefault(part.task_id, []).extend(outputs)
    # An output that was too long may have cost those behind it theirs, and a program that ended its process.
    again = [
        (each.task_id, place, replace(each, expressions=[each.expressions[place]]))
        for each in references
        for place, output in enumerate(found.get(each.task_id, ()))
        if output.error is not None
    ]
    for (task_id, place, _), (_, (output,)) in zip(
        again, _outputs([part for *_, part in again]), strict=True
    ):
        found[task_id][place] = output
    return {each.task_id: found.get(each.task_id, []) for each in references}


def _outputs(parts: Sequence[Reference]) -> list[tuple[Reference, list[Output]]]:
    """Each with what it returned."""
    from harness.machine_limits import available_processors  # noqa: PLC0415 - the same
    from harness.runner import Runner  # noqa: PLC0415 - only where nothing is kept yet

    if not parts:
        return []
    jobs = [_job(part, number) for number, part in enumerate(parts)]
    found: dict[int | str, list[Output]] = {}
    with Runner(workers=min(len(jobs), available_processors()), limits=LIMITS) as runner:
        for execution in runner.execute(jobs):
            if execution.infrastructure_error is not None:
                raise InfrastructureError(
                    f"the reference solution of {execution.task_id} could not be run"
                    f" ({execution.infrastructure_error}); run the same command again"
                )
            found[execution.sample_id] = [_output(test) for test in execution.tests]
    return [(part, found[number]) for number, part in enumerate(parts)]


def _parts(reference: Reference, size: int) -> list[Reference]:
    """The same reference with so many of its expressions each."""
    given = reference.expressions
    return [
        replace(reference, expressions=given[start : start + size]) for start in range(0, len(given), size)
    ]


def _job(part: Reference, number: int) -> Job:
    tests = [ValueTest(expression, "None") for expression in part.expressions]
    suite = TestSuite.pack(TestKind.ASSERTS, tests, setup=part.setup)
    return Job(part.task_id, number, part.code, Problem(part.task_id, "", lambda: suite))


def _output(test: Any) -> Output:
    cpu = round(test.cpu_seconds, 3)
    if test.status != "ok":
        error = test.error
        return Output("", f"{test.status}: {error.type} {error.message}" if error else str(test.status), cpu)
    return Output(text_of(test.value if test.is_plain else Opaque("object")), None, cpu)
