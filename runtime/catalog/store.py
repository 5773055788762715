"""The catalog: what was stored where. A pure function of what the media say, plus the little that only a run knows.

A run hands every index that a drive has confirmed to :meth:`Catalog.record_volume`; ``tcc catalog rebuild`` feeds the
same method from volumes and so arrives at the same rows. :meth:`Catalog.finish_session` adds what no medium holds:
sessions and objects of which nothing reached a medium, why copies are missing, copies that were discarded.

Changes and questions go through ``link``: with SQLite they need the standard library alone.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..hang import HANG_SECONDS, answers
from ..kinds import SourceKind
from ..model import LastFull, RunReport, Session
from . import recording
from .facts import ContradictionFault, facts_of, volume_row
from .link import Links
from .prepare import prepare
from .sqlite import SqliteFile, SqliteMemory, file_of, make_room

if TYPE_CHECKING:
    from ..drives.base import IndexedVolume
    from ..media.label import VolumeLabel
    from ..plan import Pool
    from .expiry import Expiry
    from .queries import CatalogObject, CatalogSession, CatalogVolume, VolumePlace


class Catalog:
    """One open catalog. Its methods may be called from several threads, and several processes may have it open."""

    def __init__(self, links: Links) -> None:
        self._links = links

    @property
    def name(self) -> str:
        """How messages call this catalog: its path, or its URL without a password."""
        return self._links.name

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._links.close()

    # ------------------------------------------------------------ changes

    def begin_session(self, plan: str, fingerprint: str, started: str, at_least: int = 0) -> Session:
        """Record that a run begins, and give it its identifier and number.

        *started*: UTC text as in :class:`~tapechain.runtime.model.Session`. *at_least*: the highest number seen on the
        run's media; the session's number is above it and above all that the catalog knows. Raises CatalogFault.
        """
        with self._links.writing() as link:
            return recording.begin(link, plan, fingerprint, started, at_least)

    def record_volume(self, indexed: IndexedVolume) -> None:
        """Record one confirmed index and the volume that it lies on.

        Idempotent: the index of a session on a volume replaces what was known of it; a volume that has moved is found
        at its new place from now on. Raises CatalogFault, and then nothing has changed.
        """
        facts = facts_of(indexed)
        with self._links.writing() as link:
            recording.record(link, facts)

    def record_volumes(self, many: Iterable[IndexedVolume]) -> None:
        """As :meth:`record_volume` for many, in one transaction: all or nothing."""
        with self._links.writing() as link:
            for indexed in many:
                recording.record(link, facts_of(indexed))

    def record_empty(self, label: VolumeLabel, path: Path, size_bytes: int) -> None:
        """Record a volume that is labelled and holds nothing yet. Raises CatalogFault."""
        with self._links.writing() as link:
            recording.record_empty(link, volume_row(label, path, size_bytes))

    def catch_up(self, drive: str, folder: Path, hang_seconds: float = HANG_SECONDS) -> tuple[str, ...]:
        """Record what *drive*'s volumes in *folder* prove and the catalog does not know; what is worth saying of it.

        A folder that does not answer for *hang_seconds* is left: whoever writes to it says what is wrong with it. For a
        drive that the caller has locked: a session found there that never reported its end has ended. Raises
        CatalogFault where the catalog cannot be written; a volume that contradicts it is passed over and told.
        """
        with self._links.reading() as link:
            rows = link.rows("SELECT * FROM volumes WHERE drive = :drive", {"drive": drive})
        placed = [row for row in rows if row["location"] is not None]
        known = {str(row["location"]): int(row["bytes"]) for row in placed}
        notes = []
        placed_in = {str(row["location"]): (row["id"], row["name"]) for row in placed}

        from .behind import Gone, all_gone, volumes_that_differ, words_of  # who only asks reads no volumes

        ids = {str(row["id"]) for row in rows}

        def look() -> tuple[Gone, list[list[IndexedVolume]]]:
            return all_gone(drive, folder, placed_in, ids), list(volumes_that_differ(drive, folder, known))

        gone_ones, differing = next(iter(answers([look], hang_seconds)), (Gone(), []))
        if gone_ones.names:
            notes.append(words_of(gone_ones, folder))
        for found in differing:
            name = found[0].label.name
            try:
                with self._links.writing() as link:
                    new, gone = recording.record_unknown(link, found)
            except ContradictionFault as fault:
                notes.append(f"volume {name} is not recorded: {fault.message}")
                continue
            if new:
                notes.append(f"volume {name}: {new} session(s) that the catalog did not know are recorded")
            if gone:
                notes.append(f"volume {name}: {gone} session(s) that the catalog knew are not on it any more")
        self._settle_sessions(drive)
        return tuple(notes)

    def _settle_sessions(self, drive: str) -> None:
        """Sessions that have an index on *drive*, which is ours now, and never said how they ended: they have ended.

        Their process died between its last index and its report; their state follows from their objects.
        """
        open_ones = (
            "FROM sessions WHERE state = 'begun' AND id IN (SELECT session_id FROM indexes WHERE drive = :drive)"
        )
        with self._links.reading() as link:
            if not link.rows(f"SELECT id {open_ones}", {"drive": drive}):
                return
        with self._links.writing() as link:
            link.run(
                "UPDATE sessions SET state = 'ended' WHERE state = 'begun'"
                " AND id IN (SELECT session_id FROM indexes WHERE drive = :drive)",
                {"drive": drive},
            )

    def finish_session(
        self, report: RunReport, session: Session, kinds: Mapping[str, SourceKind] | None = None
    ) -> None:
        """Record how a run ended: its status, and of its objects and copies what the media do not say.

        What an index has said stays as it is. *kinds*: each source's kind, for objects of which no index speaks. Raises
        CatalogFault.
        """
        with self._links.writing() as link:
            recording.finish(link, report, session, kinds or {})

    def forget_volume(self, volume_id: str) -> None:
        """Take a volume that is recycled, and what only it held, out of the catalog. Raises CatalogFault."""
        from .keeping import forget

        with self._links.writing() as link:
            forget(link, volume_id)

    def keep_list(self, object_id: str, parts: Iterable[bytes]) -> None:
        """Keep the member list of an object, in place of the one that there was. Raises CatalogFault."""
        with self._links.writing() as link:
            link.run("DELETE FROM member_lists WHERE object_id = :id", {"id": object_id})
            for part, data in enumerate(parts):
                link.run(
                    "INSERT INTO member_lists (object_id, part, data) VALUES (:id, :part, :data)",
                    {"id": object_id, "part": part, "data": data},
                )

    def list_parts(self, object_id: str) -> Iterator[bytes]:
        """The member list of an object, a part at a time; nothing where there is none. Raises CatalogFault."""
        part = 0
        with self._links.reading() as link:
            while rows := link.rows(
                "SELECT data FROM member_lists WHERE object_id = :id AND part = :part", {"id": object_id, "part": part}
            ):
                data = rows[0]["data"]
                yield bytes(data) if isinstance(data, bytes | memoryview) else b""
                part += 1

    def standing(self, object_id: str, *, plan: str, source: str, drives: Collection[str]) -> str | None:
        """Why no incremental may build on the object, or None; see ``standing``. Raises CatalogFault."""
        from .standing import standing

        with self._links.reading() as link:
            return standing(link, object_id, plan=plan, source=source, drives=drives)

    def buildable(
        self, object_id: str, *, plan: str, source: str, drives: Collection[str], hang_seconds: float = HANG_SECONDS
    ) -> str | None:
        """As :meth:`standing`, for *drives* that are mounted: the volumes that hold the chain are looked for, too.

        Raises CatalogFault.
        """
        from .at_hand import away, parts_of
        from .standing import standing

        needed: set[tuple[str, str]] = set()
        with self._links.reading() as link:
            why = standing(link, object_id, plan=plan, source=source, drives=drives, needed=needed)
            parts = [] if why is not None else parts_of(link, needed)
        return why or away(parts, hang_seconds)

    # ------------------------------------------------------------ questions

    def expiry(
        self,
        pools: Mapping[tuple[str, str], Pool],
        *,
        now: float,
        given_up: Collection[tuple[str, str]] = (),
    ) -> Expiry:
        """When each volume and object may go (see :mod:`~.expiry`). Raises CatalogFault."""
        from .keeping import judge

        with self._links.reading() as link:
            return judge(link, pools, now, given_up)

    def objects(
        self,
        *,
        source: str | None = None,
        plan: str | None = None,
        object_id: str | None = None,
        drive: str | None = None,
    ) -> list[CatalogObject]:
        """The objects that fit, newest session first, then by source. Raises CatalogFault.

        *drive*: of which its volumes hold records.
        """
        from .queries import read_objects

        with self._links.reading() as link:
            return read_objects(link, source=source, plan=plan, object_id=object_id, drive=drive)

    def objects_named(self, ids: Collection[str]) -> list[CatalogObject]:
        """Those of the objects *ids* that are known, in no order. Raises CatalogFault."""
        from .queries import read_named

        with self._links.reading() as link:
            return read_named(link, list(ids))

    def objects_of_drive(self, drive: str, names: Collection[tuple[str, str]]) -> list[CatalogObject]:
        """The objects of the sources *names*, (plan, source), of which the drive's volumes hold records, in no order.

        Raises CatalogFault.
        """
        from .queries import read_of_drive

        with self._links.reading() as link:
            return read_of_drive(link, drive, names)

    def names_of_drive(self, drive: str) -> list[tuple[str, str]]:
        """All (plan, source) of which the drive's volumes hold records, sorted. Raises CatalogFault."""
        from .queries import read_names_of_drive

        with self._links.reading() as link:
            return read_names_of_drive(link, drive)

    def known(self, ids: Collection[str]) -> set[str]:
        """Those of the objects *ids* that are known. Raises CatalogFault."""
        from .queries import read_known

        with self._links.reading() as link:
            return read_known(link, list(ids))

    def objects_on(self, volume_id: str) -> list[CatalogObject]:
        """The objects of which the volume holds records, with all their copies; newest first. Raises CatalogFault."""
        from .queries import read_objects

        with self._links.reading() as link:
            return read_objects(link, volume_id=volume_id)

    def volumes(self) -> list[CatalogVolume]:
        """All volumes, by drive and name. Raises CatalogFault."""
        from .queries import read_volumes

        with self._links.reading() as link:
            return read_volumes(link)

    def sessions(self, *, plan: str | None = None) -> list[CatalogSession]:
        """The sessions (of *plan*), newest first. Raises CatalogFault."""
        from .queries import read_sessions

        with self._links.reading() as link:
            return read_sessions(link, plan=plan)

    def places(self) -> list[VolumePlace]:
        """All volumes, by drive and name, and where each was last seen. Raises CatalogFault."""
        from .queries import read_places

        with self._links.reading() as link:
            return read_places(link)

    def begun(self, ids: Collection[str]) -> dict[str, Session]:
        """Those of the sessions *ids* that are known, as their drives were told of them. Raises CatalogFault."""
        from .queries import read_begun

        with self._links.reading() as link:
            return read_begun(link, list(ids))

    def last_fulls(self, plan: str, sources: Sequence[str], *, but: str) -> dict[str, LastFull]:
        """Of each of the plan's *sources* that has one its newest whole full of another session than *but*.

        Raises CatalogFault.
        """
        from .fulls import read_last_fulls

        with self._links.reading() as link:
            return read_last_fulls(link, plan, sources, but=but)

    def source_names(self) -> list[tuple[str, str]]:
        """All (plan, source) of which an object is known, sorted. Raises CatalogFault."""
        with self._links.reading() as link:
            rows = link.rows(
                "SELECT DISTINCT sessions.plan, objects.source FROM objects"
                " JOIN sessions ON sessions.id = objects.session_id"
            )
        return sorted((str(row["plan"]), str(row["source"])) for row in rows)


def open_catalog(where: str | os.PathLike[str], *, create: bool, synced: bool = True) -> Catalog:
    """Open the catalog at a path or database URL; *create* makes it (and its folder) where there is none.

    Without *synced* changes of a file do not wait for the disk: for one that is made aside, and synced as a whole.
    Raises CatalogFault: there is none, it is not a catalog, of another version, damaged, or cannot be reached.
    """
    text = os.fspath(where)
    path = file_of(text)
    if path is not None:
        immutable = make_room(path, create=create)
        name = str(path) if "://" in text else text
        catalog = Catalog(SqliteFile(path, name, immutable=immutable, synced=synced))
    else:
        catalog = _over_alchemy(text)
    return _prepared(catalog, create=create)


def _prepared(catalog: Catalog, *, create: bool) -> Catalog:
    try:
        prepare(catalog._links, create=create)
    except BaseException:
        catalog.close()
        raise
    return catalog


def memory_catalog() -> Catalog:
    """An empty catalog in memory, for reading volumes that no catalog knows."""
    return _prepared(Catalog(SqliteMemory()), create=True)


def _over_alchemy(where: str) -> Catalog:
    from .database import open_database

    return Catalog(open_database(where))
