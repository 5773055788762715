"""The values that a ``for`` runs through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..dsl.ast import ListValue, Number, Range, Value
from ..dsl.diagnostics import Diagnostic
from ..dsl.spans import Span
from .rules import out_of_range, wrong_type
from .tree import is_broken, shown


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a list, or the whole numbers of a range, counted without being made. Iterate as often as needed."""

    count: int
    items: tuple[Value, ...]
    first: int
    span: Span

    def __iter__(self) -> Iterator[Value]:
        if self.items:
            return iter(self.items)
        numbers = range(self.first, self.first + self.count)
        return (Number(i, self.span, str(i)) for i in numbers)


def iterations(values: Value, found: list[Diagnostic]) -> Values | None:
    """What a ``for`` over *values* (evaluated) runs through; None, with a diagnostic in *found*, where that is nothing.

    The count of a range is known before any of its values is made.
    """
    if isinstance(values, ListValue):
        return Values(len(values.items), values.items, 0, values.span)
    if isinstance(values, Range) and isinstance(values.low, Number) and isinstance(values.high, Number):
        low, high = values.low.value, values.high.value
        if isinstance(low, int) and isinstance(high, int):
            if low > high:
                found.append(out_of_range.backwards(str(low), str(high), values.span))
                return None
            return Values(high - low + 1, (), low, values.span)
    if not is_broken(values):
        found.append(wrong_type.not_iterable(shown(values), values.span))
    return None
