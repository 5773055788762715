"""The plan as a picture in Graphviz's language: like the patent's Figures 2 and 5.

The document holds every place and every line (``layout=nop2``: Graphviz only draws), so that all of its programs and
versions give one picture. It still says what the plan says, ``D3 -> A124:B1``, ``A124:B1 -> R1``: with ``pos`` and
``layout`` taken out it can be laid out anew. Pure: the same text for the same plan on any machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...runtime.kinds import encode_name
from ...runtime.plan import Agent, Buffer, CompiledPlan, Drive, Target
from .colours import THEMES, Stroke, Theme, ThemeName, stroke
from .dot_text import Row, Span, label, number, port_name, spline, tooltip
from .picture import BufferKey, Picture, picture_of
from .picture_layout import Box, Layout, PlacedAgent, PlacedGroup, layout_of
from .picture_sizes import (
    FOOT,
    HEAD,
    NAME_SIZE,
    PAD,
    ROW,
    SMALL_SIZE,
    TITLE,
    agent_notes,
    buffer_feed,
    drive_notes,
    group_title,
    source_notes,
    target_notes,
)
from .picture_text import amount, selector_text, short
from .picture_wires import ARROW_SIZE, straight, wires_of
from .picture_words import Legend, legend_of

if TYPE_CHECKING:
    import graphviz

#: Verdana is as wide as DejaVu Sans: text that one machine measured stays in its place where another shows the SVG.
_FONT = "DejaVu Sans,Verdana,sans-serif"
_STRAND_ARROW = 0.5


def to_dot(plan: CompiledPlan, *, theme: ThemeName = "light", legend: bool = True) -> str:
    """*plan* as a DOT document; with *legend*, the plan's name, sizes and chains stand below the picture.

    Any compiled plan can be drawn, also one that no compiler made. Never raises for what the plan says.
    """
    return _Drawing(plan, THEMES[theme]).source(legend)


class _Drawing:
    """Writes one document. Sizes are points; Graphviz wants y upwards and a box's width in inches."""

    def __init__(self, plan: CompiledPlan, theme: Theme) -> None:
        import graphviz

        self._plan = plan
        self._theme = theme
        self._picture: Picture = picture_of(plan)
        self._layout: Layout = layout_of(self._picture)
        self._ids: dict[tuple[str, str, str], str] = {}
        self._taken: set[str] = set()
        self._rings = {r.id: r for r in plan.rings}
        base = {"fontname": _FONT, "fontcolor": theme.ink}
        self._graph = graphviz.Digraph(
            self._id("plan", plan.plan),
            graph_attr={
                **base,
                "layout": "nop2",
                "outputorder": "nodesfirst",
                "bgcolor": theme.paper,
                "pad": "0.25",
                "fontsize": number(NAME_SIZE),
                "tooltip": tooltip(f"plan {plan.plan}"),
                "label": "",
            },
            node_attr={**base, "fontsize": number(NAME_SIZE), "fixedsize": "true", "margin": "0", "penwidth": "1.2"},
            edge_attr={"arrowsize": number(ARROW_SIZE), "label": ""},
        )

    def source(self, legend: bool) -> str:
        """The whole document."""
        members: dict[str, list[PlacedAgent]] = {}
        for agent in self._layout.agents.values():
            members.setdefault(agent.agent.group, []).append(agent)
        for placed in self._layout.groups:
            self._group(placed, members[placed.group.name])
        for name in self._layout.sources:
            self._source(name)
        for target in self._plan.targets:
            self._target(target)
        for drive, box in self._layout.idle:
            self._tape(self._graph, self._id("drive", drive.name), drive.name, drive, box, unused=True)
        bottom = self._wires()
        if legend:
            self._legend(legend_of(self._picture), bottom)
        return str(self._graph.source)

    # ------------------------------------------------------------ parts

    def _group(self, placed: PlacedGroup, agents: list[PlacedAgent]) -> None:
        group, box = placed.group, placed.box
        kind, shown, of = group_title(group)
        spans = (
            self._faint(f"{kind} ", SMALL_SIZE + 1),
            Span(shown, NAME_SIZE + 1, bold=True),
            self._faint(f" {of}" if of else "", SMALL_SIZE + 1),
        )
        title = Box(box.x + PAD, box.y + 6, box.w - 2 * PAD, TITLE - 6)
        x, y = title.centre
        with self._graph.subgraph(name=f"cluster_{encode_name(group.name)}") as frame:
            frame.attr(
                label=label(title.w, title.h, [Row(title.h, spans)]),
                lp=f"{number(x)},{number(-y)}",
                lwidth=number(title.w / 72, 4),
                lheight=number(title.h / 72, 4),
                bb=f"{number(box.x)},{number(-box.bottom)},{number(box.right)},{number(-box.y)}",
                style="rounded,filled",
                fillcolor=self._theme.frame,
                color=self._theme.edge,
                tooltip=tooltip(f"{group.kind} group {group.name}" + (f" of {group.of}" if group.of else "")),
            )
            for agent in agents:
                self._agent(frame, agent)

    def _agent(self, frame: graphviz.Digraph, placed: PlacedAgent) -> None:
        agent, box, theme = placed.agent, placed.box, self._theme
        head = (Span(short(agent.name), NAME_SIZE, bold=True, lead=2), self._faint(agent_notes(agent), lead=2))
        rows = [Row(HEAD - 1, head)]
        for buffer in agent.buffers:
            feed = buffer_feed(agent, buffer.feed, buffer.as_of)
            rows.append(
                Row(
                    ROW,
                    (
                        Span(short(buffer.name), NAME_SIZE, bold=True, lead=2),
                        self._faint(feed, SMALL_SIZE + 1, lead=2),
                    ),
                    port=port_name(buffer.name),
                    ground=self._stroke((agent.name, buffer.name)).tint,
                    tip=tooltip(self._buffer_words(agent, buffer)),
                )
            )
        rows.append(Row(FOOT - 1))
        verb = "reads" if agent.role == "read" else "writes"
        order = "one object after another" if agent.order == "object" else "records as they come"
        ident = self._id("agent", agent.name)
        self._node(
            frame,
            ident,
            box,
            label=label(box.w, box.h, rows, border=theme.edge, ground=theme.box),
            shape="plain",
            tooltip=tooltip(
                f"agent {agent.name} {verb} drive {agent.drive}, {order}"
                + (f", on host {agent.host}" if agent.host else "")
                + (f", spool {agent.spool}" if agent.spool else "")
            ),
        )
        tape = self._id("drive", agent.drive, again=agent.name)
        self._tape(frame, tape, agent.drive, self._picture.drives.get(agent.drive), placed.tape)
        for buffer in agent.buffers:
            self._strand(frame, placed, ident, tape, buffer.name)

    def _strand(self, frame: graphviz.Digraph, placed: PlacedAgent, ident: str, tape: str, buffer: str) -> None:
        """The line from a buffer's row down to the tape, or from the tape up to the row that it fills."""
        line = self._stroke((placed.agent.name, buffer))
        x, row, top = placed.strands[buffer], placed.rows[buffer], placed.tape.y
        port = f"{ident}:{port_name(buffer)}"
        tip = 10.0 * _STRAND_ARROW
        attributes = {**self._pen(line), "arrowsize": number(_STRAND_ARROW)}
        if placed.agent.role == "read":
            attributes["pos"] = spline(straight((x, top), (x, row + tip)), tip=(x, row))
            attributes["tooltip"] = tooltip(f"drive {placed.agent.drive} into {placed.agent.name}.{buffer}")
            frame.edge(tape, port, **attributes)
            return
        attributes |= {"dir": "both", "arrowtail": "dot"}
        attributes["pos"] = spline(straight((x, row + tip), (x, top - tip)), tip=(x, top), tail=(x, row))
        attributes["tooltip"] = tooltip(f"{placed.agent.name}.{buffer} onto drive {placed.agent.drive}")
        frame.edge(port, tape, **attributes)

    def _tape(
        self, frame: graphviz.Digraph, ident: str, name: str, drive: Drive | None, box: Box, *, unused: bool = False
    ) -> None:
        """A cassette: its label above, a window with two reels, a second line below."""
        theme = self._theme
        notes = drive_notes(drive) + (" · unused" if unused else "")
        rows = (
            Row(21, (Span(short(name), NAME_SIZE, bold=True),), centred=True),
            Row(20),
            Row(19, (self._faint(notes),), centred=True),
        )
        dashed = unused or drive is None or drive.kind == "discard"
        self._node(
            frame,
            ident,
            box,
            label=label(box.w - 4, 60, rows),
            shape="box",
            style="rounded,filled,dashed" if dashed else "rounded,filled",
            fillcolor=theme.tape,
            color=theme.faint,
            tooltip=tooltip(_drive_words(name, drive)),
        )
        x, y = box.centre[0], box.y + 32.0
        window = Box(x - 34, y - 9, 68, 18)
        plain = {"label": "", "color": theme.faint, "fillcolor": theme.reel, "penwidth": "0.9"}
        self._node(frame, self._id("window", ident), window, shape="box", style="rounded,filled", **plain)
        for reel, centre in enumerate((x - 23, x + 23), 1):
            disc = Box(centre - 4, y - 4, 8, 8)
            self._node(frame, self._id(f"reel {reel}", ident), disc, shape="doublecircle", style="filled", **plain)

    def _source(self, name: str) -> None:
        source, box = self._picture.sources[name], self._layout.sources[name]
        line = stroke(self._picture.chain_of_source[name], self._theme)
        shape = {"files": "folder", "stream": "note", "command": "component"}[source.kind]
        what = ", ".join(source.files) or source.stream or " ".join(source.command[:1])
        host = f" on host {source.host}" if source.host else ""
        self._leaf(
            "source",
            name,
            source_notes(source),
            box,
            line,
            shape=shape,
            words=f"source {name} ({source.kind}{host}): {what}",
        )

    def _target(self, target: Target) -> None:
        name = target.name
        feed = self._picture.target_feeds.get(name)
        line = self._stroke(feed) if feed is not None else Stroke(self._theme.faint, "solid", 1.0, self._theme.box)
        what = target.files or target.stream or " ".join(target.command[:1])
        words = f"target {name} ({target.kind}): {what}, from {target.feed or 'nothing'}"
        self._leaf("target", name, target_notes(target), self._layout.targets[name], line, shape="folder", words=words)

    def _leaf(self, kind: str, name: str, notes: str, box: Box, line: Stroke, *, shape: str, words: str) -> None:
        rows = (
            Row(18, (Span(short(name), NAME_SIZE, bold=True),), centred=True),
            Row(15, (self._faint(notes),), centred=True),
        )
        self._node(
            self._graph,
            self._id(kind, name),
            box,
            label=label(box.w - 12, 33, rows),
            shape=shape,
            style="filled",
            fillcolor=line.tint,
            color=line.colour,
            tooltip=tooltip(words),
        )

    def _wires(self) -> float:
        """All lines between columns. Returns the y below which there is nothing."""
        bottom = self._layout.bottom
        for wire in wires_of(self._picture, self._layout):
            line = stroke(wire.chain, self._theme)
            bottom = max(bottom, *(y for _, y in wire.points))
            tail = self._id("source", wire.source) if wire.source is not None else self._port(wire.tail)
            head = self._id("target", wire.target) if wire.target is not None else self._port(wire.head)
            start = wire.source if wire.source is not None else ".".join(wire.tail or ())
            end = wire.target if wire.target is not None else ".".join(wire.head or ())
            chain = self._picture.chain_names[wire.chain]
            words = f"{start} → {end}" + (f" (chain of {chain})" if chain != start else "")
            pos = spline(wire.points, tip=wire.tip)
            self._graph.edge(tail, head, pos=pos, tooltip=tooltip(words), **self._pen(line))
        return bottom

    def _legend(self, legend: Legend, bottom: float) -> None:
        left = min([0.0, *(c.left for c in self._layout.columns)])
        y = bottom + 22.0
        for line, row in enumerate(legend.rows):
            box = Box(left, y, legend.width, 17.0 if line else 22.0)
            colour = stroke(row.chain, self._theme) if row.chain is not None else None
            indent = 40.0 if colour else 0.0
            spans = (
                Span(row.head, NAME_SIZE - 2 if colour else NAME_SIZE + 2, bold=True),
                self._faint(row.text, SMALL_SIZE if colour else SMALL_SIZE + 1, lead=2),
            )
            words_box = Box(left + indent, y, box.w - indent, box.h)
            words = label(words_box.w, words_box.h, [Row(words_box.h, spans)])
            self._node(
                self._graph,
                self._id("legend", str(line)),
                words_box,
                label=words,
                shape="plain",
                tooltip=tooltip(row.tooltip),
            )
            if colour is not None:
                middle = box.centre[1]
                ends = [self._id(f"legend {side}", str(line)) for side in ("from", "to")]
                for x, end in zip((left, left + 30.0), ends, strict=True):
                    self._node(self._graph, end, Box(x, middle, 0.72, 0.72), label="", shape="point", style="invis")
                pos = spline(straight((left, middle), (left + 30.0, middle)))
                self._graph.edge(*ends, pos=pos, dir="none", tooltip=tooltip(row.tooltip), **self._pen(colour))
            y = box.bottom

    # ------------------------------------------------------------ words, names, numbers

    def _buffer_words(self, agent: Agent, buffer: Buffer) -> str:
        feed = selector_text(buffer.feed, buffer.as_of) if agent.role == "read" else buffer.feed
        words = f"buffer {agent.name}.{buffer.name} ← {feed}"
        ring = self._rings.get(buffer.ring)
        if ring is None:
            return words
        return (
            f"{words}; ring {ring.id}: {ring.depth} × {amount(self._plan.record)}, shared by {', '.join(ring.buffers)}"
        )

    def _stroke(self, key: BufferKey) -> Stroke:
        return stroke(self._picture.chain_of_buffer[key], self._theme)

    def _pen(self, line: Stroke) -> dict[str, str]:
        return {"color": line.colour, "style": line.style, "penwidth": number(line.width)}

    def _faint(self, text: str, size: float = SMALL_SIZE, *, lead: int = 0) -> Span:
        return Span(text, size, colour=self._theme.faint, lead=lead if text else 0)

    def _port(self, key: BufferKey | None) -> str:
        assert key is not None
        return f"{self._id('agent', key[0])}:{port_name(key[1])}"

    def _id(self, kind: str, name: str, *, again: str = "") -> str:
        """The name itself where it is free (a plan's names are distinct); encoded, so that no syntax can break it."""
        key = (kind, name, again)
        if key not in self._ids:
            ident = encode_name(name)
            # Graphviz takes a name with % at its head for one that it made itself.
            if kind not in {"source", "agent", "drive", "target"} or not ident or ident.startswith("%"):
                ident = f"{kind} {ident}"
            while ident in self._taken:
                ident = f"{ident} {kind}"
            self._taken.add(ident)
            self._ids[key] = ident
        return self._ids[key]

    def _node(self, graph: graphviz.Digraph, ident: str, box: Box, **attributes: str) -> None:
        x, y = box.centre
        if attributes.get("shape") == "plain":
            size = {"fixedsize": "false"}  # its label, of a fixed size itself, is all there is
        else:
            size = {"width": number(box.w / 72, 4), "height": number(box.h / 72, 4)}
        graph.node(ident, pos=f"{number(x)},{number(-y)}", **size, **attributes)


def _drive_words(name: str, drive: Drive | None) -> str:
    if drive is None:
        return f"drive {name} is not declared"
    parts = [f"drive {name}: {drive.kind} {drive.volumes or drive.tape or drive.bucket or ''}".rstrip()]
    parts += [
        f"{what} {value}"
        for what, value in (("site", drive.site), ("media", drive.media), ("host", drive.host), ("pool", drive.pool))
        if value is not None
    ]
    if drive.capacity is not None:
        parts.append(f"{amount(drive.capacity)} a volume")
    return ", ".join(parts)
