"""Places as editors count them, and as plans do.

A plan's lines end with a line feed, and its columns count code points from 1 (:class:`~...dsl.spans.Span`). The
Language Server Protocol (3.17, "Text Documents") counts lines and units from 0, ends lines at ``\\n``, ``\\r\\n`` and
``\\r``, and counts UTF-16 units in a line, or UTF-8 bytes or code points where client and server agree on that. Between
the two stand offsets: code points from the start of the text.
"""

from __future__ import annotations

import bisect
import re
from typing import Literal, NamedTuple

from ...dsl.spans import Span

Encoding = Literal["utf-8", "utf-16", "utf-32"]

#: Half a pair, which JSON can send, is no character. What stands for it has as many units in every encoding.
_LONE = re.compile("[\ud800-\udfff]")

_LINE_END = re.compile(r"\r\n|\n|\r")


class Place(NamedTuple):
    """A place as editors count: line and units from 0."""

    line: int
    character: int


class Stretch(NamedTuple):
    """From a place to another, the end exclusive."""

    start: Place
    end: Place


class Text:
    """One text, with the ways between offsets, editors' places and plans' spans. Never changed once made."""

    def __init__(self, text: str, encoding: Encoding = "utf-16") -> None:
        text = _LONE.sub("\N{REPLACEMENT CHARACTER}", text)
        self.text = text
        self.encoding = encoding
        ends = [match.span() for match in _LINE_END.finditer(text)]
        self._starts = [0, *(end for _, end in ends)]
        self._ends = [*(start for start, _ in ends), len(text)]
        # Most plans are ASCII or nearly so: then a unit is a code point in every encoding.
        self._plain = encoding == "utf-32" or text.isascii()
        # A lone `\r` ends a line for editors and none for plans: only then are there two counts of lines.
        self._plan_starts = (
            self._starts
            if "\r" not in text.replace("\r\n", "")
            else [0, *(match.end() for match in re.finditer("\n", text))]
        )

    def offset(self, place: Place) -> int:
        """The offset of a place; one beyond its line's end, or the text's, means that end (LSP, "Position")."""
        if place.line < 0:
            return 0
        if place.line >= len(self._starts):
            return len(self.text)
        start, end = self._starts[place.line], self._ends[place.line]
        wanted = max(place.character, 0)
        if self._plain:
            return min(start + wanted, end)
        units = 0
        for offset in range(start, end):
            if units >= wanted:
                return offset
            units += _units(self.text[offset], self.encoding)
        return end

    def place(self, offset: int) -> Place:
        """The place of an offset; one beyond the text means its end."""
        at = min(max(offset, 0), len(self.text))
        line = bisect.bisect_right(self._starts, at) - 1
        start = self._starts[line]
        if self._plain:
            return Place(line, at - start)
        return Place(line, sum(_units(character, self.encoding) for character in self.text[start:at]))

    def stretch(self, start: int, end: int) -> Stretch:
        """The places of two offsets."""
        return Stretch(self.place(start), self.place(end))

    def offsets(self, span: Span) -> tuple[int, int]:
        """The offsets of a span of this text; of a text that has changed since, ones that lie in it."""
        start = self.offset_in_plan(span.line, span.column)
        return start, max(start, self.offset_in_plan(span.end_line, span.end_column))

    def offset_in_plan(self, line: int, column: int) -> int:
        """The offset of a plan's line and column, both from 1; one beyond its line means that line's end."""
        if line < 1:
            return 0
        if line > len(self._plan_starts):
            return len(self.text)
        end = self._plan_starts[line] - 1 if line < len(self._plan_starts) else len(self.text)
        return min(self._plan_starts[line - 1] + max(column - 1, 0), end)

    def of_span(self, span: Span) -> Stretch:
        """The places of a span."""
        return self.stretch(*self.offsets(span))

    def changed(self, stretch: Stretch | None, new: str) -> Text:
        """The text with *new* in place of *stretch* (None: of everything). Ends that are swapped are put right."""
        if stretch is None:
            return Text(new, self.encoding)
        start, end = sorted((self.offset(stretch.start), self.offset(stretch.end)))
        return Text(self.text[:start] + new + self.text[end:], self.encoding)


def _units(character: str, encoding: Encoding) -> int:
    code = ord(character)
    if encoding == "utf-16":
        return 2 if code > 0xFFFF else 1
    if encoding == "utf-32":
        return 1
    return 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4
