"""The plan as a picture in Graphviz's language: like the patent's Figures 1, 2, 4 and 5.

The document holds every place and every line (``layout=nop2``: Graphviz only draws), so that all of its programs and
versions give one picture. It still says what the plan says, ``D3 -> A124:B1``, ``A124:B1 -> R1``: with ``pos`` and
``layout`` taken out it can be laid out anew. Pure: the same text for the same plan on any machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...runtime.kinds import encode_name
from ...runtime.plan import CompiledPlan, Drive, Target
from .colours import THEMES, Stroke, Theme, ThemeName
from .dot_canvas import Canvas
from .dot_legend import draw_legend
from .dot_lines import draw_wires
from .dot_text import Row, Span, label, number, port_name, spline, tooltip, url
from .picture import BufferKey, Card, PartKey, Picture, Tone, picture_of
from .picture_boxes import Box, Layout, PlacedAgent, PlacedGroup, PlacedHost
from .picture_layout import layout_of
from .picture_sizes import (
    FOOT,
    HEAD,
    LINE,
    NAME_SIZE,
    ROW,
    SMALL_SIZE,
    agent_notes,
    buffer_feed,
    drive_notes,
    group_title,
    host_title,
    source_notes,
    target_notes,
)
from .picture_text import short
from .picture_tips import agent_tip, buffer_tip, drive_tip, placed, source_tip, target_tip
from .picture_wires import straight
from .picture_words import legend_of

if TYPE_CHECKING:
    import graphviz

_STRAND_ARROW = 0.5


def to_dot(plan: CompiledPlan | Picture, *, theme: ThemeName = "light", legend: bool = True) -> str:
    """*plan*, or a picture made from it, as a DOT document; with *legend*, its name, sizes and chains stand below.

    Any compiled plan can be drawn, also one that no compiler made. Never raises for what the plan says.
    """
    picture = plan if isinstance(plan, Picture) else picture_of(plan)
    return _Drawing(picture, THEMES[theme]).source(legend)


class _Drawing(Canvas):
    """Draws the parts of one plan."""

    def __init__(self, picture: Picture, theme: Theme) -> None:
        super().__init__(picture, theme)
        self._layout: Layout = layout_of(picture)
        self._members: dict[str, list[PlacedAgent]] = {}
        for agent in self._layout.agents.values():
            self._members.setdefault(agent.agent.group, []).append(agent)

    def source(self, legend: bool) -> str:
        """The whole document."""
        layout, picture = self._layout, self.picture
        frames = {placed.group.name: placed for placed in layout.groups}
        framed: set[str] = set()
        for number_, host in enumerate(layout.hosts):
            if host.agents:
                continue  # inside its group
            with self.graph.subgraph(name=self._cluster("host", host.host, number_)) as frame:
                self._host(frame, host)
                for name in host.sources:
                    self._source(frame, name)
                for group in host.groups:
                    self._group(frame, frames[group])
            framed |= {*host.sources, *(f"group {g}" for g in host.groups)}
        for placed_group in layout.groups:
            if f"group {placed_group.group.name}" not in framed:
                self._group(self.graph, placed_group)
        for name in layout.sources:
            if name not in framed:
                self._source(self.graph, name)
        for target in picture.plan.targets:
            self._target(target)
        for drive, box in layout.idle:
            self._idle(drive, box)
        bottom = draw_wires(self, layout)
        if legend:
            left = min([0.0, *(c.left for c in layout.columns)])
            right = max([0.0, *(c.right for c in layout.columns)])
            draw_legend(self, legend_of(picture, right - left), left, bottom + 22.0)
        self.square()
        return str(self.graph.source)

    # ------------------------------------------------------------ frames

    def _cluster(self, kind: str, name: str, number_: int | None = None) -> str:
        ident = encode_name(name) if number_ is None else f"{encode_name(name)} {kind} {number_}"
        return f"cluster_{ident}"

    def _host(self, frame: graphviz.Digraph, placed_host: PlacedHost) -> None:
        name = placed_host.host
        host = self.picture.hosts.get(name)
        address = f" at {host.address}" if host is not None and host.address is not None else ""
        self.frame(frame, placed_host.box, ("host", name), host_title(name, host), f"host {name}{address}")

    def _group(self, graph: graphviz.Digraph, placed_group: PlacedGroup) -> None:
        group = placed_group.group
        agents = self._members[group.name]
        words = f"{group.kind} group {group.name}" + (f" of {group.of}" if group.of else "")
        with graph.subgraph(name=self._cluster("group", group.name)) as frame:
            self.frame(frame, placed_group.box, ("group", group.name), group_title(group), words)
            own = {a.agent.name for a in agents}
            inside: set[str] = set()
            for number_, host in enumerate(self._layout.hosts):
                if not host.agents or host.agents[0] not in own:
                    continue
                with frame.subgraph(name=self._cluster("host", host.host, number_)) as inner:
                    self._host(inner, host)
                    for name in host.agents:
                        self._agent(inner, self._layout.agents[name])
                inside |= set(host.agents)
            for agent in agents:
                if agent.agent.name not in inside:
                    self._agent(frame, agent)

    # ------------------------------------------------------------ parts

    def _agent(self, frame: graphviz.Digraph, placed_agent: PlacedAgent) -> None:
        agent, box = placed_agent.agent, placed_agent.box
        key: PartKey = ("agent", agent.name)
        tone = self.picture.tones.get(key)
        card = self.picture.cards.get(key)
        if card is not None:
            self._card(frame, self.id("agent", agent.name), box, card, key)
            return
        named = Span(self.sign(key) + short(agent.name), NAME_SIZE, bold=True, lead=2, colour=self.toned(tone))
        rows = [Row(HEAD - 1, (named, self.faint(agent_notes(agent, framed=True), lead=2)))]
        for buffer in agent.buffers:
            part = ("buffer", agent.name, buffer.name)
            marked = self.picture.tones.get(part)
            feed = buffer_feed(self.picture, agent, buffer)
            name = Span(self.sign(part) + short(buffer.name), NAME_SIZE, bold=True, lead=2, colour=self.toned(marked))
            rows.append(
                Row(
                    ROW,
                    (name, self.faint(feed, SMALL_SIZE + 1, lead=2)),
                    port=port_name(buffer.name),
                    ground=self._row_line((agent.name, buffer.name)).tint,
                    tip=tooltip(buffer_tip(self.picture, agent, buffer)),
                    link=url(self.picture.links.get(part, "")),
                )
            )
        rows += [*self.remark_rows(key), Row(FOOT - 1)]
        ident = self.id("agent", agent.name)
        border, line = (self.theme.edge, 1) if tone is None else (self.toned(tone), 2)
        self.node(
            frame,
            ident,
            box,
            label=label(box.w, box.h, rows, border=border, ground=self.theme.box, line=line),
            shape="plain",
            tooltip=tooltip(agent_tip(self.picture, agent)),
            **self.link(key),
        )
        assert placed_agent.tape is not None
        tape = self.id("drive", agent.drive, again=agent.name)
        drive = self.picture.drives.get(agent.drive)
        self._tape(frame, tape, agent.drive, drive, placed_agent.tape, notes=drive_notes(drive, agent))
        for buffer in agent.buffers:
            self._strand(frame, placed_agent, ident, tape, buffer.name)

    def _card(self, graph: graphviz.Digraph, ident: str, box: Box, card: Card, key: PartKey) -> None:
        """One box for many parts."""
        tone = self.picture.tones.get(key)
        title = Span(card.title, NAME_SIZE, bold=True, lead=2, colour=self.toned(tone))
        rows = [Row(HEAD - 1, (title,))]
        rows += (Row(LINE, (self.faint(line, lead=2),)) for line in card.lines)
        rows += self.remark_rows(key)
        rows.append(Row(max(1.0, box.h - sum(row.height for row in rows) - 2)))
        line = 1 if tone is None else 2
        border = self.theme.faint if tone is None else self.toned(tone)
        self.node(
            graph,
            ident,
            box,
            label=label(box.w, box.h, rows, border=border, ground=self.theme.box, line=line),
            shape="plain",
            tooltip=tooltip(placed(self.picture, key, card.words)),
            **self.link(key),
        )

    def _strand(self, frame: graphviz.Digraph, placed_agent: PlacedAgent, ident: str, tape: str, buffer: str) -> None:
        """The line from a buffer's row down to the tape, or from the tape up to the row that it fills."""
        agent = placed_agent.agent
        assert placed_agent.tape is not None
        line = self._row_line((agent.name, buffer), strand=True)
        x, row, top = placed_agent.strands[buffer], placed_agent.rows[buffer], placed_agent.tape.y
        port = f"{ident}:{port_name(buffer)}"
        tip = 10.0 * _STRAND_ARROW
        attributes = {**self.pen(line), "arrowsize": number(_STRAND_ARROW)}
        if agent.role == "read":
            attributes["pos"] = spline(straight((x, top), (x, row + tip)), tip=(x, row))
            attributes["tooltip"] = tooltip(f"drive {agent.drive} into {agent.name}.{buffer}")
            frame.edge(tape, port, **attributes)
            return
        attributes |= {"dir": "both", "arrowtail": "dot"}
        attributes["pos"] = spline(straight((x, row + tip), (x, top - tip)), tip=(x, top), tail=(x, row))
        attributes["tooltip"] = tooltip(f"{agent.name}.{buffer} onto drive {agent.drive}")
        frame.edge(port, tape, **attributes)

    def _idle(self, drive: Drive, box: Box) -> None:
        """A drive that no agent uses, or the card of many."""
        key = ("drive", drive.name)
        card = self.picture.cards.get(key)
        if card is not None:
            self._card(self.graph, self.id("drive", drive.name), box, card, key)
            return
        unused = "" if self.picture.tones.get(key) in {"removed", "note"} else " · unused"
        self._tape(
            self.graph,
            self.id("drive", drive.name),
            drive.name,
            drive,
            box,
            notes=drive_notes(drive) + unused,
            unused=True,
        )

    def _tape(
        self,
        frame: graphviz.Digraph,
        ident: str,
        name: str,
        drive: Drive | None,
        box: Box,
        *,
        notes: str,
        unused: bool = False,
    ) -> None:
        """A cassette: its label above, a window with two reels, a second line below."""
        theme, key = self.theme, ("drive", name)
        tone = self.picture.tones.get(key)
        rows = (
            Row(21, (Span(self.sign(key) + short(name), NAME_SIZE, bold=True, colour=self.toned(tone)),), centred=True),
            Row(20),
            Row(19, (self.faint(notes),), centred=True),
            *self.remark_rows(key),
        )
        dashed = unused or drive is None or drive.kind == "discard" or tone == "removed"
        self.node(
            frame,
            ident,
            box,
            label=label(box.w - 4, box.h - 4, rows),
            shape="box",
            style="rounded,filled,dashed" if dashed else "rounded,filled",
            fillcolor=theme.tape,
            color=self.toned(tone) or theme.faint,
            **({"penwidth": "2.2"} if tone is not None else {}),
            tooltip=tooltip(drive_tip(self.picture, name, drive)),
            **self.link(key),
        )
        x, y = box.centre[0], box.y + 32.0
        window = Box(x - 34, y - 9, 68, 18)
        plain = {"label": "", "color": theme.faint, "fillcolor": theme.reel, "penwidth": "0.9"}
        self.node(frame, self.id("window", ident), window, shape="box", style="rounded,filled", **plain)
        for reel, centre in enumerate((x - 23, x + 23), 1):
            disc = Box(centre - 4, y - 4, 8, 8)
            self.node(frame, self.id(f"reel {reel}", ident), disc, shape="doublecircle", style="filled", **plain)

    def _source(self, graph: graphviz.Digraph, name: str) -> None:
        source, box, key = self.picture.sources[name], self._layout.sources[name], ("source", name)
        card = self.picture.cards.get(key)
        if card is not None:
            self._card(graph, self.id("source", name), box, card, key)
            return
        line = self.line(self.picture.chain_of_source[name], self.picture.tones.get(key))
        shape = {"files": "folder", "stream": "note", "command": "component"}.get(source.kind, "box")
        notes = source_notes(source, framed=True)
        self._leaf(graph, key, notes, box, line, shape=shape, words=source_tip(self.picture, source))

    def _target(self, target: Target) -> None:
        name, key = target.name, ("target", target.name)
        box, card = self._layout.targets[name], self.picture.cards.get(key)
        if card is not None:
            self._card(self.graph, self.id("target", name), box, card, key)
            return
        feed = self.picture.target_feeds.get(name)
        tone = self.picture.tones.get(key)
        chain = self.picture.chain_of_buffer[feed] if feed is not None else None
        line = (
            self.line(chain, tone)
            if chain is not None
            else Stroke(self.toned(tone) or self.theme.faint, "solid", 1.0, self.theme.box)
        )
        words = target_tip(self.picture, target)
        self._leaf(self.graph, key, target_notes(target), box, line, shape="folder", words=words)

    def _leaf(
        self, graph: graphviz.Digraph, key: PartKey, notes: str, box: Box, line: Stroke, *, shape: str, words: str
    ) -> None:
        tone = self.picture.tones.get(key)
        ink = self.toned(tone) if self.picture.compared or tone == "error" else ""
        rows = (
            Row(18, (Span(self.sign(key) + short(key[1]), NAME_SIZE, bold=True, colour=ink),), centred=True),
            Row(15, (self.faint(notes),), centred=True),
            *self.remark_rows(key),
        )
        self.node(
            graph,
            self.id(key[0], key[1]),
            box,
            label=label(box.w - 12, box.h - 7, rows),
            shape=shape,
            style="filled,dashed" if tone == "removed" else "filled",
            fillcolor=line.tint,
            color=self.toned(tone) or line.colour,
            **({"penwidth": "2.2"} if tone is not None else {}),
            tooltip=tooltip(words),
            **self.link(key),
        )

    def _row_line(self, key: BufferKey, *, strand: bool = False) -> Stroke:
        tones = self.picture.tones
        tone: Tone | None = tones.get(("buffer", *key))
        if tone is None and strand:
            tone = tones.get(("strand", *key))
        return self.line(self.picture.chain_of_buffer[key], tone if self.picture.compared else None)
