"""Where a catalog is behind the media: a run that was ended between a drive's confirmation and the catalog's.

The media are the truth (media.md): when a drive is mounted, its volumes are compared with what the catalog says of
them, by name and size, and those that differ tell their sessions anew. Only proved indexes are believed here, and no
record is read: what has none is the business of mounting (a torn tail) and of ``tcc catalog rebuild``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from ..drives.base import IndexedVolume
from ..faults import MediaFault
from ..frozen import frozen
from ..kinds import encode_name
from ..media.index import Index
from ..media.volume import VolumeReader, open_volume

#: So many volumes or drives are named.
_NAMED_MAX: Final = 3
_VOLUME: Final = re.compile(r"([^/]+)-[0-9]{6}\.tar", re.ASCII)


def volumes_that_differ(drive: str, folder: Path, known: Mapping[str, int]) -> Iterator[list[IndexedVolume]]:
    """The proved sessions, oldest first, of each volume of *drive* in *folder* that is not as *known* says.

    *known*: place → bytes. Opens only what differs. What cannot be read or believed is passed over.
    """
    pattern = re.compile(re.escape(encode_name(drive)) + r"-[0-9]{6}\.tar", re.ASCII)
    real = folder.resolve()
    try:
        names = sorted(name for name in os.listdir(real) if pattern.fullmatch(name))  # noqa: PTH208 - names are all
    except OSError:
        return
    for name in names:
        path = real / name
        try:
            if known.get(str(path)) == path.lstat().st_size:
                continue
            with open_volume(path) as reader:
                found = [IndexedVolume(reader.label, index, path, reader.size) for index in _chain(reader)]
        except (OSError, MediaFault):
            continue
        if found:
            yield found


@frozen
class Gone:
    """Volumes of which not one is where it was: their ``names``; ``back``: the name of another one of the same drive
    that is known and lies at such a place; ``others``: the drives whose volumes lie in the folder.
    """

    names: tuple[str, ...] = ()
    back: str | None = None
    others: tuple[str, ...] = ()


def all_gone(drive: str, folder: Path, known: Mapping[str, tuple[str, str]], ids: Collection[str]) -> Gone:
    """The volumes that *known* (place → identifier, name) has in *folder*, if not one of them is there.

    So it is where a medium is not mounted, or was changed for another; one volume that was taken away says nothing.
    Opens files until one of them is the volume that is meant to be there. *ids*: all volumes that are known of *drive*.
    """
    real = folder.resolve()
    names, back = [], None
    for place, (identifier, name) in sorted(known.items()):
        if Path(place).parent != real:
            continue
        try:
            with open_volume(Path(place)) as reader:
                if reader.label.volume == identifier:
                    return Gone()
                if reader.label.volume in ids:
                    back = reader.label.name
        except MediaFault:
            if os.path.lexists(place):  # unreadable or damaged: there it is
                return Gone()
        except OSError:
            return Gone()
        names.append(name)
    return Gone(tuple(names), back, _other_drives(drive, real)) if names else Gone()


def words_of(gone: Gone, folder: Path) -> str:
    """What a run says of volumes that are not where they were; it writes to what is there all the same."""
    shown = ", ".join(gone.names[:_NAMED_MAX]) + (", …" if len(gone.names) > _NAMED_MAX else "")
    if gone.back is not None:
        return (
            f"another of its disks is in {folder} than at the last run: {gone.back} is there, which the catalog knew"
            f" before; where the volumes of that run ({shown}) lie now `tcc catalog add FOLDER` tells"
        )
    strangers = (
        f", but volumes of drive {', '.join(gone.others[:_NAMED_MAX])}: were disks exchanged?"
        if gone.others
        else ": is the right medium mounted?"
    )
    return (
        f"of the volumes that the catalog knows in {folder} none is there ({shown}){strangers}"
        " This run writes to what is there now"
    )


def _other_drives(drive: str, folder: Path) -> tuple[str, ...]:
    """The drives, as in names of files, that *folder* holds volumes of beside those of *drive*."""
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return ()
    found = {match[1]: None for name in names if (match := _VOLUME.fullmatch(name))}
    return tuple(name for name in found if name != encode_name(drive))


def _chain(reader: VolumeReader) -> list[Index]:
    """The indexes that the volume's end proves, as far as their chain leaves no gap; oldest first."""
    chain: list[Index] = []
    index = reader.last_index()
    while index is not None:
        chain.append(index)
        earlier = None if index.previous is None else reader.index_at(index.previous)
        index = earlier if earlier is not None and reader.end_of(earlier) == index.first else None
    return chain[::-1]
