"""Finding volumes: where the catalog saw them last, or where the user says that they are now.

A place is only a hint. A volume is what its label says, and it is read only when that is the volume asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..catalog.queries import CatalogVolume, VolumePlace
from ..catalog.rebuild import volume_files
from ..faults import MediaFault, Place
from ..frozen import frozen
from ..media.unlabelled import open_anyhow, open_known
from ..media.volume import VolumeReader
from ..patience import HangingFault, Patience
from .devices import device_of

T = TypeVar("T")


@frozen
class FoundVolume:
    """A volume and where it is: ``path`` is None when it is nowhere, and ``why`` then says what was found instead."""

    id: str
    name: str
    drive: str
    path: Path | None
    why: str = ""
    #: its label cannot be read; its records can
    doubt: str = ""
    #: it is not to be read
    closed: bool = False
    #: where it should be does not answer
    hangs: bool = False


class Shelf:
    """The volumes that a restore may read. Looks for each once, when it is first asked for."""

    def __init__(
        self,
        known: Iterable[CatalogVolume | VolumePlace],
        given: Sequence[Path] = (),
        *,
        answered: Callable[[], None] | None = None,
        closed: Mapping[str, str] | None = None,
        patience: Patience | None = None,
    ) -> None:
        """*closed*: volumes that are not to be read, and why. With *patience* folders that never answer are left."""
        self.patience = patience
        self._known = {v.id: v for v in known}
        self._given = volume_files(given, patience)
        self._answered = answered if patience is None else patience.beat
        self._closed = closed or {}
        self._found: dict[str, FoundVolume] = {}
        #: the volume that was asked for last
        self.asked: str | None = None

    def find(self, volume_id: str) -> FoundVolume:
        """Where the volume is now. Opens its label; never fails, but says why it was not found."""
        if volume_id not in self._found:
            self.asked = volume_id
            self._found[volume_id] = self._look(volume_id)
        return self._found[volume_id]

    def find_all(self, volume_ids: Iterable[str]) -> None:
        """Look for all of these: folders that hang are waited for at the same time, and not one after the other."""
        if self.patience is None:
            return
        wanted = [self._known[v] for v in dict.fromkeys(volume_ids) if v not in self._found and v in self._known]
        self.patience.ask_at_once(
            (path.parent, volume.drive, partial(os.lstat, path)) for volume in wanted for path in self._places(volume)
        )

    def device(self, volume_id: str) -> int | None:
        """The number of the device that the volume lies on; None where that cannot be said."""
        found = self.find(volume_id)
        try:
            return self.ask(volume_id, lambda: device_of(found.path))
        except HangingFault:
            return None

    def open(self, volume_id: str) -> VolumeReader:
        """The volume, opened and its identifier checked. Raises MediaFault."""
        found = self.find(volume_id)
        self.asked = volume_id
        if found.path is None:
            raise MediaFault(found.why, place=Place(drive=found.drive, volume=found.name))
        if self.patience is not None:
            self.patience.check(found.path.parent)
        reader = open_as(found.path, volume_id, known=found)
        reader.answered = self._answered
        return reader

    def ask(self, volume_id: str, call: Callable[[], T]) -> T:
        """What *call*, which reads the volume, returns or raises; HangingFault where its folder does not answer."""
        if self.patience is None:
            return call()
        found = self.find(volume_id)
        return call() if found.path is None else self.patience.ask(found.path.parent, found.drive, call)

    def is_given(self, volume_id: str) -> bool:
        """Whether the volume was found where the user said, not where the catalog says."""
        return self.find(volume_id).path in self._given

    def _look(self, volume_id: str) -> FoundVolume:
        volume = self._known.get(volume_id)
        if volume is None:
            return FoundVolume(volume_id, volume_id, "", None, "the catalog does not know the volume")
        if volume_id in self._closed:
            return FoundVolume(volume.id, volume.name, volume.drive, None, self._closed[volume_id], closed=True)
        why, hangs = "the catalog knows no place of it", False
        for path in self._places(volume):
            try:
                doubt = self._try(path, volume)
            except MediaFault as fault:
                why, hangs = fault.message, isinstance(fault, HangingFault)
                continue
            return FoundVolume(volume.id, volume.name, volume.drive, path, doubt=doubt)
        return FoundVolume(volume.id, volume.name, volume.drive, None, why, hangs=hangs)

    def _try(self, path: Path, volume: CatalogVolume | VolumePlace) -> str:
        """What of the label of *volume*, which lies at *path*, is in doubt. Raises MediaFault."""

        def look() -> str:
            with open_as(path, volume.id, known=volume) as reader:
                return reader.doubt or ""

        return look() if self.patience is None else self.patience.ask(path.parent, volume.drive, look)

    def _places(self, volume: CatalogVolume | VolumePlace) -> Iterator[Path]:
        file = f"{volume.name}.tar"
        yield from (given for given in self._given if given.name == file)
        if volume.location:
            yield Path(volume.location)


def open_as(
    path: Path, volume_id: str, *, known: CatalogVolume | VolumePlace | FoundVolume | None = None
) -> VolumeReader:
    """The volume at *path*, which is *volume_id*, or cannot say so since its label is damaged. Raises MediaFault.

    *known*: who looks for objects by their identifiers may read it even where nothing in it says what it is.
    """
    if known is None:
        reader = open_anyhow(path)
    else:
        reader = open_known(path, volume_id=volume_id, name=known.name, drive=known.drive)
    if reader.label.volume != volume_id and not (reader.doubt and reader.last_index() is None):
        found = reader.label.volume
        reader.close()
        raise MediaFault(
            f"{path} is volume {found}, where {volume_id} was expected",
            place=Place(volume=path.stem),
            todo="put the right volume there, or name its folder with --from",
        )
    return reader
