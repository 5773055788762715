"""The resolved program: every name looked up, every attribute read, every coupling stated. What the rules look at.

All values are frozen. Spans may be :class:`~.places.LoopSpan`; messages are written as if there were no loops.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..dsl.ast import Attribute, Value
from ..dsl.spans import Span
from ..runtime import kinds
from ..runtime.kinds import GroupKind, Role

if TYPE_CHECKING:
    from .world import World

EntityKind = Literal["source", "drive", "pool", "target", "host", "group", "agent"]
StatementKind = Literal["plan", "source", "drive", "pool", "target", "host", "group", "agent", "coupling"]
NodeKind = Literal["source", "drive", "selector", "buffer", "target"]

#: A text, number, size in bytes, duration in seconds, rate in bytes per second (a pair: slowest and fastest), true or
#: false, or a list of texts.
SettingValue = str | int | float | bool | tuple[str, ...] | tuple[int, int]


class Setting(NamedTuple):
    """An attribute that was read: its value in the units of the compiled plan, and its places."""

    name: str
    value: SettingValue
    span: Span
    name_span: Span
    #: the places of the items, where the value is a list of texts
    items: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """An attribute that could not be read: ``code`` is TC206 or TC207."""

    code: Literal["TC206", "TC207"]
    span: Span
    message: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """Anything that bears attributes: what it is, its name, its attributes as written and as read."""

    kind: StatementKind
    name: str
    span: Span
    attributes: tuple[Attribute, ...]
    settings: Mapping[str, Setting]
    problems: tuple[Problem, ...] = ()
    #: whether a syntax error in it may have taken something away
    lost: bool = False

    def get(self, name: str) -> Any:
        """The value of the setting *name*, or None."""
        setting = self.settings.get(name)
        return None if setting is None else setting.value

    def text(self, name: str) -> str | None:
        """A text, or None."""
        value = self.get(name)
        return value if isinstance(value, str) else None

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty where there is none."""
        value = self.get(name)
        return tuple(v for v in value if isinstance(v, str)) if isinstance(value, tuple) else ()

    def whole(self, name: str) -> int | None:
        """A whole number, a size in bytes or a rate in bytes per second, or None."""
        value = self.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def seconds(self, name: str) -> float | None:
        """A duration in seconds, or None."""
        value = self.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def mentions(self, name: str) -> bool:
        """Whether the attribute is written, readable or not."""
        return any(a.name.text == name for a in self.attributes)


class Entity(NamedTuple):
    """What bears a name in the program's one namespace."""

    kind: EntityKind
    name: str
    span: Span
    statement: Statement


class Use(NamedTuple):
    """A place where a name is used. ``wanted`` are the kinds that belong there, the first one foremost.

    ``what`` is the name as messages show it; ``found`` the kind of what bears it (None: nothing); ``suggestion`` the
    nearest declared name; ``declared`` the names of the right kind.
    """

    name: str
    span: Span
    wanted: tuple[str, ...]
    what: str
    found: str | None
    found_span: Span | None = None
    help: str = ""
    suggestion: str | None = None
    declared: tuple[str, ...] = ()
    in_chain: bool = False
    #: what stands before a buffer's name: its agent and a dot
    prefix: str = ""
    #: whether a variable bears the name, which is a host's or a pool's here
    variable: bool = False

    @property
    def fits(self) -> bool:
        """Whether what was found is of a kind that belongs there."""
        return self.found is not None and self.found in self.wanted


class Node(NamedTuple):
    """A node of the graph. A buffer and its selector have the agent's name in ``name`` and theirs in ``buffer``."""

    kind: NodeKind
    name: str
    buffer: str = ""

    def __str__(self) -> str:
        return f"{self.name}.{self.buffer}" if self.buffer else self.name


@dataclass(frozen=True, slots=True)
class Selector:
    """What a restore agent reads. ``argument`` is the source's name or the object's identifier, None for ``all``."""

    function: Literal["latest", "all", "chain", "object"]
    argument: str | None
    as_of: str | None = None
    argument_span: Span | None = field(default=None, compare=False)


class Coupling(NamedTuple):
    """``buffer <- feed``; *buffer* is a target at the end of a chain.

    ``span`` is the place of the feed, ``buffer_span`` that of the buffer; ``text`` the feed as written. ``form`` says
    where it was stated; ``statement`` holds its attributes, where it has any.
    """

    buffer: Node
    feed: Node
    text: str
    span: Span
    buffer_span: Span
    form: Literal["block", "all", "chain"]
    statement: Statement | None = None
    selector: Selector | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """A media agent. ``drive_name`` is as written, ``drive`` the same or None where that is no drive; ``arrow`` is as
    written, ``role`` what the group says.
    """

    name: str
    span: Span
    group: str
    group_kind: GroupKind
    of: str | None
    arrow: Literal["->", "<-"]
    arrow_span: Span
    drive: str | None
    drive_name: str
    drive_span: Span
    statement: Statement
    #: whether another agent already bears the name: then its couplings are left out
    again: bool = False

    @property
    def role(self) -> Role:
        """What the agent does with its drive."""
        return "read" if self.group_kind == "restore" else "write"


@dataclass(frozen=True, slots=True)
class Group:
    """A group. ``of`` is as written (None: not written); ``of_fits`` whether it names a group at all."""

    name: str
    span: Span
    kind: GroupKind
    kind_span: Span
    of: str | None
    of_span: Span | None
    of_kind: GroupKind | None
    agents: tuple[str, ...]
    #: whether a syntax error or a loop that could not be written out may have taken an agent away
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """One promise of a ``require``: metric, operator, value as written, and the sources after ``of``."""

    metric: str
    metric_span: Span
    operator: Literal[">=", "<=", "=="]
    value: Value
    of: tuple[tuple[str, Span], ...]
    #: whether names after `of` were wrong: then the promise is judged only when they are mended
    broken: bool = False


@dataclass(frozen=True, slots=True)
class ChainFault:
    """A place of a chain that holds the wrong kind of thing."""

    span: Span
    message: str
    help: str = ""
    related: tuple[tuple[str, Span], ...] = ()


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A second declaration."""

    span: Span
    message: str
    first: Span
    help: str = "give one of them another name"


@dataclass(frozen=True, slots=True)
class Model:
    """The whole program, resolved.

    ``couplings`` are in the order of the program, one for each statement of them (a coupling stated twice is there
    twice). ``statements`` hold those couplings that have attributes, or a feed that is wrong. ``buffers`` gives for
    each agent its buffers in the order of their declaration. ``lost_names`` are names that statements lost to another
    fault may declare; None: any name may be lost.
    """

    plan_name: str
    plan: Statement | None
    entities: Mapping[str, Entity]
    #: for each kind its names; a name that two kinds bear (TC202) is in both
    bearers: Mapping[EntityKind, Mapping[str, Entity]]
    statements: tuple[Statement, ...]
    groups: tuple[Group, ...]
    agents: Mapping[str, Agent]
    all_agents: tuple[Agent, ...]
    buffers: Mapping[str, tuple[str, ...]]
    couplings: tuple[Coupling, ...]
    star_cycles: tuple[tuple[tuple[str, Span], ...], ...]
    conditions: tuple[Condition, ...]
    uses: tuple[Use, ...]
    #: for the couplings whose feed is wrong, the nodes that may have been meant (None: nobody knows)
    broken_feeds: tuple[Node | None, ...]
    chain_faults: tuple[ChainFault, ...]
    duplicates: tuple[Duplicate, ...]
    folders: Mapping[str, str]
    world: World
    main_folder: str
    main_file: str
    lost: bool = False
    lost_names: frozenset[str] | None = field(default=frozenset())
    #: kinds of which a declaration without a name was left out: any name may be the one
    lost_kinds: frozenset[str] = field(default=frozenset())

    def of_kind(self, kind: EntityKind) -> list[Entity]:
        """All sources, say, in the order of their declaration."""
        return [*self.bearers.get(kind, {}).values()]

    def statement_of(self, kind: EntityKind, name: str) -> Statement | None:
        """The first statement of that kind that declares *name*."""
        entity = self.bearers.get(kind, {}).get(name)
        return entity.statement if entity is not None else None

    def may_be_lost(self, name: str) -> bool:
        """Whether what another fault took away may declare *name*, or be the attribute *name*."""
        return self.lost_names is None or name in self.lost_names

    @property
    def plan_is_lost(self) -> bool:
        """Whether a syntax error may have taken attributes of the plan: its `record` and `depth` are not known then."""
        return self.plan is not None and self.plan.lost

    @property
    def record(self) -> int:
        """Bytes of one record."""
        return (self.plan.whole("record") if self.plan else None) or kinds.RECORD_BYTES_DEFAULT

    def path_of(self, path: str, span: Span) -> str:
        """A path relative to the main file's folder, as the compiled plan holds it, from one in the file of *span*."""
        folder = self.folders.get(span.file, "")
        return path if not folder or path.startswith("/") else posixpath.join(folder, path)
