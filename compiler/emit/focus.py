"""Focus: the picture of one chain, agent, source, drive, buffer, target, group or host, and of what it hangs on.

A source, a target or a buffer's chain is shown whole; of an agent (a drive, a group, a host) all its buffers, what
feeds them back to the sources, and all that they feed. Buffers of other chains are counted, not drawn. Colours and
numbers are those of the whole picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ...runtime.plan import Agent
from .picture import BufferKey, Coupling, PartKey, Picture, Remark, Stage, Tone
from .picture_text import short
from .picture_words import count


@dataclass(slots=True)
class Seen:
    """What is to be drawn: buffers, and parts that stay though no buffer that is drawn needs them."""

    buffers: set[BufferKey] = field(default_factory=set)
    parts: set[PartKey] = field(default_factory=set)
    #: the parts that were named
    named: set[PartKey] = field(default_factory=set)


def names_of(picture: Picture) -> dict[str, PartKey]:
    """Every name that a picture can be focused on; where two parts bear one, the first of this order counts."""
    plan = picture.plan
    parts: list[tuple[str, PartKey]] = [(s.name, ("source", s.name)) for s in plan.sources]
    parts += ((a.name, ("agent", a.name)) for a in plan.agents)
    parts += ((d.name, ("drive", d.name)) for d in plan.drives)
    parts += ((t.name, ("target", t.name)) for t in plan.targets)
    parts += ((g.name, ("group", g.name)) for stage in picture.stages for g, _ in stage.groups)
    parts += ((h, ("host", h)) for h in picture.hosts)
    parts += ((f"{a.name}.{b.name}", ("buffer", a.name, b.name)) for a in plan.agents for b in a.buffers)
    return dict(reversed(parts))


def focused(picture: Picture, parts: Iterable[PartKey]) -> Picture:
    """*picture* with no more than *parts* (values of :func:`names_of`) and what they hang on."""
    parts = list(parts)
    seen = Seen(named=set(parts))
    flow = _Flow(picture)
    for key in parts:
        _add(picture, flow, key, seen)
    return _reduced(picture, seen, parts)


class _Flow:
    """Who feeds whom, both ways."""

    def __init__(self, picture: Picture) -> None:
        self.feed: dict[BufferKey, list[BufferKey]] = {}
        self.fed: dict[BufferKey, list[BufferKey]] = {}
        for coupling in picture.couplings:
            if coupling.buffer is not None:
                self.feed.setdefault(coupling.into, []).append(coupling.buffer)
                self.fed.setdefault(coupling.buffer, []).append(coupling.into)

    def both_ways(self, start: Iterable[BufferKey], into: set[BufferKey]) -> None:
        """Add *start*, all that feeds it and all that it feeds to *into*."""
        start = list(start)
        for neighbours in (self.feed, self.fed):
            todo, done = list(start), set(start)
            while todo:
                for key in neighbours.get(todo.pop(), ()):
                    if key not in done:
                        done.add(key)
                        todo.append(key)
            into |= done


def _add(picture: Picture, flow: _Flow, key: PartKey, seen: Seen) -> None:
    kind, name = key[0], key[1]
    seen.parts.add(key)
    if kind == "source":
        _add_chains(picture, {picture.chain_of_source[name]}, seen)
    elif kind == "target":
        feed = picture.target_feeds.get(name)
        _add_chains(picture, {picture.chain_of_buffer[feed]} if feed is not None else set(), seen)
    elif kind == "buffer":
        flow.both_ways([(name, key[2])], seen.buffers)
    elif kind == "host":
        own = {picture.chain_of_source[s.name] for s in picture.sources.values() if s.host == name}
        seen.parts |= {("source", s.name) for s in picture.sources.values() if s.host == name}
        seen.parts |= {("drive", d.name) for d in picture.drives.values() if d.host == name}
        _add_chains(picture, own, seen)
        drives = {d.name for d in picture.drives.values() if d.host == name}
        _add_agents(flow, [a for a in picture.plan.agents if a.host == name or a.drive in drives], seen)
    else:
        attribute = {"agent": "name", "drive": "drive", "group": "group"}[kind]
        _add_agents(flow, [a for a in picture.plan.agents if getattr(a, attribute) == name], seen)


def _add_chains(picture: Picture, chains: set[int], seen: Seen) -> None:
    seen.buffers |= {key for key, chain in picture.chain_of_buffer.items() if chain in chains}


def _add_agents(flow: _Flow, agents: list[Agent], seen: Seen) -> None:
    seen.parts |= {("agent", a.name) for a in agents}
    flow.both_ways(((a.name, b.name) for a in agents for b in a.buffers), seen.buffers)


def _reduced(picture: Picture, seen: Seen, parts: list[PartKey]) -> Picture:
    plan = picture.plan
    drawn: dict[str, Agent] = {}
    remarks = dict(picture.remarks)
    for agent in plan.agents:
        buffers = tuple(b for b in agent.buffers if (agent.name, b.name) in seen.buffers)
        if not buffers and ("agent", agent.name) not in seen.parts:
            continue
        drawn[agent.name] = replace(agent, buffers=buffers)
        hidden = len(agent.buffers) - len(buffers)
        if hidden:
            key = ("agent", agent.name)
            remarks[key] = (*remarks.get(key, ()), Remark("note", "", f"… {count(hidden, 'more buffer')}"))
    couplings = tuple(c for c in picture.couplings if _stays(c, seen))
    fed = {c.source for c in couplings}
    sources = {n: s for n, s in picture.sources.items() if n in fed or ("source", n) in seen.parts}
    targets = tuple(
        t for t in plan.targets if picture.target_feeds.get(t.name) in seen.buffers or ("target", t.name) in seen.parts
    )
    used = {a.drive for a in drawn.values()}
    drives = tuple(d for d in plan.drives if d.name in used or ("drive", d.name) in seen.parts)
    stages = (
        Stage(tuple((g, tuple(drawn[a.name] for a in agents if a.name in drawn)) for g, agents in stage.groups))
        for stage in picture.stages
    )
    tones: dict[PartKey, Tone] = dict.fromkeys(seen.named, "note")
    what = ", ".join(".".join(key[1:]) for key in parts)
    said = [f"{len(drawn)} of {count(len(plan.agents), 'agent')}"]
    if plan.sources:
        said.append(f"{len(sources)} of {count(len(plan.sources), 'source')}")
    note = Remark("note", f"focus on {short(what, 60)}", " and ".join(said) + " are shown")
    return replace(
        picture,
        plan=replace(
            plan, agents=tuple(drawn.values()), sources=tuple(sources.values()), targets=targets, drives=drives
        ),
        stages=tuple(s for s in stages if any(agents for _, agents in s.groups)),
        couplings=couplings,
        chain_of_buffer={key: chain for key, chain in picture.chain_of_buffer.items() if key in seen.buffers},
        sources=sources,
        target_feeds={n: f for n, f in picture.target_feeds.items() if f in seen.buffers},
        idle_drives=tuple(d for d in picture.idle_drives if ("drive", d.name) in seen.parts),
        remarks=remarks,
        tones={**tones, **picture.tones},
        notes=(note, *picture.notes),
    )


def _stays(coupling: Coupling, seen: Seen) -> bool:
    return coupling.into in seen.buffers and (coupling.buffer is None or coupling.buffer in seen.buffers)
