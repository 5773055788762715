"""TC101, the part that is found before there are tokens: a plan that is not UTF-8 text.

The parser finds the rest of TC101 (dsl/parser.py).
"""

from __future__ import annotations

from ...dsl.diagnostics import Diagnostic
from ...dsl.spans import Span
from ..rule import Rule

RULE = Rule("TC101", "a token that the grammar does not expect there")


def at(span: Span, byte: int) -> Diagnostic:
    """The diagnostic for the first *byte* that does not belong to UTF-8 text."""
    return RULE.at(span, f"the byte 0x{byte:02x} is not UTF-8 text", help="save the plan as UTF-8")
