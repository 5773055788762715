"""Collapse: a group of many agents as one card that counts them, with the sources and targets that only it has.

The lines between two cards become one line with their number. What is marked on a part that is not drawn is counted on
its card.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ...runtime.plan import Agent, Buffer, Drive, Group, Source, Target
from .picture import BUNDLE, BufferKey, Card, Coupling, PartKey, Picture, Remark, Stage, Tone
from .picture_text import runs, short
from .picture_words import count

#: A picture of more agents, or of more buffers, or sources, is not drawn out unless that is asked for.
AGENTS_MOST: Final = 40
BUFFERS_MOST: Final = 240
SOURCES_MOST: Final = 120
#: In such a picture a group of so many agents and buffers stays drawn out, if that is enough.
SMALL_AGENTS: Final = 6
SMALL_BUFFERS: Final = 48
#: So many sources, targets or unused drives that are alike are not worth a card.
FEW: Final = 3
_NAMES_MOST: Final = 4
_KINDS_MOST: Final = 4

_WORST: Final[tuple[Tone, ...]] = ("error", "removed", "warning", "changed", "added")
_MANY: Final[dict[Tone, str]] = {
    "error": "error",
    "warning": "warning",
    "added": "+",
    "removed": "−",
    "changed": "~",
}


def large(picture: Picture) -> bool:
    """Whether the picture is too large to be read when all is drawn out."""
    buffers = sum(len(a.buffers) for a in picture.plan.agents)
    return len(picture.plan.agents) > AGENTS_MOST or buffers > BUFFERS_MOST or len(picture.sources) > SOURCES_MOST


def groups_of(picture: Picture) -> list[str]:
    """The names of all groups that have agents."""
    return [g.name for stage in picture.stages for g, agents in stage.groups if agents]


def worth_collapsing(picture: Picture) -> set[str]:
    """The groups to collapse so that a :func:`large` picture can be read: the large ones, and if need be all."""
    sizes = {
        g.name: (len(agents), sum(len(a.buffers) for a in agents))
        for stage in picture.stages
        for g, agents in stage.groups
        if agents
    }
    big = {name for name, (agents, buffers) in sizes.items() if agents > SMALL_AGENTS or buffers > SMALL_BUFFERS}
    left = [size for name, size in sizes.items() if name not in big]
    if sum(agents for agents, _ in left) > AGENTS_MOST or sum(buffers for _, buffers in left) > BUFFERS_MOST:
        return set(sizes)
    return big


def collapsed(picture: Picture, groups: Collection[str]) -> Picture:
    """*picture* with each of *groups* as one card. Time in proportion to the plan."""
    if not groups:
        return picture
    return _Collapse(picture, set(groups)).picture()


@dataclass(slots=True)
class _Collapse:
    whole: Picture
    groups: set[str]
    cards: dict[PartKey, Card] = field(default_factory=dict)
    remarks: dict[PartKey, tuple[Remark, ...]] = field(default_factory=dict)
    tones: dict[PartKey, Tone] = field(default_factory=dict)
    #: the card's agent, source or target by the name of what it stands for
    agent: dict[str, str] = field(default_factory=dict)
    source: dict[str, str] = field(default_factory=dict)
    target: dict[str, str] = field(default_factory=dict)

    def picture(self) -> Picture:
        picture, plan = self.whole, self.whole.plan
        self.remarks.update(picture.remarks)
        self.tones.update(picture.tones)
        stages = tuple(Stage(tuple(self._group(g, agents) for g, agents in s.groups)) for s in picture.stages)
        agents = tuple(a for stage in stages for _, members in stage.groups for a in members)
        sources = self._sources()
        targets = self._targets()
        couplings = self._bundled()
        feeds: dict[str, BufferKey] = {}
        counts: Counter[str] = Counter()
        for name, feed in picture.target_feeds.items():
            shown = self.target.get(name, name)
            feeds.setdefault(shown, self._key(feed))
            counts[shown] += 1
        chains = {key: chain for key, chain in picture.chain_of_buffer.items() if key[0] not in self.agent}
        chains |= {(card, ""): BUNDLE for card in self.agent.values()}
        idle = self._idle()
        one = len(self.groups) == 1
        said = f"{count(len(self.groups), 'group')} {'is drawn as a card' if one else 'are drawn as cards'}: "
        said += f"{len(self.agent)} of {count(len(plan.agents), 'agent')} are not drawn out"
        return replace(
            picture,
            plan=replace(plan, agents=agents, sources=tuple(sources.values()), targets=targets),
            stages=stages,
            couplings=couplings,
            chain_of_source={
                **picture.chain_of_source,
                **dict.fromkeys(self.source.values(), BUNDLE),
            },
            chain_of_buffer=chains,
            sources=sources,
            target_feeds=feeds,
            target_counts=counts,
            idle_drives=idle,
            cards=self.cards,
            remarks=self.remarks,
            tones=self.tones,
            notes=(Remark("note", "collapsed", said), *picture.notes),
        )

    def _key(self, key: BufferKey) -> BufferKey:
        card = self.agent.get(key[0])
        return key if card is None else (card, "")

    def _group(self, group: Group, agents: tuple[Agent, ...]) -> tuple[Group, tuple[Agent, ...]]:
        if group.name not in self.groups or not agents:
            return group, agents
        taken = {a.name for a in self.whole.plan.agents}
        name = group.name
        while name in taken or ("agent", name) in self.cards:
            name += "'"
        for agent in agents:
            self.agent[agent.name] = name
        key = ("agent", name)
        self.cards[key] = self._group_card(group, agents)
        members: list[PartKey] = [("agent", a.name) for a in agents]
        members += (("drive", a.drive) for a in agents)
        self._sum_up(key, members)
        hosts = {a.host for a in agents}
        host = next(iter(hosts)) if len(hosts) == 1 else None
        card = Agent(name, group.name, agents[0].role, "", "interleave", (Buffer("", -1, ""),), host=host)
        return group, (card,)

    def _group_card(self, group: Group, agents: tuple[Agent, ...]) -> Card:
        drives = list(dict.fromkeys(a.drive for a in agents))
        known = [d for name in drives if (d := self.whole.drives.get(name)) is not None]
        verb = "reading" if group.kind == "restore" else "writing"
        buffers = sum(len(a.buffers) for a in agents)
        lines = [f"{verb} {count(len(drives), 'drive')}: {_counted(d.kind for d in known)}"]
        lines += _spread("sites", (d.site for d in known))
        lines += _spread("media", (d.media for d in known))
        hosts = {a.host for a in agents}
        if len(hosts) > 1:
            lines += _spread("hosts", (a.host for a in agents))
        names = [a.name for a in agents]
        lines += [f"agents {_some(names)}", f"drives {_some(drives)}"]
        words = f"{group.kind} group {group.name}: agents {', '.join(runs(names))}; drives {', '.join(runs(drives))}"
        return Card(f"{count(len(agents), 'agent')} · {count(buffers, 'buffer')}", tuple(lines), words)

    def _sources(self) -> dict[str, Source]:
        """The sources that are drawn: those that only cards read become one card for each set of such groups."""
        readers: dict[str, set[str | None]] = {}
        groups = {a.name: a.group for a in self.whole.plan.agents}
        for c in self.whole.couplings:
            if c.source is not None:
                name = c.into[0]
                readers.setdefault(c.source, set()).add(groups[name] if name in self.agent else None)
        alike: dict[frozenset[str | None], list[Source]] = {}
        for name, source in self.whole.sources.items():
            read = readers.get(name, set())
            if None not in read:
                alike.setdefault(frozenset(read), []).append(source)
        out: dict[str, Source] = {}
        card_of = {s.name: key for key, members in alike.items() if len(members) > FEW for s in members}
        for name, source in self.whole.sources.items():
            if name not in card_of:
                out[name] = source
                continue
            members = alike[card_of[name]]
            if members[0].name == name:
                card = self._source_card(members, unread=not card_of[name])
                out[card.name] = card
        return out

    def _source_card(self, members: list[Source], *, unread: bool) -> Source:
        name = f"{members[0].name} …"
        while name in self.whole.sources or ("source", name) in self.cards:
            name += "…"
        names = [s.name for s in members]
        lines = [_counted(s.kind for s in members), *_spread("hosts", (s.host for s in members)), _some(names)]
        words = f"{count(len(members), 'source')}: {', '.join(runs(names))}"
        unread_words = " that nothing reads" if unread else ""
        self.cards["source", name] = Card(f"{count(len(members), 'source')}{unread_words}", tuple(lines), words)
        self.source.update(dict.fromkeys(names, name))
        self._sum_up(("source", name), [("source", n) for n in names])
        return Source(name, "files")

    def _targets(self) -> tuple[Target, ...]:
        """The targets that are drawn: those of one card become one card."""
        feeds = self.whole.target_feeds
        alike: dict[str, list[Target]] = {}
        for target in self.whole.plan.targets:
            feed = feeds.get(target.name)
            if feed is not None and feed[0] in self.agent:
                alike.setdefault(self.agent[feed[0]], []).append(target)
        out: list[Target] = []
        for target in self.whole.plan.targets:
            feed = feeds.get(target.name)
            members = alike.get(self.agent.get(feed[0], ""), []) if feed is not None else []
            if len(members) <= FEW:
                out.append(target)
            elif members[0] is target:
                names = [t.name for t in members]
                name = f"{target.name} …"
                lines = (_counted(t.kind for t in members), _some(names))
                words = f"{count(len(names), 'target')}: {', '.join(runs(names))}"
                self.cards["target", name] = Card(count(len(names), "target"), lines, words)
                self.target.update(dict.fromkeys(names, name))
                self._sum_up(("target", name), [("target", n) for n in names])
                out.append(Target(name, "files", files="", feed=target.feed))
        return tuple(out)

    def _idle(self) -> tuple[Drive, ...]:
        idle = self.whole.idle_drives
        if len(idle) <= FEW:
            return idle
        names = [d.name for d in idle]
        name = f"{names[0]} …"
        lines = (_counted(d.kind for d in idle), *_spread("sites", (d.site for d in idle)), _some(names))
        words = f"{count(len(names), 'unused drive')}: {', '.join(runs(names))}"
        self.cards["drive", name] = Card(count(len(names), "unused drive"), lines, words)
        self._sum_up(("drive", name), [("drive", n) for n in names])
        return (Drive(name, "discard"),)

    def _bundled(self) -> tuple[Coupling, ...]:
        """The couplings between what is drawn, those of one pair of cards as one."""
        chain_of = self.whole.chain_of_buffer
        out: dict[tuple[str | None, BufferKey | None, BufferKey], Coupling] = {}
        for c in self.whole.couplings:
            source = self.source.get(c.source, c.source) if c.source is not None else None
            buffer = self._key(c.buffer) if c.buffer is not None else None
            into = self._key(c.into)
            chain = c.chain if c.chain is not None else chain_of[c.into]
            known = out.get((source, buffer, into))
            if known is None:
                changed = (source, buffer, into) != (c.source, c.buffer, c.into)
                out[source, buffer, into] = replace(
                    c, source=source, buffer=buffer, into=into, chain=chain if changed else c.chain
                )
                continue
            out[source, buffer, into] = replace(
                known,
                count=known.count + c.count,
                chain=chain if known.chain == chain else BUNDLE,
                tone=known.tone if known.tone == c.tone else "changed",
            )
        return tuple(out.values())

    def _sum_up(self, card: PartKey, members: Sequence[PartKey]) -> None:
        """Count on *card* what is marked on *members*."""
        marked: dict[Tone, list[str]] = {}
        for key in members:
            tones = {self.whole.tones[key]} if key in self.whole.tones else set()
            tones |= {remark.tone for remark in self.whole.remarks.get(key, ())}
            for tone in tones - {"note"}:
                marked.setdefault(tone, []).append(key[1])
        found = []
        for tone in _WORST:
            names = list(dict.fromkeys(marked.get(tone, ())))
            if names:
                word = _MANY[tone]
                head = f"{word}{len(names)}" if len(word) == 1 else f"{word} at {len(names)}"
                found.append(Remark(tone, head, _some(names), ", ".join(runs(names))))
        if found:
            self.remarks[card] = tuple(found)
            mixed = self.whole.compared and set(members) - self.whole.tones.keys()
            self.tones[card] = "changed" if (len(found) > 1 and self.whole.compared) or mixed else found[0].tone


def _some(names: Sequence[str]) -> str:
    """The first of *names*, runs of them in one, and how many more there are."""
    found = runs(names)
    shown = [short(name, 28) for name in found[:_NAMES_MOST]]
    return ", ".join(shown) + (", …" if len(found) > _NAMES_MOST else "")


def _counted(values: Iterable[str]) -> str:
    """``60 volumes, 40 tape``."""
    numbers = Counter(values)
    return ", ".join(f"{number} {short(value, 16)}" for value, number in numbers.most_common()) or "none declared"


def _spread(what: str, values: Iterable[str | None]) -> list[str]:
    """``sites: vault 60, mine 40``; nothing where none is known."""
    numbers = Counter(values)
    if set(numbers) <= {None}:
        return []
    most = numbers.most_common(_KINDS_MOST)
    said = ", ".join(f"{short(value, 16) if value is not None else 'not said'} {number}" for value, number in most)
    more = len(numbers) - len(most)
    return [f"{what}: {said}" + (f" and {more} more" if more else "")]
