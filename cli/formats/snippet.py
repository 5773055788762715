"""Source lines with carets: a gutter of line numbers, the lines, and marks exactly under what they mean.

Columns of a span are code points; columns of a terminal are cells. Wide characters take two cells, combining ones none,
a tab runs to the next multiple of ``TAB``, and what a terminal would obey is shown as an escape of several cells.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from ...dsl.spans import Span
from ..console import harmless

TAB = 4
#: A line of source that needs more cells than this is cut around what is marked in it.
WIDTH = 110
#: Places of one file that are at most so many lines apart share a snippet.
NEAR = 8
#: Of a longer span only the first two lines and the last one are shown.
SPAN_LINES = 4

ELLIPSIS = "…"
Painter = Callable[[str, str], str]

BLUE = "1;34"


@dataclass(frozen=True, slots=True)
class Frame:
    """What all snippets of one diagnostic share: the gutter's cells, how text is painted, the cells of a line."""

    gutter: int
    paint: Painter
    width: int = WIDTH

    @property
    def margin(self) -> str:
        """The gutter of a line without a number."""
        return f"{' ' * self.gutter} {self.paint('|', BLUE)}"


@dataclass(frozen=True, slots=True)
class Mark:
    """A place to be underlined with ``sign``, and the words behind the underline."""

    span: Span
    label: str
    sign: str
    style: str


@dataclass(frozen=True, slots=True)
class _Piece:
    """The part of a mark on one line: code point indices from 0, the end exclusive (None: the line's end).

    ``inner`` says that the mark began on an earlier line.
    """

    start: int
    end: int | None
    label: str
    sign: str
    style: str
    inner: bool = False


def one_line(text: str) -> str:
    """*text* made harmless and kept on one line: a line end within a name cannot forge a line of the report."""
    return harmless(text).replace("\n", "\\n").replace("\t", "\\t")


@lru_cache(maxsize=4)
def split_lines(text: str) -> tuple[str, ...]:
    """The lines of *text* as the parser counts them: only a line feed ends a line. Kept: a format may ask anew."""
    return tuple(line.removesuffix("\r") for line in text.split("\n"))


def clusters(marks: Sequence[Mark]) -> list[list[Mark]]:
    """*marks* in groups of one file whose lines are near each other, in the order in which their first member comes."""
    by_place = sorted(range(len(marks)), key=lambda i: (marks[i].span.file, marks[i].span.line, i))
    groups: list[list[int]] = []
    file, end = "", 0
    for i in by_place:
        span = marks[i].span
        if not groups or span.file != file or span.line > end + NEAR:
            groups.append([])
            end = 0
        groups[-1].append(i)
        file, end = span.file, max(end, span.end_line)
    return [[marks[i] for i in group] for group in sorted(map(sorted, groups))]


def render(marks: Iterable[Mark], lines: Sequence[str], frame: Frame) -> list[str]:
    """The snippet of *marks*, all of one file with these *lines*; empty where none of them lies within the file."""
    by_line: dict[int, list[_Piece]] = {}
    for mark in marks:
        for number, piece in _pieces(mark):
            by_line.setdefault(number, []).append(piece)
    out: list[str] = []
    previous: int | None = None
    for number in sorted(by_line):
        if not 1 <= number <= len(lines):
            continue
        if previous is not None and number == previous + 2:
            out += _source(lines[previous], previous + 1, [], frame)
        elif previous is not None and number > previous + 1:
            out.append(frame.paint("...", BLUE))
        out += _source(lines[number - 1], number, by_line[number], frame)
        previous = number
    return [frame.margin, *out] if out else []


def _pieces(mark: Mark) -> list[tuple[int, _Piece]]:
    """*mark* cut into lines; its label stands on the last of them."""
    span = mark.span
    if span.end_line <= span.line:
        end = max(span.end_column, span.column + 1) - 1
        return [(span.line, _Piece(span.column - 1, end, mark.label, mark.sign, mark.style))]
    # An end at the very start of a line covers nothing of that line.
    last = span.end_line if span.end_column > 1 else span.end_line - 1
    numbers = list(range(span.line, last + 1)) if last - span.line < SPAN_LINES else [span.line, span.line + 1, last]
    return [
        (
            number,
            _Piece(
                span.column - 1 if number == span.line else 0,
                span.end_column - 1 if number == span.end_line else None,
                mark.label if number == last else "",
                mark.sign,
                mark.style,
                inner=number > span.line,
            ),
        )
        for number in numbers
    ]


def _source(line: str, number: int, pieces: list[_Piece], frame: Frame) -> list[str]:
    """One source line and a row of marks for each of its pieces; a long line anew for pieces that lie far apart."""
    head = frame.paint(f"{number:>{frame.gutter}} |", BLUE)
    if not pieces:
        text, _ = _window(line, 0, 0, frame.width)
        return [f"{head} {text}".rstrip()]
    # A place may lie behind the line: an end of text that was expected to go on.
    starts = [min(p.start, len(line)) for p in pieces]
    ends = [
        len(line) if p.end is None else max(at, min(p.end, len(line))) for p, at in zip(pieces, starts, strict=True)
    ]
    text, place = _window(line, min(starts), max(ends), frame.width)
    if len(pieces) > 1 and None in map(place, starts):
        return [row for p in pieces for row in _source(line, number, [p], frame)]
    out = [f"{head} {text}".rstrip()]
    for piece, start, end in zip(pieces, starts, ends, strict=True):
        # The indentation of a span's later lines is not what is meant.
        begin = min(len(line) - len(line.lstrip()), end) if piece.inner else start
        if piece.inner and begin == end and not piece.label:
            continue
        left, right = place(begin) or 0, place(end)
        marks = piece.sign * max(1, (right if right is not None else _cells_of(text)) - left)
        label = f" {one_line(piece.label)}" if piece.label else ""
        out.append(f"{frame.margin} {' ' * left}{frame.paint(marks + label, piece.style)}")
    return out


def _window(line: str, start: int, end: int, width: int) -> tuple[str, Callable[[int], int | None]]:
    """The part of *line* to show, and where (in cells) a code point index of the line stands in it, None if cut off."""
    # Only a stretch around the mark is measured: a line may be as long as the file.
    base = max(0, start - width)
    shown = [_shown(c) for c in line[base : start + 4 * width]]
    cells = _measure(shown)
    total = len(cells) - 1
    whole = base == 0 and total == len(line)
    if whole and cells[-1] <= width:
        low, high = 0, total
    else:
        inside = start - base
        wanted = min(end - base, total)
        room = max(width - (cells[wanted] - cells[min(inside, total)]), 0)
        low = min(inside, total)
        while low > 0 and cells[min(inside, total)] - cells[low - 1] <= max(room // 2, width // 4):
            low -= 1
        high = low
        while high < total and cells[high + 1] - cells[low] <= width:
            high += 1
        while low > 0 and cells[high] - cells[low - 1] <= width:
            low -= 1
    before = ELLIPSIS if base + low > 0 else ""
    after = ELLIPSIS if base + high < len(line) else ""
    # Tabs are measured again from where the text now begins, so that marks and text agree.
    visible = _measure(shown[low:high])
    text = "".join(" " * (visible[i + 1] - visible[i]) if c == "\t" else c for i, c in enumerate(shown[low:high]))

    def place(index: int) -> int | None:
        at = index - base - low
        if at < 0 or (at > high - low and after):
            return None
        return len(before) + visible[min(at, high - low)]

    return f"{before}{text}{after}", place


def _shown(character: str) -> str:
    return character if character == "\t" else harmless(character)


def _measure(shown: Sequence[str]) -> list[int]:
    """The cell at which each of *shown* begins, and behind them the cell at which the last one ends."""
    return list(
        accumulate(shown, lambda at, text: at + (TAB - at % TAB if text == "\t" else _cells_of(text)), initial=0)
    )


def _cells_of(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
