"""What the picture shows, read off a compiled plan: stages, couplings and chains, before anything has a place.

A chain is all that descends from one feed: a source, or a restore agent's buffer. It has one stroke from its source to
its last drive. Nothing here trusts the plan: one written by hand may name groups, agents or buffers that do not exist,
or go round in a circle, and is still drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from ...runtime.plan import Agent, Buffer, CompiledPlan, Drive, Group, Host, Ring, Source
from .picture_text import selector_text

#: A buffer by its agent's and its own name.
BufferKey = tuple[str, str]

#: A part of the plan: ``("source", "D1")``, ``("buffer", "A124", "B2")``; also ``drive``, ``agent``, ``target``,
#: ``group``, ``host``.
PartKey = tuple[str, ...]

#: How a part is shown beside what it is: what a check found, what a comparison found, or just a side note.
Tone = Literal["error", "warning", "added", "removed", "changed", "note"]

#: The chain of a line that stands for several chains.
BUNDLE: Final = -1

#: What the picture says where a plan with errors says nothing, or more than one thing.
UNKNOWN: Final = "?"


@dataclass(frozen=True, slots=True)
class Coupling:
    """One feed: from a source or a buffer (exactly one is given) into a buffer; ``count`` of them in one line.

    ``tone`` is that of the line itself, where it has one; ``chain`` that of the line where it is not its buffer's.
    """

    into: BufferKey
    source: str | None = None
    buffer: BufferKey | None = None
    count: int = 1
    tone: Tone | None = None
    chain: int | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to be said at a part: ``head`` (a code, a sign), a short ``text``, the ``whole`` for a tooltip."""

    tone: Tone
    head: str
    text: str
    whole: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """What stands in the place of many alike: a bold ``title``, ``lines`` below it, all names for the tooltip."""

    title: str
    lines: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One column of the picture: its groups, and each group's agents in the plan's order."""

    groups: tuple[tuple[Group, tuple[Agent, ...]], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """The plan as its picture needs it. ``chain_of_*`` number the chains from 0, in the plan's order;
    ``chain_labels`` say whose data is in each: a source's name, or what a restore agent reads;
    ``reached`` names, by chain and stage, the drives that it is read from or written to.

    ``plan`` holds what is drawn, ``whole`` all of it. ``cards`` are by the part that they stand for: an agent, a
    source, a target or a drive that no plan holds. ``remarks`` (those of a buffer at its agent), ``tones``, ``links``
    (URLs) and ``places`` (file and line) are by part; ``notes`` stand below the picture. Where ``compared`` is true,
    lines have the colour of what changes and not of their chain.
    """

    plan: CompiledPlan
    stages: tuple[Stage, ...]
    couplings: tuple[Coupling, ...]
    chain_of_source: dict[str, int]
    chain_of_buffer: dict[BufferKey, int]
    chain_names: tuple[str, ...]
    chain_labels: tuple[str, ...]
    reached: Mapping[int, tuple[tuple[str, ...], ...]]
    sources: dict[str, Source]
    target_feeds: dict[str, BufferKey]
    drives: dict[str, Drive]
    idle_drives: tuple[Drive, ...]
    whole: CompiledPlan
    rings: Mapping[int, Ring] = field(default_factory=dict)
    hosts: Mapping[str, Host] = field(default_factory=dict)
    cards: Mapping[PartKey, Card] = field(default_factory=dict)
    remarks: Mapping[PartKey, tuple[Remark, ...]] = field(default_factory=dict)
    tones: Mapping[PartKey, Tone] = field(default_factory=dict)
    links: Mapping[PartKey, str] = field(default_factory=dict)
    target_counts: Mapping[str, int] = field(default_factory=dict)
    places: Mapping[PartKey, str] = field(default_factory=dict)
    notes: tuple[Remark, ...] = ()
    compared: bool = False


def picture_of(plan: CompiledPlan) -> Picture:
    """Read *plan*. Takes time in proportion to its size."""
    by_text = {f"{a.name}.{b.name}": (a.name, b.name) for a in plan.agents for b in a.buffers}
    groups = _groups(plan)
    sources = {s.name: s for s in plan.sources}
    feeds = {
        (agent.name, buffer.name): _coupling(agent, buffer, groups[agent.group], sources, by_text)
        for agent in plan.agents
        for buffer in agent.buffers
    }
    chain_of_source = {name: number for number, name in enumerate(sources)}
    chain_of_buffer, chain_names = _chains(plan, feeds, chain_of_source)
    busy = {a.drive for a in plan.agents}
    stages = _stages(plan, groups)
    return Picture(
        plan=plan,
        stages=stages,
        couplings=tuple(c for c in feeds.values() if c is not None),
        chain_of_source=chain_of_source,
        chain_of_buffer=chain_of_buffer,
        chain_names=chain_names,
        chain_labels=_labels(plan, chain_of_buffer, chain_names),
        reached=_reached(stages, chain_of_buffer),
        sources=sources,
        target_feeds={t.name: by_text[t.feed] for t in plan.targets if t.feed in by_text},
        drives={d.name: d for d in plan.drives},
        idle_drives=tuple(d for d in plan.drives if d.name not in busy),
        whole=plan,
        rings={r.id: r for r in plan.rings},
        hosts={h.name: h for h in plan.hosts},
    )


def _groups(plan: CompiledPlan) -> dict[str, Group]:
    groups = {g.name: g for g in plan.groups}
    for agent in plan.agents:
        if agent.group not in groups:
            groups[agent.group] = Group(agent.group, "restore" if agent.role == "read" else "backup")
    return groups


def _coupling(
    agent: Agent, buffer: Buffer, group: Group, sources: dict[str, Source], by_text: dict[str, BufferKey]
) -> Coupling | None:
    """The coupling that feeds *buffer*; None for a selector, and for a feed that the plan does not hold."""
    into = (agent.name, buffer.name)
    if agent.role == "read":
        return None
    as_source = Coupling(into, source=buffer.feed) if buffer.feed in sources else None
    as_buffer = Coupling(into, buffer=by_text[buffer.feed]) if buffer.feed in by_text else None
    # A source may bear a string with a dot as its name: the group's kind says which of the two is meant.
    return (as_source or as_buffer) if group.kind in {"backup", "restore"} else (as_buffer or as_source)


def _chains(
    plan: CompiledPlan, feeds: dict[BufferKey, Coupling | None], chain_of_source: dict[str, int]
) -> tuple[dict[BufferKey, int], tuple[str, ...]]:
    names = list(chain_of_source)
    chain_of: dict[BufferKey, int] = {}
    for agent in plan.agents:
        for buffer in agent.buffers:
            path: list[BufferKey] = []
            key = (agent.name, buffer.name)
            while key not in chain_of:
                coupling = feeds[key]
                path.append(key)
                if coupling is not None and coupling.source is not None:
                    chain_of[key] = chain_of_source[coupling.source]
                elif coupling is None or coupling.buffer is None or coupling.buffer in path:
                    chain_of[key] = len(names)
                    names.append(".".join(key))
                else:
                    key = coupling.buffer
            for step in path:
                chain_of[step] = chain_of[key]
    return chain_of, tuple(names)


def _labels(plan: CompiledPlan, chain_of: dict[BufferKey, int], names: tuple[str, ...]) -> tuple[str, ...]:
    labels = list(names)
    for agent in plan.agents:
        if agent.role == "read":
            for buffer in agent.buffers:
                labels[chain_of[agent.name, buffer.name]] = selector_text(buffer.feed, buffer.as_of)
    return tuple(labels)


def _reached(stages: tuple[Stage, ...], chain_of: dict[BufferKey, int]) -> dict[int, tuple[tuple[str, ...], ...]]:
    out: dict[int, list[tuple[str, ...]]] = {}
    for stage in stages:
        here: dict[int, dict[str, None]] = {}
        for _, agents in stage.groups:
            for agent in agents:
                for buffer in agent.buffers:
                    here.setdefault(chain_of[agent.name, buffer.name], {})[agent.drive] = None
        for chain, drives in here.items():
            out.setdefault(chain, []).append(tuple(drives))
    return {chain: tuple(out[chain]) for chain in sorted(out)}


def _stages(plan: CompiledPlan, groups: dict[str, Group]) -> tuple[Stage, ...]:
    members: dict[str, list[Agent]] = {name: [] for name in groups}
    for agent in plan.agents:
        members[agent.group].append(agent)
    depth: dict[str, int] = {}
    for name in groups:
        path: list[str] = []
        at: str | None = name
        while at is not None and at in groups and at not in depth and at not in path:
            path.append(at)
            at = groups[at].of
        below = depth.get(at, -1) if at is not None else -1
        for step in reversed(path):
            below += 1
            depth[step] = below
    columns: list[list[tuple[Group, tuple[Agent, ...]]]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for name, group in groups.items():
        columns[depth[name]].append((group, tuple(members[name])))
    return tuple(Stage(tuple(column)) for column in columns)
