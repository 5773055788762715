"""A tolerant look at plan text, for recovery after a syntax error: lexemes of any text, and places of offsets."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .ast import Comment
from .spans import Span
from .units import LOOKS_LIKE_QUANTITY

LexemeKind = Literal["word", "string", "quantity", "sign", "end"]

_LEXEME = re.compile(
    r"""(?P<blank>[ \t\f\r\n]+|\#[^\n]*)
    |(?P<string>"(?:[^"\\\r\n]|\\[^\r\n])*"?)
    |(?P<quantity>"""
    + LOOKS_LIKE_QUANTITY.pattern
    + r""")
    |(?P<word>\w+)
    |(?P<sign>-{1,3}>|<-{1,3}|[<>=!:]=|=[<>]|\.\.|.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Lexeme:
    """A piece of text between two offsets (code points from 0, end exclusive)."""

    kind: LexemeKind
    text: str
    start: int
    end: int


class Source:
    """One file's text, with the way from offsets to places and back. Lines end with a line feed."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def line_of(self, offset: int) -> int:
        """The line, counted from 1."""
        return bisect.bisect_right(self._starts, offset)

    def line_start(self, line: int) -> int:
        """The offset at which a line begins."""
        return self._starts[line - 1]

    def offset(self, line: int, column: int) -> int:
        """The offset of a place."""
        return self._starts[line - 1] + column - 1

    def span(self, start: int, end: int) -> Span:
        """The place between two offsets."""
        first, last = self.line_of(start), self.line_of(end)
        return Span(self.path, first, start - self.line_start(first) + 1, last, end - self.line_start(last) + 1)

    def indentation(self, offset: int) -> int:
        """How far the line of *offset* is indented."""
        start = self.line_start(self.line_of(offset))
        match = re.compile(r"[ \t]*").match(self.text, start)
        return match.end() - start if match else 0

    def is_first_on_line(self, offset: int) -> bool:
        """Whether only blanks stand before *offset* on its line."""
        return self.text[self.line_start(self.line_of(offset)) : offset].strip() == ""

    def lexemes(self, offset: int) -> Iterator[Lexeme]:
        """All lexemes from *offset* on, without blanks and comments; then ``end`` again and again."""
        for match in _LEXEME.finditer(self.text, offset):
            kind = match.lastgroup
            if kind != "blank":
                yield Lexeme(kind, match.group(), match.start(), match.end())  # type: ignore[arg-type]
        end = len(self.text)
        while True:
            yield Lexeme("end", "", end, end)

    def all_lexemes(self) -> Iterator[Lexeme]:
        """All lexemes of the text, once."""
        return itertools.takewhile(lambda lexeme: lexeme.kind != "end", self.lexemes(0))

    def end_before(self, offset: int) -> int:
        """Where the last lexeme before *offset* ends (comments are not looked into)."""
        return len(self.text[:offset].rstrip())

    def comments(self) -> tuple[Comment, ...]:
        """All comments, for a file whose parse did not go straight through."""
        found = []
        for match in _LEXEME.finditer(self.text):
            if match.group().startswith("#"):
                text = match.group().rstrip("\r")
                found.append(Comment(text[1:], self.span(match.start(), match.start() + len(text))))
        return tuple(found)
