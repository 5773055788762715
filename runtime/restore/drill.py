"""Drills: objects are restored to a scratch folder, and what came back is compared with what another copy holds.

Verifying proves that the media hold what was written. A drill proves more: that tar takes it and makes the tree of it.
The restored files are compared, byte for byte, with the members of the archive as another program reads them from
another copy, where there is one. The live source is not asked: it may have changed since.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from ..catalog.queries import CatalogObject
from ..faults import Place, RestoreFault
from ..frozen import frozen
from ..members.lists import ListFolder, MemberList
from ..members.packing import Member
from .comparing import StreamComparer, TreeComparer, free_bytes
from .decoded import DecodedSink
from .folder import open_target
from .gaps import ListedThread
from .listing import member_list
from .pump import Pump
from .reading import ObjectReader
from .restore import Reading, Restored, check_identities, plan_reading, restore
from .selection import Selection, of_members
from .shelf import Shelf
from .sinks import GapSink

#: Room that a restored tree takes beyond its members' bytes: blocks that are not full, folders.
_SPARE_BYTES = 16 << 20
_BLOCK = 4096


@frozen
class Drilled:
    """What the drill of one object came to. ``members``: restored and compared; ``of``: members of the object.

    ``content_bytes``: bytes of contents that were compared; ``read_bytes``: bytes of volumes read, for both readings.
    ``restored_from`` and ``compared_with`` are drives.
    """

    object: CatalogObject
    status: Literal["ok", "degraded", "failed"]
    members: int
    of: int
    content_bytes: int
    read_bytes: int
    restored_from: str
    compared_with: str
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def drill(
    item: CatalogObject,
    shelf: Shelf,
    scratch: Path,
    *,
    sample: int | None,
    seed: int,
    lists: ListFolder | None = None,
    identities: Sequence[Any] = (),
    progress: Callable[[int], None] | None = None,
) -> Drilled:
    """Restore *item*, or a *sample* of so many of its members, below *scratch*, compare, and leave it there.

    *seed* decides which members, and which copy is restored from: the same seed, the same drill. Raises Fault where it
    cannot begin: no copy, no identity, no room.
    """
    reading = plan_reading(item, shelf)
    check_identities(reading, shelf, identities)
    turn = random.Random(seed).randrange(len(reading.copies))  # noqa: S311 - which copy's turn it is
    first = replace(reading, copies=reading.copies[turn:] + reading.copies[:turn])
    second = replace(reading, copies=first.copies[1:] + first.copies[:1])
    if item.kind != "files":
        _room(item, scratch, item.bytes)
        result = restore(first, shelf, scratch, overwrite=False, identities=identities, progress=progress)
        return _compare(first, second, shelf, scratch, identities, result, None, None)
    with member_list(item, shelf, lists, identities, progress) as listed:
        only, size = _chosen(listed.members, sample, seed, whole=item.level == "full")
        _room(item, scratch, size)
        result = restore(
            first,
            shelf,
            scratch,
            overwrite=False,
            identities=identities,
            progress=progress,
            only=only,
            members=listed.members,
        )
        return _compare(first, second, shelf, scratch, identities, result, only, listed.members)


def _chosen(members: MemberList, sample: int | None, seed: int, *, whole: bool) -> tuple[Selection | None, int]:
    """The members to restore (None: all), and the bytes that they take on the disk.

    A sample holds no folders: they would be made by their members, with other modes. Neither does an incremental object
    that is restored alone: its folders' lists would delete.
    """
    size = 0
    kept: list[Member] = []
    if sample is None and whole:
        for member in members:
            size += _on_disk(member)
        return None, size
    rng = random.Random(seed)  # noqa: S311 - a sample is no secret
    seen = 0
    for member in members:
        if member.kind == "folder":
            continue
        seen += 1
        if sample is None or len(kept) < sample:
            kept.append(member)
        elif (at := rng.randrange(seen)) < sample:
            kept[at] = member
    kept.sort(key=lambda m: m.offset)
    targets = {m.link.rstrip(b"/") for m in kept if m.kind == "hardlink"}
    if targets:
        held = {m.offset for m in kept}
        kept += [m for m in members if m.offset not in held and m.kind != "hardlink" and m.name in targets]
        kept.sort(key=lambda m: m.offset)
    return of_members(kept), sum(_on_disk(m) for m in kept)


def _on_disk(member: Member) -> int:
    content = min(member.size, member.end - member.data) if member.kind == "file" else 0
    return -(-content // _BLOCK) * _BLOCK + _BLOCK // 4


def _room(item: CatalogObject, scratch: Path, size: int) -> None:
    free = free_bytes(scratch.parent if not scratch.exists() else scratch)
    if free < size + _SPARE_BYTES:
        raise RestoreFault(
            f"the drill needs {size + _SPARE_BYTES} bytes in {scratch.parent}, which has {free} free",
            place=Place(source=item.source, object_id=item.id),
            safe="nothing was written",
            todo="name a folder with more room (--scratch DIR), or drill a smaller sample",
        )


def _compare(  # noqa: PLR0917 - one step of one function
    first: Reading,
    second: Reading,
    shelf: Shelf,
    scratch: Path,
    identities: Sequence[Any],
    result: Restored,
    only: Selection | None,
    members: MemberList | None,
) -> Drilled:
    item = first.object
    comparer: TreeComparer | StreamComparer
    with open_target(scratch, overwrite=True) as folder:
        reader = ObjectReader(item, second.copies, shelf)
        comparer = TreeComparer(folder) if item.kind == "files" else StreamComparer(folder, item.source)
        sink: GapSink = comparer
        ranges = None if only is None else only.ranges
        if item.compress or item.encrypt:
            sink = DecodedSink(item, comparer, identities, ranges=ranges)
        try:
            encoded = sink is not comparer
            pumped = Pump(
                item,
                reader,
                sink,
                ranges=None if encoded else ranges,
                thread=None if encoded or members is None else lambda _: ListedThread(members),
                listed=members is not None and not encoded,
            ).run()
            if ranges is not None and not encoded and not pumped.losses:
                sink.write(memoryview(bytearray(1024)))
            outcome = sink.cut_off(pumped.losses) if pumped.losses else sink.finish()
        except BaseException:
            sink.abandon()
            raise
        finally:
            reader.close()
    silent = _silent(first, shelf)
    problems = [
        *result.problems,
        *silent.values(),
        *comparer.different,
        *(p for p in outcome.problems if p not in result.problems),
    ]
    if comparer.different_count > len(comparer.different):
        problems.append(f"{comparer.different_count - len(comparer.different)} more members differ")
    status: Literal["ok", "degraded", "failed"] = "ok"
    if problems:
        status = "degraded" if comparer.same else "failed"
    return Drilled(
        object=item,
        status=status,
        members=comparer.same,
        of=1 if members is None else members.members,
        content_bytes=comparer.same_bytes,
        read_bytes=result.read_bytes + reader.bytes_read,
        restored_from=_answering(first, silent),
        compared_with=_answering(second, silent),
        problems=tuple(problems),
        notes=(*result.mended_notes, *reader.mended.notes, *result.notes),
    )


def _silent(reading: Reading, shelf: Shelf) -> dict[str, str]:
    """The drives that hang of those that hold the object, and what to say of each: nothing was proved of its copy."""
    hanging = shelf.patience.hanging if shelf.patience is not None else {}
    volumes = {volume.id: volume for volume in (*reading.volumes, *reading.spare)}
    drives = {
        volume.drive
        for volume in volumes.values()
        if volume.hangs or (volume.path is not None and volume.path.parent in hanging)
    }
    return {drive: f"drive {drive} hangs: its copy was not compared in full" for drive in sorted(drives)}


def _answering(reading: Reading, silent: Container[str]) -> str:
    """The drive of the first copy, of those that answer."""
    drives = [copy.drive for copy in reading.copies]
    return next((drive for drive in drives if drive not in silent), drives[0])


def clear(scratch: Path) -> str | None:
    """Remove what a drill has restored; why that could not be done, or None."""
    faults: list[str] = []

    def failed(_: object, path: str, error: tuple[Any, BaseException, Any]) -> None:
        faults.append(f"{path}: {error[1]}")

    shutil.rmtree(scratch, onerror=failed)
    return faults[0] if faults else None
