"""Frames between worker and fork server, read as they come."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.runner.sandbox.protocol import FrameReader, frame, read_frame, to_json, write_frame

FRAMES = [({"number": n}, [b"x" * size, b"", b"\0" * (size // 3)]) for n, size in enumerate((0, 5, 300, 9))]


def _pipe_with(data, end=True):
    read, write = os.pipe()
    os.write(write, data)
    if end:
        os.close(write)
    return read


def test_frames_that_come_together_are_read_one_by_one():
    reader = FrameReader(_pipe_with(b"".join(frame(*each) for each in FRAMES)))
    assert [reader.read() for _ in FRAMES] == FRAMES
    assert not reader


def test_a_frame_is_read_across_any_cut(monkeypatch):
    data = b"".join(frame(*each) for each in FRAMES)
    true_read = os.read
    for step in (1, 2, 7, 8, 9, 100):
        fd = _pipe_with(data)
        monkeypatch.setattr(os, "read", lambda fd, size, step=step: true_read(fd, min(size, step)))
        reader = FrameReader(fd)
        assert [reader.read() for _ in FRAMES] == FRAMES
        monkeypatch.undo()


def test_a_frame_larger_than_the_buffer_is_read_whole(tmp_path):
    path = tmp_path / "frames"
    large = ({"a": 1}, [os.urandom(1 << 18), b"end"])
    path.write_bytes(frame(*large) + frame({"b": 2}))
    reader = FrameReader(os.open(path, os.O_RDONLY))
    assert reader.read() == large
    assert reader.read() == ({"b": 2}, [])


def test_a_reader_says_whether_it_has_read_ahead():
    reader = FrameReader(_pipe_with(frame({"a": 1}) + frame({"b": 2}), end=False))
    assert not reader
    reader.read()
    assert reader
    reader.read()
    assert not reader


@pytest.mark.parametrize("cut", [0, 3, 12, 30])
def test_the_end_of_the_other_side_is_said_even_within_a_frame(cut):
    with pytest.raises(EOFError):
        FrameReader(_pipe_with(frame(*FRAMES[2])[:cut])).read()


def test_both_ways_to_read_and_to_write_agree():
    read, write = os.pipe()
    write_frame(write, *FRAMES[2])
    assert read_frame(read) == FRAMES[2]
    os.write(write, frame(*FRAMES[2]))
    assert FrameReader(read).read() == FRAMES[2]


_plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts),
)


@given(_plain)
def test_an_encoder_that_is_made_once_writes_what_jsons_does(value):
    assert to_json(value) == json.dumps(value)
