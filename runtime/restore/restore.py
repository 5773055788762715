"""Bringing one object back: choose it, plan the reading, read its records, hand the payload to a sink.

The plan of the reading is a value that can be shown before anything is touched (``--dry-run``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from ..catalog.queries import CatalogCopy, CatalogObject
from ..codec.identities import check_opens
from ..faults import EXIT_DEGRADED, EXIT_FAILED, EXIT_OK, Place, RestoreFault
from ..frozen import frozen
from ..kinds import RECORD_BYTES_MAX
from ..media.record import HEADER_BYTES
from ..members.lists import MemberList
from ..members.packing import Member
from .changes import Changes
from .decoded import DecodedSink
from .folder import TargetFolder, open_target
from .gaps import ListedThread, SearchedThread, Thread
from .headers import BLOCK
from .pump import Pump, Pumped, agree
from .reading import Fetcher, ObjectReader, RecordLost, preferred
from .selection import Selection
from .shelf import FoundVolume, Shelf
from .sinks import GapSink, StreamSink
from .tar_sink import TarSink

#: Called with the payload bytes restored so far.
Progress = Callable[[int], None]


@frozen
class Reading:
    """What will be read: the object, its copies in the order of preference, the first one's volumes in their order."""

    object: CatalogObject
    copies: tuple[CatalogCopy, ...]
    volumes: tuple[FoundVolume, ...]
    #: volumes that are read only where a record of the first copy is not sound
    spare: tuple[FoundVolume, ...]

    @property
    def bytes(self) -> int:
        """Payload bytes of the object."""
        return self.object.bytes


@frozen
class Restored:
    """What a restore came to. ``problems``: what lacks; ``mended``: records that came from another copy."""

    object: CatalogObject
    status: Literal["ok", "degraded", "failed"]
    bytes: int
    records: int
    place: Path
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    mended: int = 0
    mended_notes: tuple[str, ...] = ()
    #: bytes of volumes that were read for it
    read_bytes: int = 0
    #: records are lost
    lossy: bool = False
    #: nothing behind some place could be used
    cut: bool = False

    @property
    def exit_code(self) -> int:
        """The exit code of cli.md."""
        return {"ok": EXIT_OK, "degraded": EXIT_DEGRADED, "failed": EXIT_FAILED}[self.status]


def plan_reading(item: CatalogObject, shelf: Shelf) -> Reading:
    """Decide from which volumes *item* is read. Raises RestoreFault when it cannot be restored by this version."""
    place = Place(source=item.source, object_id=item.id)
    copies = tuple(preferred(item, shelf))
    if not copies:
        raise RestoreFault("no drive holds any of its records", place=place)
    first = {s.volume_id: shelf.find(s.volume_id) for s in copies[0].segments}
    others = {s.volume_id: shelf.find(s.volume_id) for c in copies[1:] for s in c.segments if s.volume_id not in first}
    return Reading(item, copies, tuple(first.values()), tuple(others.values()))


def restore(
    reading: Reading,
    shelf: Shelf,
    to: Path,
    *,
    overwrite: bool,
    progress: Progress | None = None,
    identities: Sequence[Any] = (),
    only: Selection | None = None,
    members: Iterable[Member] | None = None,
    keep_damaged: bool = False,
) -> Restored:
    """Restore *reading* into the folder *to*; *identities* (``codec.identities``) open it where it is encrypted.

    A ``files`` object's members go below *to*, another object to ``to/SOURCE``. *only*: the members that are wanted;
    nothing else is read. *members*: the object's whole list, where one is at hand; it says what lies behind a record
    that is lost. *keep_damaged*: files that lack some of their content stay, under another name. Raises RestoreFault
    when nothing could be begun; a loss on the way is told by the result.
    """
    item = reading.object
    check_identities(reading, shelf, identities)
    with open_target(to, overwrite=overwrite) as folder:
        reader = ObjectReader(item, reading.copies, shelf)
        try:
            # Asking for access control lists costs tar a third more time: not where the list says that there are none.
            acls = not isinstance(members, MemberList) or members.acls or not folder.fresh or folder.gives_acls
            sink = sink_for(item, folder, identities, only=only, keep_damaged=keep_damaged, acls=acls)
            return pump_object(reading, reader, sink, folder, shelf, only, members, progress)
        finally:
            reader.close()


def check_identities(reading: Reading, shelf: Shelf, identities: Sequence[Any], *, words: bool = False) -> None:
    """Whether the identities open an encrypted object, by its first record; with *words* also whether that record says
    what is known of the object, whatever it is. Raises RestoreFault; writes nothing.
    """
    item = reading.object
    if not item.encrypt and not words:
        return
    reader = ObjectReader(item, reading.copies, shelf)
    into = memoryview(bytearray(RECORD_BYTES_MAX))
    try:
        header = next(reader.records(into))
    except RecordLost as loss:
        if loss.words is not None:
            agree(item, loss.words)
        if not item.encrypt:
            return
        raise RestoreFault(
            f"its first record, which holds the keys, is lost: {loss}",
            place=Place(source=item.source, object_id=item.id),
            safe="nothing was written",
        ) from None
    finally:
        reader.close()
    if words and header.first is not None:
        agree(item, header.first)
    if not item.encrypt:
        return
    beginning = bytes(into[HEADER_BYTES : HEADER_BYTES + header.payload_bytes])
    check_opens(beginning, identities, source=item.source, object_id=item.id)


def sink_for(
    item: CatalogObject,
    folder: TargetFolder,
    identities: Sequence[Any],
    *,
    only: Selection | None = None,
    keep_damaged: bool = False,
    changes: Changes | None = None,
    folders: bool = False,
    acls: bool = True,
) -> GapSink:
    """Where the object's payloads go: its plain bytes to tar or a file, behind what undoes its encoding.

    *changes*, *folders* and *acls*: see :class:`~.tar_sink.TarSink`.
    """
    sink: GapSink
    if item.kind == "files":
        sink = TarSink(folder, keep_damaged=keep_damaged, changes=changes, folders=folders, acls=acls)
    else:
        sink = StreamSink(folder, item.source, keep_damaged=keep_damaged and not item.compress and not item.encrypt)
    if not item.compress and not item.encrypt:
        return sink
    return DecodedSink(item, sink, identities, ranges=None if only is None else only.ranges)


def pump_object(  # noqa: PLR0917 - one step of two functions
    reading: Reading,
    reader: ObjectReader,
    sink: GapSink,
    folder: TargetFolder,
    shelf: Shelf,
    only: Selection | None,
    members: Iterable[Member] | None,
    progress: Progress | None,
) -> Restored:
    """Read the object into *sink*, and end that, or abandon it. *folder* is only named in the result."""
    item = reading.object
    try:
        pump = Pump(
            item,
            reader,
            sink,
            ranges=None if only is None or isinstance(sink, DecodedSink) else only.ranges,
            thread=_thread(reading, shelf, sink, members),
            listed=members is not None,
            progress=progress,
        )
        pumped = pump.run()
        if only is not None and not pumped.losses and not isinstance(sink, DecodedSink):
            # What was chosen ends here; the archive's own end was not read.
            sink.write(memoryview(bytearray(2 * BLOCK)))
        outcome = sink.cut_off(_losses(pumped)) if pumped.losses else sink.finish()
    except BaseException:
        sink.abandon()
        raise
    status: Literal["ok", "degraded", "failed"] = "ok"
    if outcome.problems:
        status = "degraded" if outcome.usable else "failed"
    return Restored(
        object=item,
        status=status,
        bytes=sink.plain_bytes if isinstance(sink, DecodedSink) else pumped.payload_bytes,
        records=pumped.records,
        place=folder.path,
        problems=outcome.problems,
        notes=outcome.notes,
        mended=reader.mended.count,
        mended_notes=tuple(reader.mended.notes),
        read_bytes=reader.bytes_read,
        lossy=bool(pumped.losses),
        cut=pumped.cut or sink.ended_early,
    )


def _thread(
    reading: Reading, shelf: Shelf, sink: GapSink, members: Iterable[Member] | None
) -> Callable[[int], Thread] | None:
    """What finds the members again behind a loss: the list, or the headers themselves."""
    if not isinstance(sink, TarSink):
        return None
    if members is not None:
        return lambda _: ListedThread(members)
    walker, item = sink.walker, reading.object
    return lambda payload: SearchedThread(
        lambda: Fetcher(item, reading.copies, shelf),
        payload,
        item.records,
        lambda: walker.last_name,
    )


def _losses(pumped: Pumped) -> list[str]:
    """The lost records, and what they have cost as far as it is known."""
    told = list(pumped.losses)
    if pumped.left_out:
        told.append(f"{pumped.left_out} more records are lost")
    told += [f"{os.fsdecode(name)} is lost" for name in pumped.lost_members]
    if pumped.lost_count > len(pumped.lost_members):
        told.append(f"{pumped.lost_count - len(pumped.lost_members)} more members are lost")
    if pumped.searched and not pumped.cut:
        told.append(
            "there is no list of the object's members, so that those which began in the lost records cannot be named;"
            " what lay behind was found by its headers"
        )
    return told
