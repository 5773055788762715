"""A ``files`` object's member list: the one that its run wrote, or one made anew from the object itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..catalog.queries import CatalogObject
from ..faults import Place, RestoreFault
from ..frozen import frozen
from ..kinds import RECORD_BYTES_MAX
from ..media.record import HEADER_BYTES
from ..members.lists import ListFolder, ListWriter, MemberList
from .decoded import DecodedSink
from .gaps import search
from .pump import Pump
from .reading import Fetcher, ObjectReader, RecordLost, preferred
from .restore import check_identities, plan_reading
from .shelf import Shelf
from .sinks import EndsAtLoss, Outcome


@frozen
class Listed:
    """An open list; ``remade``: it was made by reading the object just now; ``lacks``: what could not be read of it."""

    members: MemberList
    remade: bool = False
    lacks: tuple[str, ...] = ()


@contextmanager
def member_list(
    item: CatalogObject,
    shelf: Shelf,
    lists: ListFolder | None,
    identities: Sequence[Any] = (),
    progress: Callable[[int], None] | None = None,
    *,
    folders: bool = False,
) -> Iterator[Listed]:
    """The list of *item*. A list that is lacking is made by reading the object, and kept in *lists* where it can be.

    *folders*: of an incremental object, what its folders held is wanted, too; a list without that counts as lacking.
    *identities* open an encrypted object, where it has to be read. *progress* is called with the payload bytes read for
    that. Raises RestoreFault where there can be no list.
    """
    place = Place(source=item.source, object_id=item.id)
    if item.kind != "files":
        raise RestoreFault(
            f"the object is a {item.kind}, which has no members", place=place, todo="restore it as a whole"
        )
    found = lists.open(item.id) if lists is not None else None
    if found is not None:
        with found:
            if found.folders or not folders or item.level != "incremental":
                yield Listed(found)
                return
    from tempfile import TemporaryDirectory  # slow to load, and most restores need none

    with TemporaryDirectory(prefix="tcc-members-") as folder:
        aside = ListFolder(Path(folder))
        writer = aside.begin(item.id, folders=item.level == "incremental")
        try:
            if item.compress or item.encrypt:
                lacks = _read_encoded(item, shelf, writer, identities, progress)
            else:
                lacks = _read(item, shelf, writer, progress)
            kept = writer.keep()
        finally:
            writer.drop()
        made = aside.open(item.id) if kept else None
        if made is None:
            raise RestoreFault(f"its members cannot be listed: {writer.why or 'the list is gone'}", place=place)
        with made:
            # A list with holes is good for this time only: another copy may be at hand the next.
            if lists is not None and not lacks:
                lists.take(aside.path(item.id), item.id)
            yield Listed(made, True, lacks)


class _ListSink(EndsAtLoss):
    """Takes an archive's plain bytes to a list."""

    def __init__(self, writer: ListWriter) -> None:
        self._writer = writer

    def write(self, payload: memoryview) -> bool:
        """The next bytes."""
        self._writer.feed(payload)
        return True

    def finish(self) -> Outcome:
        """All came."""
        return Outcome(True)

    def cut_off(self, why: Sequence[str]) -> Outcome:
        """Some came: that is the list, then."""
        self._writer.ended()
        return Outcome(True, tuple(why))

    def abandon(self) -> None:
        """Nothing to release."""


def _read_encoded(
    item: CatalogObject,
    shelf: Shelf,
    writer: ListWriter,
    identities: Sequence[Any],
    progress: Callable[[int], None] | None,
) -> tuple[str, ...]:
    """As :func:`_read`, through what undoes the object's encoding."""
    check_identities(plan_reading(item, shelf), shelf, identities)
    reader = ObjectReader(item, preferred(item, shelf), shelf)
    sink = DecodedSink(item, _ListSink(writer), identities)
    try:
        pumped = Pump(item, reader, sink, progress=progress).run()
        return (sink.cut_off(pumped.losses) if pumped.losses else sink.finish()).problems
    except BaseException:
        sink.abandon()
        raise
    finally:
        reader.close()


def _read(
    item: CatalogObject, shelf: Shelf, writer: ListWriter, progress: Callable[[int], None] | None
) -> tuple[str, ...]:
    """Feed the object's archive to *writer*; what could not be read."""
    copies = preferred(item, shelf)
    reader = ObjectReader(item, copies, shelf)
    into = memoryview(bytearray(RECORD_BYTES_MAX))
    lacks: list[str] = []
    payload: int | None = None
    sequence = done = skip_to = 0
    try:
        while sequence < item.records:
            try:
                header = reader.fetch(sequence, into)
            except RecordLost as loss:
                lacks.append(str(loss))
                payload = payload or reader.full_payload()
                if payload is None:
                    break
                if writer.skip(payload):
                    sequence += 1
                    continue
                fetch = Fetcher(item, copies, shelf)
                try:
                    behind = search(fetch, payload, item.records, (sequence + 1) * payload, b"")
                finally:
                    fetch.close()
                if behind is None:
                    break
                writer.jump(behind)
                skip_to, sequence = behind, behind // payload
                continue
            payload = payload or (None if header.last else header.payload_bytes)
            start = max(0, skip_to - sequence * (payload or 0))
            writer.feed(into[HEADER_BYTES + start : HEADER_BYTES + header.payload_bytes])
            done += header.payload_bytes
            if progress is not None:
                progress(done)
            if header.last:
                break
            sequence += 1
    finally:
        reader.close()
    if lacks:
        writer.ended()
    return tuple(lacks)
