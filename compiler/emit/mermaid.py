"""The plan as a Mermaid flowchart, for pages that draw it themselves (a README on a forge, say).

Mermaid gives no places: this is the same graph in the same colours, not the same picture. Each agent is a subgraph of
its buffers and its drive inside the frame of its group; hosts are frames, cards, marks and links are where the picture
has them.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...runtime.plan import Agent, CompiledPlan, Group
from .colours import LIGHT, Stroke, bundle_stroke, stroke, tone_stroke
from .picture import BUNDLE, BufferKey, Card, PartKey, Picture, Remark, Tone, picture_of
from .picture_hosts import where_frames_are
from .picture_sizes import buffer_feed, drive_notes, group_title, host_title, sign_of, source_notes, target_notes
from .picture_text import amount, short, visible

#: Line styles as Mermaid's ``stroke-dasharray``.
_DASHES = {"solid": "", "dashed": ",stroke-dasharray:7 4", "dotted": ",stroke-dasharray:2 3"}
#: Remarks that a box shows, and characters of each; notes of the legend.
_REMARKS_MOST = 3
_REMARK_SHOWN = 120
_NOTES_MOST = 24


def to_mermaid(plan: CompiledPlan | Picture) -> str:
    """*plan*, or a picture made from it, as a Mermaid document. Pure: the same text for the same plan anywhere."""
    return _Chart(plan if isinstance(plan, Picture) else picture_of(plan)).text()


class _Chart:
    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._ids: dict[tuple[str, ...], str] = {}
        self._lines: list[str] = []
        self._styles: list[str] = []
        self._clicks: list[str] = []
        self._links: list[tuple[str, str, Stroke, str]] = []

    def text(self) -> str:
        picture, plan = self._picture, self._picture.whole
        self._lines += [
            "flowchart LR",
            f"  %% plan {_comment(plan.plan)}: {len(plan.rings)} rings, {amount(plan.memory)} of memory",
        ]
        self._frames()
        for target in picture.plan.targets:
            self._part(1, ("target", target.name), target_notes(target))
        for drive in picture.idle_drives:
            self._part(1, ("drive", drive.name), f"{drive_notes(drive)} · unused")
        self._legend()
        self._couplings()
        for number, (tail, head, line, label) in enumerate(self._links):
            self._lines.append(f'  {tail} -->|"{label}"| {head}' if label else f"  {tail} --> {head}")
            style = f"stroke:{line.colour},stroke-width:{line.width:.1f}px{_DASHES[line.style]}"
            self._styles.append(f"  linkStyle {number} {style}")
        return "\n".join([*self._lines, *self._styles, *self._clicks]) + "\n"

    # ------------------------------------------------------------ frames

    def _frames(self) -> None:
        """Sources and groups, those of one host inside its frame where frames are around groups."""
        picture = self._picture
        around = where_frames_are(picture.stages) == "around"
        hosts: dict[str | None, tuple[list[str], list[tuple[Group, tuple[Agent, ...]]]]] = {}
        for name, source in picture.sources.items():
            hosts.setdefault(source.host, ([], []))[0].append(name)
        for stage in picture.stages:
            for group, agents in stage.groups:
                host = agents[0].host if agents and around else None
                hosts.setdefault(host, ([], []))[1].append((group, agents))
        for host, (sources, groups) in hosts.items():
            if host is not None:
                self._host(1, host, "")
            depth = 1 if host is None else 2
            for name in sources:
                self._part(depth, ("source", name), source_notes(picture.sources[name], framed=True))
            for group, agents in groups:
                self._group(depth, group, agents, inside=not around)
            if host is not None:
                self._lines.append("  end")

    def _host(self, depth: int, name: str, group: str) -> None:
        _, _, address = host_title(name, self._picture.hosts.get(name))
        title = f"host {_strong(name)}" + (f" {_text(address)}" if address else "")
        ident = self._id("host", name, group)
        self._lines.append(f'{"  " * depth}subgraph {ident}["{title}"]')
        self._styles.append(f"  style {ident} stroke-dasharray:6 4")

    def _group(self, depth: int, group: Group, agents: Sequence[Agent], *, inside: bool) -> None:
        key = ("group", group.name)
        kind, _, of = group_title(group)
        codes = "".join(f" {_text(r.head)}" for r in self._picture.remarks.get(key, ())[:_REMARKS_MOST])
        title = f"{kind} {self._named(key, group.name)}" + (f" {_text(of)}" if of else "") + codes
        ident, pad = self._id("group", group.name), "  " * depth
        self._lines.append(f'{pad}subgraph {ident}["{title}"]')
        self._look(ident, key)
        last: str | None = None
        for agent in sorted(agents, key=lambda a: a.host or "") if inside else agents:
            if inside and agent.host != last:
                if last is not None:
                    self._lines.append(f"{pad}  end")
                if agent.host is not None:
                    self._host(depth + 1, agent.host, group.name)
                last = agent.host
            self._agent(depth + 1 + (inside and last is not None), agent)
        if last is not None:
            self._lines.append(f"{pad}  end")
        self._lines.append(f"{pad}end")

    # ------------------------------------------------------------ parts

    def _agent(self, depth: int, agent: Agent) -> None:
        picture, key, pad = self._picture, ("agent", agent.name), "  " * depth
        card = picture.cards.get(key)
        ident = self._id("agent", agent.name)
        if card is not None:
            self._card(depth, ident, card, key)
            return
        said = self._remarks(key)
        self._lines.append(f'{pad}subgraph {ident}["{self._named(key, agent.name)}{said}"]')
        self._look(ident, key)
        for buffer in agent.buffers:
            part = ("buffer", agent.name, buffer.name)
            feed = buffer_feed(picture, agent, buffer)
            self._node(depth + 1, self._id(*part), f"{self._named(part, buffer.name)} {_text(feed)}")
            self._tint(part, self._line_of((agent.name, buffer.name)))
        drive = picture.drives.get(agent.drive)
        named = f"{self._named(('drive', agent.drive), agent.drive)}<br/>{_text(drive_notes(drive, agent))}"
        tape = self._id("drive", agent.drive, agent.name)
        self._node(depth + 1, tape, f"{named}{self._remarks(('drive', agent.drive))}", "[(", ")]")
        self._look(tape, ("drive", agent.drive))
        self._lines.append(f"{pad}end")
        for buffer in agent.buffers:
            ends = (self._id("buffer", agent.name, buffer.name), tape)
            tail, head = reversed(ends) if agent.role == "read" else ends
            self._links.append((tail, head, self._line_of((agent.name, buffer.name)), ""))

    def _part(self, depth: int, key: PartKey, notes: str) -> None:
        """A source, a target or a drive that no agent uses."""
        picture, ident = self._picture, self._id(*key)
        card = picture.cards.get(key)
        if card is not None:
            self._card(depth, ident, card, key)
            return
        text = f"{self._named(key, key[1])}<br/>{_text(notes)}{self._remarks(key)}"
        self._node(depth, ident, text)
        chain: int | None = None
        if key[0] == "source":
            chain = picture.chain_of_source[key[1]]
        elif key[0] == "target" and key[1] in picture.target_feeds:
            chain = picture.chain_of_buffer[picture.target_feeds[key[1]]]
        if chain is not None:
            self._tint(key, self._line(chain, picture.tones.get(key)))
        self._look(ident, key)

    def _card(self, depth: int, ident: str, card: Card, key: PartKey) -> None:
        lines = "".join(f"<br/>{_text(line)}" for line in card.lines)
        self._node(depth, ident, f"<b>{_text(card.title)}</b>{lines}{self._remarks(key)}")
        self._look(ident, key)

    def _legend(self) -> None:
        notes = self._picture.notes
        if notes:
            more = [Remark("note", "", f"… and {len(notes) - _NOTES_MOST} more")] if len(notes) > _NOTES_MOST else []
            said = "<br/>".join(f"<b>{_text(n.head)}</b> {_text(n.text)}" for n in (*notes[:_NOTES_MOST], *more))
            self._node(1, self._id("legend"), said)

    def _couplings(self) -> None:
        picture = self._picture
        for coupling in picture.couplings:
            if coupling.source is not None:
                tail = self._id("source", coupling.source)
            else:
                assert coupling.buffer is not None
                tail = self._buffer(coupling.buffer)
            chain = coupling.chain if coupling.chain is not None else picture.chain_of_buffer[coupling.into]
            line = self._line(chain, coupling.tone, coupling.count)
            self._links.append((tail, self._buffer(coupling.into), line, _times(coupling.count)))
        for name, feed in picture.target_feeds.items():
            number = picture.target_counts.get(name, 1)
            line = self._line(picture.chain_of_buffer[feed], picture.tones.get(("target", name)), number)
            self._links.append((self._buffer(feed), self._id("target", name), line, _times(number)))

    # ------------------------------------------------------------ looks

    def _buffer(self, key: BufferKey) -> str:
        return self._id("agent", key[0]) if ("agent", key[0]) in self._picture.cards else self._id("buffer", *key)

    def _line(self, chain: int, tone: Tone | None, number: int = 1) -> Stroke:
        if self._picture.compared:
            return tone_stroke(tone, LIGHT)
        return bundle_stroke(number, LIGHT) if chain == BUNDLE else stroke(chain, LIGHT)

    def _line_of(self, key: BufferKey) -> Stroke:
        return self._line(self._picture.chain_of_buffer[key], self._picture.tones.get(("buffer", *key)))

    def _named(self, key: PartKey, name: str) -> str:
        return f"<b>{_text(sign_of(self._picture, key) + short(name))}</b>"

    def _remarks(self, key: PartKey) -> str:
        found = self._picture.remarks.get(key, ())
        said = [f"<br/>{_text(r.head)} {_text(short(r.text, _REMARK_SHOWN))}" for r in found[:_REMARKS_MOST]]
        return "".join(said) + (f"<br/>… {len(found) - _REMARKS_MOST} more" if len(found) > _REMARKS_MOST else "")

    def _look(self, ident: str, key: PartKey) -> None:
        """The border of what is marked, and the link of what has one."""
        tone = self._picture.tones.get(key)
        if tone is not None:
            colour = LIGHT.ink if tone == "note" else LIGHT.of_tone(tone)
            dashes = _DASHES["dashed"] if tone == "removed" else ""
            self._styles.append(f"  style {ident} stroke:{colour},stroke-width:2.5px{dashes}")
        link = self._picture.links.get(key)
        if link is not None:
            self._clicks.append(f'  click {ident} href "{link}" _blank')

    def _node(self, depth: int, ident: str, label: str, left: str = "[", right: str = "]") -> None:
        self._lines.append(f'{"  " * depth}{ident}{left}"{label}"{right}')

    def _tint(self, key: PartKey, line: Stroke) -> None:
        self._styles.append(f"  style {self._id(*key)} fill:{line.tint},stroke:{line.colour},color:{LIGHT.ink}")

    def _id(self, *key: str) -> str:
        return self._ids.setdefault(key, f"n{len(self._ids)}")


def _times(number: int) -> str:
    return str(number) if number > 1 else ""


def _text(text: str) -> str:
    """*text* inside a quoted label: all that could be markup becomes Mermaid's ``#code;``."""
    return "".join(c if c.isalnum() or c in " _-·/.,→…@" else f"#{ord(c)};" for c in visible(text))


def _strong(name: str) -> str:
    return f"<b>{_text(short(name))}</b>"


def _comment(text: str) -> str:
    return "".join(c if c.isalnum() or c in " _-." else "_" for c in visible(text))
