"""Whether the volumes that hold a drive's copies are where the catalog saw them last: asked before a chain goes on."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from ..faults import MediaFault
from ..hang import answers
from ..media.volume import open_volume
from .facts import Row
from .link import Link, among
from .settle import copy_status, in_order


def parts_of(link: Link, copies: Collection[tuple[str, str]]) -> list[Row]:
    """The entries of these (drive, object), each with ``drive`` and the ``name`` and ``location`` of its volume."""
    found: list[Row] = []
    for condition, values in among("entries.object_id", sorted({object_id for _, object_id in copies})):
        rows = link.rows(
            "SELECT entries.*, indexes.drive, volumes.name, volumes.location FROM entries"
            " JOIN indexes ON indexes.volume_id = entries.volume_id AND indexes.session_id = entries.session_id"
            f" JOIN volumes ON volumes.id = entries.volume_id WHERE {condition}",
            values,
        )
        found += [row for row in rows if (row["drive"], row["object_id"]) in copies]
    return found


def away(parts: Sequence[Row], hang_seconds: float) -> str | None:
    """Which copy of *parts* is not whole on the volumes that are at their places, in words; None where each is.

    Opens each volume once. Where the places do not answer for *hang_seconds* that is no reason: whoever writes there
    says what is wrong.
    """
    places = {str(part["volume_id"]): part["location"] for part in parts}

    def look() -> set[str]:
        return {volume for volume, place in places.items() if place is not None and _is_there(Path(place), volume)}

    there = next(iter(answers([look], hang_seconds)), None)
    if there is None or len(there) == len(places):
        return None
    copies: dict[tuple[str, str], list[Row]] = {}
    for part in parts:
        copies.setdefault((str(part["object_id"]), str(part["drive"])), []).append(part)
    for (object_id, drive), own in sorted(copies.items()):
        if copy_status(in_order(part for part in own if part["volume_id"] in there)) != "stored":
            lacking = sorted(
                {str(part["name"]) for part in own if part["volume_id"] not in there and part["records"] > 0}
            )
            shown = ", ".join(lacking[:3]) + (", …" if len(lacking) > 3 else "")
            return (
                f"volume {shown} of drive {drive}, which holds object {object_id} that it would build on, is not where"
                " the catalog knows it: each drive is to hold whole chains"
            )
    return None


def _is_there(place: Path, volume: str) -> bool:
    """Whether the volume lies there; one whose label cannot be read may be it."""
    try:
        with open_volume(place) as reader:
            return reader.label.volume == volume
    except MediaFault:
        return os.path.lexists(place)
    except OSError:
        return False
