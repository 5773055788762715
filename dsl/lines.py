"""Lines of the two shapes that a large plan consists of, many at a time: couplings, and declarations on one line.

    B1 <- D1                                        source D1 { files = "/srv"  exclude = ["*.tmp"] }
    B1 <- A1.B1                                     drive R1 { volumes = "media/R1" }

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

_WORD = "[A-Za-z_][A-Za-z0-9_]*"
_TEXT = r'"[^"\\$\n\r]*"'
_VALUE = rf"(?:{_TEXT}|\[{_TEXT}(?:, {_TEXT})*\])"
#: Lines of one match: it needs memory for each of them.
_MOST = 500

#: Two lines or more, and the blanks before what follows them: a name or `}`, so that no `{` belongs to the last one.
COUPLINGS = rf"(?:{_WORD} <- {_WORD}(?:\.{_WORD})?\n[ \t]*){{2,{_MOST}}}(?=[A-Za-z_}}])"
DECLARATIONS = rf"(?:(?:source|drive) {_WORD} \{{ (?:{_WORD} = {_VALUE} {{1,2}})+\}}\n){{2,{_MOST}}}"

_couplings = re.compile(rf"({_WORD}) <- ({_WORD})(?:\.({_WORD}))?\n([ \t]*)").findall
_declarations = re.compile(rf"(source|drive) ({_WORD}) \{{ ([^\n]*)\}}\n").findall
_attributes = re.compile(rf"({_WORD}) = ({_VALUE})( +)").findall
_texts = re.compile(_TEXT).findall


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
        if buffer:
            last = stop + 1 + len(buffer)
            fed = Endpoint(
                Name(feed, span),
                Name(buffer, _NEW(Span, (path, line, stop + 1, line, last))),
                _NEW(Span, (path, line, start, line, last)),
            )
            stop = last
        else:
            fed = Endpoint(Name(feed, span), None, span)
        own = Name(name, _NEW(Span, (path, line, column, line, end)))
        made.append(Coupling(own, fed, (), _NEW(Span, (path, line, column, line, stop))))
        line += 1
        column = 1 + len(indent)
    return made


def declarations(block: str, path: str, line: int, words: Container[str]) -> list[ast.Declaration] | None:
    """The declarations of a text that matches ``DECLARATIONS``, each of which begins its line.

    None where one of the names is among *words*.
    """
    made: list[ast.Declaration] = []
    for kind, name, inside in _declarations(block):
        if name in words:
            return None
        start = len(kind) + 2
        end = start + len(name)
        column = end + 3
        own = Name(name, _NEW(Span, (path, line, start, line, end)))
        given: list[ast.Attribute] = []
        for word, value, blanks in _attributes(inside):
            if word in words:
                return None
            stop = column + len(word)
            begin = stop + 3
            last = begin + len(value)
            span = _NEW(Span, (path, line, begin, line, last))
            if value[0] == '"':
                read: Any = String((value[1:-1],) if len(value) > 2 else (), span)
            else:
                read = ListValue(tuple(_strings(value, path, line, begin)), span)
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
