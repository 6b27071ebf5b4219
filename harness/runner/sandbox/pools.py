"""Where the interpreter takes memory for small objects, and how what all programs need comes to lie together.

A fork shares pages, and a page is copied as a whole for each program that writes to it, be it only the count
of references to one object. The interpreter takes a block from the pool of its size that was freed last: all
over the memory. So this fills what is free before what comes next is made: our own modules, imported after
those of the library, and what a program makes.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import marshal
import platform
import re
import signal
import struct
import threading
import time
from typing import Any

_BLOCK_BYTES, _MOST_BLOCK_BYTES, _POOL_BYTES, _POOL_HEADER_BYTES = 16, 512, 1 << 14, 48
"""Of CPython's allocator of small objects; where they are others, some memory is taken in vain."""
_MOST_BLOCKS, _ROW = 3000, 3
_keep: Any = ctypes.pythonapi.Py_IncRef
_keep.argtypes = (ctypes.py_object,)

LIBRARY = importlib.util, json, marshal, platform, re, signal, struct, threading, time
"""What our own modules import, apart from what these and `ctypes` do."""


def fill() -> None:
    """Take what small blocks are free on pages in use, so that what is made next lies on few pages.

    Done when three blocks of a size come in a row from a pool's beginning.
    """
    for size in range(_BLOCK_BYTES, _MOST_BLOCK_BYTES + 1, _BLOCK_BYTES):
        at = run = 0
        for number in range(_MOST_BLOCKS):
            made = object() if size == _BLOCK_BYTES else complex(number) if size == 32 else bytes(size - 33)
            _keep(made)
            before, at = at, id(made)
            begins = at % _POOL_BYTES == _POOL_HEADER_BYTES
            run = 1 if begins else run + 1 if run and at == before + size else 0
            if run == _ROW:
                break
