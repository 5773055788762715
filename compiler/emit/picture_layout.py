"""Where everything in the picture stands: points, x to the right, y **down** from the top left.

The places are computed here and not by Graphviz, because a picture like the patent's Figure 2 needs what its layout
does not give: stages in columns, each tape exactly under its agent, straight strands from a buffer's row to the tape,
lines that never run through a box, and time in proportion to the plan. Graphviz then only draws (``layout=nop2``).
"""

from __future__ import annotations

import itertools
import math

from ...runtime.plan import Agent, Group
from .picture import BufferKey, Coupling, Picture, Stage
from .picture_boxes import Box, Column, Layout, PlacedAgent, PlacedGroup, settled
from .picture_hosts import (
    Where,
    gap_between_agents,
    gap_between_sources,
    place_agent_hosts,
    place_source_hosts,
    room_above,
    room_below,
    source_width,
    stage_width,
    together,
    where_frames_are,
)
from .picture_sizes import (
    BETWEEN_GROUPS,
    BETWEEN_SOURCES,
    DROP,
    HEAD,
    HOST_PAD,
    LANE_PITCH,
    LANES_MOST,
    PAD,
    ROW,
    SOURCE,
    TITLE,
    WRAP,
    agent_height,
    agent_width,
    card_width,
    drive_notes,
    leaf_height,
    leaf_width,
    part_lines,
    source_notes,
    tape_height,
    target_notes,
    title_width,
    two_lines_width,
    unit_height,
)


def layout_of(picture: Picture) -> Layout:
    """Place everything. Deterministic; time in proportion to the plan, but for the sorting."""
    out = Layout()
    feeds_of: dict[str, list[Coupling]] = {}
    for coupling in picture.couplings:
        feeds_of.setdefault(coupling.into[0], []).append(coupling)
    tops: dict[str, float] = {}
    where = where_frames_are(picture.stages)
    columns = [_ordered(picture, stage, tops, feeds_of, where) for stage in picture.stages]
    _align(picture, columns, tops, where)
    rows = {
        (agent.name, name): tops[agent.name] + below
        for agent in picture.plan.agents
        for name, below in _rows(picture, agent).items()
    }
    steepest = _steepest(picture, columns, rows)
    x = _place_sources(picture, out, rows)
    out.first = len(out.columns)
    for number, column in enumerate(columns):
        if x > 0.0:
            x += _gap(steepest[number])
        x = _place_stage(picture, out, column, x=x, tops=tops, where=where)
    _even(out)
    place_agent_hosts(out, where)
    _place_targets(picture, out, rows, x + _gap(0.0))
    _place_idle(picture, out)
    return out


def _rows(picture: Picture, agent: Agent) -> dict[str, float]:
    """By buffer, how far below the agent's top the middle of its row is; a card has one row in its middle."""
    if ("agent", agent.name) in picture.cards:
        middle = agent_height(picture, agent) / 2
        return dict.fromkeys((b.name for b in agent.buffers), middle)
    return {b.name: HEAD + ROW * (number + 0.5) for number, b in enumerate(agent.buffers)}


def _align(
    picture: Picture, columns: list[list[tuple[Group, tuple[Agent, ...]]]], tops: dict[str, float], where: Where
) -> None:
    """Where every stage is one group of equally many agents, set the first, the second, … of each on one line."""
    if any(len(column) != 1 for column in columns):
        return
    ranks = [agents for column in columns for _, agents in column]
    if len({len(agents) for agents in ranks}) != 1:
        return
    top = 0.0
    lines = list(zip(*ranks, strict=True))
    for line, below in itertools.zip_longest(lines, lines[1:]):
        for agent in line:
            tops[agent.name] = top
        if below is not None:
            gap = max(gap_between_agents(a, b, where) for a, b in zip(line, below, strict=True))
            top += max(unit_height(picture, a) for a in line) + gap


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
    picture: Picture, stage: Stage, tops: dict[str, float], feeds_of: dict[str, list[Coupling]], where: Where
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

    def wish_of(agent: Agent) -> float:
        return wishes.get(agent.name, last)

    def height_of(item: tuple[Group, tuple[Agent, ...]]) -> float:
        return sum(map(wish_of, item[1])) / len(item[1])

    groups = [(g, tuple(sorted(agents, key=wish_of))) for g, agents in stage.groups if agents]
    if where == "around":
        ordered = together(groups, lambda item: item[1][0].host, height_of)
    else:
        groups = [(g, tuple(together(agents, lambda a: a.host, wish_of))) for g, agents in groups]
        ordered = sorted(groups, key=height_of)
    flat = [a for _, agents in ordered for a in agents]
    if not flat:
        return ordered
    sizes = [unit_height(picture, a) for a in flat]
    gaps = [gap_between_agents(a, b, where) for a, b in itertools.pairwise(flat)]
    goal, start = [], 0.0
    for agent, height, gap in zip(flat, sizes, [*gaps, 0.0], strict=True):
        goal.append(wishes.get(agent.name, start))
        start = goal[-1] + height + gap
    for agent, y in zip(flat, settled(goal, sizes, gaps), strict=True):
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
    hosts = {name: source.host for name, source in picture.sources.items()}
    names = sorted(picture.sources, key=lambda name: (name not in fed, wishes[name]))
    if any(hosts.values()):
        names = together(names, lambda name: hosts[name], lambda name: wishes[name])
    width = max(
        120.0,
        source_width(picture),
        *(leaf_width(picture, ("source", n), source_notes(s, framed=True)) for n, s in picture.sources.items()),
    )
    heights = [leaf_height(picture, ("source", n)) for n in names]
    goal = [wishes[n] - height / 2 for n, height in zip(names, heights, strict=True)]
    gaps = [gap_between_sources(hosts[a], hosts[b]) for a, b in itertools.pairwise(names)]
    for name, top, height in zip(names, settled(goal, heights, gaps), heights, strict=True):
        out.sources[name] = Box(0.0, top, width, height)
    place_source_hosts(picture, out)
    pad = HOST_PAD if out.hosts else 0.0
    out.columns.append(Column(-pad, width + pad))
    return width + pad


def _place_stage(
    picture: Picture,
    out: Layout,
    column: list[tuple[Group, tuple[Agent, ...]]],
    *,
    x: float,
    tops: dict[str, float],
    where: Where,
) -> float:
    """Boxes, tapes and frames of one stage, its left side at *x*. Returns its right side."""
    members = [a for _, agents in column for a in agents]
    outside = HOST_PAD if where == "around" and any(a.host for a in members) else 0.0
    x += outside
    width = max((agent_width(picture, a, framed=True) for a in members), default=140.0)
    width = max([width, stage_width(picture, members), *(title_width(picture, g) for g, _ in column)])
    width = float(math.ceil(width))
    for group, agents in column:
        for agent in agents:
            out.column_of[agent.name] = len(out.columns)
            out.agents[agent.name] = _placed(picture, agent, x + PAD, tops[agent.name], width)
        first, last = out.agents[agents[0].name], out.agents[agents[-1].name]
        top = first.box.y - TITLE - PAD / 2 - room_above(first.agent, where)
        bottom = (last.tape or last.box).bottom + PAD + room_below(last.agent, where)
        out.groups.append(PlacedGroup(group, Box(x, top, width + 2 * PAD, bottom - top)))
    right = x + width + 2 * PAD + outside
    out.columns.append(Column(x - outside, right))
    return right


def _placed(picture: Picture, agent: Agent, x: float, top: float, width: float) -> PlacedAgent:
    box = Box(x, top, width, agent_height(picture, agent))
    rows = {name: top + below for name, below in _rows(picture, agent).items()}
    if ("agent", agent.name) in picture.cards:
        return PlacedAgent(agent=agent, box=box, tape=None, rows=rows, strands={})
    many = len(agent.buffers)
    pitch = min(LANE_PITCH, LANES_MOST / max(1, many - 1))
    return PlacedAgent(
        agent=agent,
        box=box,
        tape=Box(x, box.bottom + DROP, width, tape_height(picture, agent.drive)),
        rows=rows,
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
    keys = {t.name: ("target", t.name) for t in targets}
    width = max(120.0, *(leaf_width(picture, keys[t.name], target_notes(t)) for t in targets))
    heights = {t.name: leaf_height(picture, keys[t.name]) for t in targets}
    near = [t for t in targets if (f := picture.target_feeds.get(t.name)) is not None and out.column_of[f[0]] == end]
    near.sort(key=lambda t: rows[picture.target_feeds[t.name]])
    wishes = [rows[picture.target_feeds[t.name]] - heights[t.name] / 2 for t in near]
    low = out.bottom
    tops = settled(wishes, [heights[t.name] for t in near], [BETWEEN_SOURCES] * (len(near) - 1)) if near else []
    for target, top in zip(near, tops, strict=True):
        out.targets[target.name] = Box(x, top, width, heights[target.name])
        low = max(low, top + heights[target.name])
    for target in targets:
        if target.name not in out.targets:
            out.targets[target.name] = Box(x, low + BETWEEN_SOURCES, width, heights[target.name])
            low += BETWEEN_SOURCES + heights[target.name]
    out.columns.append(Column(x, x + width))


def _place_idle(picture: Picture, out: Layout) -> None:
    """Drives that no agent uses, in rows below everything."""
    if not picture.idle_drives:
        return
    width = max(140.0, *(_idle_width(picture, d.name, drive_notes(d) + " · unused") for d in picture.idle_drives))
    start = out.columns[out.first].left if out.first < len(out.columns) else 0.0
    span = max(out.columns[-1].right if out.columns else 0.0, start + 4 * (width + PAD))
    x, y, low = start, out.bottom + BETWEEN_GROUPS, 0.0
    for drive in picture.idle_drives:
        height = tape_height(picture, drive.name)
        if x > start and x + width > span:
            x, y, low = start, y + low + PAD, 0.0
        out.idle.append((drive, Box(x, y, width, height)))
        x, low = x + width + PAD, max(low, height)


def _idle_width(picture: Picture, name: str, notes: str) -> float:
    card = picture.cards.get(("drive", name))
    if card is not None:
        return card_width(card)
    remarked = WRAP + 24 if part_lines(picture, ("drive", name)) else 0.0
    return max(two_lines_width(name, notes), remarked)
