"""The frames of hosts, where a plan names any: around sources, and around whole groups or the agents of a group.

Where every group stands on one host, a host's frame is around its groups, over several columns where it has them alone
(the backup server of the patent's Figure 1). Where a group has agents on several hosts, the frames are inside the
group, in every group. What is on no named host has no frame.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeVar

from ...runtime.plan import Agent
from .picture import Picture, Stage
from .picture_boxes import Box, Layout, PlacedGroup, PlacedHost
from .picture_sizes import (
    BETWEEN_AGENTS,
    BETWEEN_GROUPS,
    BETWEEN_SOURCES,
    HOST_PAD,
    HOST_TITLE,
    PAD,
    TITLE,
    host_title_width,
)

#: Where the frames of hosts are: around groups, or inside them.
Where = Literal["around", "inside"]
_Item = TypeVar("_Item")

#: How far a frame inside a group stands off the agents: the group's own frame is at PAD.
_INSIDE = 9.0


def where_frames_are(stages: Sequence[Stage]) -> Where:
    """Around the groups where each is on one host, else inside them."""
    alone = all(len({a.host for a in agents}) <= 1 for stage in stages for _, agents in stage.groups)
    return "around" if alone else "inside"


def together(
    items: Iterable[_Item], host_of: Callable[[_Item], str | None], height_of: Callable[[_Item], float]
) -> list[_Item]:
    """*items* by height, those of one host side by side at the mean of their heights."""
    items = list(items)
    members: dict[str, list[float]] = {}
    for item in items:
        host = host_of(item)
        if host is not None:
            members.setdefault(host, []).append(height_of(item))
    means = {host: sum(heights) / len(heights) for host, heights in members.items()}

    def key(item: _Item) -> tuple[float, str, float]:
        host = host_of(item)
        return (height_of(item), "", 0.0) if host is None else (means[host], host, height_of(item))

    return sorted(items, key=key)


def gap_between_sources(upper: str | None, lower: str | None) -> float:
    """The room between two sources, by their hosts."""
    if upper == lower:
        return BETWEEN_SOURCES
    return BETWEEN_SOURCES + _ends(upper) + _begins(lower)


def gap_between_agents(upper: Agent, lower: Agent, where: Where) -> float:
    """The room between an agent's tape and the next agent in the column."""
    hosts = 0.0 if upper.host == lower.host else _ends(upper.host) + _begins(lower.host)
    if upper.group == lower.group:
        return BETWEEN_AGENTS + (hosts if where == "inside" else 0.0)
    if where == "inside":
        hosts = _ends(upper.host) + _begins(lower.host)
    return PAD + BETWEEN_GROUPS + TITLE + PAD + hosts


def room_above(agent: Agent, where: Where) -> float:
    """The room that a host's frame takes above a group's first agent, inside the group."""
    return _begins(agent.host) if where == "inside" else 0.0


def room_below(agent: Agent, where: Where) -> float:
    """The same below its last one."""
    return _ends(agent.host) if where == "inside" else 0.0


def _begins(host: str | None) -> float:
    return HOST_TITLE + HOST_PAD if host is not None else 0.0


def _ends(host: str | None) -> float:
    return HOST_PAD if host is not None else 0.0


def source_width(picture: Picture) -> float:
    """How wide sources must be for the titles of their hosts."""
    hosts = {s.host for s in picture.sources.values() if s.host is not None}
    return max((host_title_width(picture, h) for h in hosts), default=0.0)


def stage_width(picture: Picture, agents: Iterable[Agent]) -> float:
    """How wide agents must be for the titles of their hosts."""
    hosts = {a.host for a in agents if a.host is not None}
    return max((host_title_width(picture, h) for h in hosts), default=0.0)


def place_source_hosts(picture: Picture, out: Layout) -> None:
    """The frames around sources."""
    for host, names in itertools.groupby(out.sources, key=lambda name: picture.sources[name].host):
        own = tuple(names)
        if host is not None:
            box = _around([out.sources[name] for name in own], HOST_PAD)
            out.hosts.append(PlacedHost(host, box, sources=own))


def place_agent_hosts(out: Layout, where: Where) -> None:
    """The frames around groups, or inside them."""
    members: dict[str, list[str]] = {}
    for placed in out.agents.values():
        members.setdefault(placed.agent.group, []).append(placed.agent.name)
    if where == "inside":
        for group in out.groups:
            names = sorted(members[group.group.name], key=lambda name: out.agents[name].box.y)
            for host, own in itertools.groupby(names, key=lambda name: out.agents[name].agent.host):
                if host is not None:
                    inner = tuple(own)
                    boxes = [b for n in inner for b in (out.agents[n].box, out.agents[n].tape) if b is not None]
                    box = _around(boxes, HOST_PAD, side=_INSIDE)
                    out.hosts.append(PlacedHost(host, box, agents=inner))
        return
    columns: dict[int, list[tuple[str | None, PlacedGroup]]] = {}
    for group in sorted(out.groups, key=lambda g: g.box.y):
        first = members[group.group.name][0]
        columns.setdefault(out.column_of[first], []).append((out.agents[first].agent.host, group))
    stretch: list[PlacedGroup] = []
    last: str | None = None
    for number in sorted(columns):
        hosts = {host for host, _ in columns[number]}
        alone = next(iter(hosts)) if len(hosts) == 1 else None
        if stretch and alone != last:
            _close(out, last, stretch)
            stretch = []
        if alone is not None:
            stretch += [group for _, group in columns[number]]
        else:
            for host, groups in itertools.groupby(columns[number], key=lambda item: item[0]):
                _close(out, host, [group for _, group in groups])
        last = alone
    _close(out, last, stretch)


def _close(out: Layout, host: str | None, groups: list[PlacedGroup]) -> None:
    if host is not None and groups:
        box = _around([g.box for g in groups], HOST_PAD)
        out.hosts.append(PlacedHost(host, box, groups=tuple(g.group.name for g in groups)))


def _around(boxes: list[Box], pad: float, *, side: float | None = None) -> Box:
    beside = pad if side is None else side
    left, right = min(b.x for b in boxes) - beside, max(b.right for b in boxes) + beside
    top, bottom = min(b.y for b in boxes) - HOST_TITLE, max(b.bottom for b in boxes) + pad
    return Box(left, top, right - left, bottom - top)
