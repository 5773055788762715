"""Where everything in the picture stands: points, x to the right, y **down** from the top left.

The places are computed here and not by Graphviz, because a picture like the patent's Figure 2 needs what its layout
does not give: stages in columns, each tape exactly under its agent, straight strands from a buffer's row to the tape,
lines that never run through a box, and time in proportion to the plan. Graphviz then only draws (``layout=nop2``).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

from ...runtime.plan import Agent, Drive, Group
from .picture import BufferKey, Coupling, Picture, Stage
from .picture_sizes import (
    BETWEEN_AGENTS,
    BETWEEN_GROUPS,
    BETWEEN_SOURCES,
    DROP,
    HEAD,
    LANE_PITCH,
    LANES_MOST,
    PAD,
    ROW,
    SOURCE,
    TAPE,
    TITLE,
    agent_height,
    agent_width,
    drive_notes,
    source_notes,
    target_notes,
    title_width,
    two_lines_width,
    unit_height,
)

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
    """An agent's box, its tape's box, and by buffer: the middle of its row and the x of its strand to the tape."""

    agent: Agent
    box: Box
    tape: Box
    rows: dict[str, float]
    strands: dict[str, float]


@dataclass(frozen=True, slots=True)
class PlacedGroup:
    """A group's frame."""

    group: Group
    box: Box


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


def layout_of(picture: Picture) -> Layout:
    """Place everything. Deterministic; time in proportion to the plan, but for the sorting."""
    out = Layout()
    feeds_of: dict[str, list[Coupling]] = {}
    for coupling in picture.couplings:
        feeds_of.setdefault(coupling.into[0], []).append(coupling)
    tops: dict[str, float] = {}
    columns = [_ordered(stage, tops, feeds_of) for stage in picture.stages]
    _align(columns, tops)
    rows = {
        (agent.name, buffer.name): tops[agent.name] + HEAD + ROW * (number + 0.5)
        for agent in picture.plan.agents
        for number, buffer in enumerate(agent.buffers)
    }
    steepest = _steepest(picture, columns, rows)
    x = _place_sources(picture, out, rows)
    out.first = len(out.columns)
    for number, column in enumerate(columns):
        if x > 0.0:
            x += _gap(steepest[number])
        x = _place_stage(picture, out, column, x, tops)
    _even(out)
    _place_targets(picture, out, rows, x + _gap(0.0))
    _place_idle(picture, out)
    return out


def _align(columns: list[list[tuple[Group, tuple[Agent, ...]]]], tops: dict[str, float]) -> None:
    """Where every stage is one group of equally many agents, set the first, the second, … of each on one line."""
    if any(len(column) != 1 for column in columns):
        return
    ranks = [agents for column in columns for _, agents in column]
    if len({len(agents) for agents in ranks}) != 1:
        return
    top = 0.0
    for rank in zip(*ranks, strict=True):
        for agent in rank:
            tops[agent.name] = top
        top += max(unit_height(a) for a in rank) + BETWEEN_AGENTS


def _gap(steepest: float) -> float:
    """How wide the gap before a column is: the further its lines climb, the wider, so that each can be followed."""
    return min(300.0, max(84.0, 64.0 + 0.3 * steepest))


def _steepest(
    picture: Picture, columns: list[list[tuple[Group, tuple[Agent, ...]]]], rows: dict[BufferKey, float]
) -> list[float]:
    """For the gap before each stage, how far the furthest of its lines goes up or down."""
    stage_of = {a.name: n for n, column in enumerate(columns) for _, agents in column for a in agents}
    out = [0.0] * len(columns)
    fans: dict[str, list[float]] = {}
    for coupling in picture.couplings:
        number = stage_of[coupling.into[0]]
        if coupling.buffer is not None:
            out[number] = max(out[number], abs(rows[coupling.buffer] - rows[coupling.into]))
        elif coupling.source is not None:
            fans.setdefault(coupling.source, []).append(rows[coupling.into])
    if out:
        spread = len(picture.sources) * (SOURCE + BETWEEN_SOURCES) - ROW * max(1, len(rows))
        out[0] = max([out[0], spread / 2, *((max(f) - min(f)) / 2 for f in fans.values())])
    return out


def _ordered(
    stage: Stage, tops: dict[str, float], feeds_of: dict[str, list[Coupling]]
) -> list[tuple[Group, tuple[Agent, ...]]]:
    """Order the agents of *stage* by the height of what feeds them, and find their tops."""
    wishes: dict[str, float] = {}
    for _, agents in stage.groups:
        for agent in agents:
            feeders = [c.buffer[0] for c in feeds_of.get(agent.name, ()) if c.buffer is not None]
            heights = [tops[name] for name in feeders if name in tops]
            if heights:
                wishes[agent.name] = sum(heights) / len(heights)
    last = max(wishes.values(), default=0.0)

    def height_of(agents: tuple[Agent, ...]) -> float:
        return sum(wishes.get(a.name, last) for a in agents) / len(agents)

    ordered = sorted(
        ((g, tuple(sorted(agents, key=lambda a: wishes.get(a.name, last)))) for g, agents in stage.groups if agents),
        key=lambda item: height_of(item[1]),
    )
    flat = [(g, a) for g, agents in ordered for a in agents]
    if not flat:
        return ordered
    heights = [unit_height(a) for _, a in flat]
    gaps = [
        BETWEEN_AGENTS if g is h else PAD + BETWEEN_GROUPS + TITLE + PAD for (g, _), (h, _) in itertools.pairwise(flat)
    ]
    goal, start = [], 0.0
    for (_, agent), height, gap in zip(flat, heights, [*gaps, 0.0], strict=True):
        goal.append(wishes.get(agent.name, start))
        start = goal[-1] + height + gap
    for (_, agent), y in zip(flat, settled(goal, heights, gaps), strict=True):
        tops[agent.name] = y
    return ordered


def _place_sources(picture: Picture, out: Layout, rows: dict[BufferKey, float]) -> float:
    """Sources in the order of the rows that they feed, so that their lines do not cross. Returns their right side."""
    if not picture.sources:
        return 0.0
    fed: dict[str, list[float]] = {}
    for coupling in picture.couplings:
        if coupling.source is not None:
            fed.setdefault(coupling.source, []).append(rows[coupling.into])
    last = max(rows.values(), default=0.0) + SOURCE
    wishes = {name: sum(fed[name]) / len(fed[name]) if name in fed else last for name in picture.sources}
    names = sorted(picture.sources, key=lambda name: (name not in fed, wishes[name]))
    width = max(120.0, *(two_lines_width(n, source_notes(s)) for n, s in picture.sources.items()))
    heights = [SOURCE] * len(names)
    tops = settled([wishes[n] - SOURCE / 2 for n in names], heights, [BETWEEN_SOURCES] * (len(names) - 1))
    for name, top in zip(names, tops, strict=True):
        out.sources[name] = Box(0.0, top, width, SOURCE)
    out.columns.append(Column(0.0, width))
    return width


def _place_stage(
    picture: Picture, out: Layout, column: list[tuple[Group, tuple[Agent, ...]]], x: float, tops: dict[str, float]
) -> float:
    """Boxes, tapes and frames of one stage, its left side at *x*. Returns its right side."""
    members = [a for _, agents in column for a in agents]
    width = max((agent_width(a, picture.drives.get(a.drive)) for a in members), default=140.0)
    width = float(math.ceil(max([width, *(title_width(g) for g, _ in column)])))
    for group, agents in column:
        for agent in agents:
            out.column_of[agent.name] = len(out.columns)
            out.agents[agent.name] = _placed(agent, x + PAD, tops[agent.name], width)
        placed = [out.agents[a.name] for a in agents]
        top = placed[0].box.y - TITLE - PAD / 2
        bottom = placed[-1].tape.bottom + PAD
        out.groups.append(PlacedGroup(group, Box(x, top, width + 2 * PAD, bottom - top)))
    out.columns.append(Column(x, x + width + 2 * PAD))
    return x + width + 2 * PAD


def _placed(agent: Agent, x: float, top: float, width: float) -> PlacedAgent:
    box = Box(x, top, width, agent_height(agent))
    many = len(agent.buffers)
    pitch = min(LANE_PITCH, LANES_MOST / max(1, many - 1))
    return PlacedAgent(
        agent=agent,
        box=box,
        tape=Box(x, box.bottom + DROP, width, TAPE),
        rows={b.name: top + HEAD + ROW * (i + 0.5) for i, b in enumerate(agent.buffers)},
        strands={b.name: box.right - 14.0 - pitch * (many - 1 - i) for i, b in enumerate(agent.buffers)},
    )


#: Frames higher than this keep their own height: an almost empty column would hide what it holds.
_EVEN_MOST = 1000.0


def _even(out: Layout) -> None:
    """Where every stage is one group, give all frames one top and one bottom, as the patent's figures have them."""
    stages = len(out.columns) - out.first
    if not out.groups or len(out.groups) != stages:
        return
    top = min(g.box.y for g in out.groups)
    bottom = max(g.box.bottom for g in out.groups)
    if bottom - top <= _EVEN_MOST:
        out.groups = [PlacedGroup(g.group, Box(g.box.x, top, g.box.w, bottom - top)) for g in out.groups]


def _place_targets(picture: Picture, out: Layout, rows: dict[BufferKey, float], x: float) -> None:
    """Targets at the end: beside the last stage where they hang on it, else below all frames, where lines can run."""
    targets = picture.plan.targets
    if not targets:
        return
    end = len(out.columns) - 1
    width = max(120.0, *(two_lines_width(t.name, target_notes(t)) for t in targets))
    near = [t for t in targets if (f := picture.target_feeds.get(t.name)) is not None and out.column_of[f[0]] == end]
    near.sort(key=lambda t: rows[picture.target_feeds[t.name]])
    wishes = [rows[picture.target_feeds[t.name]] - SOURCE / 2 for t in near]
    low = out.bottom
    for target, top in (
        zip(near, settled(wishes, [SOURCE] * len(near), [BETWEEN_SOURCES] * (len(near) - 1)), strict=True)
        if near
        else ()
    ):
        out.targets[target.name] = Box(x, top, width, SOURCE)
        low = max(low, top + SOURCE)
    for target in targets:
        if target.name not in out.targets:
            out.targets[target.name] = Box(x, low + BETWEEN_SOURCES, width, SOURCE)
            low += BETWEEN_SOURCES + SOURCE
    out.columns.append(Column(x, x + width))


def _place_idle(picture: Picture, out: Layout) -> None:
    """Drives that no agent uses, in rows below everything."""
    if not picture.idle_drives:
        return
    widths = [max(140.0, two_lines_width(d.name, drive_notes(d) + " · unused")) for d in picture.idle_drives]
    width = max(widths)
    start = out.columns[out.first].left if out.first < len(out.columns) else 0.0
    span = max(out.columns[-1].right if out.columns else 0.0, start + 4 * (width + PAD))
    x, y = start, out.bottom + BETWEEN_GROUPS
    for drive in picture.idle_drives:
        if x > start and x + width > span:
            x, y = start, y + TAPE + PAD
        out.idle.append((drive, Box(x, y, width, TAPE)))
        x += width + PAD
