"""Syntax tree to canonical text: what ``print_file`` writes, ``parser.parse`` reads back as the same tree.

Two blanks a level. A block of attributes stands on its statement's line while that is at most ``WIDTH`` long, else one
attribute a line; so does the body of an agent that holds a single item. The blocks of plans, groups and ``for`` are
always open. A number with a unit is written as it was, or, in a tree that was not parsed, in the unit that fits best.

Comments keep their place: behind the line that they stood behind, or on lines of their own above what they stood above;
a block that holds one is open. One blank line is kept where there were some; statements of different kinds, and those
with open blocks, get one.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import ast
from .inline import Item, print_attribute, print_head, print_value
from .spans import Span

WIDTH = 100
INDENT = "  "

Place = tuple[int, int]


def print_file(file: ast.File) -> str:
    """*file* as canonical text, with its comments; empty for a file that says nothing."""
    lines = _Printer(file.comments).body(file.statements, None, None)
    return "".join(line + "\n" for line in lines)


class _Printer:
    """Walks the tree in the order of its text, and takes each comment when it comes to its place."""

    def __init__(self, comments: Sequence[ast.Comment]) -> None:
        self._comments = comments
        self._next = 0

    # ------------------------------------------------------------ comments

    def _comes_before(self, place: Place | None) -> bool:
        if self._next >= len(self._comments):
            return False
        return place is None or _start(self._comments[self._next].span) < place

    def _take(self) -> ast.Comment:
        self._next += 1
        return self._comments[self._next - 1]

    def _take_before(self, place: Place | None) -> list[ast.Comment]:
        taken = []
        while self._comes_before(place):
            taken.append(self._take())
        return taken

    def _take_behind(self, line: int, limit: Place | None) -> str:
        """The comment behind what ends on *line*, ready to be appended."""
        if self._comes_before(limit) and self._comments[self._next].span.line == line:
            return "  " + _text(self._take())
        return ""

    # ------------------------------------------------------------ lines, from the left margin

    def body(self, items: Sequence[Item], end: Place | None, head_line: int | None) -> list[str]:
        """The items of a block, or of the file (*end* None), with the comments between them."""
        out: list[str] = []
        last_line = head_line or 0
        before: Item | None = None
        for index, item in enumerate(items):
            following = _start(items[index + 1].span) if index + 1 < len(items) else end
            comments = self._take_before(_start(item.span))
            lines, hoisted = self._item(item)
            behind = self._take_behind(item.span.end_line, following)
            if behind:
                # What stood on one line keeps its comment beside its name: it may silence a warning there.
                at = 0 if item.span.line == item.span.end_line else -1
                lines[at] += behind
            apart = head_line is None and before is not None and _stand_apart(before, item, out, lines)
            for comment in comments + hoisted:
                _leave_blank(out, apart or comment.span.line > last_line + 1)
                out.append(_text(comment))
                last_line, apart = comment.span.line, False
            _leave_blank(out, apart or item.span.line > last_line + 1)
            out += lines
            last_line, before = item.span.end_line, item
        for comment in self._take_before(end):
            _leave_blank(out, comment.span.line > last_line + 1)
            out.append(_text(comment))
            last_line = comment.span.line
        return out

    def _item(self, item: Item) -> tuple[list[str], list[ast.Comment]]:
        """The lines of one item, and the comments that stood in it where none can stand: they go above it."""
        items, head_end = _block_of(item)
        end = (item.span.end_line, item.span.end_column - 1)
        if items is None:
            if isinstance(item, ast.Attribute) and isinstance(item.value, ast.ListValue):
                return self._attribute(item)
            return [print_head(item)], self._take_before(end)
        hoisted = self._take_before(_end(head_end))
        head = print_head(item)
        if not self._comes_before(end):
            line = _on_one_line(item, head, items)
            if line is not None:
                return [line], hoisted
        first = _start(items[0].span) if items else end
        behind = self._take_behind(head_end.end_line, first)
        inside = self.body(items, end, head_end.end_line)
        return [f"{head} {{{behind}", *(INDENT + line if line else "" for line in inside), "}"], hoisted

    def _attribute(self, attribute: ast.Attribute) -> tuple[list[str], list[ast.Comment]]:
        """An attribute with a list: open when it is too long, or holds comments."""
        assert isinstance(attribute.value, ast.ListValue)
        values = attribute.value.items
        hoisted = self._take_before(_start(attribute.value.span))
        end = (attribute.span.end_line, attribute.span.end_column - 1)
        line = print_attribute(attribute)
        if not values or (len(line) <= WIDTH and not self._comes_before(end)):
            return [line], hoisted + self._take_before(end)
        out = [f"{attribute.name.text} = [" + self._take_behind(attribute.value.span.line, _start(values[0].span))]
        for index, value in enumerate(values):
            following = _start(values[index + 1].span) if index + 1 < len(values) else end
            out += [INDENT + _text(comment) for comment in self._take_before(_start(value.span))]
            inner = self._take_before(_end(value.span))
            out += [INDENT + _text(comment) for comment in inner]
            out.append(f"{INDENT}{print_value(value)}," + self._take_behind(value.span.end_line, following))
        out += [INDENT + _text(comment) for comment in self._take_before(end)]
        return [*out, "]"], hoisted


def _block_of(item: Item) -> tuple[Sequence[Item] | None, Span]:
    """The items of the block that *item* may have (None: it has none), and where its head ends."""
    match item:
        case ast.Plan() | ast.Declaration():
            return item.attributes, item.name.span
        case ast.Group():
            return item.body, (item.of or item.name).span
        case ast.For():
            return item.body, item.values.span
        case ast.AgentDeclaration():
            return item.body, item.drive.span
        case ast.Coupling():
            return item.attributes, item.feed.span
        case ast.CoupleAll():
            return item.attributes, item.agent.span
        case _:
            return None, item.span


def _on_one_line(item: Item, head: str, items: Sequence[Item]) -> str | None:
    if isinstance(item, ast.Group | ast.For) or (isinstance(item, ast.Plan) and items):
        return None
    if not items:
        return head + " {}" if isinstance(item, ast.Declaration) else head
    if isinstance(item, ast.AgentDeclaration):
        if len(items) > 1 or isinstance(items[0], ast.For):
            return None
        inner, _ = _block_of(items[0])
        inside = _on_one_line(items[0], print_head(items[0]), inner) if inner else print_head(items[0])
        if inside is None:
            return None
    else:
        inside = "  ".join(map(print_head, items))
    line = f"{head} {{ {inside} }}"
    return line if len(line) <= WIDTH else None


def _stand_apart(before: Item, item: Item, printed: list[str], lines: list[str]) -> bool:
    return _kind(before) != _kind(item) or len(lines) > 1 or printed[-1].startswith("}")


def _kind(item: Item) -> str:
    return item.kind if isinstance(item, ast.Declaration) else type(item).__name__


def _leave_blank(out: list[str], wanted: bool) -> None:
    if wanted and out and out[-1]:
        out.append("")


def _start(span: Span) -> Place:
    return (span.line, span.column)


def _end(span: Span) -> Place:
    return (span.end_line, span.end_column)


def _text(comment: ast.Comment) -> str:
    return ("#" + comment.text).rstrip()
