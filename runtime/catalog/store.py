"""The catalog: what was stored where. A pure function of what the media say, plus the little that only a run knows.

A run hands every index that a drive has confirmed to :meth:`Catalog.record_volume`; ``tcc catalog rebuild`` feeds the
same method from volumes and so arrives at the same rows. :meth:`Catalog.finish_session` adds what no medium holds:
sessions and objects of which nothing reached a medium, why copies are missing, copies that were discarded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..kinds import SourceKind
from ..media.ids import new_id
from ..model import ObjectReport, RunReport, Session
from . import schema
from .behind import volumes_that_differ
from .database import MEMORY_URL, Database, open_database
from .facts import ContradictionFault, IndexFacts, Row, facts_of
from .queries import CatalogObject, CatalogSession, CatalogVolume, read_objects, read_sessions, read_volumes
from .settle import settle_object

if TYPE_CHECKING:
    from ..drives.base import IndexedVolume

#: Least number of variables in one statement that every supported database takes.
_CHUNK = 500


class Catalog:
    """One open catalog. Its methods may be called from several threads, and several processes may have it open."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def name(self) -> str:
        """How messages call this catalog: its path, or its URL without a password."""
        return self._database.name

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    # ------------------------------------------------------------ changes

    def begin_session(self, plan: str, fingerprint: str, started: str, at_least: int = 0) -> Session:
        """Record that a run begins, and give it its identifier and number.

        *started*: UTC text as in :class:`~tapechain.runtime.model.Session`. *at_least*: the highest number seen on the
        run's media; the session's number is above it and above all that the catalog knows. Raises CatalogFault.
        """
        with self._database.writing() as connection:
            known = connection.execute(sa.select(sa.func.max(schema.sessions.c.number))).scalar()
            session = Session(
                id=new_id(), number=max(known or 0, at_least) + 1, plan=plan, fingerprint=fingerprint, started=started
            )
            connection.execute(
                schema.sessions.insert().values(
                    id=session.id,
                    number=session.number,
                    plan=plan,
                    fingerprint=fingerprint,
                    started=started,
                    state="begun",
                )
            )
        return session

    def record_volume(self, indexed: IndexedVolume) -> None:
        """Record one confirmed index and the volume that it lies on.

        Idempotent: the index of a session on a volume replaces what was known of it; a volume that has moved is found
        at its new place from now on. Raises CatalogFault, and then nothing has changed.
        """
        facts = facts_of(indexed)
        with self._database.writing() as connection:
            _record(connection, facts)

    def record_volumes(self, many: Iterable[IndexedVolume]) -> None:
        """As :meth:`record_volume` for many, in one transaction: all or nothing."""
        with self._database.writing() as connection:
            for indexed in many:
                _record(connection, facts_of(indexed))

    def catch_up(self, drive: str, folder: Path) -> tuple[str, ...]:
        """Record what *drive*'s volumes in *folder* prove and the catalog does not know; what is worth saying of it.

        For a drive that the caller has locked: a session found there that never reported its end has ended. Raises
        CatalogFault where the catalog cannot be written; a volume that contradicts it is passed over and told.
        """
        with self._database.reading() as connection:
            rows = connection.execute(
                sa.select(schema.volumes.c.location, schema.volumes.c.bytes).where(schema.volumes.c.drive == drive)
            )
            known = {str(place): int(size) for place, size in rows if place is not None}
        notes = []
        for found in volumes_that_differ(drive, folder, known):
            name = found[0].label.name
            try:
                with self._database.writing() as connection:
                    new = _record_unknown(connection, found)
            except ContradictionFault as fault:
                notes.append(f"volume {name} is not recorded: {fault.message}")
                continue
            if new:
                notes.append(f"volume {name}: {new} session(s) that the catalog did not know are recorded")
        return tuple(notes)

    def finish_session(
        self, report: RunReport, session: Session, kinds: Mapping[str, SourceKind] | None = None
    ) -> None:
        """Record how a run ended: its status, and of its objects and copies what the media do not say.

        What an index has said stays as it is. *kinds*: each source's kind, for objects of which no index speaks. Raises
        CatalogFault.
        """
        with self._database.writing() as connection:
            row = (
                connection.execute(sa.select(schema.sessions).where(schema.sessions.c.id == session.id))
                .mappings()
                .first()
            )
            if row is None:
                # The catalog was replaced by a rebuilt one while the run was going on.
                connection.execute(
                    schema.sessions.insert().values(
                        id=session.id,
                        number=session.number,
                        plan=session.plan,
                        fingerprint=session.fingerprint,
                        started=session.started,
                        state="ended",
                    )
                )
            spoken = _exists(connection, schema.indexes.c.session_id == session.id)
            values: Row = {"state": "ended", "reported": report.status}
            if not spoken:
                values["seconds"] = round(report.seconds, 3)
            connection.execute(schema.sessions.update().where(schema.sessions.c.id == session.id).values(values))
            for report_object in report.objects:
                kind = (kinds or {}).get(report_object.source) or _kind(connection, session, report_object.source)
                _report_object(connection, session, report_object, kind)

    # ------------------------------------------------------------ questions

    def objects(
        self, *, source: str | None = None, plan: str | None = None, object_id: str | None = None
    ) -> list[CatalogObject]:
        """The objects that fit, newest session first, then by source. Raises CatalogFault."""
        with self._database.reading() as connection:
            return read_objects(connection, source=source, plan=plan, object_id=object_id)

    def volumes(self) -> list[CatalogVolume]:
        """All volumes, by drive and name. Raises CatalogFault."""
        with self._database.reading() as connection:
            return read_volumes(connection)

    def sessions(self, *, plan: str | None = None) -> list[CatalogSession]:
        """The sessions (of *plan*), newest first. Raises CatalogFault."""
        with self._database.reading() as connection:
            return read_sessions(connection, plan=plan)

    def source_names(self) -> list[tuple[str, str]]:
        """All (plan, source) of which an object is known, sorted. Raises CatalogFault."""
        statement = (
            sa.select(schema.sessions.c.plan, schema.objects.c.source)
            .join(schema.objects, schema.objects.c.session_id == schema.sessions.c.id)
            .distinct()
        )
        with self._database.reading() as connection:
            return sorted((str(plan), str(source)) for plan, source in connection.execute(statement))


def open_catalog(where: str | os.PathLike[str], *, create: bool) -> Catalog:
    """Open the catalog at a path or database URL; *create* makes it (and its folder) where there is none.

    Raises CatalogFault: there is none, it is not a catalog, of another version, damaged, or cannot be reached.
    """
    return Catalog(open_database(where, create=create))


def memory_catalog() -> Catalog:
    """An empty catalog in memory, for reading volumes that no catalog knows."""
    return open_catalog(MEMORY_URL, create=True)


# ---------------------------------------------------------------- what an index changes


def _record(connection: Connection, facts: IndexFacts) -> None:
    volume_id, session_id = facts.index["volume_id"], facts.index["session_id"]
    for session in facts.sessions:
        _record_session(connection, session, facts)
    _record_volume_row(connection, facts.volume)
    here = (schema.entries.c.volume_id == volume_id) & (schema.entries.c.session_id == session_id)
    gone = set(connection.execute(sa.select(schema.entries.c.object_id).where(here)).scalars())
    connection.execute(schema.entries.delete().where(here))
    connection.execute(
        schema.indexes.delete().where(
            (schema.indexes.c.volume_id == volume_id) & (schema.indexes.c.session_id == session_id)
        )
    )
    connection.execute(schema.indexes.insert().values(facts.index))
    if facts.entries:
        connection.execute(schema.entries.insert(), list(facts.entries))
    longest = connection.execute(
        sa.select(sa.func.max(schema.indexes.c.seconds)).where(schema.indexes.c.session_id == session_id)
    ).scalar()
    connection.execute(schema.sessions.update().where(schema.sessions.c.id == session_id).values(seconds=longest))
    _settle(connection, sorted(gone | {e["object_id"] for e in facts.entries}))


def _record_unknown(connection: Connection, found: Sequence[IndexedVolume]) -> int:
    """Record all indexes of one volume; how many of them were not known. Their sessions have ended."""
    volume_id = found[0].label.volume
    before = set(
        connection.execute(
            sa.select(schema.indexes.c.session_id).where(schema.indexes.c.volume_id == volume_id)
        ).scalars()
    )
    new = [i.index.session.id for i in found if i.index.session.id not in before]
    for indexed in found:
        _record(connection, facts_of(indexed))
    for ids in _chunks(new):
        connection.execute(
            schema.sessions.update()
            .where(schema.sessions.c.id.in_(ids) & (schema.sessions.c.state == "begun"))
            .values(state="ended")
        )
    return len(new)


def _record_session(connection: Connection, session: Row, facts: IndexFacts) -> None:
    at = schema.sessions.c.id == session["id"]
    known = connection.execute(sa.select(schema.sessions).where(at)).mappings().first()
    if known is None:
        connection.execute(schema.sessions.insert().values({**session, "state": "ended"}))
        return
    if any(known[k] != session[k] for k in ("number", "started")):
        raise ContradictionFault(
            f"volume {facts.volume['name']} tells another story of session {session['id']} than the catalog does",
            safe="nothing was recorded from it",
            todo="one of the two is not what it says: rebuild the catalog from the volumes that you trust",
        )
    changes: Row = {}
    if len(session["fingerprint"]) > len(known["fingerprint"]):
        # A record's label bears no fingerprint, and a long plan's name only in part; an index has both.
        changes |= {"fingerprint": session["fingerprint"], "plan": session["plan"]}
    if facts.index["state"] == "recovered" and known["state"] != "ended":
        changes["state"] = "ended"
    if changes:
        connection.execute(schema.sessions.update().where(at).values(changes))


def _record_volume_row(connection: Connection, volume: Row) -> None:
    at = schema.volumes.c.id == volume["id"]
    known = connection.execute(sa.select(schema.volumes).where(at)).mappings().first()
    if known is not None and any(known[k] != volume[k] for k in ("name", "created", "drive")):
        raise ContradictionFault(
            f"volume {volume['name']} bears the identifier of {known['name']}, which is another volume",
            safe="nothing was recorded from it",
            todo="a label that lies is not believed: set this volume aside",
        )
    connection.execute(
        schema.volumes.update()
        .where((schema.volumes.c.location == volume["location"]) & (schema.volumes.c.id != volume["id"]))
        .values(location=None)
    )
    if known is None:
        connection.execute(schema.volumes.insert().values(volume))
    else:
        connection.execute(schema.volumes.update().where(at).values(volume))


def _settle(connection: Connection, object_ids: Sequence[str]) -> None:
    """Remake the rows of ``objects`` and ``copies`` of these objects from all that the indexes say of them."""
    for ids in _chunks(object_ids):
        parts = _grouped(
            connection.execute(
                sa.select(schema.entries, schema.indexes.c.drive, schema.indexes.c.agent, schema.sessions.c.number)
                .join(
                    schema.indexes,
                    (schema.indexes.c.volume_id == schema.entries.c.volume_id)
                    & (schema.indexes.c.session_id == schema.entries.c.session_id),
                )
                .join(schema.sessions, schema.sessions.c.id == schema.entries.c.session_id)
                .where(schema.entries.c.object_id.in_(ids))
            ).mappings(),
            "object_id",
        )
        known = _grouped(
            connection.execute(sa.select(schema.objects).where(schema.objects.c.id.in_(ids))).mappings(), "id"
        )
        reported = _grouped(
            connection.execute(sa.select(schema.copies).where(schema.copies.c.object_id.in_(ids))).mappings(),
            "object_id",
        )
        connection.execute(schema.objects.delete().where(schema.objects.c.id.in_(ids)))
        connection.execute(schema.copies.delete().where(schema.copies.c.object_id.in_(ids)))
        rows, copies = [], []
        for object_id in ids:
            if object_id in parts:
                before = known.get(object_id)
                row, its = settle_object(parts[object_id], before[0] if before else None, reported.get(object_id, []))
                rows.append(row)
                copies += its
        if rows:
            connection.execute(schema.objects.insert(), rows)
        if copies:
            connection.execute(schema.copies.insert(), copies)


def _report_object(connection: Connection, session: Session, report: ObjectReport, kind: str) -> None:
    """What the run knows of an object beyond its indexes: the object itself where no medium has it, and each lack."""
    spoken = _exists(connection, schema.entries.c.object_id == report.object)
    at = schema.objects.c.id == report.object
    if not spoken:
        kept = any(c.status in {"stored", "discarded"} for c in report.copies)
        status = "cut-off" if report.status == "whole" and not kept else report.status
        connection.execute(schema.objects.delete().where(at))
        connection.execute(
            schema.objects.insert().values(
                id=report.object,
                session_id=session.id,
                source=report.source,
                kind=kind,
                level="full",
                bytes=report.bytes,
                records=report.records,
                status=status,
                unread=report.unread,
                warnings=json.dumps(list(report.warnings), ensure_ascii=False),
                error=report.error,
            )
        )
    elif report.error is not None:
        connection.execute(
            schema.objects.update().where(at & (schema.objects.c.status != "whole")).values(error=report.error)
        )
    for copy in report.copies:
        here = (schema.copies.c.object_id == report.object) & (schema.copies.c.drive == copy.drive)
        known = connection.execute(sa.select(schema.copies).where(here)).mappings().first()
        if known is None:
            # Nothing on media says that it is stored; a report alone does not make it so.
            copy_status = "cut-off" if copy.status == "stored" else copy.status
            connection.execute(
                schema.copies.insert().values(
                    object_id=report.object,
                    drive=copy.drive,
                    agent=copy.agent,
                    status=copy_status,
                    error=copy.error,
                )
            )
        elif known["status"] != "stored":
            connection.execute(
                schema.copies.update().where(here).values(agent=known["agent"] or copy.agent, error=copy.error)
            )


def _kind(connection: Connection, session: Session, source: str) -> str:
    """The kind that the source's newest object had, for want of a better witness."""
    statement = (
        sa.select(schema.objects.c.kind)
        .join(schema.sessions, schema.sessions.c.id == schema.objects.c.session_id)
        .where((schema.sessions.c.plan == session.plan) & (schema.objects.c.source == source))
        .order_by(schema.sessions.c.number.desc())
        .limit(1)
    )
    return connection.execute(statement).scalar() or "unknown"


# ---------------------------------------------------------------- helpers


def _exists(connection: Connection, condition: Any) -> bool:
    return connection.execute(sa.select(sa.literal(1)).where(condition).limit(1)).first() is not None


def _grouped(rows: Iterable[Any], key: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(dict(row))
    return groups


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
