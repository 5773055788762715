"""Values with their variables filled in: ``let``, ``param``, ``for`` and ``${…}`` become what they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from operator import is_

from ..dsl import twins
from ..dsl.ast import (
    Hole,
    ListValue,
    Name,
    Range,
    Reference,
    String,
    Value,
)
from ..dsl.diagnostics import Diagnostic
from ..dsl.spans import Span
from .places import LoopSpan, in_iteration
from .rules import out_of_range, unknown_name, unknown_variable, wrong_type
from .tree import is_broken, shown

#: No string grows beyond this by filling in variables: a few lets that double each other would fill any memory.
TEXT_CHARACTERS_MAX = 64 * 1024

#: Nor do all strings of a program together: a loop over a long string would fill any memory, too.
PROGRAM_CHARACTERS_MAX = 64 * 1024 * 1024

_HOLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(slots=True)
class Scope:
    """The variables in sight: ``globals`` are the ``let`` and ``param`` values as written; loop variables hide them.

    What is wrong is added to ``found``, once. ``iteration`` names the loops that we are in.
    """

    globals: Mapping[str, Value]
    found: list[Diagnostic]
    loop: Mapping[str, Value] = field(default_factory=dict)
    iteration: str = ""
    known: dict[str, Value | None] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)
    #: characters of all strings made so far; one number that all scopes of a program share
    made: list[int] = field(default_factory=lambda: [0])

    def inside(self, variable: str, value: Value) -> Scope:
        """The scope of one iteration of a ``for``."""
        said = f"{variable} = {shown(value)}"
        return replace(
            self,
            loop={**self.loop, variable: value},
            iteration=f"{self.iteration}, {said}" if self.iteration else said,
        )

    def names(self) -> list[str]:
        """All variables in sight, the innermost first."""
        return list(dict.fromkeys([*self.loop, *self.globals]))


def evaluate(value: Value, scope: Scope, depth: int = 0) -> Value:
    """*value* with its variables filled in and its places in the scope's iteration; see :func:`is_broken`."""
    if isinstance(value, String):
        return _string(value, scope)
    if isinstance(value, Reference):
        return _reference(value, scope)
    span = in_iteration(value.span, scope.iteration)
    if isinstance(value, ListValue):
        # Nothing takes lists in lists in lists: they are emptied, so that no depth of brackets can exhaust the stack.
        items = tuple(evaluate(item, scope, depth + 1) for item in (value.items if depth < 2 else ()))
        if not scope.iteration and len(items) == len(value.items) and all(map(is_, items, value.items)):
            return value
        return twins.ListValue(items, span)
    if isinstance(value, Range):
        return Range(evaluate(value.low, scope, depth + 1), evaluate(value.high, scope, depth + 1), span)
    return replace(value, span=span) if scope.iteration else value  # a number, size, rate, duration or boolean


def evaluate_name(name: Name, scope: Scope) -> Name | None:
    """*name* with its ``${…}`` filled in, or None where that is not possible (a diagnostic says so)."""
    if not name.quoted or "${" not in name.text:
        return twins.Name(name.text, in_iteration(name.span, scope.iteration), name.quoted) if scope.iteration else name
    span = in_iteration(name.span, scope.iteration)
    pieces: list[str] = []
    end = 0
    for hole in _HOLE.finditer(name.text):
        text = _hole_text(hole[1], _place_in_name(name, hole.start(), hole.end()), scope)
        if text is None:
            return None
        pieces += [name.text[end : hole.start()], text]
        end = hole.end()
    text = "".join([*pieces, name.text[end:]])
    if _too_long(len(text), span, scope):
        return None
    return twins.Name(text, span, True)


def _place_in_name(name: Name, start: int, end: int) -> Span:
    span = name.span
    if span.line != span.end_line or span.end_column - span.column != len(name.text) + 2:
        return span
    first = span.column + 1
    return in_iteration(
        Span(span.file, span.line, first + start, span.end_line, first + end),
        span.iteration if isinstance(span, LoopSpan) else "",
    )


def _string(value: String, scope: Scope) -> Value:
    span = in_iteration(value.span, scope.iteration)
    if len(value.parts) <= 1 and not (value.parts and isinstance(value.parts[0], Hole)):
        return twins.String(value.parts, span) if scope.iteration else value
    pieces: list[str] = []
    for part in value.parts:
        text = part if isinstance(part, str) else _hole_text(part.name, part.span, scope)
        if text is None:
            _report_other_holes(value, part, scope)
            return replace(value, span=span)
        pieces.append(text)
    if _too_long(sum(map(len, pieces)), span, scope):
        return replace(value, span=span, parts=(Hole("", span),))
    text = "".join(pieces)
    return twins.String((text,) if text else (), span)


def _too_long(characters: int, span: Span, scope: Scope) -> bool:
    """Whether a string of so many characters is too long, by itself or with all others; a diagnostic says so once."""
    if characters > TEXT_CHARACTERS_MAX:
        scope.found.append(out_of_range.too_long(span, TEXT_CHARACTERS_MAX))
        return True
    before = scope.made[0]
    scope.made[0] += characters
    if scope.made[0] <= PROGRAM_CHARACTERS_MAX:
        return False
    if before <= PROGRAM_CHARACTERS_MAX:
        scope.found.append(out_of_range.too_much_text(span, PROGRAM_CHARACTERS_MAX))
    return True


def _report_other_holes(value: String, failed: str | Hole, scope: Scope) -> None:
    """Every hole of a string that cannot be filled is reported, not only the first."""
    for part in value.parts[value.parts.index(failed) + 1 :]:
        if isinstance(part, Hole):
            _hole_text(part.name, part.span, scope)


def _hole_text(name: str, span: Span, scope: Scope) -> str | None:
    span = in_iteration(span, scope.iteration)
    value = scope.loop.get(name)
    if value is None:
        if name not in scope.globals:
            scope.found.append(unknown_variable.no_variable(name, span, scope.names()))
            return None
        value = _global(name, span, scope)
    if value is None or is_broken(value):
        return None
    if isinstance(value, ListValue | Range):
        scope.found.append(wrong_type.not_in_a_string(name, shown(value), span))
        return None
    if isinstance(value, String):
        return "".join(part for part in value.parts if isinstance(part, str))
    return shown(value)


def _reference(value: Reference, scope: Scope) -> Value:
    name = value.name.text
    span = in_iteration(value.span, scope.iteration)
    meant = scope.loop.get(name)
    if meant is None:
        if name not in scope.globals:
            scope.found.append(unknown_name.no_variable(name, span, scope.names()))
            return replace(value, span=span)
        meant = _global(name, span, scope)
    return replace(value, span=span) if meant is None or is_broken(meant) else replace(meant, span=span)


def _global(name: str, span: Span, scope: Scope) -> Value | None:
    """The value of a ``let`` or ``param``, worked out once; None where it needs itself or is broken."""
    if name in scope.known:
        return scope.known[name]
    if name in scope.pending:
        circle = [*scope.pending[scope.pending.index(name) :], name]
        scope.found.append(unknown_variable.needs_itself(circle, span))
        return None
    if len(scope.pending) >= _NESTING_MAX:
        scope.found.append(unknown_variable.nested_too_deep(name, span, _NESTING_MAX))
        return None
    scope.pending.append(name)
    outside = replace(scope, loop={}, iteration="")
    value = evaluate(scope.globals[name], outside)
    scope.pending.pop()
    scope.known[name] = None if is_broken(value) else value
    return scope.known[name]


#: One let may use another, which uses another, … so deep; the recursion here ends long before Python's own.
_NESTING_MAX = 100
