"""Lark's parser for ``grammar.lark``, built once for a process, when the first plan is parsed."""

from __future__ import annotations

import functools
import importlib.resources

from lark import Lark

from .build import Builder


def text() -> str:
    """The grammar as it is shipped with the package."""
    return importlib.resources.files("tapechain").joinpath("grammar.lark").read_text(encoding="utf-8")


@functools.cache
def parser() -> tuple[Lark, Builder]:
    """The parser, and the builder that it calls while it parses. One parse at a time: see ``parser.parse``."""
    builder = Builder()
    lark = Lark(
        text(),
        parser="lalr",
        lexer="contextual",
        maybe_placeholders=False,
        transformer=builder,
        lexer_callbacks={"COMMENT": builder.comment},
    )
    return lark, builder
