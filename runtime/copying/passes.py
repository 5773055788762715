"""In which order a drive's volumes are read: along the medium, in one pass where one pass can do.

Every ring gets the records of each object in the order of their sequences. A ring whose objects must come one whole
object after another (a target hangs on it, or an agent that takes one object after another) orders them, oldest first;
where the medium holds them in another order, or among each other, what does not fit into the first pass is read in a
further one. That costs reading, never memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..frozen import frozen
from ..model import Segment
from .holdings import Held, HeldVolume


@frozen
class Want:
    """A part of an object for one ring. ``last``: no other part of the object follows."""

    ring: int
    held: Held
    segment: Segment
    last: bool


@frozen
class Leg:
    """One volume in one pass: what is taken from it, in the order of the medium."""

    volume: HeldVolume
    wants: tuple[Want, ...]


def legs_of(
    chains: Mapping[int, Sequence[Held]], ordered: frozenset[int], volumes: Mapping[str, HeldVolume]
) -> tuple[tuple[Leg, ...], ...]:
    """The passes over a drive, each a tuple of legs in the order of the volumes.

    *chains*: ring → its objects, oldest first; *ordered*: rings that must have them one whole object after another.
    """
    passes: dict[int, dict[str, list[Want]]] = {}
    for ring, objects in chains.items():
        turn, at = 0, (0, -1)
        for held in objects:
            if ring not in ordered:
                turn, at = 0, (0, -1)
            for segment in held.segments:
                volume = volumes[segment.volume_id]
                if (volume.number, segment.first) <= at:
                    turn += 1
                at = (volume.number, segment.last)
                want = Want(ring, held, segment, segment is held.segments[-1])
                passes.setdefault(turn, {}).setdefault(volume.id, []).append(want)
    return tuple(
        tuple(
            Leg(volumes[key], tuple(sorted(wants, key=lambda w: (w.segment.first, w.ring))))
            for key, wants in sorted(passes[turn].items(), key=lambda pair: volumes[pair[0]].number)
        )
        for turn in sorted(passes)
    )
