"""Text to statements, piece by piece: what was parsed before, and stands where it stood, is not parsed again.

A file is cut before each line that begins with a statement's word, and a long group before each of its agents. Where
every piece is whole by itself the pieces' statements, one after the other, are the file's: the grammar is not
ambiguous, and no token goes across the end of a line. Where one is not, the cut was wrong or the text is; then all of
it is parsed at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from .ast import AgentDeclaration, Comment, File, For, Group, Statement
from .diagnostics import Diagnostic
from .expected import STATEMENTS
from .quick import Piece, QuickParser

#: Files whose pieces a :class:`Memory` keeps; the one that was not parsed for longest makes room.
MOST_FILES = 256
#: A group of less text than this is one piece: to look its agents up would take longer than to parse them.
_LONG_GROUP = 2_000
_LONG_PIECE = 64 << 10

_STATEMENT = re.compile(rf"(?m)^(?=(?:{'|'.join(sorted(word.lower() for word in STATEMENTS))})\b)")
_AGENT = re.compile(r"(?m)^(?=[ \t]*agent\b)")
_GROUP = re.compile(
    r"((?:backup|mirror|restore|copy)\b[^\n#\"{}]*\{[ \t\r]*\n)(.*\n)(\}[ \t\r]*(?:\n(?:[ \t\r]*(?:#[^\n]*)?\n)*)?)",
    re.DOTALL,
)

Key = tuple[int, str]


@dataclass(slots=True)
class Memory:
    """What was parsed, by file, line and text: handed to ``parse`` again and again, it makes it parse what is new.

    It keeps the pieces of the last parse of each file. Not to be shared among threads.
    """

    files: dict[str, dict[Key, Piece]] = field(default_factory=dict)
    #: pieces that were parsed, ever
    parsed: int = 0

    def take(self, path: str) -> dict[Key, Piece]:
        """The pieces of a file, which are forgotten here."""
        while len(self.files) > MOST_FILES:
            del self.files[next(iter(self.files))]
        return self.files.pop(path, {})


def parse_pieces(
    parser: QuickParser, text: str, path: str, memory: Memory | None
) -> tuple[File, list[Diagnostic]] | None:
    """The file and what is wrong with its strings and numbers; None for text that the quick parser does not take."""
    known = memory.take(path) if memory is not None else {}
    reader = _Reader(parser, path, known, memory)
    statements: list[Statement] = []
    comments: list[Comment] = []
    diagnostics: list[Diagnostic] = []
    line = 1
    for piece_text in _STATEMENT.split(text) if memory is not None else _long_pieces(text):
        piece = reader.statement(piece_text, line)
        if piece is None:
            if memory is not None:
                # Nothing but the one statement that is wrong now will have to be parsed when it is mended.
                memory.files[path] = known | reader.used
                inside = _contained(text, path, reader)
                memory.files[path] = known | reader.used
                if inside is not None:
                    return inside
            piece = parser.parse(text, path)
            return None if piece is None else (File(path, piece.items, piece.comments), list(piece.diagnostics))
        statements += piece.items
        comments += piece.comments
        diagnostics += piece.diagnostics
        line += piece_text.count("\n")
    if memory is not None:
        memory.files[path] = reader.used
    return File(path, tuple(statements), tuple(comments)), diagnostics


def _contained(text: str, path: str, reader: _Reader) -> tuple[File, list[Diagnostic]] | None:
    """The file with an error that stays inside of one statement or agent; None where it may not."""
    from .contained import Agents, Part, contained  # a plan without syntax errors does not pay for it

    parts: list[Part] = []
    agents: Agents | None = None
    line = 1
    broken = 0
    for piece_text in _STATEMENT.split(text):
        match = _GROUP.fullmatch(piece_text) if len(piece_text) >= _LONG_GROUP else None
        inner: list[Part] = []
        if match is not None:
            for agent in _AGENT.split(match[2]):
                where = inner[-1].line + inner[-1].text.count("\n") if inner else line + 1
                inner.append(Part(agent, where, reader.kept(agent, where, agents=True)))
        if match is not None and any(part.piece is None for part in inner):
            piece = None
            shell = reader.shell(match, line)
            agents = Agents(match[1], match[3], shell, inner) if shell is not None else None
        else:
            piece = reader.statement(piece_text, line)
        broken += piece is None
        if broken > 1:
            return None
        parts.append(Part(piece_text, line, piece))
        line += piece_text.count("\n")
    at = next((i for i, part in enumerate(parts) if part.piece is None), len(parts))
    following = parts[at + 1].text if at + 1 < len(parts) else ""
    if len(following) >= _LONG_GROUP and (match := _GROUP.fullmatch(following)) is not None:
        following = match[1] + "\n" * match[2].count("\n") + match[3]
    return contained(path, parts, agents, following)


def _long_pieces(text: str) -> Iterator[str]:
    """Many statements at a time: no more tokens are held than one piece has, and few pieces are begun."""
    start = 0
    while (match := _STATEMENT.search(text, start + _LONG_PIECE)) is not None:
        yield text[start : match.start()]
        start = match.start()
    yield text[start:]


@dataclass(slots=True)
class _Reader:
    parser: QuickParser
    path: str
    known: dict[Key, Piece]
    memory: Memory | None
    used: dict[Key, Piece] = field(default_factory=dict)

    def statement(self, text: str, line: int) -> Piece | None:
        if self.memory is None:
            return self.parser.parse(text, self.path, line)
        if len(text) >= _LONG_GROUP and (match := _GROUP.fullmatch(text)) is not None:
            piece = self._group(match, line)
            if piece is not None:
                return piece
        return self.kept(text, line)

    def kept(self, text: str, line: int, *, agents: bool = False) -> Piece | None:
        """The piece as it is known, or parsed. A text is never both a statement and an agent."""
        key = (line, text)
        piece = self.known.get(key)
        if piece is None:
            piece = self.parser.parse(text, self.path, line, agents=agents)
            if self.memory is not None:
                self.memory.parsed += 1
        if piece is not None:
            self.used[key] = piece
        return piece

    def shell(self, match: re.Match[str], line: int) -> Piece | None:
        """A group without its agents; None where that is not whole."""
        head, body, tail = match.groups()
        shell = self.parser.parse(head + "\n" * body.count("\n") + tail, self.path, line)
        return shell if shell is not None and len(shell.items) == 1 else None

    def _group(self, match: re.Match[str], line: int) -> Piece | None:
        """A group, agent by agent; None where one of them is not whole."""
        body = match[2]
        shell = self.shell(match, line)
        if shell is None:
            return None
        agents: list[AgentDeclaration | For] = []
        comments: list[Comment] = []
        diagnostics = list(shell.diagnostics)
        for piece in self._agents(body, line + 1):
            if piece is None:
                return None
            agents += piece.items
            comments += piece.comments
            diagnostics += piece.diagnostics
        group: Any = shell.items[0]
        assert isinstance(group, Group)
        return Piece((replace(group, body=tuple(agents)),), (*comments, *shell.comments), tuple(diagnostics))

    def _agents(self, body: str, line: int) -> Iterator[Piece | None]:
        for text in _AGENT.split(body):
            yield self.kept(text, line, agents=True)
            line += text.count("\n")
