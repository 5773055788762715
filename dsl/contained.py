"""A syntax error that stays inside of one statement, or one agent: only that is looked at again while somebody types.

Everything else of the file is whole. The broken piece is parsed with recovery in a text that is empty but for it and
for what follows it, at their own lines; where that comes out of it as it is known to be, the parser had found its feet
again there, and goes on as it does through the whole text. In all other cases the whole text is parsed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .ast import Comment, File, Group, Statement
from .diagnostics import Diagnostic, ordered
from .quick import Piece
from .spans import Span

#: With more errors than this in one piece recovery may come to its own end, which counts those of the whole text.
_ERRORS_MAX = 50


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the file: its text, the line that it begins at, and what it is (None: it is not whole)."""

    text: str
    line: int
    piece: Piece | None


@dataclass(frozen=True, slots=True)
class Agents:
    """The broken piece where it is a long group: its head and tail, what it is without agents, and its agents."""

    head: str
    tail: str
    shell: Piece
    parts: Sequence[Part]


def contained(
    path: str, parts: Sequence[Part], agents: Agents | None, following: str
) -> tuple[File, list[Diagnostic]] | None:
    """The file of these parts, one of which is not whole; None where the error may reach out of it.

    *agents* are those of the broken part where it is a group; *following* is the text of the part behind it, or of its
    head where that is enough (empty where nothing follows).
    """
    broken = [i for i, part in enumerate(parts) if part.piece is None]
    if len(broken) != 1:
        return None
    at = broken[0]
    behind = parts[at + 1 :]
    inner = _broken_agent(agents) if agents is not None else None
    text = parts[at].text if agents is None or inner is None else _only(agents, inner)
    file, found = _recovered(path, "\n" * (parts[at].line - 1) + text + following)
    if len(found) > _ERRORS_MAX or any(d.message.startswith("brackets nested") for d in found):
        return None
    statements: tuple[Statement, ...] = file.statements
    if behind:
        count = len(behind[0].piece.items) if behind[0].piece is not None else 0
        if not count or not _same(statements[-count:], behind[0].piece, following):
            return None
        start = (behind[0].line, 1)
        if any((s.span.end_line, s.span.end_column) > start for s in file.skipped):
            return None
        statements = statements[:-count]
    others = [part.piece for i, part in enumerate(parts) if i != at and part.piece is not None]
    if agents is not None and inner is not None:
        whole = _with_agents(statements, agents, inner)
        if whole is None:
            return None
        statements = (whole,)
        others += [part.piece for i, part in enumerate(agents.parts) if i != inner and part.piece is not None]
    before = [s for part in parts[:at] if part.piece is not None for s in part.piece.items]
    after = [s for part in behind if part.piece is not None for s in part.piece.items]
    comments: set[Comment] = {c for piece in others for c in piece.comments} | set(file.comments)
    diagnostics = ordered([*found, *(d for piece in others for d in piece.diagnostics)])
    tree = File(path, (*before, *statements, *after), tuple(sorted(comments, key=lambda c: c.span)), file.skipped)
    return tree, list(diagnostics)


def _recovered(path: str, text: str) -> tuple[File, tuple[Diagnostic, ...]]:
    from .with_lark import parse_with_lark

    return parse_with_lark(text, path, [])


def _broken_agent(agents: Agents) -> int | None:
    broken = [i for i, part in enumerate(agents.parts) if part.piece is None]
    return broken[0] if len(broken) == 1 else None


def _only(agents: Agents, at: int) -> str:
    """The group with empty lines for its agents, but for the broken one and the one behind it."""
    kept = {at, at + 1}
    body = (part.text if i in kept else "\n" * part.text.count("\n") for i, part in enumerate(agents.parts))
    return "".join([agents.head, *body, agents.tail])


def _same(got: Sequence[Any], known: Piece | None, text: str) -> bool:
    """Whether recovery made of the part behind the broken one what it is, at its own place."""
    if known is None or len(got) != len(known.items):
        return False
    for one, other in zip(got, known.items, strict=True):
        # A long group follows as its head and end alone: then its agents are not compared.
        hollow = isinstance(one, Group) and isinstance(other, Group) and not one.body
        wanted = replace(other, body=()) if hollow and isinstance(other, Group) else other
        if one != wanted or _span(one) != _span(other):
            return False
    return True


def _with_agents(statements: Sequence[Statement], agents: Agents, at: int) -> Group | None:
    """The group with all its agents; None where recovery made anything else of its head, or of the agent behind."""
    (shell,) = agents.shell.items
    if len(statements) != 1 or not isinstance(group := statements[0], Group):
        return None
    if not isinstance(shell, Group) or replace(group, body=()) != shell or group.span != shell.span:
        return None
    body = group.body
    following = agents.parts[at + 1].piece if at + 1 < len(agents.parts) else None
    if following is not None:
        if not _same(body[len(body) - len(following.items) :], following, ""):
            return None
        body = body[: len(body) - len(following.items)]
    before = [a for part in agents.parts[:at] if part.piece is not None for a in part.piece.items]
    after = [a for part in agents.parts[at + 1 :] if part.piece is not None for a in part.piece.items]
    return replace(group, body=(*before, *body, *after))


def _span(item: Any) -> Span:
    span: Span = item.span
    return span
