"""What follows from the indexes: the state of each copy, of each object, of each session. Pure functions over rows.

A copy is stored when the parts of the object on one drive hold the sequences 0…n without a gap, and the part that ends
with n says that the object ended there (format.md R3). The order in which indexes became known changes nothing: that is
what makes a rebuilt catalog equal to the one that the runs wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ..model import CopyStatus, ObjectStatus
from .facts import Row


def in_order(parts: Iterable[Row]) -> list[Row]:
    """The parts of one copy in the order in which they are read; parts without a record last."""
    return sorted(
        parts, key=lambda p: (p["records"] <= 0, p["first_sequence"], -p["records"], p["session_id"], p["volume_id"])
    )


def copy_status(parts: Sequence[Row]) -> CopyStatus:
    """The state of one copy from its entries, :func:`in_order`."""
    covered, ended = 0, False
    for part in parts:
        if part["records"] > 0 and part["first_sequence"] <= covered:
            end = part["first_sequence"] + part["records"]
            if end >= covered:
                covered = end
                ended = part["state"] == "whole" and not part["continues"]
    if ended:
        return "stored"
    return "failed" if any(p["state"] == "failed" for p in parts) else "cut-off"


def held(parts: Sequence[Row]) -> tuple[int, int]:
    """Records and payload bytes of one copy, each sequence counted once as far as whole parts allow."""
    records = size = covered = 0
    for part in parts:
        if part["first_sequence"] >= covered:
            records += part["records"]
            size += part["bytes"]
            covered = part["first_sequence"] + part["records"]
    return records, size


def settle_object(parts: Sequence[Row], known: Row | None, reported: Sequence[Row]) -> tuple[Row, list[Row]]:
    """The rows of ``objects`` and ``copies`` for one object.

    *parts*: its entries (at least one), each with the ``number``, ``drive`` and ``agent`` of its index. *known*: its
    present row, for the error that only a run knows. *reported*: its present copies, for their agents, errors and
    discarded copies.
    """
    # The witnesses that saw its first record come first, then those of the earliest session.
    parts = sorted(parts, key=lambda p: (p["kind"] is None, p["number"], p["session_id"], p["drive"], p["volume_id"]))
    witness = parts[0]
    groups: dict[str, list[Row]] = {}
    meant: dict[str, None] = {}
    for part in parts:
        groups.setdefault(part["drive"], []).append(part)
        meant.update(dict.fromkeys(_texts(part["drives"])))

    before = {c["drive"]: c for c in reported}
    copies: dict[str, Row] = {}
    best = (0, 0)
    for drive in sorted({*groups, *meant, *before}):
        old = before.get(drive)
        status: str
        if drive in groups:
            group = in_order(groups[drive])
            status, agent = copy_status(group), max(groups[drive], key=lambda p: p["number"])["agent"]
            best = max(best, held(group))
        else:
            # "failed" is what a drive means that holds nothing of an object it was to hold.
            keeps = old is not None and drive not in meant
            status, agent = (old["status"] if old and keeps else "failed"), old["agent"] if old else ""
        copies[drive] = {
            "object_id": witness["object_id"],
            "drive": drive,
            "agent": agent,
            "status": status,
            "error": old["error"] if old and status != "stored" else None,
        }

    status = object_status(parts, [c["status"] for c in copies.values()])
    row = {
        "id": witness["object_id"],
        "session_id": witness["origin_id"],
        **{k: witness[k] for k in ("source", "level", "parent", "compress", "encrypt")},
        "kind": witness["kind"] or "unknown",
        "bytes": best[1],
        "records": best[0],
        "status": status,
        "unread": max(p["unread"] for p in parts),
        "warnings": max((p["warnings"] for p in parts), key=lambda w: (len(w), w)),
        "error": known["error"] if known and status != "whole" else None,
    }
    return row, list(copies.values())


def object_status(parts: Sequence[Row], copies: Sequence[str]) -> ObjectStatus:
    """The state of an object from all its entries and the states of its copies."""
    if "stored" in copies:
        return "whole"
    return "failed" if any(p["state"] == "failed" for p in parts) else "cut-off"


def session_status(state: str, reported: str | None, objects: Sequence[Row], copies: Iterable[Row]) -> str:
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
