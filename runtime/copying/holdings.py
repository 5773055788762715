"""What lies on a drive: the objects on the volumes of its folder.

The catalog is asked where it knows each of these volumes as it lies there, by place and size; where it does not, all of
the drive's volumes tell it themselves, as for a rebuilt catalog. A volume that is not in the folder counts only where
the catalog says that the drive has the object whole: then its records are taken from other copies.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

from ..catalog.queries import CatalogCopy, CatalogObject, VolumePlace
from ..catalog.rebuild import catalog_of_volumes
from ..faults import Place, UsageFault
from ..frozen import frozen
from ..kinds import SOURCE_KINDS, SourceKind, encode_name, sources_named
from ..model import ObjectFacts, Segment, Session


class Known(Protocol):
    """A catalog as this asks it."""

    def objects(self, *, drive: str) -> list[CatalogObject]:
        """The objects of which the drive's volumes hold records, newest first, with all their copies."""

    def objects_of_drive(self, drive: str, names: Collection[tuple[str, str]]) -> list[CatalogObject]:
        """Those of the sources *names*, (plan, source), of which the drive's volumes hold records."""

    def names_of_drive(self, drive: str) -> list[tuple[str, str]]:
        """All (plan, source) of which the drive's volumes hold records."""

    def objects_named(self, ids: Collection[str]) -> list[CatalogObject]:
        """Those of these objects that it knows."""

    def known(self, ids: Collection[str]) -> set[str]:
        """Those of these objects' identifiers that it knows."""

    def places(self) -> list[VolumePlace]:
        """All volumes."""

    def begun(self, ids: Collection[str]) -> dict[str, Session]:
        """Those of these sessions that it knows."""


@frozen
class Asked:
    """Which objects are looked at: these identifiers, and all of the sources that *texts* name (see ``selectors``).

    A drive may hold very many: what nobody selects is not read from the catalog.
    """

    ids: frozenset[str]
    texts: frozenset[str] = frozenset()


@frozen
class HeldVolume:
    """A volume in the drive's folder; ``number`` orders them."""

    id: str
    name: str
    number: int
    path: Path


@frozen
class Held:
    """An object and what the folder holds of it: ``segments``, in the order of their sequences.

    ``complete``: that is all of it. ``usable``: it is whole, and complete here, or the catalog says that it was.
    ``copies``: all copies that are known, this one among them.
    """

    item: CatalogObject
    session: Session
    segments: tuple[Segment, ...]
    complete: bool
    usable: bool
    copies: tuple[CatalogCopy, ...]

    def facts(self, drives: Sequence[str]) -> ObjectFacts:
        """The object as the drives of a run get it; *drives* are those that it is meant to reach now."""
        item = self.item
        return ObjectFacts(
            id=item.id,
            source=item.source,
            kind=cast(SourceKind, item.kind),
            session=self.session,
            level="incremental" if item.level == "incremental" else "full",
            parent=item.parent,
            compress=item.compress,
            encrypt=item.encrypt,
            drives=tuple(drives),
        )


@frozen
class Holdings:
    """The volumes of one drive by number, and its objects, newest first.

    ``known``: all volumes that may help; ``names``: all (plan, source) of which it may hold objects, looked at or not.
    """

    drive: str
    folder: Path
    volumes: Mapping[str, HeldVolume]
    objects: tuple[Held, ...]
    known: tuple[VolumePlace, ...] = ()
    notes: tuple[str, ...] = ()
    names: tuple[tuple[str, str], ...] = ()


def look(drive: str, folder: Path, catalog: Known, only: Asked | None = None) -> Holdings:
    """What the volumes of *drive* in *folder* hold, of the objects *only*. Reads labels and indexes; changes nothing.

    A folder that is not there holds nothing. Raises UsageFault where it cannot be read.
    """
    files = _files(drive, folder)
    known = catalog.places()
    places = {v.location: v for v in known if v.drive == drive}
    here = {f: places.get(str(f)) for f in files.values()}
    if all(v is not None and v.bytes == _size(f) for f, v in here.items()):
        volumes = {
            v.id: HeldVolume(v.id, v.name, number, f) for number, f in files.items() if (v := here[f]) is not None
        }
        return _holdings(drive, folder, volumes, catalog, catalog, known, only=only)
    told, faults = catalog_of_volumes(files.values())
    with told:
        numbers = {str(f): number for number, f in files.items()}
        volumes = {
            v.id: HeldVolume(v.id, v.name, numbers[v.location], Path(v.location))
            for v in told.places()
            if v.location in numbers and v.drive == drive
        }
        ids = set(volumes)
        others = [*told.places(), *(v for v in known if v.id not in ids)]
        notes = [f.message for f in faults]
        # A volume that cannot say any more which one it is, or is not what it was, is asked for under both names.
        supposed = {
            v.id: HeldVolume(v.id, v.name, number, f)
            for number, f in files.items()
            if (v := here[f]) is not None and v.id not in ids
        }
        return _holdings(drive, folder, volumes, told, catalog, others, only=only, notes=notes, supposed=supposed)


def _files(drive: str, folder: Path) -> dict[int, Path]:
    """The drive's volume files by number."""
    pattern = re.compile(re.escape(encode_name(drive)) + r"-([0-9]{6})\.tar", re.ASCII)
    real = folder.resolve()
    try:
        names = os.listdir(real)  # noqa: PTH208 - names are all
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageFault(
            f"the folder {folder} cannot be read: {error.strerror}",
            place=Place(drive=drive),
            safe="nothing was written",
        ) from None
    return {int(match[1]): real / match[0] for name in sorted(names) if (match := pattern.fullmatch(name))}


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return -1


def _holdings(  # noqa: PLR0917 - one place's all
    drive: str,
    folder: Path,
    volumes: Mapping[str, HeldVolume],
    told: Known,
    catalog: Known,
    known: Iterable[VolumePlace],
    *,
    only: Asked | None,
    notes: Sequence[str] = (),
    supposed: Mapping[str, HeldVolume] | None = None,
) -> Holdings:
    found, names = _items(told, drive, only)
    objects = _held(drive, volumes, told, found, {})
    if told is not catalog:
        # What the volumes tell comes first. Where the catalog knows of more (a volume was cut, an index is damaged),
        # its word counts: what lacks is taken from other copies.
        complete = {held.item.id: held for held in objects if held.complete}
        more, more_names = _items(catalog, drive, only)
        names |= more_names
        volumes = {**volumes, **(supposed or {})}
        known_here = _held(drive, volumes, catalog, more, {o.id: o for o in found})
        others = {held.item.id: dataclasses.replace(held, complete=False) for held in known_here if held.usable}
        elsewhere = {o.id: o for o in catalog.objects_named([held.item.id for held in objects])}
        objects = [
            _with_copies(held, elsewhere, drive) for held in objects if held.item.id not in others or held.complete
        ]
        objects += [held for key, held in others.items() if key not in complete]
        objects.sort(key=_age, reverse=True)
    names |= {(held.item.plan, held.item.source) for held in objects}
    return Holdings(drive, folder, volumes, tuple(objects), tuple(known), tuple(notes), tuple(sorted(names)))


def _age(held: Held) -> tuple[int, str, str]:
    return held.item.number, held.item.started, held.item.id


def _items(told: Known, drive: str, only: Asked | None) -> tuple[list[CatalogObject], set[tuple[str, str]]]:
    """The objects that are asked for, newest first; and the names of sources among which these were chosen."""
    if only is None:
        return told.objects(drive=drive), set()
    found = {item.id: item for item in told.objects_named(only.ids)}
    names: list[tuple[str, str]] = []
    if only.texts:
        names = told.names_of_drive(drive)
        chosen = {pair for text in only.texts for pair in sources_named(names, text)}
        found |= {item.id: item for item in told.objects_of_drive(drive, chosen)}
    return sorted(found.values(), key=lambda item: (item.number, item.started, item.id), reverse=True), set(names)


def _held(
    drive: str,
    volumes: Mapping[str, HeldVolume],
    told: Known,
    found: Sequence[CatalogObject],
    more: Mapping[str, CatalogObject],
) -> list[Held]:
    """Those of *found* of which *told* says that these volumes hold something; *more*: others that know copies."""
    sessions = told.begun({item.session_id for item in found})
    objects = []
    for item in found:
        copy = next((c for c in item.copies if c.drive == drive), None)
        if copy is None:
            continue
        segments, complete = covering([s for s in copy.segments if s.volume_id in volumes], item.records)
        if not segments:
            continue
        complete &= item.status == "whole"
        facts = sessions[item.session_id]
        said = complete or copy.status == "stored"
        usable = item.status == "whole" and said and item.kind in SOURCE_KINDS
        held = Held(item, facts, segments, complete, usable, item.copies)
        objects.append(_with_copies(held, more, drive))
    return objects


def _with_copies(held: Held, elsewhere: Mapping[str, CatalogObject], drive: str) -> Held:
    """*held* with the copies on other drives that are known elsewhere."""
    other = elsewhere.get(held.item.id)
    if other is None or (other.session_id, other.source) != (held.item.session_id, held.item.source):
        return held  # another object under this one's identifier: its records are not this one's
    return dataclasses.replace(held, copies=(*held.copies, *(c for c in other.copies if c.drive != drive)))


def covering(segments: Iterable[Segment], records: int) -> tuple[tuple[Segment, ...], bool]:
    """The fewest of *segments* that hold what they hold together, by sequence; whether that is all of 0…records-1."""
    left = sorted(segments, key=lambda s: (s.first_sequence, -s.records, s.volume_name, s.first))
    chosen: list[Segment] = []
    covered, gaps = 0, False
    while left:
        reach = [s for s in left if s.first_sequence <= covered]
        if not reach:
            gaps = True
            covered = left[0].first_sequence
            continue
        best = max(reach, key=lambda s: s.first_sequence + s.records)
        end = best.first_sequence + best.records
        left = [s for s in left if s not in reach]
        if end > covered:
            chosen.append(best)
            covered = end
    return tuple(chosen), not gaps and covered >= records > 0
