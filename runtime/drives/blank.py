"""A labelled volume that holds nothing yet: made ahead of use, or in the place of one that was recycled."""

from __future__ import annotations

import os
from pathlib import Path

from ..faults import DriveFault, MediaFault, Place
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
    least: int = 0,
) -> tuple[Path, VolumeLabel]:
    """Label the next volume of an open magazine; the next session begins on it.

    *number*: the highest session number on the magazine's volumes, so that numbers go on from there when the catalog is
    lost. *least*: no volume of a lower number is made. The label's session is one of its own, which read nothing.
    Returns where it lies, and its label. Raises DriveFault, DriveFullFault.
    """
    now = times.now_text()
    session = Session(ids.new_id(), number, plan, fingerprint, now)
    for _ in range(100):
        which = max(magazine.next_number(), least)
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
    try:
        with open_volume(path) as reader:
            last = reader.last_index()
            highest = max(reader.label.session.number, last.session.number if last else 0)
            return path, reader.label, highest, last is None and reader.size == BLANK_BYTES
    except MediaFault as fault:
        raise MediaFault(
            f"the last volume of its folder is refused: {fault.message}",
            place=Place(drive=magazine.drive, volume=path.stem),
            safe="the file was not touched",
            todo=fault.todo or "look at it with `tcc volume show`, or move it away",
        ) from None


class Behind:
    """The empty volume behind one that is given up, where that has the highest number: then no name is given twice."""

    def __init__(self, magazine: Magazine, path: Path, label: VolumeLabel) -> None:
        """*path*, *label*: of the volume that is given up. Raises MediaFault as :func:`last_volume` does."""
        self._magazine = magazine
        self._label = label
        self._highest = 0
        #: where it lies, and its label; also one that was there already
        self.blank: tuple[Path, VolumeLabel] | None = None
        last = last_volume(magazine)
        self._wanted = last is not None and last[0] == path
        if last is None:
            return
        self._highest, self._number = last[2], magazine.numbers()[-1]
        if not self._wanted and last[3] and last[1].pool == label.pool:
            self.blank = last[0], last[1]

    def make(self) -> None:
        """Label it, unless it is there or none is wanted. Raises DriveFault, DriveFullFault."""
        if self._wanted and self.blank is None:
            self.blank = make_blank(
                self._magazine,
                agent=self._label.agent,
                pool=self._label.pool,
                record=self._label.record,
                capacity=self._label.capacity,
                plan=self._label.session.plan,
                fingerprint=self._label.session.fingerprint,
                number=self._highest,
                least=self._number + 1,
            )
