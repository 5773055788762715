"""Whether an incremental may build on an object: asked by a run, so over a ``Link`` (see there)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from .link import Link, first

#: Far beyond any chain that one restores; also ends a catalog's parents that go round in a circle.
LINKS_MAX: Final = 10_000


def standing(
    link: Link,
    object_id: str,
    *,
    plan: str,
    source: str,
    drives: Collection[str],
    needed: set[tuple[str, str]] | None = None,
) -> str | None:
    """Why nothing more can be built on the object, or None.

    It and every object below it, down to a full, must be whole, of this source, and stored on each of *drives*: else
    the copies that the plan promises would not each be enough for a restore. On a drive that stores a full that stands
    for one of them, this is as good as that one and all below it. *needed* takes the (drive, object) that a restore
    from each of *drives* alone would read, where nothing is wrong.
    """
    needed = set() if needed is None else needed
    at: str | None = object_id
    left = set(drives)
    for _ in range(LINKS_MAX):
        if at is None:
            return f"object {object_id} leads to no full one"
        fulls = _fulls_for(link, at, plan=plan, source=source)
        needed |= {(drive, full) for drive, full in fulls.items() if drive in left}
        left -= fulls.keys()
        if drives and not left:
            return None
        row = first(
            link,
            "SELECT objects.status, objects.level, objects.parent, objects.source, sessions.plan FROM objects"
            " JOIN sessions ON sessions.id = objects.session_id WHERE objects.id = :id",
            {"id": at},
        )
        if row is None:
            return f"the catalog no longer knows object {at}, which it would build on"
        if (row["plan"], row["source"]) != (plan, source):
            return f"object {at}, which it would build on, is of another source"
        if row["status"] != "whole":
            return f"object {at}, which it would build on, is {row['status']}"
        without = _without(link, at, left)
        if without:
            return f"object {at}, which it would build on, is not stored on {', '.join(without)}"
        needed |= {(drive, at) for drive in left}
        if row["level"] == "full":
            return None
        at = row["parent"]
    return f"more than {LINKS_MAX} objects follow each other below it"


def _without(link: Link, object_id: str, drives: Collection[str]) -> list[str]:
    """Those of *drives* that do not store the object."""
    rows = link.rows("SELECT drive FROM copies WHERE object_id = :id AND status = 'stored'", {"id": object_id})
    return sorted(set(drives) - {str(copy["drive"]) for copy in rows})


def _fulls_for(link: Link, object_id: str, *, plan: str, source: str) -> dict[str, str]:
    """Drive → the newest full on it that stands for the object."""
    rows = link.rows(
        "SELECT copies.drive, objects.id FROM objects JOIN sessions ON sessions.id = objects.session_id"
        " JOIN copies ON copies.object_id = objects.id AND copies.status = 'stored'"
        " WHERE objects.parent = :id AND objects.level = 'full' AND objects.status = 'whole'"
        " AND objects.source = :source AND sessions.plan = :plan ORDER BY objects.id",
        {"id": object_id, "source": source, "plan": plan},
    )
    return {str(row["drive"]): str(row["id"]) for row in rows}
