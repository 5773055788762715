"""Semantic tokens: what each name of a file is, for editors that colour by meaning."""

from __future__ import annotations

from collections.abc import Iterable

from .book import Book, Page
from .occurrences import Occurrence
from .positions import Text

TYPES = ["namespace", "class", "variable", "parameter", "property", "type", "interface", "enumMember"]
MODIFIERS = ["declaration", "readonly"]

_BY_KIND = {
    "plan": "namespace",
    "group": "namespace",
    "agent": "class",
    "source": "type",
    "drive": "type",
    "pool": "type",
    "host": "type",
    "target": "interface",
    "buffer": "property",
    "variable": "variable",
    "let": "variable",
    "param": "parameter",
    "for": "variable",
    "metric": "enumMember",
}

#: offset, length, type, modifiers (a bit each)
Token = tuple[int, int, int, int]


def tokens(page: Page, book: Book) -> list[Token]:
    """The tokens of *page* in the order of the text; none reaches over a line's end, none overlaps another."""
    found: list[Token] = []
    end = 0
    marked = sorted(
        (page.text.offsets(name.span), name.hole, name) for name in page.names if name.key.role != "attribute"
    )
    for (start, stop), _, name in marked:
        kind = _BY_KIND.get(_kind(name, book))
        if kind is None or start < end or stop <= start or "\n" in page.text.text[start:stop]:
            continue
        modifiers = (1 if name.declares else 0) | (2 if name.key.role == "variable" else 0)
        found.append((start, stop - start, TYPES.index(kind), modifiers))
        end = stop
    return found


def _kind(name: Occurrence, book: Book) -> str:
    if name.declares or name.key.role in {"buffer", "metric"}:
        return name.kind
    declared = next((n for n in book.by_key.get(name.key, ()) if n.declares), None)
    return declared.kind if declared is not None else name.kind


def encoded(found: Iterable[Token], text: Text) -> list[int]:
    """As the protocol wants them (LSP 3.17, "Semantic Tokens"): each place relative to the one before."""
    out: list[int] = []
    line = character = 0
    for start, length, kind, modifiers in found:
        first, last = text.stretch(start, start + length)
        if first.line != line:
            character = 0
        out += [first.line - line, first.character - character, last.character - first.character, kind, modifiers]
        line, character = first
    return out
