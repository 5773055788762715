"""Devices whose reads do not answer."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Hanging:
    """Reads of these folders answer only when they are let go, behind a few that do. Then they answer with rubbish."""

    def __init__(self) -> None:
        self.left: dict[Path, int] = {}
        self.gate = threading.Event()
        self.entered: list[Path] = []
        self.into_a_ring = False
        self._read = os.preadv
        self._lock = threading.Lock()

    def preadv(self, fd: int, buffers: list[memoryview], offset: int, *more: int) -> int:
        folder = Path(os.readlink(f"/proc/self/fd/{fd}")).parent
        with self._lock:
            hangs = folder in self.left and self.left[folder] <= 0
            if folder in self.left:
                self.left[folder] -= 1
            if hangs:
                self.entered.append(folder)
                self.into_a_ring |= isinstance(buffers[0].obj, mmap.mmap)
        if hangs:
            assert self.gate.wait(50)
            for buffer in buffers:  # the device wakes: what it gives now must reach nothing
                buffer[:] = b"\xee" * len(buffer)
        return self._read(fd, buffers, offset, *more)


@contextmanager
def reads_that_hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    """All reads of volumes go through the device. In the end what hangs is let go, and threads of the test's end."""
    device = Hanging()
    before = set(threading.enumerate())
    monkeypatch.setattr(os, "preadv", device.preadv)
    yield device
    device.gate.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
