"""The highest session number on a plan's media: numbers go on from there when the catalog was lost (docs/format.md)."""

from __future__ import annotations

import re
from pathlib import Path

from .faults import MediaFault
from .kinds import encode_name
from .media.volume import open_volume
from .plan import CompiledPlan


def highest_number(plan: CompiledPlan, base: Path) -> int:
    """The highest session number that the newest volume of any of the plan's drives tells; 0 where there is none.

    Reads a label and at most one index a drive, locks and changes nothing. What cannot be read tells nothing here:
    mounting says what is wrong with it.
    """
    highest = 0
    for drive in plan.drives:
        if drive.volumes is None:
            continue
        folder = base / drive.volumes
        pattern = re.compile(re.escape(encode_name(drive.name)) + r"-[0-9]{6}\.tar", re.ASCII)
        try:
            newest = max((entry.name for entry in folder.iterdir() if pattern.fullmatch(entry.name)), default=None)
            if newest is not None:
                highest = max(highest, _of_volume(folder / newest))
        except (OSError, MediaFault):
            continue
    return highest


def _of_volume(path: Path) -> int:
    with open_volume(path) as reader:
        last = reader.last_index()
        return max(reader.label.session.number, last.session.number if last is not None else 0)
