"""A labelled volume that holds nothing yet: made ahead of use, or in the place of one that was recycled."""

from __future__ import annotations

import os
from pathlib import Path

from ..faults import DriveFault, Place
from ..media import ids, times, ustar
from ..media import label as label_format
from ..media.label import LABEL_BYTES, VolumeLabel
from ..media.volume import open_volume
from ..model import Session
from .magazine import Magazine, fault_of

BLANK_BYTES = LABEL_BYTES + len(ustar.END)


def make_blank(
    magazine: Magazine,
    *,
    agent: str,
    pool: str | None,
    record: int,
    capacity: int | None,
    plan: str,
    fingerprint: str,
    number: int,
) -> tuple[Path, VolumeLabel]:
    """Label the next volume of an open magazine; the next session begins on it.

    *number*: the highest session number on the magazine's volumes, so that numbers go on from there when the catalog is
    lost. The label's session is one of its own, which read nothing. Returns where it lies, and its label. Raises
    DriveFault, DriveFullFault.
    """
    now = times.now_text()
    session = Session(ids.new_id(), number, plan, fingerprint, now)
    for _ in range(100):
        which = magazine.next_number()
        name = label_format.volume_name(magazine.drive, which)
        label = VolumeLabel(ids.new_id(), name, magazine.drive, agent, pool, now, record, capacity, session)
        try:
            fd = magazine.create(which, label_format.encode(label) + ustar.END)
        except OSError as error:
            raise fault_of(
                error, f"no volume {name} can be made", Place(drive=magazine.drive), safe="all volumes"
            ) from None
        if fd is not None:
            os.close(fd)
            return magazine.file_of(which), label
    raise DriveFault("new files keep taking the name of its next volume", place=Place(drive=magazine.drive))


def last_volume(magazine: Magazine) -> tuple[Path, VolumeLabel, int, bool] | None:
    """The volume that the next session would go on with: its path, label, highest session number, and if it is blank.

    None where there is none yet. Raises MediaFault where it is not a volume: then no run goes on here, either.
    """
    numbers = magazine.numbers()
    if not numbers:
        return None
    path = magazine.file_of(numbers[-1])
    with open_volume(path) as reader:
        last = reader.last_index()
        highest = max(reader.label.session.number, last.session.number if last else 0)
        return path, reader.label, highest, last is None and reader.size == BLANK_BYTES
