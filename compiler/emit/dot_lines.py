"""The lines between the columns, drawn: what feeds what, and how many couplings a line stands for."""

from __future__ import annotations

from collections import Counter

from .dot_canvas import Canvas
from .dot_text import Row, Span, label, port_name, spline, tooltip
from .picture import BufferKey
from .picture_boxes import Box, Layout
from .picture_sizes import SMALL_SIZE
from .picture_text import width_of
from .picture_wires import Wire, wires_of


def draw_wires(canvas: Canvas, layout: Layout) -> float:
    """Draw all of them. Returns the y below which there is nothing."""
    bottom = layout.bottom
    wires = wires_of(canvas.picture, layout)
    out_of = Counter(_ends(canvas, w)[0] for w in wires)
    into = Counter(_ends(canvas, w)[1] for w in wires)
    for number, wire in enumerate(wires):
        bottom = max(bottom, *(y for _, y in wire.points))
        canvas.reach(*wire.points)
        tail, head = _ends(canvas, wire)
        line = canvas.line(wire.chain, wire.tone, wire.count)
        pos = spline(wire.points, tip=wire.tip)
        canvas.graph.edge(tail, head, pos=pos, tooltip=tooltip(_words(canvas, wire)), **canvas.pen(line))
        if wire.count > 1 and (out_of[tail] == 1 or into[head] == 1):
            _count(canvas, number, wire, near_head=out_of[tail] > 1)
    return bottom


def _words(canvas: Canvas, wire: Wire) -> str:
    start = _called(canvas, "source", wire.source) if wire.source is not None else _buffer_called(canvas, wire.tail)
    end = _called(canvas, "target", wire.target) if wire.target is not None else _buffer_called(canvas, wire.head)
    if wire.count > 1:
        return f"{wire.count} couplings: {start} → {end}"
    if wire.chain < 0:
        return f"{start} → {end}"
    chain = canvas.picture.chain_names[wire.chain]
    said = {"added": "new: ", "removed": "gone: "}.get(wire.tone or "", "")
    return f"{said}{start} → {end}" + (f" (chain of {chain})" if chain != start else "")


def _called(canvas: Canvas, kind: str, name: str) -> str:
    card = canvas.picture.cards.get((kind, name))
    return card.title if card is not None else name


def _buffer_called(canvas: Canvas, key: BufferKey | None) -> str:
    assert key is not None
    card = canvas.picture.cards.get(("agent", key[0]))
    return card.title if card is not None else ".".join(key)


def _ends(canvas: Canvas, wire: Wire) -> tuple[str, str]:
    tail = canvas.id("source", wire.source) if wire.source is not None else _port(canvas, wire.tail)
    head = canvas.id("target", wire.target) if wire.target is not None else _port(canvas, wire.head)
    return tail, head


def _port(canvas: Canvas, key: BufferKey | None) -> str:
    assert key is not None
    ident = canvas.id("agent", key[0])
    return ident if ("agent", key[0]) in canvas.picture.cards else f"{ident}:{port_name(key[1])}"


def _count(canvas: Canvas, number: int, wire: Wire, *, near_head: bool) -> None:
    """How many couplings a line stands for, beside the line at the end where it is alone."""
    text = str(wire.count)
    width = width_of(text, SMALL_SIZE + 1, bold=True) + 4
    start, end = wire.points[0], wire.points[-1]
    x = end[0] - 6 - width / 2 if near_head else start[0] + 12 + width / 2
    y = (end if near_head else start)[1]
    # On the side to which the line does not bend.
    below = start[1] < end[1] if near_head else start[1] > end[1]
    off = canvas.line(wire.chain, wire.tone, wire.count).width / 2 + 2
    box = Box(x - width / 2, y + off if below else y - off - 15, width, 15)
    rows = [Row(15, (Span(text, SMALL_SIZE + 1, bold=True),), centred=True)]
    canvas.node(
        canvas.graph,
        canvas.id("count", str(number)),
        box,
        label=label(box.w, box.h, rows),
        shape="plain",
        tooltip=tooltip(_words(canvas, wire)),
    )
