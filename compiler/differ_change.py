"""A change between two plans as a value, its rank, and how names and values are written in its message."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..dsl.units import print_duration, print_rate, print_size
from .names import listed

Effect = Literal["worse", "better", "neutral"]
Kind = Literal[
    "copies", "sites", "media", "chains", "requirements", "sources", "drives", "pools", "targets", "agents", "groups",
    "hosts", "memory", "plan",
]  # fmt: skip

#: The order of a report: what loses data first, what is won last.
RANK_UNSAVED: Final = 0
RANK_PLACE_LOST: Final = 1
RANK_COPY_LOST: Final = 2
RANK_PROMISE: Final = 3
RANK_KEPT_LESS: Final = 4
RANK_MOVED: Final = 5
RANK_CHAIN: Final = 6
RANK_SIZE: Final = 7
RANK_REST: Final = 8
RANK_GAIN: Final = 9


@dataclass(frozen=True, slots=True)
class Change:
    """One change: what it is about (``kind``, and the ``name`` in the plan), and its consequence in words.

    ``left`` orders changes of one rank (copies that are left, say); changes whose ``alike`` is the same differ only in
    the names, so that a report may show a few of them.
    """

    kind: Kind
    name: str
    message: str
    rank: int
    effect: Effect = "neutral"
    alike: str = ""
    left: int = 0


_SIZES = frozenset({"record", "memory", "memory_limit", "capacity", "size", "spool_size"})
_DURATIONS = frozenset({"window", "retention", "duration"})
_NAMES_MAX = 6


def value_text(field: str, value: Any) -> str:
    """The value of an attribute as a plan writes it, or nearly so."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if field in _SIZES:
        return print_size(int(value))
    if field in _DURATIONS:
        return print_duration(int(value) if float(value).is_integer() else float(value))
    if field == "rate":
        low, high = value if isinstance(value, tuple) else (value, value)
        return print_rate(low) if low == high else f"{print_rate(low)}..{print_rate(high)}"
    if isinstance(value, tuple):
        return listed(map(str, value)) or "nothing"
    return str(value)


def some(names: Iterable[str]) -> str:
    """The names, and of many only the first and how many more there are."""
    known = list(names)
    if len(known) <= _NAMES_MAX:
        return listed(known)
    return f"{', '.join(known[: _NAMES_MAX - 1])} and {len(known) - _NAMES_MAX + 1} more"
