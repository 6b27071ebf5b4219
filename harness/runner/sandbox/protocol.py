"""Frames between a worker and its fork server, and the records that a program's child leaves behind.

A frame is a JSON header and any number of byte blobs, length-prefixed. JSON and not pickle or
marshal: a frame carries what a hostile program produced, and reading it must be harmless.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

Header = dict[str, Any]

GO_ON, STOP = b"g", b"s"
"""A grader worker's answers, where it is asked after each test."""
_from_json = json.JSONDecoder().decode
_PREFIX = struct.Struct("<II")
_RECORD = struct.Struct("<Id")
RECORD_BYTES = _RECORD.size
"""Before each record's own."""
_BUFFER_BYTES = 1 << 16


def _encoder() -> Callable[[Any], str]:
    """What `json.JSONEncoder().encode` does, without what that makes anew at each call: a program's process
    copies each page that it writes to. Does not look for what holds itself."""
    plain = json.JSONEncoder(check_circular=False)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return plain.encode
    escaped = json.encoder.encode_basestring_ascii
    parts = make(None, plain.default, escaped, None, ": ", ", ", False, False, True)
    return lambda value: "".join(parts(value, 0))


to_json = _encoder()
"""As JSON, in ASCII."""


def write_frame(fd: int, header: Header, blobs: Sequence[bytes] = ()) -> None:
    """Write one frame; blocks until the other side has taken it all.

    Raises:
        BrokenPipeError: If the other side is gone.
    """
    write_all(fd, frame(header, blobs))


def frame(header: Header, blobs: Sequence[bytes] = ()) -> bytes:
    """One frame as bytes."""
    head = to_json([header, [len(blob) for blob in blobs]]).encode()
    return b"".join((_PREFIX.pack(len(head), len(blobs)), head, *blobs))


def read_frame(fd: int) -> tuple[Header, list[bytes]]:
    """Read one frame.

    Raises:
        EOFError: If the other side is gone.
    """
    return _frame_of(lambda size: read_exactly(fd, size))


def _frame_of(take: Callable[[int], bytes]) -> tuple[Header, list[bytes]]:
    """The frame that the next bytes are; `take` gives as many as it is asked for."""
    size, _ = _PREFIX.unpack(take(_PREFIX.size))
    header, lengths = _from_json(take(size).decode())
    return header, [take(length) for length in lengths]


class FrameReader:
    """Reads frames with as few calls as they come in, for a side that has nothing else to read."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = b""
        self._position = 0

    def __bool__(self) -> bool:
        """Whether some bytes have been read that no frame has been made of."""
        return self._position < len(self._buffer)

    def read(self) -> tuple[Header, list[bytes]]:
        """Read one frame.

        Raises:
            EOFError: If the other side is gone.
        """
        return _frame_of(self._take)

    def _take(self, size: int) -> bytes:
        end = self._position + size
        if end > len(self._buffer):
            self._fill(size)
            end = size
        data = self._buffer[self._position : end]
        self._position = end
        return data

    def _fill(self, size: int) -> None:
        """Have at least `size` bytes in the buffer, from its start."""
        parts = [self._buffer[self._position :]]
        missing = size - len(parts[0])
        while missing > 0:
            part = os.read(self._fd, max(missing, _BUFFER_BYTES))
            if not part:
                raise EOFError("the other side closed the pipe")
            parts.append(part)
            missing -= len(part)
        self._buffer, self._position = b"".join(parts), 0


def read_exactly(fd: int, size: int) -> bytes:
    """Read `size` bytes.

    Raises:
        EOFError: If the stream ends before.
    """
    data = os.read(fd, size) if size else b""
    if len(data) == size:
        return data
    parts = [data]
    size -= len(data)
    while size:
        part = os.read(fd, min(size, 1 << 20))
        if not part:
            raise EOFError("the other side closed the pipe")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte, in as many calls as it takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def record(cpu: float, data: bytes) -> bytes:
    """One record of a child's report: its length, the CPU seconds used when it was written, its bytes."""
    return _RECORD.pack(len(data), cpu) + data


def record_start(data: bytes) -> tuple[int, float]:
    """Length and CPU seconds of the record that these bytes begin with."""
    return _RECORD.unpack_from(data)


def clamped_records(report: bytes, cpu: float, most: int) -> list[tuple[float, bytes]]:
    """The first records of a report, with times that can be true: they ascend, from 0 to what was used.

    Args:
        report: What a program left, or forged.
        cpu: CPU seconds that its process has used.
        most: Records to read at most; a forger may write a million.
    """
    records = []
    before = 0.0
    for time, data in islice(split_records(report), most):
        # Not a number compares false with everything.
        before = min(time, cpu) if time >= before else before
        records.append((before, data))
    return records


def split_records(report: bytes) -> Iterator[tuple[float, bytes]]:
    """The complete records of a report, `(CPU seconds, bytes)`; a torn or forged tail ends the iteration."""
    position = 0
    while position + _RECORD.size <= len(report):
        length, cpu = _RECORD.unpack_from(report, position)
        position += _RECORD.size
        if position + length > len(report):
            return
        yield cpu, report[position : position + length]
        position += length
