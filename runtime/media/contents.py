"""What a volume holds: its sessions, from the indexes that are proved, and from the records where none is.

The chain of indexes from the volume's end is followed as far as it is proved; an index that its records contradict is
not believed. What no index covers is read record by record, every digest checked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from ..faults import MediaFault
from ..frozen import frozen
from .contradiction import contradiction
from .index import Index
from .label import LABEL_BYTES
from .recovered import Stretch
from .scanned import Damage, ScannedIndex, ScannedRecord

if TYPE_CHECKING:
    from .volume import VolumeReader

Unread = Callable[[MediaFault], None]


@frozen
class VolumeContents:
    """All sessions of a volume, oldest first; stretches without a proved index as ``recovered`` ones (position None).

    ``end`` is where sound members end. ``notes`` and ``damages`` say what was not as it should be, ``doubts`` which
    indexes were proved and are not believed, since records say otherwise.
    """

    sessions: tuple[Index, ...]
    end: int
    notes: tuple[str, ...] = ()
    damages: tuple[Damage, ...] = ()
    doubts: tuple[str, ...] = ()


def contents_of(volume: VolumeReader, unread: Unread | None = None) -> VolumeContents:
    """All sessions of the volume, oldest first.

    The chain from the volume's end is followed as far as it is proved and leaves no gap; what it does not cover
    is read record by record with every digest checked. *unread* is told of records that the medium does not give there
    (headers that it does not give are damages); without it, and where the medium gives nothing any more, raises
    :class:`MediaFault`.
    """
    chain: list[Index] = []
    newest = volume.last_index()
    index, high = newest, volume.size
    while index is not None and index.position is not None:
        chain.append(index)
        high = index.first
        earlier = None if index.previous is None else volume.index_at(index.previous)
        if earlier is not None and volume.end_of(earlier) != high:
            earlier = None
        index = earlier
    doubts = _doubted(volume, chain, unread)
    if doubts:
        return _but_for(volume, doubts, unread)
    chain.reverse()
    if high == LABEL_BYTES and newest is not None:
        return VolumeContents(tuple(chain), volume.end_of(newest))
    found = _walk(volume, LABEL_BYTES, high, unread, taken={index.session.id for index in chain})
    doubts = _doubted(volume, found.sessions, unread)
    if doubts:
        return _but_for(volume, doubts, unread)
    end = found.end if newest is None else volume.end_of(newest)
    return VolumeContents(found.sessions + tuple(chain), end, found.notes, found.damages)


def _doubted(volume: VolumeReader, indexes: Iterable[Index], unread: Unread | None) -> dict[int | None, str]:
    """Where those of *indexes* lie that a record contradicts, and why."""
    each = ((index.position, contradiction(volume, index, all_read=unread is None)) for index in indexes)
    return {position: str(why) for position, why in each if why is not None}


def _but_for(volume: VolumeReader, doubts: Mapping[int | None, str], unread: Unread | None) -> VolumeContents:
    """All sessions, without the indexes at these positions: what those cover is read record by record."""
    known: dict[int | None, str] = dict(doubts)
    while True:
        found = _walk(volume, LABEL_BYTES, volume.size, unread, without=known)
        more = _doubted(volume, (index for index in found.sessions if index.position), unread)
        if not more:
            break
        known.update(more)
    told = tuple(
        f"volume {volume.label.name}: the index at byte {position} is not believed: {why}"
        for position, why in sorted((p, w) for p, w in known.items() if p is not None)
    )
    return VolumeContents(found.sessions, found.end, found.notes, found.damages, told)


def _walk(
    volume: VolumeReader,
    start: int,
    stop: int,
    unread: Unread | None,
    *,
    taken: Collection[str] = (),
    without: Collection[int | None] = (),
) -> VolumeContents:
    """What lies between two positions, from the members: proved indexes, and stretches that have none.

    *taken*: sessions that other indexes of the volume bear; *without*: positions of indexes that are not believed.
    """
    proved = [
        item
        for item in volume.members(start, stop, check=False, failed=unread)
        if isinstance(item, ScannedIndex) and item.position not in without
    ]
    known = {*taken, *(item.index.session.id for item in proved)}
    sessions: list[Index] = []
    notes: list[str] = []
    damages: list[Damage] = []
    end = low = start
    previous: int | None = None
    for item in proved:
        # An index covers what it says; only what lies before it uncovered has to be read.
        if item.index.first > low:
            _, more = _stretch(volume, low, item.index.first, previous, sessions, notes, known, unread)
            damages += more
        sessions.append(item.index)
        previous = item.position
        end = low = item.end
    if low < stop:
        tail_end, more = _stretch(volume, low, stop, previous, sessions, notes, known, unread)
        damages += more
        end = tail_end
    return VolumeContents(tuple(sessions), end, tuple(notes), tuple(damages))


def _stretch(  # noqa: PLR0917 - one step of one function
    volume: VolumeReader,
    start: int,
    stop: int,
    previous: int | None,
    sessions: list[Index],
    notes: list[str],
    taken: set[str],
    unread: Unread | None,
) -> tuple[int, list[Damage]]:
    """Read an uncovered stretch; returns the end of its last sound record and its damages."""
    stretch = Stretch(volume.label, start)
    damages: list[Damage] = []
    end = start

    def failed(fault: MediaFault) -> None:
        stretch.lost()
        if unread is not None:
            unread(fault)

    goes_on = None if unread is None else failed
    for item in volume.members(start, stop, check=True, hands=2, failed=goes_on):
        if isinstance(item, Damage):
            damages.append(item)
            stretch.lost()
        elif isinstance(item, ScannedRecord):
            stretch.add(item.position, item.header)
            end = item.end
    if stretch:
        index = stretch.index(previous, volume.label.created, taken)
        taken.add(index.session.id)
        sessions.append(index)
        notes.append(
            f"volume {volume.label.name}: session {index.session.id} has no index from byte {start} on;"
            f" {len(index.objects)} object(s) were put together from their records"
        )
    return end, damages
