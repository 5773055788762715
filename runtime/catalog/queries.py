"""What the catalog answers: frozen values, read with every value's type checked, since a catalog is only a file."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar

from ..frozen import frozen
from ..model import Segment, Session
from .facts import Row
from .link import Link, among
from .settle import in_order, session_status

T = TypeVar("T")


@frozen
class CatalogCopy:
    """One copy; ``segments`` in the order in which they are read."""

    drive: str
    agent: str
    status: str
    error: str | None
    segments: tuple[Segment, ...]


@frozen
class CatalogObject:
    """One object; ``session_id``, ``number``, ``started`` and ``plan`` are of the session that read it."""

    id: str
    source: str
    plan: str
    session_id: str
    number: int
    started: str
    kind: str
    level: str
    parent: str | None
    compress: str | None
    encrypt: str | None
    bytes: int
    records: int
    status: str
    unread: int
    warnings: tuple[str, ...]
    error: str | None
    copies: tuple[CatalogCopy, ...]


@frozen
class CatalogVolume:
    """One volume. ``objects`` and ``sessions`` are counts; ``full``: one of its objects goes on on the next volume.

    ``last_ended``: when its newest session ended.
    """

    id: str
    name: str
    drive: str
    agent: str
    pool: str | None
    plan: str
    created: str
    location: str | None
    bytes: int
    objects: int
    sessions: int
    full: bool
    last_ended: str | None


@frozen
class CatalogSession:
    """One session; ``objects`` is a count, ``status`` is ok, degraded, failed or unfinished."""

    id: str
    number: int
    plan: str
    fingerprint: str
    started: str
    seconds: float | None
    status: str
    objects: int


@frozen
class VolumePlace:
    """One volume as far as it takes to find it: its place when it was last seen, and its bytes then."""

    id: str
    name: str
    drive: str
    location: str | None
    bytes: int


#: Objects of which the one volume, or any volume of the one drive, holds records.
_ON_VOLUME = "o.id IN (SELECT object_id FROM entries WHERE volume_id = :volume AND records > 0)"
_ON_DRIVE = (
    "o.id IN (SELECT e.object_id FROM indexes i JOIN entries e"
    " ON e.volume_id = i.volume_id AND e.session_id = i.session_id WHERE i.drive = :drive AND e.records > 0)"
)


def read_objects(
    link: Link,
    *,
    source: str | None = None,
    plan: str | None = None,
    object_id: str | None = None,
    volume_id: str | None = None,
    drive: str | None = None,
) -> list[CatalogObject]:
    """The objects that fit, with their copies and segments; newest first.

    *volume_id*, *drive*: with records on that volume, on a volume of that drive.
    """
    asked = (
        ("o.source = :source", "source", source),
        ("s.plan = :plan", "plan", plan),
        ("o.id = :object", "object", object_id),
        (_ON_VOLUME, "volume", volume_id),
        (_ON_DRIVE, "drive", drive),
    )
    given = [(condition, name, value) for condition, name, value in asked if value is not None]
    where = " AND ".join(condition for condition, _, _ in given)
    return _read_objects(link, where, {name: value for _, name, value in given})


def read_of_drive(link: Link, drive: str, names: Collection[tuple[str, str]]) -> list[CatalogObject]:
    """The objects of the sources *names*, (plan, source), of which the drive's volumes hold records; in no order."""
    found = []
    for where, values in among("o.source", sorted({source for _, source in names})):
        objects = _read_objects(link, f"{_ON_DRIVE} AND {where}", {"drive": drive, **values})
        found += [item for item in objects if (item.plan, item.source) in names]
    return found


def read_names_of_drive(link: Link, drive: str) -> list[tuple[str, str]]:
    """All (plan, source) of which any volume of the drive holds records, sorted."""
    rows = link.tuples(
        f"SELECT DISTINCT s.plan, o.source FROM objects o JOIN sessions s ON s.id = o.session_id WHERE {_ON_DRIVE}",
        {"drive": drive},
    )
    return sorted((_is(plan, str), _is(source, str)) for plan, source in rows)


def read_named(link: Link, ids: Sequence[str]) -> list[CatalogObject]:
    """Those of the objects *ids* that are known, with their copies and segments; in no order."""
    return [item for where, values in among("o.id", ids) for item in _read_objects(link, where, values)]


def read_known(link: Link, ids: Sequence[str]) -> set[str]:
    """Those of the objects *ids* that are known."""
    found = (link.tuples(f"SELECT id FROM objects WHERE {where}", values) for where, values in among("id", ids))
    return {_is(row[0], str) for rows in found for row in rows}


def _read_objects(link: Link, where: str, values: Row) -> list[CatalogObject]:
    """The objects ``o`` of sessions ``s`` for which *where* holds; all where it is empty."""
    those = f"FROM objects o JOIN sessions s ON s.id = o.session_id{' WHERE ' + where if where else ''}"
    columns = ", ".join(f"{'s' if name in _OF_SESSION else 'o'}.{name}" for name in _OF_OBJECT)
    rows = link.tuples(
        f"SELECT {columns} {those} ORDER BY s.number DESC, s.started DESC, s.id DESC, o.source, o.level, o.id",
        values,
    )
    chosen = f"(SELECT o.id {those})" if where else None
    shared: dict[str, str] = {}
    segments = _segments(link, chosen, values, shared)
    copies: dict[str, list[CatalogCopy]] = {}
    fits = f" WHERE object_id IN {chosen}" if chosen is not None else ""
    for held_id, drive, agent, status, error in link.tuples(
        f"SELECT object_id, drive, agent, status, error FROM copies{fits} ORDER BY drive", values
    ):
        copies.setdefault(held_id, []).append(
            CatalogCopy(
                drive=_same(drive, shared),
                agent=_same(agent, shared),
                status=_same(status, shared),
                error=_maybe(error, str),
                segments=segments.get((held_id, drive), ()),
            )
        )
    return [_object(row, tuple(copies.get(row[0], ())), shared) for row in rows]


#: The columns of an object and of its session, in this order.
_OF_OBJECT = (
    "id", "source", "plan", "session_id", "number", "started", "kind", "level", "parent", "compress", "encrypt",
    "bytes", "records", "status", "unread", "warnings", "error",
)  # fmt: skip
_OF_SESSION = frozenset({"plan", "number", "started"})


def _object(row: Sequence[Any], copies: tuple[CatalogCopy, ...], shared: dict[str, str]) -> CatalogObject:
    """The object that a row of ``_OF_OBJECT`` is. *shared*: text → itself: what many say alike is there once."""
    key, source, plan, session_id, number, started, kind, level, parent, compress, encrypt = row[:11]
    size, records, status, unread, warnings, error = row[11:]
    text = _is(warnings, str)
    told = _is(json.loads(text), list) if text != "[]" else ()
    return CatalogObject(
        id=_is(key, str),
        source=_is(source, str),
        plan=_same(plan, shared),
        session_id=_same(session_id, shared),
        number=_is(number, int),
        started=_same(started, shared),
        kind=_same(kind, shared),
        level=_same(level, shared),
        parent=_maybe(parent, str),
        compress=None if compress is None else _same(compress, shared),
        encrypt=None if encrypt is None else _same(encrypt, shared),
        bytes=_is(size, int),
        records=_is(records, int),
        status=_same(status, shared),
        unread=_is(unread, int),
        error=_maybe(error, str),
        warnings=tuple(_is(w, str) for w in told),
        copies=copies,
    )


def _segments(
    link: Link, chosen: str | None, values: Row, shared: dict[str, str]
) -> dict[tuple[str, str], tuple[Segment, ...]]:
    """Per (object, drive) the parts that hold records, in their order."""
    fits = f" AND e.object_id IN {chosen}" if chosen is not None else ""
    names = {row[0]: row[1] for row in link.tuples("SELECT id, name FROM volumes")}
    groups: dict[tuple[str, str], list[Sequence[Any]]] = {}
    # Plain tuples: a big catalog has hundreds of thousands of them.
    for row in link.tuples(
        "SELECT e.object_id, i.drive, e.volume_id, e.session_id, e.first, e.last, e.first_sequence, e.records, e.bytes"
        " FROM entries e JOIN indexes i ON i.volume_id = e.volume_id AND i.session_id = e.session_id"
        f" WHERE e.records > 0{fits}",
        values,
    ):
        groups.setdefault((row[0], row[1]), []).append(row)
    return {
        key: tuple([_segment(row, names, shared) for row in (rows if len(rows) == 1 else _in_order(rows))])
        for key, rows in groups.items()
    }


def _segment(row: Sequence[Any], names: dict[str, str], shared: dict[str, str]) -> Segment:
    """The segment that a row of :func:`_segments` is."""
    _, _, volume_id, _, first, last, first_sequence, records, size = row
    name = names.get(volume_id)
    if not (isinstance(volume_id, str) and isinstance(name, str)):
        raise ValueError(f"a value has the wrong type: {volume_id!r:.60}")
    for value in (first, last, first_sequence, records, size):
        if not isinstance(value, int):
            raise ValueError(f"a value has the wrong type: {value!r:.60}")
    return Segment(_same(volume_id, shared), name, first, last, first_sequence, records, size)


def _in_order(rows: Iterable[Sequence[Any]]) -> list[Sequence[Any]]:
    """As :func:`~.settle.in_order` has the parts of one copy."""
    return [
        part["row"]
        for part in in_order(
            {"row": r, "volume_id": r[2], "session_id": r[3], "first_sequence": r[6], "records": r[7]} for r in rows
        )
    ]


def read_volumes(link: Link) -> list[CatalogVolume]:
    """All volumes, by drive and name, with what lies on each."""
    counts: dict[str, tuple[int, bool]] = {}
    for volume_id, objects, full in link.tuples(
        "SELECT volume_id, count(DISTINCT object_id), max(CASE WHEN continues THEN 1 ELSE 0 END)"
        " FROM entries GROUP BY volume_id"
    ):
        counts[volume_id] = (_is(objects, int), bool(full))
    held: dict[str, tuple[int, str]] = {}
    for volume_id, sessions, ended in link.tuples(
        "SELECT volume_id, count(*), max(ended) FROM indexes GROUP BY volume_id"
    ):
        held[volume_id] = (_is(sessions, int), _is(ended, str))
    return [
        CatalogVolume(
            **{k: _is(r[k], str) for k in ("id", "name", "drive", "agent", "plan", "created")},
            pool=_maybe(r["pool"], str),
            location=_maybe(r["location"], str),
            bytes=_is(r["bytes"], int),
            objects=counts.get(r["id"], (0, False))[0],
            full=counts.get(r["id"], (0, False))[1],
            sessions=held.get(r["id"], (0, ""))[0],
            last_ended=held[r["id"]][1] if r["id"] in held else None,
        )
        for r in link.rows("SELECT * FROM volumes ORDER BY drive, name, id")
    ]


def read_places(link: Link) -> list[VolumePlace]:
    """All volumes, by drive and name; what lies on them is not looked at."""
    return [
        VolumePlace(_is(key, str), _is(name, str), _is(drive, str), _maybe(location, str), _is(size, int))
        for key, name, drive, location, size in link.tuples(
            "SELECT id, name, drive, location, bytes FROM volumes ORDER BY drive, name, id"
        )
    ]


def read_begun(link: Link, ids: Sequence[str]) -> dict[str, Session]:
    """What runs told their drives of the sessions *ids*, as far as they are known."""
    found = {}
    for where, values in among("id", ids):
        for key, number, plan, fingerprint, started in link.tuples(
            f"SELECT id, number, plan, fingerprint, started FROM sessions WHERE {where}", values
        ):
            found[_is(key, str)] = Session(
                key, _is(number, int), _is(plan, str), _is(fingerprint, str), _is(started, str)
            )
    return found


def read_sessions(link: Link, *, plan: str | None) -> list[CatalogSession]:
    """The sessions, newest first, each with its status."""
    objects = _by(link.rows("SELECT session_id, id AS object_id, status, unread FROM objects"))
    copies = _by(link.rows("SELECT o.session_id, c.status FROM copies c JOIN objects o ON o.id = c.object_id"))
    indexes = _by(link.rows("SELECT session_id, drive, state FROM indexes"))
    for session_id, rows in _copied(link).items():
        # A copy run reads no source: its objects are those of other sessions that it wrote.
        if session_id not in objects:
            copies[session_id] = rows
            stored = {"stored": "whole"}
            objects[session_id] = [{**row, "status": stored.get(row["status"], row["status"])} for row in rows]
    fits = "" if plan is None else " WHERE plan = :plan"
    return [
        CatalogSession(
            **{k: _is(r[k], str) for k in ("id", "plan", "fingerprint", "started")},
            number=_is(r["number"], int),
            seconds=_maybe(r["seconds"], float),
            status=session_status(
                _is(r["state"], str),
                _maybe(r["reported"], str),
                objects.get(r["id"], []),
                copies.get(r["id"], []),
                indexes.get(r["id"], []),
            ),
            objects=len({row["object_id"] for row in objects.get(r["id"], [])}),
        )
        for r in link.rows(
            f"SELECT * FROM sessions{fits} ORDER BY number DESC, started DESC, id DESC",
            {} if plan is None else {"plan": plan},
        )
    ]


def _copied(link: Link) -> dict[str, list[Row]]:
    """By session: the copies that it wrote of objects of other sessions."""
    rows = link.rows(
        "SELECT DISTINCT e.session_id, e.object_id, c.drive, c.status FROM entries e"
        " JOIN indexes i ON i.volume_id = e.volume_id AND i.session_id = e.session_id"
        " JOIN copies c ON c.object_id = e.object_id AND c.drive = i.drive"
        " WHERE e.origin_id <> e.session_id"
    )
    for row in rows:
        row["unread"] = 0
    return _by(rows)


def _by(rows: Iterable[Any]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["session_id"], []).append(row)
    return groups


def _is(value: Any, kind: type[T]) -> T:
    """*value*, which must be of type *kind*; SQLite itself keeps whatever it was given."""
    if isinstance(value, kind):
        return value
    raise ValueError(f"a value has the wrong type: {value!r:.60}")


def _same(value: Any, shared: dict[str, str]) -> str:
    """*value*, a text, as *shared* has it already."""
    return shared.setdefault(_is(value, str), value)


def _maybe(value: Any, kind: type[T]) -> T | None:
    return None if value is None else _is(value, kind)
