"""TC104: an include that does not exist, cannot be read, or includes itself.

Why: the program would lack statements, and a plan that lacks statements backs up less than it says.

    include "sorces.tc"      # the file is called sources.tc

Mend: name a file that is there; its path is relative to the including file.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...dsl.diagnostics import Diagnostic, Related
from ...dsl.spans import Span
from ..names import quoted
from ..rule import Rule

RULE = Rule("TC104", "an include that does not exist, cannot be read, or includes itself")


def cannot_read(path: str, reason: str, span: Span) -> Diagnostic:
    """The file is missing, unreadable, too large or no text."""
    return RULE.at(
        span,
        f"the included file {quoted(path)} cannot be read: {reason}",
        help="the path of an include is relative to the folder of the including file",
    )


def includes_itself(files: Sequence[str], span: Span, places: Sequence[Span]) -> Diagnostic:
    """*files* include each other in a circle; *places* are the includes that led here."""
    return RULE.at(
        span,
        f"the file includes itself: {' -> '.join(files)}",
        help="take this include out; each file of a program is read once",
        related=[Related("by way of this include", place) for place in places],
    )


def too_many(span: Span, most: int) -> Diagnostic:
    """A ``for`` includes more than *most* files."""
    return RULE.at(span, f"this for includes more than {most} files", help="a smaller range, or fewer files")
