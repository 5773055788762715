"""Text in the picture: harmless, not too long, and how wide it will be.

Names come from plans that nobody vouches for: control characters and terminal escapes are shown, not emitted (XML may
not even hold them), and a long name is cut in its middle; the whole name stays in the tooltip.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

#: Code points of a name that a box shows, and of one that a tooltip shows.
SHOWN: Final = 24
TOOLTIP_SHOWN: Final = 600

_NARROW: Final = frozenset("ijlI.,:;'|!()[]{} ·`frt-")
_WIDE: Final = frozenset("mwMW@%—…→←")
_NUMBERED: Final = re.compile(r"(.*?)([0-9]{1,9})", re.DOTALL)
_SELECTOR: Final = re.compile(r"(latest|all|chain|object)\((.*)\)", re.DOTALL)


def visible(text: str) -> str:
    """*text* with everything that does not print (escapes, line ends, lone surrogates) shown as its ``\\x1b``."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def short(text: str, most: int = SHOWN) -> str:
    """:func:`visible`, cut in the middle to *most* code points."""
    seen = visible(text)
    if len(seen) <= most:
        return seen
    tail = (most - 1) // 3
    return f"{seen[: most - 1 - tail]}…{seen[-tail:]}"


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """Points that *text* takes at *size*, rather too many: the reader's font is not known here.

    The shares of an em are those of DejaVu Sans, the widest of the common sans-serif fonts.
    """
    ems = 0.0
    for c in text:
        if unicodedata.east_asian_width(c) in "WF" or ord(c) >= 0x1F000:
            ems += 1.25
        elif c in _NARROW:
            ems += 0.40
        elif c in _WIDE:
            ems += 0.96
        else:
            ems += 0.70 if c.isupper() else 0.625
    return ems * size * (1.12 if bold else 1.0)


def wrapped(text: str, size: float, width: float, *, first: float | None = None) -> list[str]:
    """*text* in lines of at most *width* points, the first of at most *first*; broken at blanks where there are any."""
    least = 8.0 * size
    width = max(width, least)
    lines: list[str] = []
    line, room = "", width if first is None else max(first, least)
    for word in text.split(" "):
        if width_of(f"{line} {word}" if line else word, size) <= room:
            line = f"{line} {word}" if line else word
            continue
        if line:
            lines.append(line)
        *full, line = _pieces(word, size, width if line or lines else room, width)
        lines += full
        room = width if lines else room
    return [*lines, line] if line else lines


def _pieces(word: str, size: float, first: float, width: float) -> list[str]:
    """*word* in pieces that fit, the first into *first* points."""
    pieces, taken, room = [""], 0.0, first
    for c in word:
        wide = width_of(c, size)
        if taken + wide > room and pieces[-1]:
            pieces.append("")
            taken, room = 0.0, width
        pieces[-1] += c
        taken += wide
    return pieces


def runs(names: Iterable[str]) -> list[str]:
    """*names* with those that only count on written as a run, ``A1 … A100``; those of one kind stand together."""
    out: list[tuple[str, str]] = []
    before: tuple[str, str] | None = None
    alike: dict[str, list[tuple[str, tuple[str, str] | None]]] = {}
    for name in names:
        found = _NUMBERED.fullmatch(name)
        own = (found[1], found[2]) if found is not None else None
        alike.setdefault(own[0] if own is not None else name, []).append((name, own))
    for name, own in (entry for entries in alike.values() for entry in entries):
        if own is not None and before is not None and own == (before[0], _next(before[1])):
            out[-1] = (out[-1][0], name)
        else:
            out.append((name, name))
        before = own
    return [a if a == b else f"{a} … {b}" for a, b in out]


def _next(number: str) -> str:
    """The number that follows, with as many zeros before it as keep its length."""
    return str(int(number) + 1).zfill(len(number))


def selector_text(feed: str, as_of: str | None) -> str:
    """A selector as the picture says it: ``latest D4``, ``all D2``; a bare name is its newest object (language.md)."""
    found = _SELECTOR.fullmatch(feed)
    bare = feed if feed == "all" else f"latest {feed}"
    text = f"{found[1]} {found[2]}" if found else bare
    return f"{text} as of {as_of}" if as_of else text


def amount(size: int) -> str:
    """Bytes in the largest binary unit that divides them, as the plan language writes it: ``48MiB`` as ``48 MiB``."""
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    if size >= 1 << 20:
        return f"{size / (1 << 20):.1f} MiB"
    return f"{size} bytes"
