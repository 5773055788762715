"""The highest session number on a plan's media: numbers go on from there when the catalog was lost (docs/format.md)."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from .faults import MediaFault
from .hang import HANG_SECONDS, answers
from .kinds import encode_name
from .media.volume import open_volume
from .plan import CompiledPlan


def highest_number(plan: CompiledPlan, base: Path, *, hang_seconds: float = HANG_SECONDS) -> int:
    """The highest session number that the newest volume of any of the plan's drives tells; 0 where there is none.

    Reads a label and at most one index a drive, locks and changes nothing. What cannot be read, or does not answer for
    *hang_seconds*, tells nothing here: mounting says what is wrong with it.
    """
    looks = [
        functools.partial(_of_drive, drive.name, base / drive.volumes)
        for drive in plan.drives
        if drive.volumes is not None
    ]
    return max(answers(looks, hang_seconds), default=0)


def _of_drive(drive: str, folder: Path) -> int:
    pattern = re.compile(re.escape(encode_name(drive)) + r"-[0-9]{6}\.tar", re.ASCII)
    try:
        newest = max((entry.name for entry in folder.iterdir() if pattern.fullmatch(entry.name)), default=None)
        return 0 if newest is None else _of_volume(folder / newest)
    except (OSError, MediaFault):
        return 0


def _of_volume(path: Path) -> int:
    with open_volume(path) as reader:
        last = reader.last_index()
        return max(reader.label.session.number, last.session.number if last is not None else 0)
