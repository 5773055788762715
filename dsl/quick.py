"""The quick way through text without syntax errors: a lexer and an LALR(1) driver over the table of ``grammar.lark``.

It makes what Lark's parser and ``Builder`` make, several times as fast, or nothing at all: whatever it does not take is
left to Lark, which knows how to say what is wrong. That both make the same of all text is tested.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import ast, lines
from .build import MOST_NESTED, Builder, Parts
from .diagnostics import Diagnostic
from .spans import Span
from .strings import join
from .tables import (
    A_NAME,
    A_STRING,
    APPEND,
    CALL,
    DURATION,
    END,
    MAKERS,
    NAME,
    NUMBER,
    PASS,
    QUOTED,
    RATE,
    RAW,
    REFERENCE,
    SIZE,
    STRING,
    tables,
)
from .twins import Attribute, Coupling, Declaration, Endpoint, ListValue, Name, String

#: A token that is shifted as it is: its text, line and column.
Raw = tuple[str, int, int]

_NEW: Callable[..., Any] = tuple.__new__
#: More states than one of the lines that are read at once would put on the stack.
_DEEPEST_LINE = 12
_FIRST: Mapping[str, str] = {
    **dict.fromkeys("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_", NAME),
    '"': STRING,
}


@dataclass(frozen=True, slots=True)
class Piece:
    """What a piece of text holds: statements (or agents), comments, and what is wrong with its strings and numbers."""

    items: tuple[Any, ...]
    comments: tuple[ast.Comment, ...]
    diagnostics: tuple[Diagnostic, ...]


class QuickBuilder(Builder):
    """The builder's functions for tokens that are :data:`Raw`; those that are called most are written out."""

    def span(self, token: Any) -> Span:
        """The place of one token."""
        text, line, column = token
        return _NEW(Span, (self.path, line, column, line, column + len(text)))  # type: ignore[no-any-return]

    def text(self, token: Any) -> str:
        """The text of one token."""
        return token[0]  # type: ignore[no-any-return]

    def _range(self, first: Any, last: Any) -> Span:
        begin = self.span(first) if type(first) is tuple else first.span
        end = self.span(last) if type(last) is tuple else last.span
        return _NEW(Span, (self.path, begin[1], begin[2], end[3], end[4]))  # type: ignore[no-any-return]

    def attribute(self, parts: Parts) -> ast.Attribute:  # noqa: D102 - as in Builder
        name, _, value = parts
        begin, end = name.span, value.span
        return Attribute(name, value, _NEW(Span, (self.path, begin[1], begin[2], end[3], end[4])))

    def endpoint(self, parts: Parts) -> ast.Endpoint:  # noqa: D102
        name = parts[0]
        if len(parts) == 1:
            return Endpoint(name, None, name.span)
        buffer = parts[2]
        begin, end = name.span, buffer.span
        return Endpoint(name, buffer, _NEW(Span, (self.path, begin[1], begin[2], end[3], end[4])))

    fed_endpoint = endpoint

    def coupling(self, parts: Parts) -> ast.Coupling:  # noqa: D102
        if len(parts) > 3:
            return Builder.coupling(self, parts)
        buffer, _, feed = parts
        begin, end = buffer.span, feed.span
        return Coupling(buffer, feed, (), _NEW(Span, (self.path, begin[1], begin[2], end[3], end[4])))

    def declaration(self, parts: Parts) -> ast.Declaration:  # noqa: D102
        word = parts[0]
        return Declaration(word[0], parts[1], tuple(parts[3:-1]), self._range(word, parts[-1]))

    def list(self, parts: Parts) -> ast.ListValue:  # noqa: D102
        return ListValue(tuple(parts[1:-1:2]), self._range(parts[0], parts[-1]))

    def string(self, text: str, span: Span) -> ast.String:  # noqa: D102
        if "\\" in text or "${" in text:
            return Builder.string(self, text, span)
        return String((text[1:-1],) if len(text) > 2 else (), span)


class QuickParser:
    """The table of the grammar, bound to a builder. One piece at a time: it is not to be shared among threads."""

    def __init__(self) -> None:
        made = tables()
        self.builder = QuickBuilder()
        self.no_names = made.words
        self.words = {word: word for word in made.words} | {"\n": "\n", "": "\n"}
        self.actions = made.actions
        self.gotos = made.gotos
        self.rules = tuple(
            (r.length, r.origin, r.does, getattr(self.builder, r.name) if r.does == CALL else None, r.lists)
            for r in made.rules
        )
        self.start = made.start
        # Blanks before each token, so that columns can be counted. What begins no token is one with all behind it, so
        # that no text is looked through again from each of its characters; the empty token is the end.
        token = rf"{made.pattern}|\n|\Z|(?s:.+)"
        self.pieces = re.compile(rf"([ \t\f\r]*)({token})").findall
        # The same, with many lines of one shape for one token: a declaration begins its line, a coupling need not.
        self.long_pieces = re.compile(
            rf"([ \t\f\r]*)(^{lines.DECLARATIONS}|{lines.COUPLINGS}|{token})", re.MULTILINE
        ).findall
        self.is_token = re.compile(
            rf"(?:{made.pattern}|\n|{lines.DECLARATIONS}|{lines.COUPLINGS.partition('(?=')[0]})?"
        ).fullmatch
        self.floor = 0
        self.group = self._inside_group()

    def _inside_group(self) -> tuple[list[int], list[Any]]:
        """The stacks of a parser that has read ``backup group g {``."""
        states: list[int] = [self.start]
        for key in ("backup", "group", NAME, "{"):
            states.append(self.actions[states[-1]][key] // MAKERS)
        return states, [None] * (len(states) - 1)

    def parse(self, text: str, path: str, line: int = 1, *, agents: bool = False) -> Piece | None:
        """The statements of *text* (with *agents*: what a group holds), which begins at *line*; None for an error."""
        builder = self.builder
        builder.begin(path, [])
        states, values = ([self.start], []) if not agents else (self.group[0].copy(), self.group[1].copy())
        if not self._run(text, line, states, values):
            return None
        items = self._finished(states, values, "}" if agents else END)
        if items is None:
            return None
        return Piece(items, tuple(builder.comments), tuple(builder.diagnostics))

    def _finished(self, states: list[int], values: list[Any], key: str) -> tuple[Any, ...] | None:
        """Reduce before *key*, which ends the piece, to the one list of items that then lies on the stack."""
        base = len(self.group[1]) if key == "}" else 0
        while True:
            action = self.actions[states[-1]].get(key)
            if action is None:
                return None
            if action >= 0 or self.rules[~action][1] == "start":
                above = values[base:]
                if len(above) > 1:
                    return None  # the `}` would end an agent
                return tuple(above[0]) if above else ()
            self._reduce(~action, states, values)

    def _reduce(self, number: int, states: list[int], values: list[Any]) -> None:
        length, origin, does, make, lists = self.rules[number]
        if does == APPEND:
            values[-length] += values[1 - length :]
            del values[1 - length :], states[1 - length :]
            return
        parts = values[-length:] if length else []
        if length:
            del values[-length:], states[-length:]
        if does == CALL:
            for place in lists:
                parts[place : place + 1] = parts[place]
            value = make(parts)  # type: ignore[misc]
        else:
            value = parts[0] if does == PASS else parts
        target = self.gotos[states[-1]][origin]
        if target is None:
            values[-1].append(value)
        else:
            values.append(value)
            states.append(target)

    def _run(self, text: str, line: int, states: list[int], values: list[Any]) -> bool:
        """Shift all tokens of *text*; False where one does not fit."""
        found = self.long_pieces(text)
        if len(found) > 1 and not self.is_token(found[-2][1]):
            return False
        self.floor = len(states) + 1 if len(states) > 1 else 0
        return self._shift(found, line, 1, states, values)

    def _shift(
        self, found: list[tuple[str, str]], line: int, column: int, states: list[int], values: list[Any]
    ) -> bool:
        """Shift the tokens *found*, from *line* and *column* on; False where one does not fit."""
        words, first, actions, builder = self.words.get, _FIRST.get, self.actions, self.builder
        reduce, path, name, floor = self._reduce, builder.path, Name, self.floor
        state = states[-1]
        for blank, token in found:
            column += len(blank)
            key = words(token)
            if key is None:
                key = first(token[0])
                if "\n" in token:
                    if not self._lines(token, line, column, states, values):
                        return False
                    state = states[-1]
                    line += token.count("\n")
                    column = len(token) - token.rindex("\n")
                    continue
                if key is None:
                    if token[0] == "#":
                        builder.comment((token, line, column))
                        column += len(token)
                        continue
                    key = _quantity(token)
            elif key == "\n":
                line += 1
                column = 1
                continue
            action = actions[state].get(key)
            while action is not None and action < 0:
                reduce(~action, states, values)
                action = actions[states[-1]].get(key)
            if action is None:
                return False
            state, maker = divmod(action, MAKERS)
            end = column + len(token)
            if maker == RAW:
                values.append((token, line, column))
                if len(states) > MOST_NESTED or (len(states) <= floor and token == "}"):  # noqa: S105 - no password
                    return False  # it may be nested too deep (Lark's parser counts the brackets), or ends the group
            elif maker == A_NAME:
                values.append(name(token, _NEW(Span, (path, line, column, line, end))))
            elif maker == REFERENCE:
                values.append(builder.reference([name(token, _NEW(Span, (path, line, column, line, end)))]))
            elif maker in {A_STRING, QUOTED}:
                span = _NEW(Span, (path, line, column, line, end))
                value = builder.string(token, span)
                values.append(value if maker == A_STRING else name(join(value.parts), span, True))
            else:
                span = _NEW(Span, (path, line, column, line, end))
                values.append(builder.quantity(token, span, key.removeprefix("a ")))
            states.append(state)
            column = end
        return True

    def _lines(self, block: str, line: int, column: int, states: list[int], values: list[Any]) -> bool:
        """Shift many lines of one shape: at once where each lengthens the list on the stack, else token by token."""
        what = "declaration" if block.endswith("}\n") else "coupling"
        if not self._lengthens(what, block, states, values):
            # The first one begins the list. If that cannot be lengthened either, it is none, or there is a mistake.
            end = block.index("\n") + 1
            if not self._shift(self.pieces(block[:end]), line, column, states, values):
                return False
            rest = block[end:]
            block = rest.lstrip(" \t")
            line, column = line + 1, 1 + len(rest) - len(block)
            if not self._lengthens(what, block, states, values):
                return self._shift(self.pieces(block), line, column, states, values)
        made: list[Any] | None = None
        if len(states) + _DEEPEST_LINE <= MOST_NESTED:
            if what == "coupling":
                made = lines.couplings(block, self.builder.path, line, column, self.no_names)
            else:
                made = lines.declarations(block, self.builder.path, line, self.no_names, self._quantity)
        if made is None:
            return self._shift(self.pieces(block), line, column, states, values)
        values[-1] += made
        return True

    def _quantity(self, text: str, span: Span) -> Any:
        return self.builder.quantity(text, span, _quantity(text).removeprefix("a "))

    def _lengthens(self, what: str, block: str, states: list[int], values: list[Any]) -> bool:
        """Whether a *what*, with which *block* begins, goes behind others in a list that lies on the stack."""
        key = STRING if block[0] == '"' else self.words.get(block[: block.index(" ")], NAME)
        action = self.actions[states[-1]].get(key)
        while action is not None and action < 0:
            self._reduce(~action, states, values)
            action = self.actions[states[-1]].get(key)
        return action is not None and self.gotos[states[-1]].get(what, 0) is None


@functools.cache
def quick_parser() -> QuickParser:
    """The parser of this process. One piece at a time: see ``parser.parse``."""
    return QuickParser()


def _quantity(token: str) -> str:
    """The key of a token that begins like none of the others: a quantity, if it is anything."""
    if not "0" <= token[0] <= "9":
        return ""
    last = token[-1]
    if "0" <= last <= "9":
        return NUMBER
    if last == "B":
        return SIZE
    return RATE if token.endswith("/s") else DURATION
