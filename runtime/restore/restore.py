"""Bringing one object back: choose it, plan the reading, read its records, hand the payload to a sink.

The plan of the reading is a value that can be shown before anything is touched (``--dry-run``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..catalog.queries import CatalogCopy, CatalogObject
from ..codec.decode import Decoder, Undecodable, fits, kinds_of_recipients
from ..faults import EXIT_DEGRADED, EXIT_FAILED, EXIT_OK, Place, RestoreFault
from ..kinds import RECORD_BYTES_MAX
from ..media.record import HEADER_BYTES
from .folder import TargetFolder, open_target
from .headers import BLOCK
from .reading import ObjectReader, RecordLost, preferred
from .shelf import FoundVolume, Shelf
from .sinks import Outcome, Sink, StreamSink, TarSink

#: Called with the payload bytes restored so far.
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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

    @property
    def exit_code(self) -> int:
        """The exit code of cli.md."""
        return {"ok": EXIT_OK, "degraded": EXIT_DEGRADED, "failed": EXIT_FAILED}[self.status]


def plan_reading(item: CatalogObject, shelf: Shelf) -> Reading:
    """Decide from which volumes *item* is read. Raises RestoreFault when it cannot be restored by this version."""
    place = Place(source=item.source, object_id=item.id)
    if item.level != "full":
        raise RestoreFault("the object is incremental, which this tcc cannot restore", place=place)
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
) -> Restored:
    """Restore *reading* into the folder *to*; *identities* (``codec.identities``) open it where it is encrypted.

    A ``files`` object's members go below *to*, another object to ``to/SOURCE``. Raises RestoreFault when nothing could
    be begun; a loss on the way is told by the result.
    """
    item = reading.object
    check_identities(reading, shelf, identities)
    with open_target(to, overwrite=overwrite) as folder:
        reader = ObjectReader(item, reading.copies, shelf)
        try:
            sink = _sink(item, folder)
            try:
                return _pump(item, reader, sink, folder, progress, identities)
            except BaseException:
                sink.abandon()
                raise
        finally:
            reader.close()


def check_identities(reading: Reading, shelf: Shelf, identities: Sequence[Any]) -> None:
    """Whether the identities open an encrypted object, by its first record. Raises RestoreFault; writes nothing."""
    item = reading.object
    if not item.encrypt:
        return
    reader = ObjectReader(item, reading.copies, shelf)
    into = memoryview(bytearray(RECORD_BYTES_MAX))
    try:
        header = next(reader.records(into))
    except RecordLost as loss:
        raise RestoreFault(
            f"its first record, which holds the keys, is lost: {loss}",
            place=Place(source=item.source, object_id=item.id),
            safe="nothing was written",
        ) from None
    finally:
        reader.close()
    beginning = bytes(into[HEADER_BYTES : HEADER_BYTES + header.payload_bytes])
    if identities and fits(beginning, identities):
        return
    kinds = ", ".join(kinds_of_recipients(beginning)) or "unknown"
    raise RestoreFault(
        f"the object is encrypted to recipients of the kind {kinds}"
        + ("; none of the identities given opens it" if identities else ""),
        place=Place(source=item.source, object_id=item.id),
        safe="nothing was written",
        todo="name the file of an identity that opens it with --identity FILE, or in TCC_IDENTITY",
    )


def _sink(item: CatalogObject, folder: TargetFolder) -> Sink:
    return TarSink(folder) if item.kind == "files" else StreamSink(folder, item.source)


def decoder(item: CatalogObject, sink: Sink, identities: Sequence[Any]) -> Decoder | None:
    """What undoes the object's compression and encryption before *sink*; None where there is none."""
    if not item.compress and not item.encrypt:
        return None
    block = BLOCK if item.kind == "files" else 1
    return Decoder(compress=item.compress, encrypt=item.encrypt, identities=identities, write=sink.write, block=block)


def _pump(  # noqa: PLR0917 - one call
    item: CatalogObject,
    reader: ObjectReader,
    sink: Sink,
    folder: TargetFolder,
    progress: Progress | None,
    identities: Sequence[Any],
) -> Restored:
    into = memoryview(bytearray(RECORD_BYTES_MAX))
    done = records = 0
    lost: str | None = None
    undo = decoder(item, sink, identities)
    write = sink.write if undo is None else undo.feed
    try:
        wanted = True
        for header in reader.records(into):
            if wanted:
                wanted = write(into[HEADER_BYTES : HEADER_BYTES + header.payload_bytes])
            done += header.payload_bytes
            records += 1
            if progress is not None:
                progress(done)
    except RecordLost as loss:
        lost = str(loss)
    except Undecodable as error:
        lost = str(error)
    except BaseException:
        if undo is not None:
            undo.abandon()
        raise
    outcome = _end(sink, undo, lost)
    status: Literal["ok", "degraded", "failed"] = "ok"
    if outcome.problems:
        status = "degraded" if outcome.usable else "failed"
    return Restored(
        object=item,
        status=status,
        bytes=done if undo is None else undo.plain_bytes,
        records=records,
        place=folder.path,
        problems=outcome.problems,
        notes=outcome.notes,
        mended=reader.mended.count,
        mended_notes=tuple(reader.mended.notes),
    )


def _end(sink: Sink, undo: Decoder | None, lost: str | None) -> Outcome:
    """End the decoder, then the sink behind it."""
    if undo is not None and lost is None:
        try:
            undo.finish()
        except Undecodable as error:
            lost = str(error)
    if undo is not None and lost is not None:
        undo.cut()
    return sink.finish() if lost is None else sink.cut(lost)
