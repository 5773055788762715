"""Proving where a volume ends before anything is appended (docs/format.md, W4 and W5).

Nothing is written here: the drive cuts and writes what this finds. Where sound data lies behind damage, or where
something lies at the end that is not ours, the volume is kept as it is: it is not appendable, and the drive takes a
new one.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..frozen import frozen
from . import index as index_format
from . import ustar
from .index import Index
from .label import LABEL_BYTES
from .recovered import Stretch
from .scanned import Damage, ScannedIndex, ScannedRecord
from .volume import VolumeReader


@frozen
class Tail:
    """Where a volume ends.

    ``position``: where the next session may begin once ``recovered`` (if any) is written there. ``previous``: the
    position of the last proved index. ``appendable``: false where the volume must be left as it is. ``notes`` are for
    the report. ``unconfirmed``: a proved index whose session did not come to write the archive's end.
    """

    position: int
    previous: int | None
    recovered: Index | None
    appendable: bool
    notes: tuple[str, ...] = ()
    unconfirmed: Index | None = None


def prove(reader: VolumeReader, *, now: str) -> Tail:
    """The end of the volume: by pointer, index and zero blocks; else by reading all behind the last proved index.

    *now* is the time that a recovered index bears. Raises :class:`MediaFault` where the medium cannot be read.
    """
    last = reader.last_index()
    if last is not None:
        return Tail(reader.size - len(ustar.END), last.position, None, True)
    proved = [item for item in reader.members(LABEL_BYTES, reader.size, check=False) if isinstance(item, ScannedIndex)]
    start = proved[-1].end if proved else LABEL_BYTES
    previous = proved[-1].position if proved else None
    return _behind(reader, start, previous, [item.index for item in proved], now)


def _behind(reader: VolumeReader, start: int, previous: int | None, proved: Sequence[Index], now: str) -> Tail:
    """Read every record from *start* to the volume's end."""
    name = reader.label.name
    stretch = Stretch(reader.label, start)
    end = start
    damage: Damage | None = None
    for item in reader.members(start, reader.size, check=True):
        if isinstance(item, Damage):
            damage = damage or item
            continue
        if damage is not None:
            return Tail(
                end, previous, None, False,
                (f"{damage}; sound records lie behind it: the volume is kept as it is and not appended to;"
                 " `tcc catalog rebuild` records what they hold",),
            )  # fmt: skip
        if isinstance(item, ScannedRecord):
            stretch.add(item.position, item.header)
        end = item.end
    if damage is not None and (sound := sound_behind(reader, damage)) is not None:
        return Tail(
            end, previous, None, False,
            (
                f"{damage}; a sound record lies behind it, at byte {sound}: the volume is kept as it is and not"
                " appended to",
            ),
        )  # fmt: skip
    if damage is not None and _foreign(reader, end):
        return Tail(
            end, previous, None, False,
            (f"volume {name}, at byte {end}: an archive member that is not ours; the volume is not appended to",),
        )  # fmt: skip
    notes = []
    if damage is not None:
        notes.append(
            f"volume {name}, at byte {end}: a torn tail of {reader.size - end} bytes"
            f" ({damage.reason}) is cut back to the last whole record"
        )
    recovered = stretch.index(previous, now, {index.session.id for index in proved}) if stretch else None
    if recovered is not None:
        notes.append(
            f"volume {name}: session {recovered.session.id} ended without an index;"
            f" {len(recovered.objects)} object(s) recovered from its records:"
            f" {sum(item.state == 'whole' for item in recovered.objects)} whole"
        )
    unconfirmed = proved[-1] if proved and recovered is None and end == start else None
    return Tail(end, previous, recovered, True, tuple(notes), unconfirmed)


def sound_behind(reader: VolumeReader, damage: Damage) -> int | None:
    """Where a sound record lies behind *damage*, although nothing vouches for its being this volume's own.

    What a record holds whose own header is sound is its payload; behind any other damage nobody can tell a record of
    this volume from one within a payload, and a volume more costs less than what is cut off for ever.
    """
    behind = damage.end if damage.object_id is not None else damage.position + ustar.BLOCK
    return reader.sound_within(behind, reader.size)


def _foreign(reader: VolumeReader, position: int) -> bool:
    """Whether a tar header that this software did not write lies at *position*."""
    block = reader.block(position)
    if not ustar.looks_like_header(block):
        return False
    ours = block[36:48] == b"/PaxHeaders/" and block[156:157] == b"x"
    return not ours and index_format.index_size(block) is None and not block.startswith(b"index/")
