"""Text to syntax tree. ``parse`` takes anything, never raises, and gives every intact statement beside what is wrong."""

from __future__ import annotations

import threading
from typing import Any

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from . import grammar
from .ast import File
from .diagnostics import Diagnostic, ordered
from .spans import Span

_ONE_AT_A_TIME = threading.Lock()


def parse(text: str | bytes, path: str) -> tuple[File, tuple[Diagnostic, ...]]:
    """Parse one file. *path* is what spans call it. Diagnostics are sorted by place; the tree holds what is intact."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    text = text.removeprefix("\ufeff")
    with _ONE_AT_A_TIME:
        lark, builder = grammar.parser()
        builder.begin(path)
        interactive = lark.parse_interactive(text)
        state = interactive.parser_state
        statements: tuple[Any, ...] = ()
        try:
            for token in interactive.lexer_thread.lex(state):
                state.feed_token(token)
            statements = state.feed_token(Token("$END", "", 0, 1, 1, 1, 1), True)
        except (UnexpectedToken, UnexpectedCharacters) as error:
            line, column = error.line, error.column
            builder.diagnostics.append(
                Diagnostic("TC101", "error", "unexpected text", Span(path, line, column, line, column + 1))
            )
        return File(path, statements, tuple(builder.comments)), ordered(builder.diagnostics)
