"""Lines of the two shapes that a large plan consists of, many at a time: couplings, and declarations on one line.

    B1 <- D1                                        source D1 { files = "/srv"  exclude = ["*.tmp"] }
    "web-01" <- A1."web-01"                         drive R1 { volumes = "media/R1"  rate = 160MB/s  host = h1 }

They are read as they stand by a regular expression, without going through the automaton token by token, and only where
the automaton would put each of them behind what it has: the quick parser sees to that. Whatever looks a little
different (a word of the language for a name, an escape, a comment, another blank) is not taken here. That the result is
the same is tested with everything else that ``quick.py`` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator
from typing import Any

from . import ast
from .spans import Span
from .twins import Attribute, Coupling, Declaration, Endpoint, ListValue, Name, String

_NEW: Callable[..., Any] = tuple.__new__

#: What makes a quantity of its text and place.
Quantity = Callable[[str, Span], Any]

_WORD = "[A-Za-z_][A-Za-z0-9_]*"
_TEXT = r'"[^"\\$\n\r]*"'
_NAME = rf"(?:{_WORD}|{_TEXT})"
_QUANTITY = r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:(?:[kMGT]B|[KMGT]iB)(?:/s)?|[smhd])?"
_VALUE = rf"(?:{_TEXT}|\[{_TEXT}(?:, {_TEXT})*\]|{_WORD}|{_QUANTITY})"
_KIND = "(?:host|source|drive|pool|target)"
#: Lines of one match: it needs memory for each of them.
_MOST = 500

#: Two lines or more, and the blanks before what follows them: a name or `}`, so that no `{` belongs to the last one.
COUPLINGS = rf"(?:{_NAME} <- {_NAME}(?:\.{_NAME})?\n[ \t]*){{2,{_MOST}}}(?=[A-Za-z_\"}}])"
DECLARATIONS = rf"(?:{_KIND} {_NAME} \{{ (?:{_WORD} = {_VALUE} {{1,2}})+\}}\n){{2,{_MOST}}}"

_couplings = re.compile(rf"({_NAME}) <- ({_NAME})(?:\.({_NAME}))?\n([ \t]*)").findall
_declarations = re.compile(rf"({_KIND}) ({_NAME}) \{{ ([^\n]*)\}}\n").findall
_attributes = re.compile(rf"({_WORD}) = ({_VALUE})( +)").findall
_texts = re.compile(_TEXT).findall
#: Words of the language that attributes bear, too.
_ATTRIBUTES = frozenset({"host", "pool"})


def couplings(block: str, path: str, line: int, column: int, words: Container[str]) -> list[ast.Coupling] | None:
    """The couplings of a text that matches ``COUPLINGS``, the first of which stands at *line* and *column*.

    None where one of the names is among *words*.
    """
    made: list[ast.Coupling] = []
    for name, feed, buffer, indent in _couplings(block):
        if name in words or feed in words or buffer in words:
            return None
        end = column + len(name)
        start = end + 4
        stop = start + len(feed)
        span = _NEW(Span, (path, line, start, line, stop))
        head = Name(feed, span) if feed[0] != '"' else Name(feed[1:-1], span, True)
        if buffer:
            last = stop + 1 + len(buffer)
            span = _NEW(Span, (path, line, stop + 1, line, last))
            tail = Name(buffer, span) if buffer[0] != '"' else Name(buffer[1:-1], span, True)
            fed = Endpoint(head, tail, _NEW(Span, (path, line, start, line, last)))
            stop = last
        else:
            fed = Endpoint(head, None, span)
        span = _NEW(Span, (path, line, column, line, end))
        own = Name(name, span) if name[0] != '"' else Name(name[1:-1], span, True)
        made.append(Coupling(own, fed, (), _NEW(Span, (path, line, column, line, stop))))
        line += 1
        column = 1 + len(indent)
    return made


def declarations(
    block: str, path: str, line: int, words: Container[str], quantity: Quantity
) -> list[ast.Declaration] | None:
    """The declarations of a text that matches ``DECLARATIONS``, each of which begins its line, the first one *line*.

    None where one of the names is among *words*.
    """
    made: list[ast.Declaration] = []
    for kind, name, inside in _declarations(block):
        if name in words:
            return None
        start = len(kind) + 2
        end = start + len(name)
        column = end + 3
        span = _NEW(Span, (path, line, start, line, end))
        own = Name(name, span) if name[0] != '"' else Name(name[1:-1], span, True)
        given: list[ast.Attribute] = []
        for word, value, blanks in _attributes(inside):
            if word in words and word not in _ATTRIBUTES:
                return None
            stop = column + len(word)
            begin = stop + 3
            last = begin + len(value)
            span = _NEW(Span, (path, line, begin, line, last))
            if value[0] == '"':
                read: Any = String((value[1:-1],) if len(value) > 2 else (), span)
            elif value[0] == "[":
                read = ListValue(tuple(_strings(value, path, line, begin)), span)
            elif "0" <= value[0] <= "9":
                read = quantity(value, span)
            elif value in {"true", "false"}:
                read = ast.Boolean(value == "true", span)
            elif value in words:
                return None
            else:
                read = ast.Reference(Name(value, span), span)
            label = Name(word, _NEW(Span, (path, line, column, line, stop)))
            given.append(Attribute(label, read, _NEW(Span, (path, line, column, line, last))))
            column = last + len(blanks)
        made.append(Declaration(kind, own, tuple(given), _NEW(Span, (path, line, 1, line, column + 1))))
        line += 1
    return made


def _strings(text: str, path: str, line: int, column: int) -> Iterator[ast.String]:
    """The strings of a list, whose `[` stands at *column*."""
    column += 1
    for one in _texts(text):
        end = column + len(one)
        yield String((one[1:-1],) if len(one) > 2 else (), _NEW(Span, (path, line, column, line, end)))
        column = end + 2
