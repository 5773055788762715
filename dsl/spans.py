"""Places in plan text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A range of one file. Lines and columns count from 1, columns in code points, the end is exclusive (cli.md).

    ``file`` is the path as the user gave it (or as an include resolved it), ``<stdin>`` for standard input.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def to(self, other: Span) -> Span:
        """The range from the start of this span to the end of *other*, both in one file."""
        return Span(self.file, self.line, self.column, other.end_line, other.end_column)
