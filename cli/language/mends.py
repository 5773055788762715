"""Mends that an editor can make by itself: the nearest name, an arrow turned round, a warning silenced."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...dsl.diagnostics import Diagnostic
from .positions import Text
from .rename import Edit

_MEANT = re.compile(r'did you mean (?:`(?P<code>[^`]+)`|(?P<string>"(?:[^"\\]|\\.)*"))\?')
_INSTEAD = re.compile(r"^write `(?P<code>[^`\n]+)`(?: |$|:|;|,)")
_ARROWS = {"->": "<-", "<-": "->"}
_SIGNS = frozenset({"->", "<-", "=", ">=", "<=", "==", "..", ",", "{", "}", "."})
_IGNORE = re.compile(r"#\s*tcc:\s*ignore\s+TC[0-9]+(?:[\s,]+TC[0-9]+)*\s*$")


@dataclass(frozen=True, slots=True)
class Mend:
    """What to do, in words, and the edit that does it. ``sure`` says that it is what was most likely meant."""

    title: str
    edit: Edit
    sure: bool


def mends(diagnostic: Diagnostic, text: Text) -> Iterator[Mend]:
    """The mends of a diagnostic whose place is in *text*; none for most."""
    start, end = text.offsets(diagnostic.span)
    path, found = diagnostic.span.file, text.text[start:end]
    meant = _MEANT.search(diagnostic.help)
    if meant is not None:
        yield _replaced(diagnostic, text, meant["code"] or meant["string"])
    elif diagnostic.code == "TC306" and found in _ARROWS:
        yield Mend(f"Turn the arrow round: {_ARROWS[found]}", Edit(path, start, end, _ARROWS[found]), True)
    elif diagnostic.code == "TC101" and (instead := _INSTEAD.match(diagnostic.help)) and instead["code"] in _SIGNS:
        yield Mend(f"Write {instead['code']}", Edit(path, start, end, instead["code"]), True)
    if diagnostic.severity == "warning":
        yield _silenced(diagnostic, text)


def _replaced(diagnostic: Diagnostic, text: Text, meant: str) -> Mend:
    start, end = text.offsets(diagnostic.span)
    # The help names `AGENT.BUFFER` where only the buffer's place is at fault.
    for prefix in (meant[: i + 1] for i, sign in enumerate(meant) if sign == "."):
        if text.text.endswith(prefix, 0, start) and prefix not in text.text[start:end]:
            meant = meant.removeprefix(prefix)
            break
    if diagnostic.code == "TC105" and not meant.startswith("${"):
        meant = f"${{{meant}}}"
    return Mend(f"Change to {meant}", Edit(diagnostic.span.file, start, end, meant), True)


def _silenced(diagnostic: Diagnostic, text: Text) -> Mend:
    """``# tcc: ignore CODE`` at the end of the line; behind a remark of that kind the code alone."""
    start, _ = text.offsets(diagnostic.span)
    end = text.text.find("\n", start)
    end = len(text.text) if end < 0 else end
    line = text.text[text.text.rfind("\n", 0, start) + 1 : end].rstrip()
    at = text.text.rfind("\n", 0, start) + 1 + len(line)
    remark = f", {diagnostic.code}" if _IGNORE.search(line) else f"  # tcc: ignore {diagnostic.code}"
    title = f"Silence {diagnostic.code} on this line"
    return Mend(title, Edit(diagnostic.span.file, at, at, remark), False)
