"""One volume at two places: a copy of its file that somebody made, or two states of it, one of them put back.

A catalog knows one place of a volume. While the volume is there, a copy beside it is not believed to be it: who removes
the copy again would lose sight of the volume.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..drives.base import IndexedVolume
from ..faults import MediaFault, Place
from ..frozen import frozen
from ..media.label import VolumeLabel

if TYPE_CHECKING:
    from .rebuild import ReadVolume

_NAMED_MAX: Final = 3


@frozen
class Twin:
    """The same volume at its known *place*; ``more``: the one that is looked at holds sessions that it lacks,
    ``less``: it lacks some of them.
    """

    place: Path
    more: bool
    less: bool


def twin_of(
    known: Path | None, path: Path, sessions: Sequence[IndexedVolume], read: Callable[[Path], ReadVolume]
) -> Twin | None:
    """The volume of *sessions* at *known*, where it is another file than *path*; None where it is not there.

    *read* reads a volume, and raises MediaFault, also where its folder does not answer.
    """
    if known is None or not sessions or known == path:
        return None
    try:
        there = read(known).sessions  # the first to touch it: it can be left where it does not answer
        if known.samefile(path):
            return None
    except (OSError, MediaFault):
        return None
    if not there or _which(there[0].label) != _which(sessions[0].label):
        return None
    here, known_ones = _states(sessions), _states(there)
    return Twin(known, bool(here - known_ones), bool(known_ones - here))


def two_states(path: Path, name: str, twin: Twin) -> MediaFault:
    """What is said of a volume of which each state holds what the other lacks."""
    return MediaFault(
        f"{path}: it is another state of volume {name} than the one at {twin.place}: each holds sessions that the other"
        " lacks (an older state was put back, and written to)",
        place=Place(),
        safe="both files, and what the catalog knows of the other one; nothing was recorded from this one",
        todo=f"keep both: `tcc restore SOURCE --from {path}` brings back what this one holds",
    )


def kept_places(copies: Sequence[tuple[str, Path, Path]]) -> list[str]:
    """A note for each folder of copies of volumes that lie elsewhere: (name, path of the copy, known place)."""
    folders: dict[tuple[Path, Path], list[str]] = {}
    for name, path, place in copies:
        folders.setdefault((path.parent, place.parent), []).append(name)
    return [
        f"{', '.join(names[:_NAMED_MAX])}{', …' if len(names) > _NAMED_MAX else ''} in {folder}: a copy of what lies in"
        f" {place} with all that it holds; the catalog keeps that place (if it goes, add this folder then)"
        for (folder, place), names in folders.items()
    ]


def _which(label: VolumeLabel) -> tuple[str, str, str, str]:
    return label.volume, label.name, label.drive, label.created


def _states(sessions: Sequence[IndexedVolume]) -> set[tuple[str, int]]:
    """What tells sessions of two states of a volume apart: which they are, and where they begin."""
    return {(one.index.session.id, one.index.first) for one in sessions}
