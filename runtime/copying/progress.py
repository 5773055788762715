"""How a medium reader stands: its objects on their way into rings, and what it still expects of a volume."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..events import SourceState
from ..model import Ending, ObjectFacts
from ..restore.fitting import Fit
from ..restore.reading import ObjectReader
from ..ring import Ring
from .holdings import Held
from .passes import Leg, Want


@dataclass(slots=True)
class Progress:
    """One object on its way into one ring. ``ending`` is set when the ring has been told."""

    ring: int
    held: Held
    facts: ObjectFacts
    next_sequence: int = 0
    bytes: int = 0
    last_seen: bool = False
    ending: Ending | None = None
    healer: ObjectReader | None = None
    #: what its records must be
    fit: Fit | None = None

    @property
    def fitting(self) -> Fit:
        """As :attr:`fit`, from the first record on."""
        if self.fit is None:
            self.fit = Fit(self.held.item)
        return self.fit

    def heal_no_more(self) -> None:
        """Give back what other copies were read by, and what its records were held against: none comes any more."""
        self.fit = None
        if self.healer is not None:
            self.healer.close()
            self.healer = None


@dataclass(slots=True)
class Feed:
    """One ring that this reader fills. ``spare``: a slot that is claimed and holds nothing yet."""

    name: str
    ring: Ring
    size: int
    progress: dict[str, Progress]
    spare: memoryview | None = None
    gone: bool = False
    state: SourceState = "waiting"
    bytes: int = 0
    records: int = 0


class Unsettled:
    """The wants on one volume in one pass, in the order of the medium, and which of them are settled."""

    def __init__(self, wants: Sequence[Want]) -> None:
        self.wants = wants
        self._settled: set[int] = set()
        self._of_ring: dict[int, deque[Want]] = {}
        for want in wants:
            self._of_ring.setdefault(want.ring, deque()).append(want)

    def settle(self, want: Want) -> None:
        """Nothing more is expected of it."""
        self._settled.add(id(want))

    def left(self, wants: Sequence[Want]) -> list[Want]:
        """Those of *wants* that are not settled yet."""
        return [want for want in wants if id(want) not in self._settled]

    def first(self, ring: int) -> Want | None:
        """The first want of the ring that is not settled yet."""
        wants = self._of_ring[ring]
        while wants and id(wants[0]) in self._settled:
            wants.popleft()
        return wants[0] if wants else None


def legs_in(passes: Sequence[Sequence[Leg]]) -> Iterator[Leg]:
    """The legs of all passes, in their order."""
    for legs in passes:
        yield from legs


def stretches(wants: Sequence[Want]) -> list[list[Want]]:
    """The wants of each byte range in which records are wanted: those that meet are of one; all in order."""
    joined: list[list[Want]] = []
    end = -1
    for want in sorted(wants, key=_first):
        if joined and want.segment.first <= end:
            joined[-1].append(want)
        else:
            joined.append([want])
        end = max(end, want.segment.last)
    return joined


def _first(want: Want) -> int:
    return want.segment.first
