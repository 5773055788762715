"""What follows from the indexes: the state of each copy, of each object, of each session. Pure functions over rows.

An object is whole when some copy is: its parts, over all volumes of one drive in one session, hold the sequences 0…n
without a gap, and the last part says that the object ended there (format.md R3). The order in which indexes became
known changes nothing: that is what makes a rebuilt catalog equal to the one that the runs wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ..model import CopyStatus, ObjectStatus, RunStatus
from .facts import Row


def copy_status(parts: Sequence[Row]) -> CopyStatus:
    """The state of one copy from its entries, sorted by ``first_sequence``."""
    if any(p["state"] == "failed" for p in parts):
        return "failed"
    expected = 0
    for part in parts:
        if part["first_sequence"] != expected or part["records"] <= 0:
            return "cut-off"
        expected += part["records"]
    return "stored" if parts and parts[-1]["state"] == "whole" and not parts[-1]["continues"] else "cut-off"


def in_order(parts: Iterable[Row]) -> list[Row]:
    """The entries of one copy in the order in which they are read. Entries without a record say no place: last."""
    return sorted(parts, key=lambda p: (p["records"] <= 0, p["first_sequence"], p["volume_id"]))


def object_status(parts: Sequence[Row], copies: Iterable[CopyStatus]) -> ObjectStatus:
    """The state of an object from all its entries and the states of its copies."""
    if any(p["state"] == "failed" for p in parts):
        return "failed"
    return "whole" if "stored" in copies else "cut-off"


def settle_object(parts: Sequence[Row], known: Row | None, reported: Sequence[Row]) -> tuple[Row, list[Row]]:
    """The rows of ``objects`` and ``copies`` for one object.

    *parts*: its entries, each with ``number``, ``drive`` and ``agent`` of its index (at least one). *known*: its
    present row, for the error that only a run knows. *reported*: its present copies, for their agents, errors and
    discarded copies.
    """
    parts = sorted(parts, key=lambda p: (p["number"], p["session_id"], p["drive"], p["first_sequence"], p["volume_id"]))
    origin = parts[0]
    groups: dict[tuple[str, str], list[Row]] = {}
    for part in parts:
        groups.setdefault((part["session_id"], part["drive"]), []).append(part)
    meant: dict[str, None] = {}
    for part in parts:
        if part["session_id"] == origin["session_id"]:
            meant.update(dict.fromkeys(_texts(part["drives"])))

    before = {(c["session_id"], c["drive"]): c for c in reported}
    copies: dict[tuple[str, str], Row] = {}
    best = (0, 0)
    for (session_id, drive), unsorted in groups.items():
        group = in_order(unsorted)
        state = copy_status(group)
        old = before.get((session_id, drive))
        copies[session_id, drive] = {
            "object_id": origin["object_id"],
            "session_id": session_id,
            "drive": drive,
            "agent": group[0]["agent"],
            "status": state,
            "error": old["error"] if old and state != "stored" else None,
        }
        best = max(best, (sum(p["records"] for p in group), sum(p["bytes"] for p in group)))
    for drive in meant:
        key = (origin["session_id"], drive)
        if key not in copies:
            old = before.get(key)
            copies[key] = {
                "object_id": origin["object_id"],
                "session_id": key[0],
                "drive": drive,
                "agent": old["agent"] if old else "",
                "status": "failed",
                "error": old["error"] if old else None,
            }
    for key, old in before.items():
        copies.setdefault(key, dict(old))

    status = object_status(parts, [c["status"] for c in copies.values()])
    row = {
        "id": origin["object_id"],
        "session_id": origin["session_id"],
        **{k: origin[k] for k in ("source", "kind", "level", "parent", "compress", "encrypt")},
        "bytes": best[1],
        "records": best[0],
        "status": status,
        "unread": max(p["unread"] for p in parts),
        "warnings": max((p["warnings"] for p in parts), key=lambda w: (len(w), w)),
        "error": known["error"] if known and status != "whole" else None,
    }
    return row, list(copies.values())


def session_status(state: str, reported: str | None, objects: Sequence[Row], copies: Iterable[Row]) -> RunStatus | str:
    """``ok``, ``degraded`` or ``failed``; ``unfinished`` for a session that began and never said how it ended."""
    if reported is not None:
        return reported
    if state == "begun":
        return "unfinished"
    if not any(o["status"] == "whole" for o in objects):
        return "failed"
    well = all(o["status"] == "whole" and o["unread"] == 0 for o in objects)
    return "ok" if well and all(c["status"] in {"stored", "discarded"} for c in copies) else "degraded"


def _texts(text: str) -> list[str]:
    value: Any = json.loads(text)
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise ValueError("a list of text is expected")
    return value
