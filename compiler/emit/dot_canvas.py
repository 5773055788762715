"""The sheet that a picture is drawn on: nodes, edges and frames in Graphviz's language, by the places of the layout."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ...runtime.kinds import encode_name
from .colours import Stroke, Theme, bundle_stroke, stroke, tone_stroke
from .dot_text import Row, Span, label, number, tooltip, url
from .picture import BUNDLE, PartKey, Picture, Tone
from .picture_boxes import Box, Point
from .picture_sizes import LINE, NAME_SIZE, PAD, SMALL_SIZE, Line, part_lines, title_remarks
from .picture_tips import placed
from .picture_wires import ARROW_SIZE

if TYPE_CHECKING:
    import graphviz

#: Verdana is as wide as DejaVu Sans: text that one machine measured stays in its place where another shows the SVG.
FONT: Final = "DejaVu Sans,Verdana,sans-serif"


#: An eighth of an inch, and the size of a point that is not seen.
_EIGHTH: Final = 9.0
_DOT: Final = 0.72


class Canvas:
    """One document in the making. Sizes are points; Graphviz wants y upwards and a box's width in inches."""

    def __init__(self, picture: Picture, theme: Theme) -> None:
        import graphviz

        self.picture = picture
        self.theme = theme
        self._ids: dict[tuple[str, str, str], str] = {}
        self._taken: set[str] = set()
        self._corners: list[Point] = []
        base = {"fontname": FONT, "fontcolor": theme.ink}
        name = picture.whole.plan
        self.graph = graphviz.Digraph(
            self.id("plan", name),
            graph_attr={
                **base,
                "layout": "nop2",
                "outputorder": "nodesfirst",
                "bgcolor": theme.paper,
                "pad": "0.25",
                "fontsize": number(NAME_SIZE),
                "tooltip": tooltip(placed(picture, ("plan",), f"plan {name}")),
                "label": "",
            },
            node_attr={**base, "fontsize": number(NAME_SIZE), "fixedsize": "true", "margin": "0", "penwidth": "1.2"},
            edge_attr={"arrowsize": number(ARROW_SIZE), "label": ""},
        )

    # ------------------------------------------------------------ pieces

    def reach(self, *points: Point) -> None:
        """The picture reaches as far as *points*."""
        self._corners += points

    def square(self) -> None:
        """Widen the sheet to whole pixels: else its last row and column would be half transparent, pale on dark.

        Two points that are not seen hold its corners, an eighth of an inch being twelve pixels at 96 to the inch.
        """
        if not self._corners:
            return
        left, top = (math.floor(min(p[axis] for p in self._corners)) - 1.0 for axis in (0, 1))
        right, bottom = (max(p[axis] for p in self._corners) + 1.0 for axis in (0, 1))
        wide, high = (_EIGHTH * math.ceil((b - a) / _EIGHTH) for a, b in ((left, right), (top, bottom)))
        size = _DOT
        for name, x, y in (("first", left, top), ("last", left + wide - size, top + high - size)):
            corner = self.id("corner", name)
            self.node(self.graph, corner, Box(x, y, size, size), label="", shape="point", style="invis")

    def node(self, graph: graphviz.Digraph, ident: str, box: Box, **attributes: str) -> None:
        """A node at *box*."""
        x, y = box.centre
        self.reach((box.x, box.y), (box.right, box.bottom))
        if attributes.get("shape") == "plain":
            size = {"fixedsize": "false"}  # its label, of a fixed size itself, is all there is
        else:
            size = {"width": number(box.w / 72, 4), "height": number(box.h / 72, 4)}
        graph.node(ident, pos=f"{number(x)},{number(-y)}", **size, **attributes)

    def frame(self, frame: graphviz.Digraph, box: Box, key: PartKey, title: tuple[str, str, str], words: str) -> None:
        """Make *frame* a frame at *box* with *title* (a word, a name, more) in its upper left corner."""
        kind, shown, more = title
        self.reach((box.x, box.y), (box.right, box.bottom))
        host = key[0] == "host"
        smaller = 0.0 if host else 1.0
        tone = self.picture.tones.get(key)
        spans = [
            self.faint(f"{kind} ", SMALL_SIZE + smaller),
            Span(self.sign(key) + shown, NAME_SIZE - 1 + 2 * smaller, bold=True, colour=self.toned(tone)),
            self.faint(f" {more}" if more else "", SMALL_SIZE + smaller),
        ]
        spans += (
            Span(r.head, SMALL_SIZE, bold=True, lead=2, colour=self.theme.of_tone(r.tone))
            for r in title_remarks(self.picture, key)
        )
        inset, high = (PAD - 6, 20.0) if host else (PAD, 24.0)
        place = Box(box.x + inset, box.y + (3 if host else 6), box.w - 2 * inset, high)
        x, y = place.centre
        filled = "rounded,filled,dashed" if tone == "removed" else "rounded,filled"
        # A frame inherits what the frame around it says: everything is said again.
        style = {
            "style": "rounded,dashed" if host else filled,
            "fillcolor": self.theme.frame,
            "color": self.toned(tone) or (self.theme.faint if host else self.theme.edge),
            "penwidth": "1" if tone is None else "2.2",
        }
        frame.attr(
            label=label(place.w, place.h, [Row(place.h, tuple(spans))]),
            lp=f"{number(x)},{number(-y)}",
            lwidth=number(place.w / 72, 4),
            lheight=number(place.h / 72, 4),
            bb=f"{number(box.x)},{number(-box.bottom)},{number(box.right)},{number(-box.y)}",
            tooltip=tooltip(placed(self.picture, key, words)),
            **style,
            **({"URL": "", **self.link(key)} if self.picture.links else {}),
        )

    def remark_rows(self, key: PartKey, *, centred: bool = False) -> list[Row]:
        """The lines that a part's box shows below all else."""
        return [Row(LINE, self.line_spans(line), centred=centred) for line in part_lines(self.picture, key)]

    def line_spans(self, line: Line) -> tuple[Span, ...]:
        """A line of a remark: its code or sign, and its text."""
        colour = self.theme.of_tone(line.tone)
        head = Span(line.head, SMALL_SIZE, bold=True, colour=colour, lead=2)
        return (head, Span(line.text, SMALL_SIZE, colour=colour, lead=1 if line.head else 2))

    # ------------------------------------------------------------ looks

    def link(self, key: PartKey) -> dict[str, str]:
        """The attributes that make a part lead to its place in the plan."""
        link = self.picture.links.get(key)
        return {} if link is None else {"URL": url(link), "target": "_blank"}

    def sign(self, key: PartKey) -> str:
        """What stands before the part's name."""
        from .picture_sizes import sign_of

        return sign_of(self.picture, key)

    def toned(self, tone: Tone | None) -> str:
        """The colour of a tone, empty for none; what a side note is about has the colour of text."""
        if tone is None:
            return ""
        return self.theme.ink if tone == "note" else self.theme.of_tone(tone)

    def line(self, chain: int, tone: Tone | None, count: int = 1) -> Stroke:
        """How a line, or what belongs to its chain, is drawn."""
        if self.picture.compared:
            return tone_stroke(tone, self.theme)
        if chain == BUNDLE:
            return bundle_stroke(count, self.theme)
        own = stroke(chain, self.theme)
        if tone == "error":
            return Stroke(self.theme.red, own.style, own.width + 0.8, own.tint)
        return own

    def pen(self, line: Stroke) -> dict[str, str]:
        """The attributes of an edge that is drawn so."""
        return {"color": line.colour, "style": line.style, "penwidth": number(line.width)}

    def faint(self, text: str, size: float = SMALL_SIZE, *, lead: int = 0) -> Span:
        """Text of less weight."""
        return Span(text, size, colour=self.theme.faint, lead=lead if text else 0)

    def id(self, kind: str, name: str, *, again: str = "") -> str:
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
