"""What the catalog knows of keeping: the facts that expiry follows from, and a volume that was recycled."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from .expiry import Expiry, KnownObject, KnownSession, KnownVolume, expiry
from .link import among
from .recording import settle

if TYPE_CHECKING:
    from ..plan import CompiledPlan, Pool
    from .link import Link


def pools_of(plans: Iterable[CompiledPlan]) -> dict[tuple[str, str], Pool]:
    """(plan, pool) → what the plan says of its pool, as :func:`~.expiry.expiry` asks for it."""
    return {(plan.plan, pool.name): pool for plan in plans for pool in plan.pools}


def judge(
    link: Link, pools: Mapping[tuple[str, str], Pool], now: float, given_up: Collection[tuple[str, str]] = ()
) -> Expiry:
    """When each volume and object of the catalog may go."""
    sessions = [
        KnownSession(row["id"], int(row["number"]), _ended(row["started"], row["seconds"]))
        for row in link.rows("SELECT id, number, started, seconds FROM sessions")
    ]
    stored = _fulls_stored(link)
    objects = [
        KnownObject(
            row["id"],
            row["plan"],
            row["source"],
            row["session_id"],
            row["status"] == "whole",
            None if row["level"] == "full" else row["parent"],
            row["parent"] if row["level"] == "full" else None,
            stored.get(row["id"], frozenset()),
        )
        for row in link.rows(
            "SELECT objects.id, sessions.plan, objects.source, objects.session_id, objects.status, objects.level,"
            " objects.parent"
            " FROM objects JOIN sessions ON sessions.id = objects.session_id"
        )
    ]
    held: dict[str, dict[str, None]] = {}
    for row in link.rows("SELECT volume_id, object_id FROM entries WHERE records > 0"):
        held.setdefault(row["volume_id"], {})[row["object_id"]] = None
    writers: dict[str, set[str]] = {}
    for row in link.rows(
        "SELECT DISTINCT indexes.volume_id, sessions.plan FROM indexes"
        " JOIN sessions ON sessions.id = indexes.session_id"
    ):
        writers.setdefault(row["volume_id"], set()).add(row["plan"])
    volumes = [
        KnownVolume(
            row["id"],
            row["pool"],
            tuple(sorted({row["plan"], *writers.get(row["id"], ())})),
            tuple(held.get(row["id"], ())),
            row["drive"],
        )
        for row in link.rows("SELECT id, pool, plan, drive FROM volumes")
    ]
    return expiry(sessions=sessions, objects=objects, volumes=volumes, pools=pools, now=now, given_up=given_up)


def _fulls_stored(link: Link) -> dict[str, frozenset[tuple[str, str | None]]]:
    """Of the fulls that were merged and hold all their tree: (drive, pool) where each lies whole, in one pool alone."""
    fulls = "SELECT id FROM objects WHERE level = 'full' AND parent IS NOT NULL AND status = 'whole'"
    complete = {
        (row["object_id"], row["drive"])
        for row in link.rows(
            "SELECT object_id, drive FROM copies WHERE status = 'stored'"
            f" AND object_id IN ({fulls} AND unread = 0 AND kind = 'files')"
        )
    }
    if not complete:
        return {}
    pools: dict[tuple[str, str], set[str | None]] = {}
    for row in link.rows(
        "SELECT DISTINCT entries.object_id, indexes.drive, volumes.pool FROM entries"
        " JOIN indexes ON indexes.volume_id = entries.volume_id AND indexes.session_id = entries.session_id"
        " JOIN volumes ON volumes.id = entries.volume_id"
        f" WHERE entries.records > 0 AND entries.object_id IN ({fulls})"
    ):
        pools.setdefault((row["object_id"], row["drive"]), set()).add(row["pool"])
    found: dict[str, set[tuple[str, str | None]]] = {}
    for (object_id, drive), its in pools.items():
        if (object_id, drive) in complete and len(its) == 1:
            found.setdefault(object_id, set()).add((drive, next(iter(its))))
    return {object_id: frozenset(places) for object_id, places in found.items()}


def forget(link: Link, volume_id: str) -> None:
    """Take a volume and all that it held out of the catalog.

    Copies that lay on it are ``recycled`` from now on: nobody lost them. An object that no volume holds any more is
    gone, as it is from a catalog that is rebuilt; its session stays.
    """
    at = {"volume_id": volume_id}
    objects = {
        row["object_id"]: row["drive"]
        for row in link.rows(
            "SELECT DISTINCT entries.object_id, indexes.drive FROM entries JOIN indexes"
            " ON indexes.volume_id = entries.volume_id AND indexes.session_id = entries.session_id"
            " WHERE entries.volume_id = :volume_id AND entries.records > 0",
            at,
        )
    }
    listed = [row["object_id"] for row in link.rows("SELECT object_id FROM entries WHERE volume_id = :volume_id", at)]
    link.run("DELETE FROM entries WHERE volume_id = :volume_id", at)
    link.run("DELETE FROM indexes WHERE volume_id = :volume_id", at)
    link.run("DELETE FROM volumes WHERE id = :id", {"id": volume_id})
    by_drive: dict[str, list[str]] = {}
    for object_id, drive in objects.items():
        by_drive.setdefault(drive, []).append(object_id)
    for drive, ids in by_drive.items():
        for condition, values in among("object_id", sorted(ids)):
            link.run(
                f"UPDATE copies SET status = 'recycled', error = NULL WHERE drive = :drive AND {condition}",
                {"drive": drive, **values},
            )
    settle(link, sorted({*objects, *listed}))


def _ended(started: object, seconds: object) -> float | None:
    """When a session ended, in Unix seconds; None where the catalog's words are no time."""
    try:
        begun = datetime.fromisoformat(str(started)).timestamp()
    except (ValueError, OverflowError):
        return None
    return begun + (seconds if isinstance(seconds, int | float) and 0 <= seconds < 10**9 else 0.0)
