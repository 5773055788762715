"""Strings: escapes and holes, with exact places."""

from __future__ import annotations

import re

from .ast import Hole
from .diagnostics import Diagnostic
from .spans import Span

ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}

HOLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SPECIAL = re.compile(r"\\(.)|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{([^}\"]*\}?)", re.DOTALL)


def read(inside: str, start: Span) -> tuple[tuple[str | Hole, ...], list[Diagnostic]]:
    """The parts of a string from the text between its quotes; ``start`` is the place of the opening quote.

    Escapes are resolved. The first escape that does not exist is TC101, and each stands for its own character; a hole
    that holds no name is TC105 and stays as text.
    """
    if "\\" not in inside and "${" not in inside:
        return ((inside,) if inside else ()), []
    parts: list[str | Hole] = []
    found: list[Diagnostic] = []
    literal: list[str] = []
    position = 0
    for match in _SPECIAL.finditer(inside):
        literal.append(inside[position : match.start()])
        position = match.end()
        place = _place(start, match.start(), match.end())
        escape, name, broken = match.groups()
        if escape is not None:
            literal.append(ESCAPES.get(escape, escape))
            if escape not in ESCAPES and not found:
                found.append(_unknown_escape(escape, place))
        elif name is not None:
            if text := "".join(literal):
                parts.append(text)
            literal.clear()
            parts.append(Hole(name, place))
        else:
            literal.append(match.group())
            found.append(_broken_hole(broken, place))
    literal.append(inside[position:])
    if text := "".join(literal):
        parts.append(text)
    return tuple(parts), found


def join(parts: tuple[str | Hole, ...]) -> str:
    """The text of a quoted name: escapes resolved, holes as ``${NAME}``."""
    if len(parts) == 1 and isinstance(parts[0], str):
        return parts[0]
    return "".join(part if isinstance(part, str) else f"${{{part.name}}}" for part in parts)


def quote(text: str) -> str:
    """*text* (literal, or with its holes as ``${NAME}``) as a string of the language, quotes included."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _place(start: Span, begin: int, end: int) -> Span:
    first = start.column + 1
    return Span(start.file, start.line, first + begin, start.line, first + end)


def _unknown_escape(escape: str, place: Span) -> Diagnostic:
    shown = escape if escape.isprintable() else f"U+{ord(escape):04X}"
    return Diagnostic(
        "TC101",
        "error",
        f"`\\{shown}` is no escape",
        place,
        f'a string knows `\\"`, `\\\\`, `\\n` and `\\t`; for a backslash itself write `\\\\{shown}`',
    )


def _broken_hole(broken: str, place: Span) -> Diagnostic:
    if not broken.endswith("}"):
        return Diagnostic("TC105", "error", "`${` without its `}`", place, "write `${NAME}`")
    return Diagnostic(
        "TC105",
        "error",
        f"`${{{broken}` names no variable",
        place,
        "between the braces stands the name of a `let`, `param` or `for` variable",
    )
