"""Pieces of DOT: HTML-like labels, tooltips, numbers and splines.

Everything that a plan says passes through here on its way into the document, and comes out harmless: no syntax of DOT,
of HTML, of XML or of a terminal is left in it.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from ...runtime.kinds import encode_name
from .picture_boxes import Point
from .picture_text import TOOLTIP_SHOWN, visible

if TYPE_CHECKING:
    import jinja2


def tooltip(text: str) -> str:
    """*text* for a tooltip.

    Graphviz would read ``\\N`` as the node's name and ``&lt;`` as a sign.
    """
    words = visible(text)
    if len(words) > TOOLTIP_SHOWN:
        words = words[: TOOLTIP_SHOWN - 1] + "…"
    # Without its brackets no text can be taken for an HTML-like string, which is what stands between < and >.
    return html.escape(words, quote=False).replace("\\", "\\\\")


def url(text: str) -> str:
    """A link for ``URL``; ``compiler.emit.links`` lets nothing into it that needs more than this."""
    return html.escape(visible(text), quote=False).replace("\\", "\\\\")


@dataclass(frozen=True, slots=True)
class Span:
    """Text of one look. ``size`` in points; *text* is a plan's own, ``lead`` blanks stand before it."""

    text: str
    size: float
    colour: str = ""
    bold: bool = False
    lead: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a label: its height in points, what it says; a buffer's row has a port, a ground and a tooltip."""

    height: float
    spans: tuple[Span, ...] = ()
    centred: bool = False
    port: str = ""
    ground: str = ""
    tip: str = ""
    link: str = ""


_LABEL: Final = """
<<TABLE BORDER="{{ line if border else 0 }}"{% if border %} COLOR="{{ border }}" BGCOLOR="{{ ground }}"{% endif %}
 CELLBORDER="0" CELLSPACING="0" CELLPADDING="0" FIXEDSIZE="TRUE" WIDTH="{{ width }}" HEIGHT="{{ height }}">
{% for row in rows %}
<TR><TD FIXEDSIZE="TRUE" WIDTH="{{ inner }}" HEIGHT="{{ row.height | round | int }}"
 ALIGN="{{ 'CENTER' if row.centred else 'LEFT' }}"
{% if row.port %} PORT="{{ row.port }}"{% endif %}
{% if row.ground %} BGCOLOR="{{ row.ground }}"{% endif %}
{% if row.tip %} HREF="{{ row.link }}"{% if row.link %} TARGET="_blank"{% endif %} TOOLTIP="{{ row.tip }}"{% endif %}>
{% for span in row.spans if span.text %}
{% for _ in range(span.lead) %}&#160;{% endfor %}
<FONT POINT-SIZE="{{ number(span.size) }}"{% if span.colour %} COLOR="{{ span.colour }}"{% endif %}>
{% if span.bold %}<B>{% endif %}{{ visible(span.text) }}{% if span.bold %}</B>{% endif %}
</FONT>
{% endfor %}
</TD></TR>
{% endfor %}
</TABLE>>
"""


def label(
    width: float, height: float, rows: Sequence[Row], *, border: str = "", ground: str = "", line: int = 1
) -> str:
    """An HTML-like label of a fixed size, with a border of *line* points where that has a colour.

    The graphviz package takes what stands in ``<…>`` as such.
    """
    inner = round(width) - (2 * line if border else 0)
    return _template().render(
        width=round(width), height=round(height), inner=inner, rows=rows, border=border, ground=ground, line=line
    )


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.globals |= {"number": number, "visible": visible}
    # One line: line ends in a template are there to be read, and would be blanks in the picture.
    return environment.from_string(_LABEL.replace("\n", ""))


def port_name(buffer: str) -> str:
    """A buffer's name as a port."""
    return encode_name(buffer) or "unnamed"


def number(value: float, digits: int = 2) -> str:
    """*value* in the fewest digits: the text must not depend on how a machine prints a float."""
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def point(at: Point) -> str:
    """A point, y upwards."""
    return f"{number(at[0])},{number(-at[1])}"


def spline(points: tuple[Point, ...], *, tip: Point | None = None, tail: Point | None = None) -> str:
    """A line for ``pos``; *tip* and *tail* are where the heads of its arrows end. Graphviz wants y upwards."""
    parts = [f"s,{point(tail)}"] if tail is not None else []
    parts += [f"e,{point(tip)}"] if tip is not None else []
    return " ".join(parts + [point(p) for p in points])
