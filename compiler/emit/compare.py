"""Two plans as one picture: what is added, removed and changed, and below it what the changes come to.

Parts are known by their names, as :mod:`~.differ` knows them. The picture has all parts of both plans: those of the new
one where it has them, those that only the old one has beside them. Lines have the colour of what changes, not of their
chains; signs and dashes say the same without colour.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from ...runtime.plan import Agent, CompiledPlan
from ..differ_change import Change, value_text
from .picture import BufferKey, Coupling, PartKey, Picture, Remark, Tone, picture_of


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Part = TypeVar("_Part", bound=_Named)
_EFFECTS: Final[Mapping[str, tuple[Tone, str]]] = {
    "worse": ("removed", "−"),
    "better": ("added", "+"),
    "neutral": ("changed", "~"),
}
#: What is no change of the part itself: a buffer's ring has another number.
_SILENT: Final = frozenset({"buffers", "feed"})


def compared(old: CompiledPlan, new: CompiledPlan, changes: Sequence[Change]) -> Picture:
    """The picture of what changes from *old* to *new*; *changes* are what the differ says of them."""
    found = _Comparison()
    sources = found.merged("source", old.sources, new.sources)
    drives = found.merged("drive", old.drives, new.drives)
    targets = found.merged("target", old.targets, new.targets)
    groups = found.merged("group", old.groups, new.groups)
    agents = found.agents(old, new)
    hosts = {h.name: h for h in (*old.hosts, *new.hosts)}
    both = dataclasses.replace(
        new, sources=sources, drives=drives, targets=targets, groups=groups, agents=agents, hosts=tuple(hosts.values())
    )
    picture = picture_of(both)
    before, after = _feeds(picture_of(old)), _feeds(picture_of(new))
    couplings = tuple(dataclasses.replace(c, tone=_tone_of(c, before, after)) for c in picture.couplings) + _gone(
        picture, before, after
    )
    counts = Counter(tone for key, tone in found.tones.items() if key[0] != "strand")
    said = ", ".join(f"{counts[tone]} {tone}" for tone in ("added", "removed", "changed") if counts[tone])
    notes = [Remark("note", "+ added   − removed   ~ changed", f"parts: {said or 'none'}")]
    secret = {s.name for s in (*old.sources, *new.sources) if s.command}
    notes += (Remark(*_EFFECTS[c.effect], _harmless(c, secret)) for c in changes)
    if not changes:
        notes.append(Remark("note", "the plans come to the same", ""))
    return dataclasses.replace(
        picture,
        whole=new,
        couplings=couplings,
        remarks={key: tuple(remarks) for key, remarks in found.remarks.items()},
        tones=found.tones,
        notes=tuple(notes),
        compared=True,
    )


def _harmless(change: Change, commands: set[str]) -> str:
    """The change in words; a picture shows no arguments of a command, which may hold a password."""
    if change.kind == "sources" and change.name in commands and "command" in change.message:
        return f"{change.name} is read by another command, or with other arguments"
    return change.message


def unchanged_groups(picture: Picture) -> set[str]:
    """The groups in which no agent, buffer or drive differs."""
    out = set()
    for stage in picture.stages:
        for group, agents in stage.groups:
            keys: list[PartKey] = [("group", group.name)]
            for agent in agents:
                keys += [("agent", agent.name), ("drive", agent.drive)]
                keys += (("buffer", agent.name, b.name) for b in agent.buffers)
            if agents and not any(key in picture.tones for key in keys):
                out.add(group.name)
    return out


class _Comparison:
    def __init__(self) -> None:
        self.tones: dict[PartKey, Tone] = {}
        self.remarks: dict[PartKey, list[Remark]] = {}

    def merged(self, kind: str, old: Iterable[_Part], new: Iterable[_Part]) -> tuple[_Part, ...]:
        """The parts of both: the new ones in their order, then those that are gone."""
        before: dict[str, _Part] = {p.name: p for p in old}
        after: dict[str, _Part] = {p.name: p for p in new}
        for name, part in after.items():
            if name not in before:
                self.tones[kind, name] = "added"
            else:
                self._fields((kind, name), before[name], part)
        gone: list[_Part] = [part for name, part in before.items() if name not in after]
        self.tones.update(((kind, part.name), "removed") for part in gone)
        return (*after.values(), *gone)

    def _fields(self, key: PartKey, before: Any, after: Any) -> None:
        """What of a part is another: a remark at it for each attribute, but never a command's arguments."""
        for f in dataclasses.fields(after):
            was, now = getattr(before, f.name), getattr(after, f.name)
            if was == now or f.name in _SILENT:
                continue
            self.tones[key] = "changed"
            if f.name == "command" and was and now and was[0] == now[0]:
                text = "other arguments of the command"
            else:
                said = [_said(f.name, value) for value in (was, now)]
                text = f"{f.name}: {said[0]} → {said[1]}"
            self.remarks.setdefault(key, []).append(Remark("changed", "~", text, text))

    def agents(self, old: CompiledPlan, new: CompiledPlan) -> tuple[Agent, ...]:
        """The agents of both, each with the buffers of both."""
        before, after = {a.name: a for a in old.agents}, {a.name: a for a in new.agents}
        out = []
        for name, agent in after.items():
            was = before.get(name)
            if was is None:
                self._all("added", agent)
                out.append(agent)
                continue
            self._fields(("agent", name), was, agent)
            own = {b.name: b for b in agent.buffers}
            gone = [dataclasses.replace(b, ring=-1) for b in was.buffers if b.name not in own]
            for buffer in agent.buffers:
                self._buffer(was, agent, buffer.name)
            for buffer in gone:
                self.tones["buffer", name, buffer.name] = "removed"
            if gone or any(("buffer", name, b) in self.tones for b in own):
                self.tones.setdefault(("agent", name), "changed")
            if was.drive != agent.drive:
                self.tones.update((("strand", name, b), "changed") for b in own)
            out.append(dataclasses.replace(agent, buffers=(*agent.buffers, *gone)))
        for name, agent in before.items():
            if name not in after:
                self._all("removed", agent)
                buffers = tuple(dataclasses.replace(b, ring=-1) for b in agent.buffers)
                out.append(dataclasses.replace(agent, buffers=buffers))
        return tuple(out)

    def _all(self, tone: Tone, agent: Agent) -> None:
        self.tones["agent", agent.name] = tone
        self.tones.update((("buffer", agent.name, b.name), tone) for b in agent.buffers)

    def _buffer(self, was: Agent, agent: Agent, name: str) -> None:
        old = next((b for b in was.buffers if b.name == name), None)
        new = next(b for b in agent.buffers if b.name == name)
        key = ("buffer", agent.name, name)
        if old is None:
            self.tones[key] = "added"
        elif (old.feed, old.as_of) != (new.feed, new.as_of):
            self.tones[key] = "changed"
            text = f"{name}: {old.feed} → {new.feed}"
            self.remarks.setdefault(("agent", agent.name), []).append(Remark("changed", "~", text, text))


def _said(field: str, value: Any) -> str:
    if value in (None, ()):
        return "none"
    return str(value[0]) if field == "command" else value_text(field, value)


#: A buffer -> what fed it: a source's name, or a buffer.
_Feeds = dict[BufferKey, str | BufferKey]


def _feeds(picture: Picture) -> _Feeds:
    return {c.into: c.source if c.source is not None else c.buffer or ("", "") for c in picture.couplings}


def _tone_of(coupling: Coupling, before: _Feeds, after: _Feeds) -> Tone | None:
    feed = coupling.source if coupling.source is not None else coupling.buffer
    if after.get(coupling.into) != feed:
        return "removed"
    return None if before.get(coupling.into) == feed else "added"


def _gone(picture: Picture, before: _Feeds, after: _Feeds) -> tuple[Coupling, ...]:
    """The couplings of the old plan into buffers that are fed otherwise now."""
    out = []
    for into, feed in before.items():
        if after.get(into) in {None, feed}:
            continue
        if isinstance(feed, str):
            out.append(Coupling(into, source=feed, tone="removed"))
        elif feed in picture.chain_of_buffer:
            out.append(Coupling(into, buffer=feed, tone="removed"))
    return tuple(out)
