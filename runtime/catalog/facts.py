"""What one index of one volume says, as rows of the catalog.

The only place that knows the shape of the media's values; a row is a plain dict with the columns of ``schema``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..faults import CatalogFault, Place
from ..frozen import frozen
from ..model import Session

if TYPE_CHECKING:
    from pathlib import Path

    from ..drives.base import IndexedVolume
    from ..media.label import VolumeLabel

Row = dict[str, Any]


class ContradictionFault(CatalogFault):
    """A volume contradicts itself or what the catalog knows: it is not believed; the catalog itself is sound."""


@frozen
class IndexFacts:
    """The rows that one index makes: its volume, the sessions it speaks of, itself, and its objects in their order.

    ``span``: the bytes of the volume that it speaks of, from the first to behind the last.
    """

    volume: Row
    sessions: tuple[Row, ...]
    index: Row
    entries: tuple[Row, ...]
    span: tuple[int, int]


def facts_of(indexed: IndexedVolume) -> IndexFacts:
    """The rows of one confirmed index. Raises ContradictionFault when it contradicts its volume's label or itself."""
    label, index = indexed.label, indexed.index
    place = Place(drive=label.drive, volume=label.name)
    if index.volume != label.volume:
        raise ContradictionFault(
            f"an index says that it belongs to volume {index.volume}, but it lies on {label.volume}",
            place=place,
            safe="nothing was recorded from it",
        )
    ids = [o.object_id for o in index.objects]
    if len(set(ids)) != len(ids):
        raise ContradictionFault("an index names one object twice", place=place, safe="nothing was recorded from it")
    keys = {"volume_id": label.volume, "session_id": index.session.id}
    sessions = {s.id: s for s in (index.session, *(index.session_of(o) for o in index.objects))}
    last = max((o.last for o in index.objects if o.last is not None), default=index.first)
    return IndexFacts(
        span=(index.first, last + 1 if index.position is None else index.position),
        volume=volume_row(label, indexed.path, indexed.size_bytes),
        sessions=tuple(session_row(s) for s in sessions.values()),
        index=keys
        | {
            "drive": index.drive,
            "agent": index.agent,
            "ended": index.ended,
            "seconds": index.seconds,
            "state": index.state,
        },
        entries=tuple(
            keys
            | {
                "object_id": o.object_id,
                "place": n,
                "origin_id": index.session_of(o).id,
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


def volume_row(label: VolumeLabel, path: Path, size_bytes: int) -> Row:
    """The columns of ``volumes``: what the label says, and where the volume lies."""
    return {
        "id": label.volume,
        "name": label.name,
        "drive": label.drive,
        "agent": label.agent,
        "pool": label.pool,
        "created": label.created,
        "plan": label.session.plan,
        "capacity": label.capacity,
        "location": str(path.parent.resolve() / path.name),
        "bytes": size_bytes,
    }


def session_row(session: Session) -> Row:
    """The columns of ``sessions`` that every index repeats."""
    return {
        "id": session.id,
        "number": session.number,
        "plan": session.plan,
        "fingerprint": session.fingerprint,
        "started": session.started,
    }
