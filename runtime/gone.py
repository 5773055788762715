"""A volume that is gone for good: where what it held lies whole elsewhere it may be forgotten.

So a medium is retired whose objects were copied to another one (compacted, refreshed, migrated): the administrator
takes it away, and the catalog no longer misses it. Nothing on any medium is changed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .catalog.queries import CatalogObject, CatalogVolume
from .catalog.store import Catalog
from .faults import KeptFault, MediaFault, Place, UsageFault
from .media.scanned import Damage, ScannedRecord
from .media.volume import open_volume
from .model import Segment
from .plan import Pool
from .restore.fitting import Fit

#: So many objects that are nowhere else are named.
_NAMED_MAX = 5


class Witnesses:
    """What volumes say themselves of the objects on them, each opened once.

    With *read* every record of an object is read, and its digest compared, before it is taken to be there.
    """

    def __init__(self, catalog: Catalog, *, read: bool = False) -> None:
        self._read = read
        self._places = {place.id: place for place in catalog.places()}
        #: volume → object → (first sequence, records), or why it says nothing
        self._said: dict[str, dict[str, list[tuple[int, int]]] | str] = {}

    def lacks(self, item: CatalogObject, segments: Sequence[Segment]) -> str | None:
        """Why the volumes of *segments* do not say that they hold all of the object; None where they do."""
        covered = 0
        for segment in segments:
            if segment.volume_id not in self._said:
                self._said[segment.volume_id] = self._ask(segment)
            said = self._said[segment.volume_id]
            if isinstance(said, str):
                return said
            for first, records in sorted(said.get(item.id, ())):
                if first <= covered:
                    covered = max(covered, first + records)
        if covered < item.records:
            return f"its volumes list {covered} of its {item.records} records"
        return self._unsound(item, segments) if self._read else None

    def _unsound(self, item: CatalogObject, segments: Sequence[Segment]) -> str | None:
        """Why these do not hold every record of the object sound; None where they do. Reads them all."""
        missing = set(range(item.records))
        fit = Fit(item)
        try:
            for segment in segments:
                place = self._places[segment.volume_id]
                with open_volume(Path(place.location or "")) as reader:
                    for member in reader.members(
                        segment.first, reader.size, check=True, hands=2, only={item.id}, until=segment.last
                    ):
                        if isinstance(member, Damage):
                            return str(member)
                        if isinstance(member, ScannedRecord) and (why := fit.why_not(member.header)) is not None:
                            return f"volume {segment.volume_name}, at byte {member.position}: {why}"
                        if isinstance(member, ScannedRecord):
                            missing.discard(member.header.sequence)
        except MediaFault as fault:
            return str(fault)
        return f"{len(missing)} of its {item.records} records are not there" if missing else None

    def _ask(self, segment: Segment) -> dict[str, list[tuple[int, int]]] | str:
        place = self._places.get(segment.volume_id)
        if place is None or place.location is None:
            return f"nobody knows where volume {segment.volume_name} lies"
        found: dict[str, list[tuple[int, int]]] = {}
        try:
            with open_volume(Path(place.location)) as reader:
                if reader.label.volume != segment.volume_id:
                    return f"{place.location} is another volume"
                for index in reader.indexes().sessions:
                    for one in index.objects:
                        found.setdefault(one.object_id, []).append((one.first_sequence, one.records))
        except MediaFault as fault:
            return str(fault)
        return found


def forgettable(
    catalog: Catalog, volume: CatalogVolume, pools: Mapping[tuple[str, str], Pool], *, now: float | None = None
) -> int:
    """How many objects the volume held, which is gone and may be forgotten: each whole one that is kept is elsewhere.

    Raises UsageFault where the volume is there, KeptFault where something on it is nowhere else at hand.
    """
    place = Place(drive=volume.drive, volume=volume.name)
    if volume.location is not None and os.path.lexists(volume.location):
        raise UsageFault(
            f"it is there: {volume.location}",
            place=place,
            safe="the volume is as it was",
            todo="take it away first; or recycle it when it has expired, without --gone",
        )
    clock = time.time() if now is None else now
    # Of all pools: what another one keeps may need the beginning of its chain here.
    expired = {object_id for object_id, pool in catalog.expiry(pools, now=clock).expired if pool == volume.pool}
    objects = catalog.objects_on(volume.id)
    witnesses = Witnesses(catalog)
    alone: list[str] = []
    for item in objects:
        if item.status != "whole" or item.id in expired:
            continue
        why = "no other copy of it is stored"
        for copy in item.copies:
            others = [segment for segment in copy.segments if segment.volume_id != volume.id]
            lacks = witnesses.lacks(item, others) if others else why
            if lacks is None:
                break
            why = lacks
        else:
            alone.append(f"{item.plan}/{item.source} of {item.started} ({why})")
    if alone:
        more = f" and {len(alone) - _NAMED_MAX} more" if len(alone) > _NAMED_MAX else ""
        raise KeptFault(
            f"{len(alone)} object(s) on it are whole nowhere else at hand: {'; '.join(alone[:_NAMED_MAX])}{more}",
            place=place,
            safe="nothing was forgotten",
            todo="bring back the volumes that hold them, or copy them from this one before it goes"
            f" (`tcc draft refresh {volume.name}`)",
        )
    return len(objects)
