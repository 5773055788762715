"""Slips in signs and braces. Each function knows one and says how to mend it, or gives None."""

from __future__ import annotations

from lark import Token

from . import ast
from .expected import SPELLING, behind, found, in_words, shown, terminal
from .mend import Look, Mend, reserved_on_top
from .stack import Stack

# ---------------------------------------------------------------- blocks and items


def statement_taken_for_attribute(look: Look) -> Mend | None:
    """``source`` in a block whose ``}`` is missing looks like an attribute until the next word: go back to it."""
    if not reserved_on_top(look.stack):
        return None
    token = look.stack.values[-1]
    begins = look.here.kind in {"word", "string"}
    if not begins or look.fits("EQUAL", then=(look.here, look.after, look.beyond)):
        return None
    height = len(look.stack.values) - 1
    block = look.stack.blocks()[-1]
    brace = block.brace
    start, end = token.start_pos or 0, token.end_pos or 0
    closing = _closing_braces(look, token)
    if brace is None or not closing:
        return None
    return Mend(
        f"expected {in_words(look.stack.expected(height))}, found `{token}`",
        start,
        end,
        start,
        "`}` is missing before it",
        closing,
        pop=1,
        opener=brace,
    )


def coupling_taken_for_attribute(look: Look) -> Mend | None:
    """``B1 <- D1 { depth = 2  B2 <- D2``: the ``}`` of the first coupling is missing."""
    values = look.stack.values
    brace = look.stack.blocks()[-1].brace
    if look.here.text != "<-" or brace is None or not values or not isinstance(values[-1], ast.Name):
        return None
    height = len(values) - 1
    if not look.stack.accepts("RBRACE", "NAME", "LEFT", height=height):
        return None
    name = values[-1]
    start = look.source.offset(name.span.line, name.span.column)
    return Mend(
        f"expected {in_words(look.stack.expected(height))}, found `{shown(name.text)}`",
        start,
        look.source.offset(name.span.end_line, name.span.end_column),
        start,
        "`}` is missing before it",
        (("RBRACE", "}"),),
        pop=1,
        opener=brace,
    )


def _closing_braces(look: Look, token: Token) -> tuple[tuple[str, str], ...]:
    """As many ``}`` as lead to a block in which the word begins a statement."""
    height = len(look.stack.values) - 1
    kinds = (token.type, behind(token.type, look.here))
    for count in range(1, len(look.stack.blocks())):
        if look.stack.accepts(*["RBRACE"] * count, *kinds, height=height):
            return (("RBRACE", "}"),) * count
    return ()


def value_missing(look: Look) -> Mend | None:
    """``files = exclude = […]``: the next attribute has been taken for the value."""
    values = look.stack.values
    if look.here.text != "=" or len(values) < 3:
        return None
    name, equal = values[-1], values[-2]
    if not isinstance(name, ast.Name) or not isinstance(equal, Token) or equal.type != "EQUAL":
        return None
    start = look.source.offset(name.span.line, name.span.column)
    if look.stack.blocks()[-1].height != len(values) - 3:
        return None
    message = f"expected a value, found the next attribute, `{shown(name.text)}`"
    return Mend(message, start, start + len(name.text), start, pop=3, help="give the attribute before it a value")


def feed_missing(look: Look) -> Mend | None:
    """``B1 <-`` and on the next line ``B2 <- D2``: the next buffer has been taken for the feed."""
    values = look.stack.values
    if look.here.text != "<-" or len(values) < 3:
        return None
    name, left = values[-1], values[-2]
    if not isinstance(name, ast.Name) or not isinstance(left, Token) or left.type != "LEFT":
        return None
    start = look.source.offset(name.span.line, name.span.column)
    if not look.source.is_first_on_line(start) or look.stack.blocks()[-1].height != len(values) - 3:
        return None
    message = f"expected a feed, found the next buffer, `{shown(name.text)}`"
    end = look.source.offset(name.span.end_line, name.span.end_column)
    return Mend(message, start, end, start, pop=3, help="say what feeds the buffer before it")


# ---------------------------------------------------------------- one sign for another, one too few, one too many

_ARROWS_RIGHT = frozenset({"=>", "-->", "→", "--->", ">", "-", "⇒", "➔"})
_ARROWS_LEFT = frozenset({"<=", "<--", "←", "<---", "<", "⇐"})
_EQUALS = frozenset({":", ":=", "==", "=>", "->"})
_OPERATORS = {"=": "EXACTLY", "=>": "AT_LEAST", "≥": "AT_LEAST", ">": "AT_LEAST"}
_OPERATORS |= {"=<": "AT_MOST", "≤": "AT_MOST", "<": "AT_MOST"}
_SPELLED = {"EQUAL": "=", "RIGHT": "->", "LEFT": "<-", "EXACTLY": "==", "AT_LEAST": ">=", "AT_MOST": "<=", "IN": "in"}


def another_sign(look: Look) -> Mend | None:
    """``:`` for ``=``, ``=>`` for ``->``, ``>`` for ``>=``, and their like."""
    here = look.here
    meant = _meant_by(here.text, look.expected, look.stack)
    if meant == "EQUAL" and here.text in {"=>", "->"} and _is_buffer(look) and look.fits("LEFT", then=(look.after,)):
        meant = "LEFT"
    if here.kind not in {"sign", "word"} or not meant or not look.fits(meant, then=(look.after,)):
        return None
    sign = _SPELLED[meant]
    strict = here.text in {"<", ">"} and meant in {"AT_LEAST", "AT_MOST"}
    return Mend(
        f"expected {in_words(look.expected)}, found `{here.text}`",
        here.start,
        here.end,
        here.end,
        f"write `{sign}` with the next number" if strict else f"write `{sign}`",
        ((meant, sign),),
        covers=True,
    )


def _meant_by(text: str, expected: frozenset[str], stack: Stack) -> str:
    """The terminal that a sign was written for, or nothing."""
    if "AT_LEAST" in expected:
        return _OPERATORS.get(text, "")
    if "IN" in expected:
        return "IN" if text in {"=", ":", "of"} else ""
    if "RIGHT" in expected and text in _ARROWS_RIGHT:
        return "RIGHT"
    if "LEFT" in expected and (text in _ARROWS_LEFT or (text == "->" and "RIGHT" not in expected)):
        return "LEFT"
    if {"LEFT", "RIGHT"} <= expected and text in {"=", ":", ":="}:
        return _arrow_of_group(stack)
    return "EQUAL" if "EQUAL" in expected and (text in _EQUALS or text == "is") else ""


def _arrow_of_group(stack: Stack) -> str:
    """The arrow that agents have in the group that is open."""
    return "LEFT" if any(isinstance(v, Token) and v.type == "RESTORE" for v in stack.values) else "RIGHT"


_INSERTED = ("EQUAL", "RIGHT", "LEFT", "COMMA", "GROUP", "IN", "LBRACE")


_CLOSING = (("RSQB", "]", "LSQB"), ("RPAR", ")", "LPAR"))


def sign_missing(look: Look) -> Mend | None:
    """A sign was left out before *here*, or *here* is no sign of the language and stands in its place."""
    here = look.here
    unknown = here.kind == "sign" and terminal(here) == "?"
    then = (look.after, look.beyond) if unknown else (here, look.after, look.beyond)
    if here.kind == "end" or (terminal(here) == "?" and not unknown):
        return None
    for kind in _INSERTED:
        if kind == "LBRACE" and look.unclosed >= 0:
            continue
        if kind in look.expected and look.fits(kind, then=then):
            if kind == "EQUAL" and _couples(look):
                return _put_in(look, "LEFT")
            if kind == "RIGHT" and "LEFT" in look.expected:
                return _put_in(look, _arrow_of_group(look.stack))
            return _put_in(look, kind)
    for kind, _, opening in _CLOSING:
        if kind in look.expected and look.fits(kind, then=then[:2]):
            return _put_in(look, kind, look.stack.opener(opening))
    if unknown and look.unclosed > 0 and look.fits("RBRACE", then=then):
        return _put_in(look, "RBRACE")
    return None


#: An agent's attributes: what stands before another name is a buffer.
_OF_AGENTS = frozenset({"host", "order", "depth", "spool", "spool_size", "on_failure"})


def _couples(look: Look) -> bool:
    """``B1 D1``: a buffer and its feed, not an attribute and its value."""
    if not _is_buffer(look) or look.here.kind != "word":
        return False
    return look.fits("LEFT", then=(look.here, look.after, look.beyond))


def _is_buffer(look: Look) -> bool:
    """Whether the name before *here* can be a buffer's: in an agent, and not one of its attributes."""
    name = look.stack.values[-1]
    return isinstance(name, ast.Name) and name.text not in _OF_AGENTS and "LEFT" in look.expected


def _put_in(look: Look, kind: str, opener: Token | None = None) -> Mend:
    here = look.here
    unknown = terminal(here) == "?"
    text = _SPELLED.get(kind) or SPELLING.get(kind, "").strip("`") or kind.lower()
    return Mend(
        f"expected {in_words(look.expected)}, found {found(here)}",
        here.start,
        here.end,
        here.end if unknown else here.start,
        f"write `{text}`" if unknown else f"`{text}` is missing before it",
        ((kind, text),),
        opener=opener,
        covers=unknown,
    )


def round_list(look: Look) -> Mend | None:
    """``files = ("/a", "/b")``."""
    here = look.here
    if here.text == "(" and "LSQB" in look.expected:
        return Mend(
            f"expected {in_words(look.expected)}, found `(`",
            here.start,
            here.end,
            here.end,
            "a list stands in square brackets: `[a, b]`",
            (("LSQB", "("),),
            covers=True,
        )
    opener = look.stack.opener("LSQB")
    if here.text == ")" and "RSQB" in look.expected and opener is not None and opener == "(":
        return Mend("", here.start, here.end, here.end, "", (("RSQB", ")"),), covers=True)
    return None


def sign_too_many(look: Look) -> Mend | None:
    """``,`` or ``;`` between attributes, ``= =``, a ``,`` at the head of a list."""
    here = look.here
    if here.kind != "sign" or here.text in {"}", "[", "]", "(", ")", "*"}:
        return None
    if here.text == "{" and look.unclosed <= 0:
        return None
    if terminal(look.after) == "?" or not look.fits(then=(look.after, look.beyond)):
        return None
    if here.text in {",", ";"} and "RSQB" not in look.expected:
        help = "nothing stands between attributes or statements: leave it out"
    else:
        help = "leave it out"
    return Mend(f"expected {in_words(look.expected)}, found {found(here)}", here.start, here.end, here.end, help)
