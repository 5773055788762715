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

#: The state of a copy whose volume was recycled when its retention had ended. Only the catalog remembers it.
RECYCLED = "recycled"


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
                # A second part that ends there takes nothing back: it may be a record that strayed onto another volume.
                here = part["state"] == "whole" and not part["continues"]
                ended = here or (ended and end == covered)
                covered = end
    if ended:
        return "stored"
    return "failed" if any(p["state"] == "failed" for p in parts) else "cut-off"


def held(parts: Sequence[Row]) -> tuple[int, int]:
    """Records and payload bytes that these parts, :func:`in_order`, hold; each sequence counts once."""
    records = size = covered = 0
    for part in parts:
        end = part["first_sequence"] + part["records"]
        if end <= covered:
            continue
        twice = max(0, covered - part["first_sequence"])
        # All records but an object's last are full: what is there twice has the size of what was counted so far.
        size += part["bytes"] - (twice * size // records if records else 0)
        records += part["records"] - twice
        covered = end
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
            if status != "stored" and old is not None and old["status"] == RECYCLED:
                status = RECYCLED  # what is left of it on a volume that is still kept
            best = max(best, held(group))
        else:
            # "failed" is what a drive means that holds nothing of an object it was to hold.
            keeps = old is not None and (drive not in meant or old["status"] == RECYCLED)
            status, agent = (old["status"] if old and keeps else "failed"), old["agent"] if old else ""
        copies[drive] = {
            "object_id": witness["object_id"],
            "drive": drive,
            "agent": agent,
            "status": status,
            "error": old["error"] if old and status != "stored" else None,
        }

    together = in_order(parts)
    status = object_status(together, [c["status"] for c in copies.values()])
    best = max(best, held(together))
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
    """The state of an object from all its entries, :func:`in_order`, and the states of its copies.

    It is whole, too, when copies that were cut off hold all its records together (format.md R3).
    """
    if "stored" in copies or copy_status(parts) == "stored":
        return "whole"
    return "failed" if any(p["state"] == "failed" for p in parts) else "cut-off"


def session_status(
    state: str, reported: str | None, objects: Sequence[Row], copies: Iterable[Row], indexes: Iterable[Row]
) -> str:
    """``ok``, ``degraded`` or ``failed``; ``unfinished`` for a session that began and never said how it ended.

    *indexes*: those that bear its name. Where one was made from records on each of its drives it crashed: what it meant
    to store beyond what is there nobody knows, so that it is never ``ok``. (A copy that crashed leaves such an index,
    too, under the name of the session whose records came first: that one ended in order on drives of its own.)
    """
    if reported is not None:
        return reported
    if state == "begun":
        return "unfinished"
    if not any(o["status"] == "whole" for o in objects):
        return "failed"
    well = all(o["status"] == "whole" and o["unread"] == 0 for o in objects)
    drives: dict[str, bool] = {}
    for index in indexes:
        drives[index["drive"]] = drives.get(index["drive"], True) and index["state"] == "ended"
    well &= not drives or any(drives.values())
    return "ok" if well and all(c["status"] in {"stored", "discarded", RECYCLED} for c in copies) else "degraded"


def _texts(text: str) -> list[str]:
    value: Any = json.loads(text)
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise ValueError("a list of text is expected")
    return value
