"""Where a catalog is behind the media: a run that was ended between a drive's confirmation and the catalog's.

The media are the truth (media.md): when a drive is mounted, its volumes are compared with what the catalog says of
them, by name and size, and those that differ tell their sessions anew. Only proved indexes are believed here, and no
record is read: what has none is the business of mounting (a torn tail) and of ``tcc catalog rebuild``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..drives.base import IndexedVolume
from ..faults import MediaFault
from ..kinds import encode_name
from ..media.index import Index
from ..media.volume import VolumeReader, open_volume


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


def all_gone(folder: Path, known: Mapping[str, tuple[str, str]]) -> list[str]:
    """The names of the volumes that *known* (place → identifier, name) has in *folder*, if not one of them is there.

    So it is where a medium is not mounted, or was changed for another; one volume that was taken away says nothing.
    Opens files until one of them is the volume that is meant to be there.
    """
    real = folder.resolve()
    names = []
    for place, (identifier, name) in sorted(known.items()):
        if Path(place).parent != real:
            continue
        try:
            with open_volume(Path(place)) as reader:
                if reader.label.volume == identifier:
                    return []
        except MediaFault:
            if os.path.lexists(place):  # unreadable or damaged: there it is
                return []
        except OSError:
            return []
        names.append(name)
    return names


def _chain(reader: VolumeReader) -> list[Index]:
    """The indexes that the volume's end proves, as far as their chain leaves no gap; oldest first."""
    chain: list[Index] = []
    index = reader.last_index()
    while index is not None:
        chain.append(index)
        earlier = None if index.previous is None else reader.index_at(index.previous)
        index = earlier if earlier is not None and reader.end_of(earlier) == index.first else None
    return chain[::-1]
