"""``-D NAME=value``: a param's value from the command line, read as a value of the default's type."""

from __future__ import annotations

from dataclasses import replace

from ..dsl.ast import Boolean, Duration, ListValue, Number, Param, Range, Rate, Reference, Size, String, Value
from ..dsl.parser import parse
from ..dsl.spans import Span
from .rules import wrong_type
from .values import Scope, evaluate

#: type → how a message calls it, and an example
TYPES: dict[type, tuple[str, str]] = {
    String: ("a text", "text"),
    Number: ("a number", "8"),
    Size: ("a size", "64KiB"),
    Rate: ("a rate", "30MB/s"),
    Duration: ("a duration", "6h"),
    Boolean: ("true or false", "true"),
    ListValue: ("a list", '["a", "b"]'),
    Range: ("a range", "1..8"),
}


def replaced(param: Param, text: str, scope: Scope) -> Value:
    """The value that *text* gives *param*. Where it cannot be read, the default stays and a diagnostic says so.

    A text needs no quotes and is taken as it is; all else is written as in a plan.
    """
    default = evaluate(param.value, scope) if isinstance(param.value, Reference) else param.value
    if isinstance(default, Reference):
        return param.value
    span = param.value.span
    if isinstance(default, String):
        return String((text,) if text else (), span)
    value = _parsed(text)
    if type(value) is not type(default) or not _alike(value, default):
        wanted, example = TYPES[type(default)]
        scope.found.append(wrong_type.not_of_param(param.name.text, text, wanted, example, span))
        return param.value
    return _moved(value, span)


def _parsed(text: str) -> Value | None:
    file, problems = parse(f"param value = {text}", "-D")
    if problems or len(file.statements) != 1 or not isinstance(file.statements[0], Param):
        return None
    return file.statements[0].value


def _alike(value: Value | None, default: Value) -> bool:
    if isinstance(value, Range) and isinstance(default, Range):
        return type(value.low) is type(value.high) is type(default.low)
    if isinstance(value, ListValue) and isinstance(default, ListValue) and default.items:
        return all(type(item) is type(default.items[0]) for item in value.items)
    return value is not None


def _moved(value: Value | None, span: Span) -> Value:
    """The value as if it stood where the default stands: that is the place that diagnostics can show."""
    assert value is not None
    if isinstance(value, ListValue):
        return ListValue(tuple(_moved(item, span) for item in value.items), span)
    if isinstance(value, Range):
        return Range(_moved(value.low, span), _moved(value.high, span), span)
    return replace(value, span=span)
