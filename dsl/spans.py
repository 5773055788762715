"""Places in plan text."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """A range of one file. Lines and columns count from 1, columns in code points, the end is exclusive (cli.md).

    ``file`` is the path as the user gave it (or as an include resolved it), ``<stdin>`` for standard input.
    """

    # A tuple, not a dataclass: a plan has more places than anything else, and a tuple is made in a fifth of the time.

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def to(self, other: Span) -> Span:
        """The range from the start of this span to the end of *other*, both in one file."""
        return Span(self.file, self.line, self.column, other.end_line, other.end_column)
