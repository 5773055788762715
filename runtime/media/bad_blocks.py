"""Reading on where a medium does not give some of its blocks.

Only for those who read what is there: whoever would write behind what cannot be read, or cut it off, must end there.
A device that gives nothing any more is not asked for each of its blocks: disks take seconds to say that they cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ..faults import MediaFault, Place

#: The least that is worth asking for: the kernel reads no less of a file.
PAGE_BYTES: Final = 4096
#: So many reads that fail one behind the other are taken for a medium that gives nothing any more. Whoever looks for
#: the next page that can be read has then passed some 10 MiB.
FAILED_MAX: Final = 128


class GivenUp(MediaFault):
    """The medium gives nothing from a place on, as far as it was asked."""


class BadBlocks:
    """Reads by way of *read*, which raises MediaFault, and counts what fails."""

    def __init__(self, read: Callable[[memoryview, int], int]) -> None:
        self._read = read
        self._failed = 0
        self._first: MediaFault | None = None

    def read(self, view: memoryview, position: int) -> int:
        """As the *read* that was given; raises GivenUp where nothing was read for long."""
        try:
            got = self._read(view, position)
        except MediaFault as fault:
            if self._failed == 0:
                self._first = fault
            self._failed += 1
            if self._failed < FAILED_MAX or self._first is None:
                raise
            place = fault.place
            raise GivenUp(
                f"{self._first.message}; neither can anything up to byte {place.position}, as far as it was tried:"
                " what lies behind was not looked at",
                place=Place(drive=place.drive, volume=place.volume, position=self._first.place.position),
                safe=fault.safe,
            ) from None
        self._failed = 0
        return got

    def pieces(self, view: memoryview, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """What can be read between two positions, in order: position, bytes. *view* is the memory for a piece."""
        size = len(view)
        for base in range(start, stop, size):
            end = min(stop, base + size)
            whole = self._piece(view, base, end)
            if whole is not None:
                yield base, whole
            else:
                yield from self._pages(view, base, end)

    def _pages(self, view: memoryview, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """The pages that can be read; while none can, in longer steps, and back to the first that can."""
        at, bad_end, step = start, start, PAGE_BYTES
        while at < stop:
            end = min(stop, at - at % PAGE_BYTES + PAGE_BYTES)
            data = self._piece(view, at, end)
            if data is None:
                bad_end = end
                at, step = at - at % PAGE_BYTES + step, step * 2
                continue
            yield from self._back(view, bad_end, at)
            yield at, data
            at = bad_end = end
            step = PAGE_BYTES
        yield from self._back(view, bad_end, stop)

    def _back(self, view: memoryview, low: int, high: int) -> list[tuple[int, bytes]]:
        """The pages right before *high* that can be read, not below *low*."""
        found: list[tuple[int, bytes]] = []
        while high > low:
            begin = max(low, (high - 1) - (high - 1) % PAGE_BYTES)
            data = self._piece(view, begin, high)
            if data is None:
                break
            found.append((begin, data))
            high = begin
        return found[::-1]

    def _piece(self, view: memoryview, start: int, stop: int) -> bytes | None:
        try:
            return bytes(view[: self.read(view[: stop - start], start)])
        except GivenUp:
            raise
        except MediaFault:
            return None
