"""Tables on stdout for people: aligned columns, a dimmed head on a terminal, sizes that can be read."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .console import harmless, paint, print_result


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> None:
    """Print *rows* under *head*; the columns in *right* are aligned to the right. Text is made harmless."""
    cells = [[harmless(c).replace("\n", " ").replace("\t", " ") for c in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(head), *cells]) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )

    sys.stdout.write(paint(line(head).rstrip(), "2", stream=sys.stdout) + "\n")
    for row in cells:
        print_result(line(row).rstrip())


def size_text(size_bytes: int) -> str:
    """*size_bytes* in binary units with three digits or so: ``7.0 MiB``."""
    value, unit = float(size_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{size_bytes} B" if unit == "B" else f"{value:.1f} {unit}"


def moment_text(utc: str | None) -> str:
    """A moment of the catalog in local time, to the second."""
    from datetime import datetime

    if not utc:
        return "-"
    try:
        return datetime.fromisoformat(utc).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return utc
