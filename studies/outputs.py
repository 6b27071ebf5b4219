"""What a program writes or returns: an outcome does not hold it, and reports that compare profiles need it.

Programs run in the runner's own sandbox, with all its layers, one at a time. Not covered: retries; a lost
fork server raises.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from harness.compare import Opaque
from harness.runner.fork_server import ForkServer, ProgramRequest, Unusable
from harness.runner.sandbox.protocol import split_records
from harness.runner.sandbox.values import decode
from harness.runner.split_suite import PreparedSuite, WarmImports, prepare
from harness.runner.verdicts import ProcessResult
from harness.types import Limits, TestKind, TestSuite


class Outputs:
    """One fork server to ask. A context manager."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._server: ForkServer | None = None
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def of(self, code: str, suite: TestSuite, tests: Sequence[int]) -> list[tuple[int, Any, Any]]:
        """`(test, given, expected)` for those of these tests that give a result.

        Given is the text on standard output, or the returned value of a call.
        """
        every = suite.tests()
        chosen = TestSuite.pack(
            suite.kind, [every[number] for number in tests],
            entry_point=suite.entry_point, preamble=suite.preamble, setup=suite.setup,
        )  # fmt: skip
        prepared = prepare(chosen)
        return [
            (tests[number], given, prepared.expected[number])
            for run in self._runs(code, prepared)
            for number, given in _results(prepared, run)
        ]

    def _runs(self, code: str, suite: PreparedSuite) -> Iterator[ProcessResult]:
        if self._server is None:
            self._server = ForkServer(self._limits, WarmImports.NUMPY, functions=True)
        self._number += 1
        self._server.send([ProgramRequest(self._number, code, suite)])
        for result in self._server.results():
            if isinstance(result, Unusable):
                raise ValueError(f"the tests of {suite.digest} can't be used: {result.reason}")
            if result.so_far:
                self._server.answer(go_on=True)
                continue
            yield result.run
            if result.asks:
                self._server.answer(go_on=True)
            if result.retires:  # the server makes way; what is left of the program is not asked for
                self._close()
            if result.last or result.retires:
                return


def _results(suite: PreparedSuite, run: ProcessResult) -> Iterator[tuple[int, Any]]:
    if suite.kind is TestKind.STDIN:
        yield run.first, run.stdout.decode("utf-8", errors="surrogateescape")
        return
    for offset, (_, data) in enumerate(list(split_records(run.report))[2:]):
        fields = json.loads(data)
        if fields.get("kind") == "value":
            yield run.first + offset, decode(fields["value"], Opaque)
