"""Lark's parser for ``grammar.lark``, built once for a process, when a text wants it: see ``with_lark.py``."""

from __future__ import annotations

import functools

from lark import Lark

from .build import Builder
from .tables import grammar_text


@functools.cache
def parser() -> tuple[Lark, Builder]:
    """The parser, and the builder that it calls while it parses. One parse at a time: see ``with_lark``."""
    builder = Builder()
    lark = Lark(
        grammar_text(),
        parser="lalr",
        lexer="contextual",
        maybe_placeholders=False,
        transformer=builder,
        lexer_callbacks={"COMMENT": builder.comment},
    )
    return lark, builder
