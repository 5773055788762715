"""Finding one record of an object on its volume without reading all that lies before it.

Where a record lies is not written down anywhere: objects are interleaved as their data came. But the first and the
last record's places are known, records of one session are nearly all of one size, and every header says whose record
it is: so the place is guessed from what is known on both sides, the header there looked at, and the guess narrowed. A
guess that hits no header (a short record has shifted the stride) goes on at the next block that has the look of one.

What is found is only a place. Whoever reads the record there checks that it is the wanted one: its digest covers
object, sequence and payload, so that a header inside some payload misleads nobody. Where the search gets nowhere the
caller walks from header to header.
"""

from __future__ import annotations

from typing import Final

from ..frozen import frozen
from ..media.record import RecordHeader
from ..media.volume import VolumeReader
from ..model import Segment

#: Records nearer than this are walked to.
NEAR: Final = 4
_GUESSES_MAX: Final = 32
#: Headers that are passed from a guess on, until one is of the object.
_WALK_MAX: Final = 64
_CHUNK: Final = 64 * 1024
_BLOCK: Final = 512


@frozen
class Found:
    """A header of the object: its position and itself."""

    position: int
    header: RecordHeader


def find(
    reader: VolumeReader, segment: Segment, object_id: str, sequence: int, known: Found | None = None
) -> Found | None:
    """Where record *sequence* of the object lies in *segment*, or None where the search leads nowhere.

    *known*: a record of the object with a lower sequence, where the search may begin. Raises MediaFault where the
    medium cannot be read.
    """
    low = known or _next(reader, segment.first, segment.last, object_id)
    if low is None or low.header.sequence > sequence:
        return None
    high_position, high_sequence = segment.last, segment.first_sequence + segment.records - 1
    stride = low.header.total_bytes
    for _ in range(_GUESSES_MAX):
        if low.header.sequence == sequence:
            return low
        if sequence - low.header.sequence <= NEAR or high_sequence <= low.header.sequence:
            return _walk(reader, low, segment.last, object_id, sequence)
        share = (sequence - low.header.sequence) / (high_sequence - low.header.sequence)
        steps = round((high_position - low.position) * min(share, 1.0) / stride)
        guess = low.position + max(1, steps) * stride
        if guess > high_position:
            guess = high_position - (high_position - low.position) % stride
        if guess <= low.position:
            return None
        start = guess if reader.header(guess) is not None else _header_behind(reader, guess, guess + stride)
        found = None if start is None else _next(reader, start, segment.last, object_id)
        if found is None:
            return None
        if found.header.sequence <= sequence:
            if found.position <= low.position:
                return None
            low = found
        elif guess < high_position:
            high_position, high_sequence = guess, found.header.sequence
        else:
            return None
    return None


def _next(reader: VolumeReader, position: int, last: int, object_id: str) -> Found | None:
    """The first record of the object from *position* on, header by header."""
    for _ in range(_WALK_MAX):
        header = reader.header(position) if position <= last else None
        if header is None:
            return None
        if header.object_id == object_id:
            return Found(position, header)
        position += header.total_bytes
    return None


def _walk(reader: VolumeReader, low: Found, last: int, object_id: str, sequence: int) -> Found | None:
    found: Found | None = low
    while found is not None and found.header.sequence < sequence:
        found = _next(reader, found.position + found.header.total_bytes, last, object_id)
    return found if found is not None and found.header.sequence == sequence else None


def _header_behind(reader: VolumeReader, start: int, stop: int) -> int | None:
    """The first position between the two (a multiple of 512 from *start*) that holds a record's header."""
    for base in range(start, stop, _CHUNK):
        data = reader.bytes_at(base, _CHUNK)
        at = data.find(b"ustar\x0000")
        while at >= 0:
            block = at - 257
            if block >= 0 and block % _BLOCK == 0 and reader.header(base + block) is not None:
                return base + block
            at = data.find(b"ustar\x0000", at + 1)
    return None
