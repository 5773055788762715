"""Bytes to text: UTF-8, a byte order mark, NUL bytes."""

from __future__ import annotations

import codecs
import re

from .diagnostics import Diagnostic
from .spans import Span

_SIXTEEN_BITS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LONE = "\ufffd"
_SURROGATE = re.compile("[\ud800-\udfff]")


def decode(text: str | bytes, path: str) -> tuple[str | None, list[Diagnostic]]:
    """The text of a file and what is wrong with its bytes; None when it cannot be plan text at all.

    Bytes that are no UTF-8 become U+FFFD and are reported once, at the first; so are NUL characters. A byte order mark
    at the head is dropped and not counted in columns.
    """
    found: list[Diagnostic] = []
    if isinstance(text, bytes):
        if text.startswith(_SIXTEEN_BITS):
            place = Span(path, 1, 1, 1, 1)
            help = "plans are UTF-8: save it so"
            return None, [Diagnostic("TC101", "error", "the file is UTF-16, not UTF-8", place, help)]
        try:
            plain = text.decode("utf-8")
        except UnicodeDecodeError as error:
            before = text[: error.start].decode("utf-8").removeprefix("\ufeff")
            shown = f"byte 0x{text[error.start]:02X}"
            found.append(_bad(path, before, f"{shown} is no UTF-8", "plans are UTF-8: save it so"))
            plain = text.decode("utf-8", "replace")
    else:
        plain = text
        lone = _SURROGATE.search(text)
        if lone is not None:
            before = text[: lone.start()].removeprefix("\ufeff")
            found.append(_bad(path, before, "a character that is no UTF-8", "plans are UTF-8: save it so"))
            plain = _SURROGATE.sub(_LONE, text)
    plain = plain.removeprefix("\ufeff")
    if "\0" in plain:
        found.append(_bad(path, plain[: plain.index("\0")], "a NUL byte", "plans are text"))
        plain = plain.replace("\0", _LONE)
    return plain, found


def _bad(path: str, before: str, message: str, help: str) -> Diagnostic:
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    return Diagnostic("TC101", "error", message, Span(path, line, column, line, column + 1), help)
