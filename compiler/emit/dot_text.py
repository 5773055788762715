"""Pieces of DOT: HTML-like labels, tooltips, numbers and splines.

Everything that a plan says passes through here on its way into the document, and comes out harmless: no syntax of DOT,
of HTML, of XML or of a terminal is left in it.
"""

from __future__ import annotations

import html

from ...runtime.kinds import encode_name
from .picture_layout import Box, Point
from .picture_text import TOOLTIP_SHOWN, visible


def tooltip(text: str, *, attribute: bool = False) -> str:
    """*text* for a tooltip; with *attribute*, of a cell inside an HTML-like label.

    Graphviz would read ``\\N`` as the node's name and ``&lt;`` as a sign.
    """
    words = visible(text)
    if len(words) > TOOLTIP_SHOWN:
        words = words[: TOOLTIP_SHOWN - 1] + "…"
    # Without its brackets no text can be taken for an HTML-like string, which is what stands between < and >.
    words = html.escape(words, quote=False).replace("\\", "\\\\")
    return html.escape(words) if attribute else words


def table(box: Box, rows: str, *, border: str = "", ground: str = "") -> str:
    """An HTML-like label of a fixed size; the graphviz package takes what stands in ``<…>`` as such."""
    look = f' BORDER="1" COLOR="{border}" BGCOLOR="{ground}"' if border else ' BORDER="0"'
    size = f'FIXEDSIZE="TRUE" WIDTH="{round(box.w)}" HEIGHT="{round(box.h)}"'
    return f'<<TABLE{look} CELLBORDER="0" CELLSPACING="0" CELLPADDING="0" {size}>{rows}</TABLE>>'


def cell(
    text: str,
    width: float,
    height: float,
    *,
    port: str = "",
    ground: str = "",
    tip: str = "",
    indent: bool = False,
    centred: bool = False,
) -> str:
    """A cell of a fixed size in such a label; *text* is markup already."""
    attributes = f' FIXEDSIZE="TRUE" WIDTH="{round(width)}" HEIGHT="{round(height)}"'
    attributes += f' ALIGN="{"CENTER" if centred else "LEFT"}"'
    attributes += f' PORT="{html.escape(port)}"' if port else ""
    attributes += f' BGCOLOR="{ground}"' if ground else ""
    attributes += f' TOOLTIP="{tip}" HREF=""' if tip else ""
    return f"<TD{attributes}>{'&#160;&#160;' if indent else ''}{text}</TD>"


def port_name(buffer: str) -> str:
    """A buffer's name as a port."""
    return encode_name(buffer) or "unnamed"


def html_text(text: str) -> str:
    """*text* for an HTML-like label."""
    return html.escape(visible(text))


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
