"""Work on things that lie on several devices: those of one device one after another, those of different ones at once.

Two disks read at once give twice the bytes; two readers on one disk only make it seek. So what lies on one device (as
the kernel numbers them) is one thread's, in its order, and results are given back in the order of the things.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: How often progress is looked at while threads work, seconds.
_LOOK_SECONDS: Final = 0.2


class CalledOff(Exception):
    """The work is not wanted any more: something else failed, or who asked for it was interrupted."""


class Devices:
    """How far the work on each thing is. ``hands``: threads that may work on one thing."""

    def __init__(self, things: int, hands: int) -> None:
        self.hands = hands
        self._done = [0] * things
        self._off = False

    def moved(self, n: int, done: int) -> None:
        """From the thread of the *n*-th thing: so many bytes of it are done. Raises :class:`CalledOff`."""
        self._done[n] = done
        if self._off:
            raise CalledOff

    def done(self) -> int:
        """Bytes that are done of all things."""
        return sum(self._done)

    def call_off(self) -> None:
        """Let all work end."""
        self._off = True


def device_of(path: Path | None) -> int | None:
    """The number of the device that holds *path*; None where that cannot be said."""
    with suppress(OSError):
        return None if path is None else path.stat().st_dev
    return None


def by_device(
    things: Sequence[T],
    device: Callable[[T], Hashable],
    work: Callable[[int, T, Devices], R],
    progress: Callable[[int], None] | None = None,
) -> list[R]:
    """What *work* gives for each of *things* (its number, itself, and what it tells its progress to), in their order.

    Things of which *device* says None lie nowhere. *progress* is called with the bytes done, always on the calling
    thread. Raises what *work* raised of the first thing for which it did; then, and when it is interrupted, the rest is
    called off.
    """
    groups: dict[Hashable, list[int]] = {}
    for n, thing in enumerate(things):
        groups.setdefault(device(thing), []).append(n)
    if None in groups and len(groups) > 1:  # what is nowhere takes no time, and no thread
        nowhere = groups.pop(None)
        next(iter(groups.values())).extend(nowhere)
    if len(groups) < 2:
        alone = _Alone(len(things), progress)
        return [work(n, thing, alone) for n, thing in enumerate(things)]
    devices = Devices(len(things), hands=1)
    results: dict[int, R] = {}
    failures: dict[int, BaseException] = {}

    def run(numbers: Sequence[int]) -> None:
        for n in numbers:
            try:
                results[n] = work(n, things[n], devices)
            except BaseException as failure:  # noqa: BLE001 - raised by the thread that asked
                failures[n] = failure
                devices.call_off()
                return

    threads = []
    try:
        for numbers in groups.values():
            thread = threading.Thread(target=lambda own=numbers: run(own), name="reads a device", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system lets this process have no more threads
                run(numbers)
            else:
                threads.append(thread)
        for thread in threads:
            while thread.is_alive():
                thread.join(_LOOK_SECONDS)
                if progress is not None:
                    progress(devices.done())
        if progress is not None:  # what was done too fast to be looked at
            progress(devices.done())
    finally:
        devices.call_off()
    for n in sorted(failures):
        if not isinstance(failures[n], CalledOff):
            raise failures[n]
    return [results[n] for n in range(len(things))]


class _Alone(Devices):
    """One thread: progress is told as it comes."""

    def __init__(self, things: int, progress: Callable[[int], None] | None) -> None:
        super().__init__(things, hands=2)
        self._progress = progress
        self._all = 0

    def moved(self, n: int, done: int) -> None:
        self._all += done - self._done[n]
        super().moved(n, done)
        if self._progress is not None:
            self._progress(self._all)
