"""Slips of the pen that have one likely mend: the table of all that are known, in the order in which they are tried.

A mend is only offered where the parser accepts what follows it, so that it cannot make a second mistake out of one.
"""

from __future__ import annotations

from collections.abc import Callable

from lark import Token

from . import slips_signs, slips_text
from .expected import RESERVED, STATEMENTS, in_words, terminal
from .mend import Look, Mend
from .scan import Lexeme
from .stack import Stack
from .strings import quote

_SLIPS: tuple[Callable[[Look], Mend | None], ...] = (
    slips_text.string_without_end,
    slips_text.string_without_quote,
    slips_text.foreign_comment,
    slips_text.unit_apart,
    slips_text.unreadable_quantity,
    slips_text.name_that_wants_quotes,
    slips_text.foreign_quotes,
    slips_text.word_as_buffer,
    slips_signs.statement_taken_for_attribute,
    slips_signs.coupling_taken_for_attribute,
    slips_signs.another_sign,
    slips_text.unquoted_text,
    slips_text.word_as_name,
    slips_text.misspelt,
    slips_signs.value_missing,
    slips_signs.feed_missing,
    slips_signs.round_list,
    slips_signs.sign_missing,
    slips_signs.sign_too_many,
)


def find(look: Look) -> Mend | None:
    """The mend of the slip at ``look.here``, if it is one of those known."""
    return next((mend for slip in _SLIPS if (mend := slip(look)) is not None), None)


def advice(stack: Stack, expected: frozenset[str], here: Lexeme) -> str:
    """Help for what no mend is known for: where the thing found belongs. *stack* is settled, *expected* was before."""
    kind, block = terminal(here), stack.blocks()[-1].kind
    if here.text == "<-" and any(isinstance(v, Token) and v.type == "CHAIN" for v in stack.values):
        return "a chain is written the way the data flows: `chain SOURCE -> AGENT.BUFFER -> …`"
    if kind == "AGENT" and block == "statements":
        return "an agent stands inside a group: `backup group NAME { agent … }`"
    if kind in STATEMENTS and block == "agents":
        return "a group holds agents only: write it outside of the group"
    if kind in RESERVED and block == "couplings" and "RBRACE" in expected:
        return "an agent holds couplings and attributes: write it outside of the agent"
    if kind in RESERVED and "NAME" in expected:
        return f"`{here.text}` is a word of the language; as a name write it in quotes: {quote(here.text)}"
    if block == "statements" and kind == "NAME" and "PLAN" in expected:
        return "a statement begins with one of its words: `source`, `drive`, `backup`, …"
    return _shape(expected, here)


def _shape(expected: frozenset[str], here: Lexeme) -> str:
    """How that is written which is expected, where nothing better is known."""
    if here.text == "{" and here.start == 0:
        return "this looks like a compiled plan: give the .tc that it was made from"
    if "PLAN" in expected:
        if "NAME" not in expected:
            return "a statement begins with one of its words: `source`, `drive`, `backup`, …"
        attribute = "an attribute is written `NAME = value`"
        return f"a coupling is written `BUFFER <- FEED`, {attribute}" if "STAR" in expected else attribute
    if "NUMBER" in expected:
        return "a value is a text in quotes, a number (with its unit: 8, 1MiB, 30MB/s, 2h), `true`, `false` or a list"
    if "LATEST" in expected:
        return "name a source, a buffer as `AGENT.BUFFER`, or a selector such as `latest(SOURCE)`"
    if "NAME" in expected:
        return "a name is of letters, digits and `_`, and begins with no digit; any other is written in quotes"
    if "STRING" in expected:
        return 'a string is written "…", on one line'
    wanted = in_words(expected)
    return f"take it out, or write {wanted} before it" if here.kind != "end" else f"write {wanted}"
