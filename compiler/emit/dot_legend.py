"""The legend of the picture, drawn: what the plan needs, what is to be said of it, and its chains."""

from __future__ import annotations

from .dot_canvas import Canvas
from .dot_text import Row, Span, label, spline, tooltip, url
from .picture_boxes import Box
from .picture_sizes import NAME_SIZE, SMALL_SIZE
from .picture_wires import straight
from .picture_words import Legend, LegendRow


def draw_legend(canvas: Canvas, legend: Legend, left: float, top: float) -> None:
    """Draw *legend* with its upper left corner there."""
    y = top
    for line, row in enumerate(legend.rows):
        box = Box(left, y, legend.width, 17.0 if line else 22.0)
        _row(canvas, row, box, line)
        y = box.bottom


def _row(canvas: Canvas, row: LegendRow, box: Box, line: int) -> None:
    chain = canvas.line(row.chain, None) if row.chain is not None else None
    indent = 40.0 if chain else 0.0
    first = line == 0
    colour = canvas.theme.of_tone(row.tone) if row.tone not in {None, "note"} else ""
    spans = (
        Span(row.head, NAME_SIZE + 2 if first else NAME_SIZE - 2, bold=True, colour=colour),
        canvas.faint(row.text, SMALL_SIZE + 1 if first else SMALL_SIZE, lead=2 if row.head else 0),
    )
    words_box = Box(box.x + indent + row.indent, box.y, box.w - indent - row.indent, box.h)
    link = {"URL": url(row.link), "target": "_blank"} if row.link else {}
    canvas.node(
        canvas.graph,
        canvas.id("legend", str(line)),
        words_box,
        label=label(words_box.w, words_box.h, [Row(words_box.h, spans)]),
        shape="plain",
        tooltip=tooltip(row.tooltip),
        **link,
    )
    if chain is None:
        return
    middle = box.centre[1]
    ends = [canvas.id(f"legend {side}", str(line)) for side in ("from", "to")]
    for x, end in zip((box.x, box.x + 30.0), ends, strict=True):
        canvas.node(canvas.graph, end, Box(x, middle, 0.72, 0.72), label="", shape="point", style="invis")
    pos = spline(straight((box.x, middle), (box.x + 30.0, middle)))
    canvas.graph.edge(*ends, pos=pos, dir="none", tooltip=tooltip(row.tooltip), **canvas.pen(chain))
