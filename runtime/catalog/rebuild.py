"""A catalog from volumes alone: every index of every volume, handed to the same function that a run uses."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from ..drives.base import IndexedVolume
from ..drives.blank import BLANK_BYTES
from ..faults import CatalogFault, DriveFault, Fault, MediaFault, Place, UsageFault
from ..frozen import frozen
from ..media.label import VolumeLabel
from ..media.scanned import Damage
from ..media.tail import sound_behind
from ..media.unlabelled import open_anyhow
from ..media.volume import VolumeReader
from ..patience import HangingFault, Patience
from .sqlite import file_of
from .store import Catalog, memory_catalog, open_catalog
from .twins import kept_places, twin_of, two_states

#: Records of one volume that cannot be read and are named one by one.
_NAMED_MAX: Final = 10


@frozen
class Rebuilt:
    """What a rebuild found. ``faults``: volumes that could not be read, or were not believed; ``notes``: oddities.

    ``volumes`` are those with a session, ``empty`` those that are labelled and hold nothing yet.
    ``kept``: where the catalog that was there before is now. ``copies``: volumes that lie at the place that the catalog
    knows, too, and of which nothing was to be recorded.
    """

    volumes: int
    indexes: int
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    kept: Path | None = None
    empty: int = 0
    copies: int = 0


@frozen
class ReadVolume:
    """All sessions of a volume, what was not as it should be (``notes``), and what it says that is not so, or None.

    ``empty``: its label, where it is labelled and holds nothing yet.
    """

    sessions: tuple[IndexedVolume, ...]
    notes: tuple[str, ...]
    doubt: str | None
    empty: VolumeLabel | None


def read_volume(path: Path, *, anyhow: bool = False, answered: Callable[[], None] | None = None) -> ReadVolume:
    """Read the volume at *path*, its records too where an index lacks; *anyhow*: those that the medium does give.

    *answered* is called whenever the medium has answered. Raises MediaFault.
    """
    with open_anyhow(path) as reader:
        reader.answered = answered
        if not reader.label.session.id:
            raise MediaFault(
                "its label and its index are damaged, and no record on it says which session wrote it",
                safe="a catalog that knows it still reads its records",
                todo="restore with that catalog (`catalog.sqlite.before-…`, say), if no other copy is whole",
            )
        unread: dict[str, None] = {}
        contents = reader.indexes((lambda fault: unread.setdefault(str(fault))) if anyhow else None)
        told = list(unread)[:_NAMED_MAX]
        if len(unread) > len(told):
            told.append(f"{len(unread) - len(told)} more records cannot be read")
        notes = (*contents.notes, *(note for damage in contents.damages for note in _told(reader, damage)))
        doubt = "; ".join([*([reader.doubt] if reader.doubt else []), *contents.doubts, *told]) or None
        sessions = tuple(IndexedVolume(reader.label, i, path, reader.size) for i in contents.sessions)
        blank = not (sessions or doubt or contents.damages) and reader.size == BLANK_BYTES
        return ReadVolume(sessions, notes, doubt, reader.label if blank else None)


def _told(reader: VolumeReader, damage: Damage) -> Iterator[str]:
    """What is worth saying of *damage*: a torn tail is as it should be, unless a sound record is among it."""
    if not damage.torn:
        yield str(damage)
        return
    with suppress(MediaFault):  # what cannot be read hides nothing that could be told
        if (sound := sound_behind(reader, damage)) is not None:
            yield f"{damage}; a sound record lies behind it, at byte {sound}, and is not recorded"


def record_paths(
    catalog: Catalog, paths: Iterable[Path], *, anew: bool = False, patience: Patience | None = None
) -> Rebuilt:
    """Record every volume of *paths* (folders or files) in *catalog*; a volume that cannot be is reported, not fatal.

    *anew*: the catalog knows nothing else, so that what is left of a volume with bad blocks is better than nothing.
    A copy of a volume that lies where the catalog knows it leaves that place as it is. With *patience* a folder that
    does not answer is left; what its volumes hold stays unknown. Raises UsageFault where a path does not exist,
    CatalogFault where the catalog itself cannot be written.
    """
    faults: list[Fault] = []
    notes: list[str] = []
    volumes = indexes = empty = 0
    doubtful: list[tuple[Path, ReadVolume]] = []
    copies: list[tuple[str, Path, Path]] = []
    places = {place.id: Path(place.location) for place in catalog.places() if place.location is not None}

    def record(path: Path, found: ReadVolume) -> None:
        nonlocal volumes, indexes, empty
        label = found.empty or found.sessions[0].label
        twin = twin_of(places.get(label.volume), path, found.sessions, read)
        if twin is not None and not twin.more:
            copies.append((label.name, path, twin.place))
            return
        if twin is not None and twin.less:
            faults.append(two_states(path, label.name, twin))
            return
        if twin is not None:
            notes.append(f"volume {label.name}: what lies at {twin.place} is an older state of it")
        places[label.volume] = path
        try:
            if found.empty is not None:
                catalog.record_empty(found.empty, path, BLANK_BYTES)
            else:
                catalog.record_volumes(found.sessions)
        except CatalogFault as fault:
            faults.append(_named(fault, path))
            return
        empty += found.empty is not None
        volumes += bool(found.sessions)
        indexes += len(found.sessions)

    def read(path: Path) -> ReadVolume:
        if patience is None:
            return read_volume(path, anyhow=anew)
        look = partial(read_volume, path, anyhow=anew, answered=patience.beat)
        return patience.ask(path.parent, path.stem.rpartition("-")[0], look)

    silent: dict[Path, int] = {}
    for path in volume_files(paths, patience):
        try:
            found = read(path)
        except HangingFault:
            silent[path.parent] = silent.get(path.parent, 0) + 1
            continue
        except MediaFault as fault:
            faults.append(_named(fault, path))
            continue
        notes += found.notes
        if found.doubt is not None:
            faults.append(_named(MediaFault(found.doubt, todo="copy what it holds to a sound volume"), path))
        if not found.sessions and found.empty is None:
            notes.append(f"volume {path.stem}: it holds no session")
        elif found.doubt is not None:
            doubtful.append((path, found))  # what it says of an object counts only where no other volume knows it
        else:
            record(path, found)
    for path, found in doubtful:
        record(path, found)
    hanging = patience.hanging if patience is not None else {}
    faults += [_silent(folder, silent.get(folder, 0), why) for folder, why in hanging.items()]
    notes += kept_places(copies)
    return Rebuilt(volumes, indexes, tuple(faults), tuple(notes), empty=empty, copies=len(copies))


def _silent(folder: Path, count: int, fault: DriveFault) -> Fault:
    what = f"{count} volume(s) in {folder} were not read" if count else f"{folder} was not read"
    return MediaFault(
        f"{what}: {fault}",
        safe="nothing on it was changed",
        todo="look at the device, its cable and the kernel's log, and say it again when it answers",
    )


def catalog_of_volumes(paths: Iterable[Path], patience: Patience | None = None) -> tuple[Catalog, tuple[Fault, ...]]:
    """A catalog in memory of these volumes, and why some could not be read; *patience*: as :func:`record_paths`."""
    catalog = memory_catalog()
    try:
        return catalog, record_paths(catalog, paths, anew=True, patience=patience).faults
    except BaseException:
        catalog.close()
        raise


def rebuild(where: str, paths: Iterable[Path], patience: Patience | None = None) -> Rebuilt:
    """Make the catalog at *where* (path or URL) anew from the volumes of *paths*.

    A file is written aside and takes the catalog's place only when it is complete; the old one is kept under another
    name. Another database must not hold a catalog yet. When no volume could be read nothing is replaced. *patience*: as
    :func:`record_paths`. Raises UsageFault and CatalogFault.
    """
    target = file_of(os.fspath(where))
    if target is None:
        from .database import parse_where  # takes SQLAlchemy, and so longer to start than many a rebuild

        url, name = parse_where(where)
        if url.get_backend_name() != "sqlite" or not url.database:
            with open_catalog(where, create=True) as catalog:
                if catalog.sessions() or catalog.volumes():
                    raise CatalogFault(
                        f"the database {name} holds a catalog already",
                        safe="it was not changed",
                        todo="rebuild into an empty database",
                    )
                return record_paths(catalog, paths, anew=True, patience=patience)
        target = Path(url.database)
    aside = target.with_name(f"{target.name}.rebuild-{os.getpid()}")
    try:
        with open_catalog(aside, create=True, synced=False) as catalog:
            result = record_paths(catalog, paths, anew=True, patience=patience)
        if not result.volumes and not result.empty:
            return result
        if target.exists():
            aside.chmod(target.stat().st_mode & 0o777)  # whoever was let in stays so
        _sync(aside)
        kept = _keep(target)
        aside.replace(target)
        _sync(target.parent)
    except OSError as error:
        raise CatalogFault(f"the catalog {target} cannot be replaced: {error.strerror}") from None
    finally:
        for left in (aside, *_beside(aside)):
            with suppress(OSError):  # a folder that may not be written says so of what is not there, too
                left.unlink()
    return dataclasses.replace(result, kept=kept)


def _keep(target: Path) -> Path | None:
    """Move the catalog that is there out of the way, with the files that belong to it; return its new name."""
    if not target.exists():
        return None
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    kept = target.with_name(f"{target.name}.before-{stamp}")
    count = 1
    while kept.exists():
        count += 1
        kept = target.with_name(f"{target.name}.before-{stamp}-{count}")
    for own in _beside(target):
        if own.exists():
            own.replace(kept.with_name(kept.name + own.name.removeprefix(target.name)))
    target.replace(kept)
    return kept


def _beside(database: Path) -> tuple[Path, Path]:
    """The files that SQLite keeps beside a database."""
    return database.with_name(f"{database.name}-wal"), database.with_name(f"{database.name}-shm")


def _sync(path: Path) -> None:
    """Wait until a file, or what a folder lists, is on the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _named(fault: Fault, path: Path) -> Fault:
    """*fault* with the path of the volume's file, which its label may not tell."""
    named = type(fault)(f"{path}: {fault.message}", place=Place(), safe=fault.safe, todo=fault.todo)
    named.__cause__ = fault
    return named


def volume_files(paths: Iterable[Path], patience: Patience | None = None) -> list[Path]:
    """The volume files that *paths* are, or hold at any depth when they are folders; sorted, absolute, each once.

    Only names of the form ``DRIVE-NNNNNN.tar`` count inside a folder, and links to folders are not followed. Raises
    UsageFault where a path is not there or cannot be read. With *patience* one that does not answer is left out.
    """
    files: dict[Path, None] = {}
    named = list(paths)
    if patience is not None and len(named) > 1:
        patience.ask_at_once((_folder_of(path), "", path.exists) for path in named)
    for path in named:
        try:
            found = (
                _files_at(path) if patience is None else patience.ask(_folder_of(path), "", partial(_files_at, path))
            )
        except HangingFault:
            continue
        files |= dict.fromkeys(found)
    return list(files)


def _folder_of(path: Path) -> Path:
    """What hangs where *path* does: a folder is named itself, a volume's file lies in one."""
    return path.parent if path.name.endswith(".tar") else path


def _files_at(path: Path) -> list[Path]:
    try:
        if path.is_dir():
            inside = _volumes_below(path)
        elif path.exists() or path.is_symlink():
            inside = [path]
        else:
            raise UsageFault(f"{path} does not exist", todo="name a folder of volumes, or a volume's file")
        return [file.parent.resolve() / file.name for file in inside]
    except OSError as error:
        raise UsageFault(f"{path} cannot be read: {error.strerror}") from None


def _volumes_below(folder: Path) -> list[Path]:
    def unreadable(error: OSError) -> None:
        raise error

    return sorted(
        Path(where, name)
        for where, _, names in os.walk(folder, onerror=unreadable)
        for name in names
        if _is_volume_name(name)
    )


def _is_volume_name(name: str) -> bool:
    stem, dash, number = name.removesuffix(".tar").rpartition("-")
    return name.endswith(".tar") and bool(stem and dash) and len(number) == 6 and number.isdigit()
