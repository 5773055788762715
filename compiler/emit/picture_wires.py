"""The lines of the picture: Bézier points in the same coordinates as the boxes.

Between neighbouring columns a line is one curve in the gap. Every other line (a target far behind its buffer, or a
coupling that a plan written by hand leads past a stage) goes down in the gap, along a lane of its own below all frames,
and up again in the gap before its end: no line ever runs through a box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .picture import BufferKey, Picture, Tone
from .picture_boxes import Layout, Point
from .picture_sizes import LANE

#: The length of an arrow's head: Graphviz draws 10 points × ``arrowsize``.
ARROW_SIZE: Final = 0.65
ARROW: Final = 10.0 * ARROW_SIZE
_CORNER: Final = 9.0


@dataclass(frozen=True, slots=True)
class Wire:
    """One line, from a source or a buffer (``tail``) to a buffer (``head``) or a target; ``tip`` is the arrow's.

    ``count`` couplings are in it; ``tone`` is that of the coupling.
    """

    chain: int
    points: tuple[Point, ...]
    tip: Point
    source: str | None = None
    tail: BufferKey | None = None
    head: BufferKey | None = None
    target: str | None = None
    count: int = 1
    tone: Tone | None = None


def wires_of(picture: Picture, layout: Layout) -> tuple[Wire, ...]:
    """A wire for every coupling and every target's feed, in the plan's order."""
    lanes = _Lanes(layout)
    out = []
    for c in picture.couplings:
        placed = layout.agents[c.into[0]]
        end = (placed.box.x, placed.rows[c.into[1]])
        into = layout.column_of[c.into[0]]
        if c.source is not None:
            box = layout.sources[c.source]
            start, column = (box.right, box.centre[1]), 0
        else:
            assert c.buffer is not None
            start, column = _exit(layout, c.buffer)
        chain = c.chain if c.chain is not None else picture.chain_of_buffer[c.into]
        points = lanes.path(start, column, end, into)
        out.append(Wire(chain, points, end, c.source, c.buffer, c.into, count=c.count, tone=c.tone))
    for target in picture.plan.targets:
        feed = picture.target_feeds.get(target.name)
        if feed is None:
            continue
        box = layout.targets[target.name]
        start, column = _exit(layout, feed)
        end = (box.x, box.centre[1])
        points = lanes.path(start, column, end, len(layout.columns) - 1, level=end[1])
        key = ("target", target.name)
        chain = picture.chain_of_buffer[feed]
        out.append(
            Wire(
                chain,
                points,
                end,
                tail=feed,
                target=target.name,
                count=picture.target_counts.get(target.name, 1),
                tone=picture.tones.get(key) if picture.compared else None,
            )
        )
    return tuple(out)


def _exit(layout: Layout, key: BufferKey) -> tuple[Point, int]:
    placed = layout.agents[key[0]]
    return (placed.box.right, placed.rows[key[1]]), layout.column_of[key[0]]


class _Lanes:
    """Hands out the lanes below the frames and the shafts in the gaps, each to one line."""

    def __init__(self, layout: Layout) -> None:
        self._columns = layout.columns
        self._low = layout.bottom + LANE
        self._down = [0] * len(layout.columns)
        self._up = [0] * len(layout.columns)

    def path(
        self, start: Point, column: int, end: Point, into: int, *, level: float | None = None
    ) -> tuple[Point, ...]:
        """From *start*, in *column*, to before *end*; a lane at *level* leads straight into its end."""
        base = (end[0] - ARROW, end[1])
        if into == column + 1:
            bend = max(18.0, 0.5 * (base[0] - start[0]))
            return (start, (start[0] + bend, start[1]), (base[0] - bend, base[1]), base)
        down = self._columns[column].right + 12.0 + 5.0 * (self._down[column] % 8)
        self._down[column] += 1
        if level is not None:
            return _rounded([start, (down, start[1]), (down, level), base])
        level = self._low
        self._low += LANE
        up = self._columns[into].left - 12.0 - 5.0 * (self._up[into] % 8)
        self._up[into] += 1
        return _rounded([start, (down, start[1]), (down, level), (up, level), (up, end[1]), base])


def straight(start: Point, end: Point) -> tuple[Point, ...]:
    """A straight line as one Bézier curve."""
    dx, dy = (end[0] - start[0]) / 3, (end[1] - start[1]) / 3
    return (start, (start[0] + dx, start[1] + dy), (end[0] - dx, end[1] - dy), end)


def _rounded(corners: list[Point]) -> tuple[Point, ...]:
    """A line along *corners* with its turns rounded."""
    out: list[Point] = [corners[0]]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        arrive = _towards(corner, before)
        leave = _towards(corner, after)
        out += straight(out[-1], arrive)[1:]
        out += (corner, corner, leave)
    out += straight(out[-1], corners[-1])[1:]
    return tuple(out)


def _towards(corner: Point, other: Point) -> Point:
    """The point at the corner's radius from *corner* in the direction of *other*, at most half way."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = abs(dx) + abs(dy)
    if length == 0.0:
        return corner
    share = min(_CORNER, length / 2) / length
    return (corner[0] + dx * share, corner[1] + dy * share)
