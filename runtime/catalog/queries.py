"""What the catalog answers: frozen values, read with every value's type checked, since a catalog is only a file."""

from __future__ import annotations

import json
from collections.abc import Iterable
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
    objects = [dict(r) for r in rows]
    segments = _segments(connection, chosen if conditions else None)
    copies: dict[str, list[CatalogCopy]] = {}
    statement = sa.select(schema.copies).order_by(schema.copies.c.drive)
    if conditions:
        statement = statement.where(schema.copies.c.object_id.in_(chosen))
    for row in connection.execute(statement).mappings():
        key = (row["object_id"], row["drive"])
        copies.setdefault(row["object_id"], []).append(
            CatalogCopy(
                drive=_is(row["drive"], str),
                agent=_is(row["agent"], str),
                status=_is(row["status"], str),
                error=_maybe(row["error"], str),
                segments=tuple(segments.get(key, ())),
            )
        )
    return [_object(row, copies.get(row["id"], [])) for row in objects]


def _object(row: Row, copies: list[CatalogCopy]) -> CatalogObject:
    warnings = json.loads(_is(row["warnings"], str))
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
    statement = (
        sa.select(e, i.c.drive, v.c.name)
        .join(i, (i.c.volume_id == e.c.volume_id) & (i.c.session_id == e.c.session_id))
        .join(v, v.c.id == e.c.volume_id)
        .where(e.c.records > 0)
    )
    if chosen is not None:
        statement = statement.where(e.c.object_id.in_(chosen))
    groups: dict[tuple[str, str], list[Any]] = {}
    for row in connection.execute(statement).mappings():
        groups.setdefault((row["object_id"], row["drive"]), []).append(row)
    return {
        key: [
            Segment(
                volume_id=_is(r["volume_id"], str),
                volume_name=_is(r["name"], str),
                first=_is(r["first"], int),
                last=_is(r["last"], int),
                first_sequence=_is(r["first_sequence"], int),
                records=_is(r["records"], int),
                payload_bytes=_is(r["bytes"], int),
            )
            for r in in_order(parts)
        ]
        for key, parts in groups.items()
    }


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
    objects = _by(connection.execute(sa.select(o.c.session_id, o.c.status, o.c.unread)).mappings())
    copies = _by(connection.execute(sa.select(o.c.session_id, c.c.status).join(o, o.c.id == c.c.object_id)).mappings())
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
            objects=len(objects.get(r["id"], [])),
        )
        for r in connection.execute(statement).mappings()
    ]


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
