"""What changes rows of the catalog: an index that a drive has confirmed, and what only a run can tell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..media.ids import new_id
from ..media.label import LABEL_BYTES
from ..model import ObjectReport, RunReport, Session
from .facts import ContradictionFault, IndexFacts, Row, facts_of, session_row
from .link import Link, among, first, insert, update
from .settle import settle_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..drives.base import IndexedVolume
    from ..kinds import SourceKind


def begin(link: Link, plan: str, fingerprint: str, started: str, at_least: int) -> Session:
    """A new session, its number above all that the catalog knows and above *at_least*."""
    known = first(link, "SELECT max(number) AS number FROM sessions")
    highest = max((known["number"] if known else None) or 0, at_least)
    session = Session(id=new_id(), number=highest + 1, plan=plan, fingerprint=fingerprint, started=started)
    insert(link, "sessions", {**session_row(session), "state": "begun"})
    return session


def record(link: Link, facts: IndexFacts) -> None:
    """Replace what was known of one session on one volume. Raises ContradictionFault.

    Of the same stretch of the volume, that is: a run that was killed while it copied leaves records of which the index
    that is made for them can only say who had read their source, and that session may have an index there, too.
    """
    here = {"volume_id": facts.index["volume_id"], "session_id": facts.index["session_id"]}
    at = "volume_id = :volume_id AND session_id = :session_id"
    for session in facts.sessions:
        _record_session(link, session, facts)
    _refuse_other_objects(link, facts)
    _record_volume(link, facts.volume)
    before = link.rows(f"SELECT * FROM entries WHERE {at}", here)
    low, high = facts.span
    elsewhere = {e["object_id"]: e for e in before if e["first"] is None or not low <= e["first"] < high}
    entries = {e["object_id"]: e for e in facts.entries}
    entries |= {key: e for key, e in elsewhere.items() if key not in entries or _holds(e) > _holds(entries[key])}
    index = facts.index
    if any(e["first"] is not None for e in elsewhere.values()):
        known = first(link, f"SELECT * FROM indexes WHERE {at}", here)
        index = max(known or index, index, key=lambda one: (one["state"] == "ended", one["ended"]))
    link.run(f"DELETE FROM entries WHERE {at}", here)
    link.run(f"DELETE FROM indexes WHERE {at}", here)
    insert(link, "indexes", index)
    insert(link, "entries", list(entries.values()))
    link.run(
        "UPDATE sessions SET seconds = (SELECT max(seconds) FROM indexes WHERE session_id = :id) WHERE id = :id",
        {"id": here["session_id"]},
    )
    settle(link, sorted({e["object_id"] for e in before} | entries.keys()))


def _holds(entry: Row) -> tuple[bool, bool, int]:
    """Which of two entries of one object under one session says more of it."""
    return (entry["records"] > 0, entry["state"] == "whole", entry["records"])


def record_empty(link: Link, volume: Row) -> None:
    """Record a volume that holds nothing yet. What is known of sessions on it counts for more, and stays.

    Raises ContradictionFault.
    """
    at = {"id": volume["id"]}
    if first(link, "SELECT volume_id FROM indexes WHERE volume_id = :id LIMIT 1", at) is None:
        _record_volume(link, volume)


def record_unknown(link: Link, found: Sequence[IndexedVolume]) -> tuple[int, int]:
    """Record all indexes of one volume; how many of them were not known, and how many that were are not on it any more.

    Sessions that are found have ended. A volume whose indexes leave no gap holds nothing but what they say: what the
    catalog knows beyond them is not there (an older copy of the volume was put back, say).
    """
    volume = {"volume_id": found[0].label.volume}
    before = {r["session_id"] for r in link.rows("SELECT session_id FROM indexes WHERE volume_id = :volume_id", volume)}
    new = [i.index.session.id for i in found if i.index.session.id not in before]
    whole = found[0].index.first == LABEL_BYTES
    left: list[str] = []
    if whole:
        had = link.rows("SELECT object_id FROM entries WHERE volume_id = :volume_id", volume)
        left = sorted({row["object_id"] for row in had})
        link.run("DELETE FROM entries WHERE volume_id = :volume_id", volume)
    for indexed in found:
        record(link, facts_of(indexed))
    settle(link, left)
    for condition, values in among("id", new):
        link.run(f"UPDATE sessions SET state = 'ended' WHERE state = 'begun' AND {condition}", values)
    gone = before - {i.index.session.id for i in found} if whole else set()
    for session_id in sorted(gone):
        _forget_index(link, {**volume, "session_id": session_id})
    return len(new), len(gone)


def _forget_index(link: Link, here: Row) -> None:
    """Take one session on one volume out, and settle what it spoke of."""
    at = "volume_id = :volume_id AND session_id = :session_id"
    objects = [row["object_id"] for row in link.rows(f"SELECT object_id FROM entries WHERE {at}", here)]
    link.run(f"DELETE FROM entries WHERE {at}", here)
    link.run(f"DELETE FROM indexes WHERE {at}", here)
    settle(link, sorted(objects))


def finish(link: Link, report: RunReport, session: Session, kinds: Mapping[str, SourceKind]) -> None:
    """How a run ended: its status, and of its objects and copies what the media do not say."""
    at = {"session_id": session.id}
    if first(link, "SELECT id FROM sessions WHERE id = :session_id", at) is None:
        # The catalog was replaced by a rebuilt one while the run was going on.
        insert(link, "sessions", {**session_row(session), "state": "ended"})
    spoken = first(link, "SELECT session_id FROM indexes WHERE session_id = :session_id LIMIT 1", at) is not None
    changes: Row = {"state": "ended", "reported": report.status}
    if not spoken:
        changes["seconds"] = round(report.seconds, 3)
    update(link, "sessions", changes, "id = :session_id", at)
    for one in report.objects:
        _report_object(link, session, one, kinds.get(one.source) or _kind(link, session, one.source))


def _record_session(link: Link, session: Row, facts: IndexFacts) -> None:
    known = first(link, "SELECT * FROM sessions WHERE id = :id", {"id": session["id"]})
    if known is None:
        insert(link, "sessions", {**session, "state": "ended"})
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
        update(link, "sessions", changes, "id = :id", {"id": session["id"]})


#: What all parts of one object say alike, where they saw its first record.
_SAME = ("origin_id", "kind", "level", "parent", "compress", "encrypt")


def _refuse_other_objects(link: Link, facts: IndexFacts) -> None:
    """Raise ContradictionFault where an entry bears the identifier of an object that is another one.

    Records are taken from any copy of their object, so that two objects under one identifier would be mixed.
    """
    own = {e["object_id"]: e for e in facts.entries}
    here = (facts.index["volume_id"], facts.index["session_id"])
    for condition, ids in among("object_id", sorted(own)):
        for known in link.rows(f"SELECT * FROM entries WHERE {condition}", ids):
            if (known["volume_id"], known["session_id"]) == here:
                continue
            one = own[known["object_id"]]
            same = known["source"] == one["source"]
            if known["kind"] is not None and one["kind"] is not None:
                same &= all(known[k] == one[k] for k in _SAME)
            if not same:
                raise ContradictionFault(
                    f"volume {facts.volume['name']} tells of another object {known['object_id']} than the catalog does",
                    safe="nothing was recorded from it",
                    todo="one of the two is not what it says: rebuild the catalog from the volumes that you trust",
                )


def _record_volume(link: Link, volume: Row) -> None:
    known = first(link, "SELECT * FROM volumes WHERE id = :id", {"id": volume["id"]})
    if known is not None and any(known[k] != volume[k] for k in ("name", "created", "drive")):
        raise ContradictionFault(
            f"volume {volume['name']} bears the identifier of {known['name']}, which is another volume",
            safe="nothing was recorded from it",
            todo="a label that lies is not believed: set this volume aside",
        )
    place = {"location": volume["location"], "id": volume["id"]}
    link.run("UPDATE volumes SET location = NULL WHERE location = :location AND id <> :id", place)
    if known is None:
        insert(link, "volumes", volume)
    else:
        update(link, "volumes", {k: v for k, v in volume.items() if k != "id"}, "id = :id", {"id": volume["id"]})


def settle(link: Link, object_ids: Sequence[str]) -> None:
    """Remake the rows of ``objects`` and ``copies`` of these objects from all that the indexes say of them."""
    for condition, ids in among("object_id", object_ids):
        parts = _grouped(
            link.rows(
                "SELECT entries.*, indexes.drive, indexes.agent, sessions.number FROM entries"
                " JOIN indexes ON indexes.volume_id = entries.volume_id AND indexes.session_id = entries.session_id"
                f" JOIN sessions ON sessions.id = entries.session_id WHERE entries.{condition}",
                ids,
            ),
            "object_id",
        )
        own = condition.replace("object_id", "id", 1)
        known = {row["id"]: row for row in link.rows(f"SELECT * FROM objects WHERE {own}", ids)}
        reported = _grouped(link.rows(f"SELECT * FROM copies WHERE {condition}", ids), "object_id")
        link.run(f"DELETE FROM objects WHERE {own}", ids)
        link.run(f"DELETE FROM copies WHERE {condition}", ids)
        rows, copies = [], []
        for object_id in ids.values():
            if object_id in parts:
                row, its = settle_object(parts[object_id], known.get(object_id), reported.get(object_id, []))
                rows.append(row)
                copies += its
        insert(link, "objects", rows)
        insert(link, "copies", copies)
        gone = [{"id": object_id} for object_id in ids.values() if object_id not in parts]
        if gone:
            link.run("DELETE FROM member_lists WHERE object_id = :id", gone)


def _report_object(link: Link, session: Session, report: ObjectReport, kind: str) -> None:
    """What the run knows of an object beyond its indexes: the object itself where no medium has it, and each lack."""
    at = {"id": report.object}
    if first(link, "SELECT object_id FROM entries WHERE object_id = :id LIMIT 1", at) is None:
        kept = any(c.status in {"stored", "discarded"} for c in report.copies)
        link.run("DELETE FROM objects WHERE id = :id", at)
        insert(
            link,
            "objects",
            {
                "id": report.object,
                "session_id": session.id,
                "source": report.source,
                "kind": kind,
                "level": "full",
                "bytes": report.bytes,
                "records": report.records,
                "status": "cut-off" if report.status == "whole" and not kept else report.status,
                "unread": report.unread,
                "warnings": json.dumps(list(report.warnings), ensure_ascii=False),
                "error": report.error,
            },
        )
    elif report.error is not None:
        update(link, "objects", {"error": report.error}, "id = :id AND status <> 'whole'", at)
    here = "object_id = :object_id AND drive = :drive"
    for copy in report.copies:
        values: dict[str, Any] = {"object_id": report.object, "drive": copy.drive}
        known = first(link, f"SELECT * FROM copies WHERE {here}", values)
        if known is None:
            # Nothing on media says that it is stored; a report alone does not make it so.
            status = "cut-off" if copy.status == "stored" else copy.status
            insert(link, "copies", {**values, "agent": copy.agent, "status": status, "error": copy.error})
        elif known["status"] != "stored":
            update(link, "copies", {"agent": known["agent"] or copy.agent, "error": copy.error}, here, values)


def _kind(link: Link, session: Session, source: str) -> str:
    """The kind that the source's newest object had, for want of a better witness."""
    known = first(
        link,
        "SELECT objects.kind FROM objects JOIN sessions ON sessions.id = objects.session_id"
        " WHERE sessions.plan = :plan AND objects.source = :source ORDER BY sessions.number DESC LIMIT 1",
        {"plan": session.plan, "source": source},
    )
    return str(known["kind"]) if known else "unknown"


def _grouped(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups
