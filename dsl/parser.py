"""Text to syntax tree. ``parse`` takes anything, never raises, and gives all that is intact beside what is wrong."""

from __future__ import annotations

import re
import threading
from typing import Any

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from . import grammar
from .ast import File
from .build import MOST_NESTED, Builder, TooDeep
from .decode import decode
from .diagnostics import Diagnostic, ordered
from .spans import Span

LARGEST_FILE = 16 << 20
MOST_TOKENS = 1_000_000

_PIECE = re.compile(r'[A-Za-z0-9_]+|"[^"\n]*"|[^\sA-Za-z0-9_"]')
_ONE_AT_A_TIME = threading.Lock()


def parse(text: str | bytes, path: str) -> tuple[File, tuple[Diagnostic, ...]]:
    """Parse one file; *path* is what its spans call it.

    Never raises for anything the text may hold. Diagnostics (TC101–TC103, TC105) are sorted by place; the tree holds
    all statements that are intact or could be mended, and says in ``File.skipped`` what had to be left out. A file of
    more than ``LARGEST_FILE`` bytes or ``MOST_TOKENS`` tokens, or with brackets nested deeper than ``MOST_NESTED``, is
    refused with one diagnostic. Time and memory grow in proportion to the text.
    """
    refusal = _too_large(text)
    if refusal:
        return _refused(path, refusal)
    plain, diagnostics = decode(text, path)
    if plain is None:
        return File(path, ()), tuple(diagnostics)
    if len(plain) > MOST_TOKENS and sum(1 for _ in _PIECE.finditer(plain)) > MOST_TOKENS:
        return _refused(path, f"the file has more than {MOST_TOKENS:,} words and signs")
    with _ONE_AT_A_TIME:
        lark, builder = grammar.parser()
        builder.begin(path, diagnostics)
        try:
            return _parse(lark.parse_interactive(plain), builder, plain)
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
            from .recovery import Recovery  # a plan without syntax errors does not pay for its import

            recovery = Recovery(text, state, thread, builder)
            statements = recovery.parse_on(error)
            comments, skipped = recovery.source.comments(), tuple(recovery.skipped)
            return File(builder.path, statements, comments, skipped), ordered(builder.diagnostics)
    except TooDeep as deep:
        builder.diagnostics.append(_too_deep(builder, deep))
        return File(builder.path, (), tuple(builder.comments)), ordered(builder.diagnostics)


def _too_large(text: str | bytes) -> str:
    if len(text) > LARGEST_FILE:
        return f"the file is larger than {LARGEST_FILE >> 20} MiB"
    return ""


def _refused(path: str, message: str) -> tuple[File, tuple[Diagnostic, ...]]:
    place = Span(path, 1, 1, 1, 1)
    help = "split it with `include`, or write what repeats with `for`"
    return File(path, ()), (Diagnostic("TC101", "error", message, place, help),)


def _too_deep(builder: Builder, deep: TooDeep) -> Diagnostic:
    message = f"brackets nested deeper than {MOST_NESTED} levels"
    return Diagnostic("TC101", "error", message, builder.span(deep.token), "nothing in a plan nests that deep")
