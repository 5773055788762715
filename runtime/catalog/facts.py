"""What one index of one volume says, as rows of the catalog.

The only place that knows the shape of the media's values; a row is a plain dict with the columns of ``schema``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..faults import CatalogFault, Place

if TYPE_CHECKING:
    from ..drives.base import IndexedVolume

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """The rows that one index makes: its volume, its session, itself, and its objects in their order."""

    volume: Row
    session: Row
    index: Row
    entries: tuple[Row, ...]


def facts_of(indexed: IndexedVolume) -> IndexFacts:
    """The rows of one confirmed index. Raises CatalogFault when label and index contradict each other or themselves."""
    label, index = indexed.label, indexed.index
    place = Place(drive=label.drive, volume=label.name)
    if index.volume != label.volume:
        raise CatalogFault(
            f"an index says that it belongs to volume {index.volume}, but it lies on {label.volume}",
            place=place,
            safe="nothing was recorded from it",
        )
    ids = [o.object for o in index.objects]
    if len(set(ids)) != len(ids):
        raise CatalogFault("an index names one object twice", place=place, safe="nothing was recorded from it")
    keys = {"volume_id": label.volume, "session_id": index.session}
    return IndexFacts(
        volume={
            "id": label.volume,
            "name": label.name,
            "drive": label.drive,
            "agent": label.agent,
            "pool": label.pool,
            "created": label.created,
            "plan": label.plan,
            "capacity": label.capacity,
            "location": str(indexed.path),
            "bytes": indexed.size_bytes,
        },
        session={
            "id": index.session,
            "number": index.number,
            "plan": index.plan,
            "fingerprint": index.fingerprint,
            "started": index.started,
        },
        index=keys
        | {
            "drive": index.drive,
            "agent": index.agent,
            "started": index.started,
            "ended": index.ended,
            "seconds": index.seconds,
            "state": index.state,
        },
        entries=tuple(
            keys
            | {
                "object_id": o.object,
                "place": n,
                "source": o.source,
                "kind": o.kind,
                "level": o.level,
                "parent": o.parent,
                "compress": o.compress,
                "encrypt": o.encrypt,
                "first": o.first,
                "last": o.last,
                "first_sequence": o.first_sequence,
                "records": o.records,
                "bytes": o.bytes,
                "state": o.state,
                "continued": o.continued,
                "continues": o.continues,
                "unread": o.unread,
                "warnings": json.dumps(list(o.warnings), ensure_ascii=False),
                "drives": json.dumps(list(o.drives), ensure_ascii=False),
            }
            for n, o in enumerate(index.objects)
        ),
    )
