"""What the catalog answers: frozen values, read with every value's type checked, since a catalog is only a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..model import Segment
from . import schema
from .facts import Row
from .settle import in_order, session_status

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CatalogCopy:
    """One copy; ``segments`` in the order in which they are read."""

    drive: str
    agent: str
    status: str
    error: str | None
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


def read_objects(
    connection: Connection,
    *,
    source: str | None = None,
    plan: str | None = None,
    object_id: str | None = None,
    volume_id: str | None = None,
) -> list[CatalogObject]:
    """The objects that fit, with their copies and segments; newest first. *volume_id*: with records on that volume."""
    o, s = schema.objects, schema.sessions
    conditions = []
    if source is not None:
        conditions.append(o.c.source == source)
    if plan is not None:
        conditions.append(s.c.plan == plan)
    if object_id is not None:
        conditions.append(o.c.id == object_id)
    if volume_id is not None:
        e = schema.entries
        there = sa.select(e.c.object_id).where((e.c.volume_id == volume_id) & (e.c.records > 0))
        conditions.append(o.c.id.in_(there))
    chosen = sa.select(o.c.id).join(s, s.c.id == o.c.session_id).where(*conditions)
    rows = connection.execute(
        sa.select(o, s.c.plan, s.c.number, s.c.started)
        .join(s, s.c.id == o.c.session_id)
        .where(*conditions)
        .order_by(s.c.number.desc(), s.c.started.desc(), s.c.id.desc(), o.c.source, o.c.id)
    ).mappings()
    objects = [dict(r) for r in rows.all()]
    segments = _segments(connection, chosen if conditions else None)
    copies: dict[str, list[CatalogCopy]] = {}
    c = schema.copies.c
    statement = sa.select(c.object_id, c.drive, c.agent, c.status, c.error).order_by(c.drive)
    if conditions:
        statement = statement.where(schema.copies.c.object_id.in_(chosen))
    for held_id, drive, agent, status, error in connection.execute(statement).all():
        copies.setdefault(held_id, []).append(
            CatalogCopy(
                drive=_is(drive, str),
                agent=_is(agent, str),
                status=_is(status, str),
                error=_maybe(error, str),
                segments=tuple(segments.get((held_id, drive), ())),
            )
        )
    return [_object(row, copies.get(row["id"], [])) for row in objects]


def _object(row: Row, copies: list[CatalogCopy]) -> CatalogObject:
    text = _is(row["warnings"], str)
    warnings = [] if text == "[]" else json.loads(text)
    return CatalogObject(
        id=_is(row["id"], str),
        source=_is(row["source"], str),
        plan=_is(row["plan"], str),
        session_id=_is(row["session_id"], str),
        number=_is(row["number"], int),
        started=_is(row["started"], str),
        kind=_is(row["kind"], str),
        level=_is(row["level"], str),
        parent=_maybe(row["parent"], str),
        compress=_maybe(row["compress"], str),
        encrypt=_maybe(row["encrypt"], str),
        bytes=_is(row["bytes"], int),
        records=_is(row["records"], int),
        status=_is(row["status"], str),
        unread=_is(row["unread"], int),
        error=_maybe(row["error"], str),
        warnings=tuple(_is(w, str) for w in _is(warnings, list)),
        copies=tuple(copies),
    )


def _segments(connection: Connection, chosen: Any) -> dict[tuple[str, str], list[Segment]]:
    """Per (object, drive) the parts that hold records, in their order."""
    e, i, v = schema.entries, schema.indexes, schema.volumes
    columns = (
        e.c.object_id, i.c.drive, e.c.volume_id, e.c.session_id, e.c.first, e.c.last, e.c.first_sequence, e.c.records,
        e.c.bytes,
    )  # fmt: skip
    statement = (
        sa.select(*columns)
        .join(i, (i.c.volume_id == e.c.volume_id) & (i.c.session_id == e.c.session_id))
        .where(e.c.records > 0)
    )
    if chosen is not None:
        statement = statement.where(e.c.object_id.in_(chosen))
    names = {row[0]: row[1] for row in connection.execute(sa.select(v.c.id, v.c.name))}
    groups: dict[tuple[str, str], list[Sequence[Any]]] = {}
    # Plain tuples: a big catalog has hundreds of thousands of them.
    for row in connection.execute(statement).all():
        groups.setdefault((row[0], row[1]), []).append(row)
    return {
        key: [_segment(row, names) for row in (rows if len(rows) == 1 else _in_order(rows))]
        for key, rows in groups.items()
    }


def _segment(row: Sequence[Any], names: dict[str, str]) -> Segment:
    """The segment that a row of :func:`_segments` is."""
    _, _, volume_id, _, first, last, first_sequence, records, size = row
    name = names.get(volume_id)
    if not (isinstance(volume_id, str) and isinstance(name, str)):
        raise ValueError(f"a value has the wrong type: {volume_id!r:.60}")
    for value in (first, last, first_sequence, records, size):
        if not isinstance(value, int):
            raise ValueError(f"a value has the wrong type: {value!r:.60}")
    return Segment(volume_id, name, first, last, first_sequence, records, size)


def _in_order(rows: Iterable[Sequence[Any]]) -> list[Sequence[Any]]:
    """As :func:`~.settle.in_order` has the parts of one copy."""
    return [
        part["row"]
        for part in in_order(
            {"row": r, "volume_id": r[2], "session_id": r[3], "first_sequence": r[6], "records": r[7]} for r in rows
        )
    ]


def read_volumes(connection: Connection) -> list[CatalogVolume]:
    """All volumes, by drive and name, with what lies on each."""
    e, i, v = schema.entries, schema.indexes, schema.volumes
    counts: dict[str, tuple[int, bool]] = {}
    for volume_id, objects, full in connection.execute(
        sa.select(
            e.c.volume_id,
            sa.func.count(sa.distinct(e.c.object_id)),
            sa.func.max(sa.case((e.c.continues, 1), else_=0)),
        ).group_by(e.c.volume_id)
    ):
        counts[volume_id] = (_is(objects, int), bool(full))
    held: dict[str, tuple[int, str]] = {}
    for volume_id, sessions, ended in connection.execute(
        sa.select(i.c.volume_id, sa.func.count(), sa.func.max(i.c.ended)).group_by(i.c.volume_id)
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
        for r in connection.execute(sa.select(v).order_by(v.c.drive, v.c.name, v.c.id)).mappings()
    ]


def read_sessions(connection: Connection, *, plan: str | None) -> list[CatalogSession]:
    """The sessions, newest first, each with its status."""
    o, c, s = schema.objects, schema.copies, schema.sessions
    found = sa.select(o.c.session_id, o.c.id.label("object_id"), o.c.status, o.c.unread)
    objects = _by(connection.execute(found).mappings())
    copies = _by(connection.execute(sa.select(o.c.session_id, c.c.status).join(o, o.c.id == c.c.object_id)).mappings())
    for session_id, rows in _copied(connection).items():
        # A copy run reads no source: its objects are those of other sessions that it wrote.
        if session_id not in objects:
            copies[session_id] = rows
            stored = {"stored": "whole"}
            objects[session_id] = [{**row, "status": stored.get(row["status"], row["status"])} for row in rows]
    statement = sa.select(s).order_by(s.c.number.desc(), s.c.started.desc(), s.c.id.desc())
    if plan is not None:
        statement = statement.where(s.c.plan == plan)
    return [
        CatalogSession(
            **{k: _is(r[k], str) for k in ("id", "plan", "fingerprint", "started")},
            number=_is(r["number"], int),
            seconds=_maybe(r["seconds"], float),
            status=session_status(
                _is(r["state"], str), _maybe(r["reported"], str), objects.get(r["id"], []), copies.get(r["id"], [])
            ),
            objects=len({row["object_id"] for row in objects.get(r["id"], [])}),
        )
        for r in connection.execute(statement).mappings()
    ]


def _copied(connection: Connection) -> dict[str, list[Row]]:
    """By session: the copies that it wrote of objects of other sessions."""
    c, e, i = schema.copies, schema.entries, schema.indexes
    statement = (
        sa.select(e.c.session_id, e.c.object_id, c.c.drive, c.c.status)
        .join(i, (i.c.volume_id == e.c.volume_id) & (i.c.session_id == e.c.session_id))
        .join(c, (c.c.object_id == e.c.object_id) & (c.c.drive == i.c.drive))
        .where(e.c.origin_id != e.c.session_id)
        .distinct()
    )
    rows = [dict(row) for row in connection.execute(statement).mappings()]
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


def _maybe(value: Any, kind: type[T]) -> T | None:
    return None if value is None else _is(value, kind)
