"""The syntax tree of a plan: frozen dataclasses with spans, as written.

It knows shapes, not backup meaning: names are not looked up, ``${…}`` and loop variables are not replaced, units are
read but not judged. ``compiler`` gives it meaning. Spans are left out of equality: trees compare by what they say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .spans import Span

# ---------------------------------------------------------------- names and values


@dataclass(frozen=True, slots=True)
class Name:
    """A name where it is declared or used; ``quoted`` says that it was written as a string (``"web-01"``).

    ``text`` has escapes resolved; a quoted name may still hold ``${…}``, see :class:`String`.
    """

    text: str
    span: Span = field(compare=False)
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Hole:
    """``${NAME}`` inside a string."""

    name: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class String:
    """A string: literal text and holes in order. Escapes are resolved. A plain string has one ``str`` part, or none."""

    parts: tuple[str | Hole, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Number:
    """A number without a unit."""

    value: int | float
    span: Span = field(compare=False)
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Size:
    """A size in bytes: ``1MiB``, ``1kB``; ``text`` is as written, for fmt."""

    size_bytes: int
    span: Span = field(compare=False)
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate in bytes per second: ``30MB/s``."""

    bytes_per_second: int
    span: Span = field(compare=False)
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Duration:
    """A duration in seconds: ``90s 30m 6h 2d``."""

    seconds: int | float
    span: Span = field(compare=False)
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Boolean:
    """``true`` or ``false``."""

    value: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """A bare name as a value: a ``let``, ``param`` or ``for`` variable (in ``host`` and ``pool`` a host or a pool)."""

    name: Name
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class ListValue:
    """``[a, b]``."""

    items: tuple[Value, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Range:
    """``1..64`` or ``30MB/s..160MB/s``; both ends are included."""

    low: Value
    high: Value
    span: Span = field(compare=False)


Value = String | Number | Size | Rate | Duration | Boolean | Reference | ListValue | Range


@dataclass(frozen=True, slots=True)
class Attribute:
    """``name = value``."""

    name: Name
    value: Value
    span: Span = field(compare=False)


# ---------------------------------------------------------------- feeds and couplings


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``A124.B2`` (agent and buffer), or ``D2`` (``buffer`` None: a source or a target; the compiler tells which)."""

    name: Name
    buffer: Name | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Selector:
    """``latest(D1)``, ``all(D1)``, ``chain(D1)``, ``object("ID")``, or ``all`` (``argument`` None).

    A bare ``D1`` in a restore group is an :class:`Endpoint`; the compiler reads it as ``latest(D1)``.
    """

    function: Literal["latest", "all", "chain", "object"]
    argument: Name | None
    span: Span = field(compare=False)


Feed = Endpoint | Selector


@dataclass(frozen=True, slots=True)
class Coupling:
    """``B2 <- FEED { depth = 32 }`` inside an agent."""

    buffer: Name
    feed: Feed
    attributes: tuple[Attribute, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class CoupleAll:
    """``* <- AGENT``: every buffer of AGENT, under its own name."""

    agent: Name
    attributes: tuple[Attribute, ...]
    span: Span = field(compare=False)


# ---------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class For:
    """``for NAME in [..] {…}`` or ``for NAME in 1..64 {…}``, at top level, in a group or in an agent."""

    variable: Name
    values: Value
    body: tuple[Statement | AgentDeclaration | AgentItem, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class AgentDeclaration:
    """``agent NAME -> DRIVE {…}`` (writes) or ``agent NAME <- DRIVE {…}`` (reads). ``body`` is empty without braces."""

    name: Name
    arrow: Literal["->", "<-"]
    arrow_span: Span = field(compare=False)
    drive: Name
    body: tuple[AgentItem, ...]
    span: Span = field(compare=False)


AgentItem = Coupling | CoupleAll | Attribute | For


@dataclass(frozen=True, slots=True)
class Group:
    """``backup group NAME {…}``, ``mirror group NAME of GROUP {…}``, ``restore group …``, ``copy group … of …``.

    ``kind_span`` is the place of the word ``backup``, ``mirror``, …. Whether ``of`` may stand there, the compiler says.
    """

    kind: Literal["backup", "mirror", "restore", "copy"]
    kind_span: Span = field(compare=False)
    name: Name
    of: Name | None
    body: tuple[AgentDeclaration | For, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """``plan NAME { … }``; without a block ``attributes`` is empty."""

    name: Name
    attributes: tuple[Attribute, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Declaration:
    """``host``, ``source``, ``drive``, ``pool`` or ``target NAME { … }``."""

    kind: Literal["host", "source", "drive", "pool", "target"]
    name: Name
    attributes: tuple[Attribute, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Include:
    """``include "file.tc"``."""

    path: String
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Param:
    """``param NAME = value``."""

    name: Name
    value: Value
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Let:
    """``let NAME = value``."""

    name: Name
    value: Value
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Chain:
    """``chain E -> E -> …``."""

    places: tuple[Endpoint, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Condition:
    """``copies >= 2`` in a ``require``."""

    metric: Name
    operator: Literal[">=", "<=", "=="]
    value: Value
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Require:
    """``require METRIC OP VALUE, … [of NAME, …]``."""

    conditions: tuple[Condition, ...]
    of: tuple[Name, ...]
    span: Span = field(compare=False)


Statement = Plan | Include | Param | Let | For | Declaration | Group | Chain | Require


@dataclass(frozen=True, slots=True)
class Comment:
    """``# …`` with its place; ``text`` is without the ``#``. ``tcc: ignore`` comments silence warnings."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Skipped:
    """Text that a syntax error made the parser leave out: its place, and the words and strings in it.

    What lies in it is not known to be absent: a name that occurs here may well be declared here, an attribute given.
    """

    names: frozenset[str]
    span: Span


@dataclass(frozen=True, slots=True)
class File:
    """One parsed file: its statements that are intact, its comments in order, and what had to be left out."""

    path: str
    statements: tuple[Statement, ...]
    comments: tuple[Comment, ...] = field(default=(), compare=False)
    skipped: tuple[Skipped, ...] = field(default=(), compare=False)
