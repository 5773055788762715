"""Text to syntax tree. ``parse`` takes anything, never raises, and gives all that is intact beside what is wrong."""

from __future__ import annotations

import re
import threading

from .ast import File
from .decode import decode
from .diagnostics import Diagnostic, ordered
from .pieces import Memory, parse_pieces
from .quick import quick_parser
from .spans import Span

LARGEST_FILE = 16 << 20
MOST_TOKENS = 1_000_000

_PIECE = re.compile(r'[A-Za-z0-9_]+|"[^"\n]*"|[^\sA-Za-z0-9_"]')
_OF_WORDS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
_ONE_AT_A_TIME = threading.Lock()


def parse(text: str | bytes, path: str, memory: Memory | None = None) -> tuple[File, tuple[Diagnostic, ...]]:
    """Parse one file; *path* is what its spans call it.

    Never raises for anything the text may hold. Diagnostics (TC101–TC103, TC105) are sorted by place; the tree holds
    all statements that are intact or could be mended, and says in ``File.skipped`` what had to be left out. A file of
    more than ``LARGEST_FILE`` bytes or ``MOST_TOKENS`` tokens, or with brackets nested deeper than ``MOST_NESTED``, is
    refused with one diagnostic. Time and memory grow in proportion to the text. With *memory* only those statements
    and agents are parsed that it does not know to stand there; the result is the same.
    """
    refusal = _too_large(text)
    if refusal:
        return _refused(path, refusal)
    plain, diagnostics = decode(text, path)
    if plain is None:
        return File(path, ()), tuple(diagnostics)
    if _may_have_more_pieces(plain, MOST_TOKENS) and _PIECE.subn("", plain)[1] > MOST_TOKENS:
        return _refused(path, f"the file has more than {MOST_TOKENS:,} words and signs")
    with _ONE_AT_A_TIME:
        if not diagnostics:
            quick = parse_pieces(quick_parser(), plain, path, memory)
            if quick is not None:
                return quick[0], ordered(quick[1])
        from .with_lark import parse_with_lark  # a plan without syntax errors does not pay for the import of Lark

        return parse_with_lark(plain, path, diagnostics)


def _too_large(text: str | bytes) -> str:
    if len(text) > LARGEST_FILE:
        return f"the file is larger than {LARGEST_FILE >> 20} MiB"
    return ""


def _may_have_more_pieces(text: str, most: int) -> bool:
    """Whether *text* may have more words and signs than *most*; what is said of a larger text costs little.

    Every sign is a piece, and pieces that are no signs have a sign or a blank between them.
    """
    if len(text) <= most:
        return False
    raw = text.encode("utf-8", "surrogatepass").replace(b"  ", b" ").replace(b"  ", b" ")
    signs_and_blanks = raw.translate(None, _OF_WORDS)
    signs = signs_and_blanks.translate(None, b" \t\n\r\f\v")
    return len(signs_and_blanks) + len(signs) + 1 > most


def _refused(path: str, message: str) -> tuple[File, tuple[Diagnostic, ...]]:
    place = Span(path, 1, 1, 1, 1)
    help = "split it with `include`, or write what repeats with `for`"
    return File(path, ()), (Diagnostic("TC101", "error", message, place, help),)
