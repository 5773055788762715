"""Values of the syntax tree in words, and whether they are whole."""

from __future__ import annotations

from ..dsl.ast import (
    Boolean,
    Duration,
    Hole,
    ListValue,
    Number,
    Range,
    Rate,
    Reference,
    Size,
    String,
    Value,
)


def is_broken(value: Value) -> bool:
    """Whether *value* (evaluated) still holds a variable that could not be filled in; a diagnostic has said so."""
    if isinstance(value, String):
        for part in value.parts:  # noqa: SIM110 - written out: it is asked for every string
            if isinstance(part, Hole):
                return True
        return False
    if isinstance(value, ListValue):
        return any(is_broken(item) for item in value.items)
    if isinstance(value, Range):
        return is_broken(value.low) or is_broken(value.high)
    return isinstance(value, Reference)


def shown(value: Value) -> str:
    """A value as the plan writes it, for messages; a list shows its length."""
    if isinstance(value, String):
        text = "".join(part if isinstance(part, str) else f"${{{part.name}}}" for part in value.parts)
        return f'"{text}"' if len(text) <= 60 else f'"{text[:57]}…"'
    if isinstance(value, Boolean):
        return "true" if value.value else "false"
    if isinstance(value, ListValue):
        return f"a list of {len(value.items)}"
    if isinstance(value, Range):
        return f"{shown(value.low)}..{shown(value.high)}"
    if isinstance(value, Reference):
        return value.name.text
    return _scalar_text(value)


def what_it_is(value: Value) -> str:
    """What kind of value this is, for messages."""
    if isinstance(value, Number):
        return f"a number without a unit, {shown(value)}"
    words = {
        String: "a text",
        Size: "a size",
        Rate: "a rate",
        Duration: "a duration",
        ListValue: "a list",
        Range: "a range",
    }
    if isinstance(value, Boolean):
        return shown(value)
    if isinstance(value, Reference):
        return "a name"
    return f"{words[type(value)]}, {shown(value)}" if not isinstance(value, ListValue) else shown(value)


def _scalar_text(value: Number | Size | Rate | Duration) -> str:
    if value.text:
        return value.text
    if isinstance(value, Number):
        return str(value.value)
    if isinstance(value, Size):
        return f"{value.size_bytes} bytes"
    if isinstance(value, Rate):
        return f"{value.bytes_per_second} bytes/s"
    return f"{value.seconds}s"


def in_bytes(number: int) -> str:
    """A size as a plan writes it, in the largest unit that makes it whole."""
    for unit, factor in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= factor and number % factor == 0:
            return f"{number // factor}{unit}"
    return "1 byte" if number == 1 else f"{number} bytes"
