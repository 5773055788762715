"""Recycling a volume: what it holds is given up, by name, when its retention has ended, and its room is free again.

The order is what makes it safe at every moment (docs/volumes.md): the magazine is locked; the volume itself is read and
what it holds told to the catalog; all of it is judged; where the volume has the highest number an empty one is
labelled behind it, so that no name is given twice and session numbers go on (where the disk is so full that this cannot
be, it is made last); the catalog forgets the volume; its file is removed. Killed between any two of these, the catalog
knows at most less than there is, and the next run tells it again.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from .catalog.expiry import UNKNOWN_POOL, UNKNOWN_POOL_TODO
from .catalog.queries import CatalogObject, CatalogVolume
from .catalog.store import Catalog
from .drives.base import IndexedVolume
from .drives.blank import BLANK_BYTES, Behind, last_volume
from .drives.magazine import Magazine, fault_of
from .faults import DriveFault, DriveFullFault, KeptFault, MediaFault, Place, UsageFault
from .frozen import frozen
from .gone import Witnesses
from .media.tail import sound_behind
from .media.volume import VolumeReader, open_volume
from .plan import Pool


@frozen
class Judged:
    """A volume that may be recycled. ``there``: its file is; else only the catalog has anything to forget.

    ``gone``: whole objects of which no other copy is left; ``sources``: (plan, source) of which nothing whole is left.
    """

    volume: CatalogVolume
    there: bool
    objects: int
    gone: tuple[CatalogObject, ...]
    sources: tuple[tuple[str, str], ...]


@frozen
class Recycled:
    """What was done. ``blank``: the empty volume that was labelled behind it, where it had the highest number."""

    judged: Judged
    freed_bytes: int
    blank: Path | None


def find_volume(catalog: Catalog, name: str) -> CatalogVolume:
    """The volume that *name* (its name, UUID, or its file's path) is to the catalog. Raises UsageFault."""
    volumes = catalog.volumes()
    path = Path(name)
    place = str(path.parent.resolve() / path.name) if name.endswith(".tar") else None
    found = [v for v in volumes if name in {v.id, v.name} or (place is not None and v.location == place)]
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(f"{v.id} ({v.location or 'no place known'})" for v in found)
        raise UsageFault(f"several volumes are called {name}: {several}", todo="name one by its UUID")
    raise UsageFault(
        f"the catalog {catalog.name} knows no volume {name}",
        safe="nothing was changed",
        todo="`tcc volumes` lists what it knows; a run of the volume's plan tells it what it lacks",
    )


def judge(
    catalog: Catalog,
    name: str,
    pools: Mapping[tuple[str, str], Pool],
    *,
    given_up: Collection[tuple[str, str]] = (),
    now: float | None = None,
    read_fulls: bool = False,
    still: Callable[[], None] | None = None,
) -> Judged:
    """Whether the volume may be recycled, proved from the volume itself. Nothing is changed but what the catalog knows.

    *read_fulls*: merged fulls that are to stand for what goes are read whole, every digest compared. *still* is called
    whenever the medium has answered.

    Raises KeptFault where anything on it is to be kept or not known, MediaFault where it is not what it must be,
    DriveBusyFault where a run holds its drive, UsageFault and CatalogFault.
    """
    volume = find_volume(catalog, name)
    with _held(volume) as magazine:
        return _judge(catalog, volume, magazine, pools, given_up=given_up, now=now, read_fulls=read_fulls, still=still)


def recycle(
    catalog: Catalog,
    name: str,
    pools: Mapping[tuple[str, str], Pool],
    *,
    given_up: Collection[tuple[str, str]] = (),
    now: float | None = None,
    still: Callable[[], None] | None = None,
) -> Recycled:
    """Judge the volume once more, and recycle it. Raises as :func:`judge` does, and DriveFault.

    *still* is also called before each step that changes anything: what it raises ends the recycling there.
    """
    wanted = still or _nothing
    volume = find_volume(catalog, name)
    with _held(volume) as magazine:
        judged = _judge(catalog, volume, magazine, pools, given_up=given_up, now=now, still=still)
        wanted()
        if magazine is None or not judged.there:
            catalog.forget_volume(volume.id)
            return Recycled(judged, 0, None)
        path = magazine.path / f"{volume.name}.tar"
        with _opened(volume, path, still) as reader:
            behind = Behind(magazine, path, reader.label)
            with suppress(DriveFullFault):  # the room of this one is all there is: the empty one comes when it is free
                behind.make()
            found = _contents(reader, path)
            wanted()
            catalog.forget_volume(volume.id)
            try:
                wanted()
                _remove(magazine, path, reader)
            except BaseException:
                catalog.record_volumes(found)
                raise
            freed = reader.size
        with suppress(DriveFault):  # the volume has gone: the next run makes its own
            behind.make()
        if behind.blank is not None:
            catalog.record_empty(behind.blank[1], behind.blank[0], BLANK_BYTES)
        return Recycled(judged, freed, None if behind.blank is None else behind.blank[0])


def _nothing() -> None:
    pass


@contextmanager
def _held(volume: CatalogVolume) -> Iterator[Magazine | None]:
    """The volume's magazine, open and locked; None where no place of the volume is known."""
    if volume.location is None:
        yield None
        return
    folder = Path(volume.location).parent
    place = Place(drive=volume.drive, volume=volume.name)
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises where a folder may not be searched
        raise DriveFault(
            f"its folder {folder} is not there, or may not be searched",
            place=place,
            safe="the volume is as it was",
            todo="bring the medium back to its place; where the volume lies elsewhere now: `tcc catalog add FOLDER`",
        )
    magazine = Magazine(folder, volume.drive)
    magazine.open()
    try:
        yield magazine
    finally:
        magazine.close()


def _judge(
    catalog: Catalog,
    volume: CatalogVolume,
    magazine: Magazine | None,
    pools: Mapping[tuple[str, str], Pool],
    *,
    given_up: Collection[tuple[str, str]],
    now: float | None,
    still: Callable[[], None] | None,
    read_fulls: bool = False,
) -> Judged:
    place = Place(drive=volume.drive, volume=volume.name)
    there = False
    if magazine is not None:
        path = magazine.path / f"{volume.name}.tar"
        there = os.path.lexists(path)
        if there:
            with _opened(volume, path, still) as reader:
                _refuse_empty(magazine, path, reader)
                catalog.record_volumes(_contents(reader, path))
    clock = time.time() if now is None else now
    judged = catalog.expiry(pools, now=clock, given_up=given_up)
    verdict = judged.volumes.get(volume.id)
    if verdict is not None and not verdict.expired:
        raise KeptFault(
            f"it is kept: {'; '.join(verdict.reasons)}",
            place=place,
            safe="the volume is as it was",
            todo=_todo(verdict.reasons),
        )
    objects = catalog.objects_on(volume.id)
    _prove_fulls(catalog, volume, {(o.plan, o.source) for o in objects}, judged.instead, read=read_fulls)
    gone = tuple(o for o in objects if o.status == "whole" and not _elsewhere(o, volume.id))
    lost = {o.id for o in gone}
    sources = sorted({(o.plan, o.source) for o in gone})
    left = [
        (plan, source)
        for plan, source in sources
        if not any(
            o.status == "whole" and o.id not in lost and any(c.segments for c in o.copies)
            for o in catalog.objects(plan=plan, source=source)
        )
    ]
    return Judged(volume, there, len(objects), gone, tuple(left))


def _prove_fulls(
    catalog: Catalog,
    volume: CatalogVolume,
    sources: Collection[tuple[str, str]],
    instead: Collection[str],
    *,
    read: bool,
) -> None:
    """Merged fulls because of which a chain may go are where the catalog has them, as their volumes' indexes say.

    *sources*: (plan, source) of what lies on *volume*; *read*: all records of these fulls are read, too. Raises
    KeptFault.
    """
    witnesses = Witnesses(catalog, read=read)
    for full in catalog.objects_named(instead):
        if (full.plan, full.source) not in sources:
            continue
        for copy in full.copies:
            why = witnesses.lacks(full, copy.segments) if copy.status == "stored" else None
            if why is not None:
                raise KeptFault(
                    f"it holds what the full {full.id} of {full.plan}/{full.source} was merged from, which is to stand"
                    f" for it from now on, and its copy on drive {copy.drive} cannot be seen: {why}",
                    place=Place(drive=volume.drive, volume=volume.name),
                    safe="nothing was changed",
                    todo="bring that volume back, or see `tcc verify`: the full must be whole before its parts go",
                )


def _refuse_empty(magazine: Magazine, path: Path, reader: VolumeReader) -> None:
    """An empty volume on which the next session begins: there is nothing to give up, and another would take its place.

    Raises UsageFault.
    """
    if reader.size != BLANK_BYTES:
        return
    last = last_volume(magazine)
    if last is not None and last[0] == path and last[3]:
        raise UsageFault(
            "it is empty: the next session begins on it",
            place=Place(drive=reader.label.drive, volume=reader.label.name),
            safe="the volume is as it was",
            todo="leave it there; nothing on it takes room",
        )


def _todo(reasons: tuple[str, ...]) -> str:
    text = " ".join(reasons)
    if UNKNOWN_POOL in text:
        return UNKNOWN_POOL_TODO
    if "time stands still" in text:
        return "back the source up again; or, where it is no more, give it up by name: --give-up PLAN/SOURCE"
    if "of the newest" in text:
        # Who gives up a source that lives gives up the very sessions that its pool is to keep.
        return (
            "leave it: the pool is to keep these sessions, and it expires when newer ones are stored and its date has"
            " come (`tcc volumes --plan FILE`); --give-up PLAN/SOURCE is for a source that is no more, whose backups"
            " nobody wants"
        )
    if reasons and all("is needed by the incremental" in reason for reason in reasons):
        return (
            "begin a new chain with `tcc run --full`, and wait until retention lets the old one go; or merge it onto"
            " the drives that hold it (`tcc draft consolidate`): a full lets go what it was merged from"
        )
    if "for ever" in text:
        return "say in the plan how long its pool keeps: `retention`, `sessions`"
    return "wait until it has expired (`tcc volumes --plan FILE`)"


def _elsewhere(item: CatalogObject, volume_id: str) -> bool:
    """Whether all records of the object lie on other volumes, too, as far as the catalog knows."""
    covered = 0
    for segment in sorted((s for c in item.copies for s in c.segments), key=lambda s: s.first_sequence):
        if segment.volume_id != volume_id and segment.first_sequence <= covered:
            covered = max(covered, segment.first_sequence + segment.records)
    return covered >= item.records


@contextmanager
def _opened(volume: CatalogVolume, path: Path, still: Callable[[], None] | None) -> Iterator[VolumeReader]:
    """The volume's file, opened and proved to be that volume, not write-protected, and readable as a whole."""
    place = Place(drive=volume.drive, volume=volume.name)
    with open_volume(path) as reader:
        reader.answered = still
        if reader.label.volume != volume.id:
            raise KeptFault(
                f"{path} is volume {reader.label.volume}, where the catalog has {volume.id}",
                place=place,
                safe="the volume is as it was",
                todo="run its plan, or rebuild the catalog, so that the catalog knows what lies there",
            )
        if not path.lstat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
            raise KeptFault(
                "its file is write-protected",
                place=place,
                safe="the volume is as it was",
                todo=f"if it may go all the same: chmod u+w {path}",
            )
        yield reader


def _contents(reader: VolumeReader, path: Path) -> list[IndexedVolume]:
    """All that lies on the volume. Raises KeptFault where a stretch cannot be read: nobody knows its objects."""
    contents = reader.indexes()
    for damage in contents.damages:
        # What a torn tail hides is nobody's, but where a sound record is among it.
        sound = sound_behind(reader, damage) if damage.torn else None
        if damage.torn and sound is None:
            continue
        behind = "" if sound is None else f"; a sound record lies behind it, at byte {sound}"
        raise KeptFault(
            f"a part of it cannot be read, so that nobody knows what it holds: {damage}{behind}",
            place=Place(drive=reader.label.drive, volume=reader.label.name),
            safe="the volume is as it was",
            todo="look at it with `tcc volume show`; a file that you remove by hand is forgotten by this command later",
        )
    return [IndexedVolume(reader.label, index, path, reader.size) for index in contents.sessions]


def _remove(magazine: Magazine, path: Path, reader: VolumeReader) -> None:
    """Remove the file that *reader* has open, and no other; gone on the medium when this returns."""
    place = Place(drive=magazine.drive, volume=path.stem)
    try:
        found = os.stat(path.name, dir_fd=magazine.fd, follow_symlinks=False)
        if not reader.is_file(found):
            raise MediaFault(f"{path} was replaced meanwhile", place=place, safe="the file was not touched")
        os.unlink(path.name, dir_fd=magazine.fd)
        os.fsync(magazine.fd)
    except OSError as error:
        raise fault_of(
            error, f"{path} cannot be removed", place, safe="the volume, which the catalog knows again"
        ) from None
