"""Lark's own way through a text, with recovery from syntax errors: for all that the quick parser does not take."""

from __future__ import annotations

from typing import Any

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from . import grammar
from .ast import File
from .build import MOST_NESTED, Builder, TooDeep
from .diagnostics import Diagnostic, ordered


def parse_with_lark(text: str, path: str, diagnostics: list[Diagnostic]) -> tuple[File, tuple[Diagnostic, ...]]:
    """As ``parser.parse``, for text that is decoded already, with what was said of that. One text at a time."""
    lark, builder = grammar.parser()
    builder.begin(path, diagnostics)
    try:
        return _parse(lark.parse_interactive(text), builder, text)
    finally:
        builder.begin("", [])


def _parse(interactive: InteractiveParser, builder: Builder, text: str) -> tuple[File, tuple[Diagnostic, ...]]:
    state: Any = interactive.parser_state
    thread: Any = interactive.lexer_thread
    try:
        try:
            for token in thread.lex(state):
                state.feed_token(token)
            statements = state.feed_token(Token("$END", "", len(text)), True)
            return File(builder.path, statements, tuple(builder.comments)), ordered(builder.diagnostics)
        except (UnexpectedToken, UnexpectedCharacters) as error:
            from .recovery import Recovery  # text that is merely nested deep does not pay for its import

            recovery = Recovery(text, state, thread, builder)
            statements = recovery.parse_on(error)
            comments, skipped = recovery.source.comments(), tuple(recovery.skipped)
            return File(builder.path, statements, comments, skipped), ordered(builder.diagnostics)
    except TooDeep as deep:
        builder.diagnostics.append(_too_deep(builder, deep))
        return File(builder.path, (), tuple(builder.comments)), ordered(builder.diagnostics)


def _too_deep(builder: Builder, deep: TooDeep) -> Diagnostic:
    message = f"brackets nested deeper than {MOST_NESTED} levels"
    return Diagnostic("TC101", "error", message, builder.span(deep.token), "nothing in a plan nests that deep")
