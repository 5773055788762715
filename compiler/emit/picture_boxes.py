"""The places of a picture as values: boxes, columns, frames; and how boxes settle near where they would like to be."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...runtime.plan import Agent, Drive, Group

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its top left corner."""

    x: float
    y: float
    w: float
    h: float

    @property
    def centre(self) -> Point:
        """Its middle."""
        return self.x + self.w / 2, self.y + self.h / 2

    @property
    def right(self) -> float:
        """The x of its right side."""
        return self.x + self.w

    @property
    def bottom(self) -> float:
        """The y of its lower side."""
        return self.y + self.h


@dataclass(frozen=True, slots=True)
class PlacedAgent:
    """An agent's box, its tape's box, and by buffer: the middle of its row and the x of its strand to the tape.

    A card in an agent's place has neither tape nor strands.
    """

    agent: Agent
    box: Box
    tape: Box | None
    rows: dict[str, float]
    strands: dict[str, float]


@dataclass(frozen=True, slots=True)
class PlacedGroup:
    """A group's frame."""

    group: Group
    box: Box


@dataclass(frozen=True, slots=True)
class PlacedHost:
    """A host's frame, and what it is around: sources, whole groups, or agents of one group."""

    host: str
    box: Box
    sources: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """The left and right side of one column of boxes, between which no line may run."""

    left: float
    right: float


@dataclass(slots=True)
class Layout:
    """All places. ``columns`` are sources, stages and targets from left to right; the stages begin at ``first``."""

    sources: dict[str, Box] = field(default_factory=dict)
    groups: list[PlacedGroup] = field(default_factory=list)
    agents: dict[str, PlacedAgent] = field(default_factory=dict)
    hosts: list[PlacedHost] = field(default_factory=list)
    targets: dict[str, Box] = field(default_factory=dict)
    idle: list[tuple[Drive, Box]] = field(default_factory=list)
    column_of: dict[str, int] = field(default_factory=dict)
    columns: list[Column] = field(default_factory=list)
    first: int = 0

    @property
    def bottom(self) -> float:
        """The y below which nothing stands."""
        boxes = [
            *self.sources.values(),
            *self.targets.values(),
            *(g.box for g in self.groups),
            *(h.box for h in self.hosts),
            *(b for _, b in self.idle),
        ]
        return max((b.bottom for b in boxes), default=0.0)


def settled(wishes: list[float], heights: list[float], gaps: list[float]) -> list[float]:
    """Tops as near to *wishes* as an order without overlaps allows (least squares, pool adjacent violators).

    ``gaps[i]`` lies between box i and box i + 1.
    """
    offsets = [0.0]
    for height, gap in zip(heights[:-1], gaps, strict=True):
        offsets.append(offsets[-1] + height + gap)
    pools: list[tuple[float, int]] = []
    for wish, offset in zip(wishes, offsets, strict=False):
        mean, count = wish - offset, 1
        while pools and pools[-1][0] > mean:
            other, others = pools.pop()
            mean, count = (mean * count + other * others) / (count + others), count + others
        pools.append((mean, count))
    levels = [mean for mean, count in pools for _ in range(count)]
    return [level + offset for level, offset in zip(levels, offsets, strict=False)]
