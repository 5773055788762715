"""Every place of a file where a name stands: what it names, and whether it is declared there.

Read off the syntax tree as written, loops not written out, so that each place is one of the text: what navigation and
renaming need. A name with holes (``"D${i}"``) is known by its text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ...dsl import ast
from ...dsl.spans import Span
from ...dsl.strings import HOLE, quote

#: ``entity``: what the one namespace holds; ``recorded``: a source that a selector names, known to the catalog alone.
Role = Literal["entity", "buffer", "variable", "plan", "recorded", "attribute", "metric"]

#: In these attributes a bare name is a host's or a pool's (language.md, "Lexical rules").
NAMING = frozenset({"host", "pool"})


class Key(NamedTuple):
    """What a name means: all places of one key are one thing. A buffer has its agent in *owner*, a loop's variable its
    declaration's place.
    """

    role: Role
    name: str
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One place. ``span`` is the name's token, a string's quotes included, or the name inside of a hole.

    ``kind`` is what is declared (``source``, …, ``buffer``, ``let``, ``for``), or what belongs there where it is used.
    ``block`` is the kind of statement that an attribute stands in; ``whole`` the statement that a declaration begins.
    """

    key: Key
    span: Span
    kind: str
    declares: bool = False
    quoted: bool = False
    hole: bool = False
    block: str = ""
    whole: Span | None = None


def occurrences(file: ast.File) -> tuple[Occurrence, ...]:
    """All names of a file in the order of its statements. Time grows in proportion to the tree."""
    return tuple(_Walk().statements(file.statements, {}))


def patterns(name: str) -> bool:
    """Whether a name has holes, so that it stands for many."""
    return "${" in name and HOLE.search(name) is not None


#: loop variables in sight, each with the key of its declaration
_Loops = Mapping[str, Key]


class _Walk:
    """Yields the occurrences of each part of a tree, with the loop variables in sight."""

    def statements(
        self,
        items: Iterable[ast.Statement | ast.AgentDeclaration | ast.AgentItem],
        loops: _Loops,
        kind: str = "",
        agent: ast.Name | None = None,
    ) -> Iterator[Occurrence]:
        """The statements of a file or loop, the agents of a group of *kind*, or the items of *agent*."""
        for item in items:
            match item:
                case ast.For():
                    yield from self.loop(item, loops, kind, agent)
                case ast.Coupling() | ast.CoupleAll():
                    assert agent is not None
                    yield from self.coupling(item, loops, kind, agent)
                case ast.Attribute():
                    yield from self.attribute(item, loops, "agent")
                case ast.AgentDeclaration():
                    yield from self.name(item.name, loops, "agent", whole=item.span)
                    yield from self.name(item.drive, loops, "drive")
                    yield from self.statements(item.body, loops, kind, item.name)
                case ast.Group():
                    yield from self.name(item.name, loops, "group", whole=item.span)
                    if item.of is not None:
                        yield from self.name(item.of, loops, "group")
                    yield from self.statements(item.body, loops, item.kind)
                case ast.Declaration():
                    yield from self.name(item.name, loops, item.kind, whole=item.span)
                    yield from self.attributes(item.attributes, loops, item.kind)
                case ast.Plan():
                    yield from self.name(item.name, loops, "plan", role="plan", whole=item.span)
                    yield from self.attributes(item.attributes, loops, "plan")
                case ast.Let() | ast.Param():
                    word = "let" if isinstance(item, ast.Let) else "param"
                    yield _declared(item.name, Key("variable", item.name.text), word, item.span)
                    yield from self.value(item.value, loops)
                case ast.Include():
                    yield from self.value(item.path, loops)
                case ast.Chain():
                    for i, place in enumerate(item.places):
                        yield from self.endpoint(place, loops, "source" if i == 0 else "target")
                case ast.Require():
                    yield from self.require(item, loops)

    def loop(self, loop: ast.For, loops: _Loops, kind: str, agent: ast.Name | None) -> Iterator[Occurrence]:
        """A ``for``: its values see the variables outside, its body the loop's own too."""
        span = loop.variable.span
        key = Key("variable", loop.variable.text, f"{span.file}:{span.line}:{span.column}")
        yield _declared(loop.variable, key, "for", loop.span)
        yield from self.value(loop.values, loops)
        yield from self.statements(loop.body, {**loops, loop.variable.text: key}, kind, agent)

    def coupling(
        self, item: ast.Coupling | ast.CoupleAll, loops: _Loops, kind: str, agent: ast.Name
    ) -> Iterator[Occurrence]:
        """``BUFFER <- FEED`` or ``* <- AGENT`` inside of *agent*."""
        if isinstance(item, ast.CoupleAll):
            yield from self.name(item.agent, loops, "agent")
        else:
            yield from self.buffer(item.buffer, agent, loops, whole=item.span)
            if isinstance(item.feed, ast.Endpoint):
                if kind == "restore" and item.feed.buffer is None:
                    yield from self.name(item.feed.name, loops, "source", role="recorded")
                else:
                    yield from self.endpoint(item.feed, loops, "source")
            elif item.feed.argument is not None:
                role: Role = "plan" if item.feed.function == "object" else "recorded"
                if role == "recorded":
                    yield from self.name(item.feed.argument, loops, "source", role=role)
        yield from self.attributes(item.attributes, loops, "coupling")

    def endpoint(self, endpoint: ast.Endpoint, loops: _Loops, kind: str) -> Iterator[Occurrence]:
        """``NAME`` of what belongs there, or ``AGENT.BUFFER``."""
        if endpoint.buffer is None:
            yield from self.name(endpoint.name, loops, kind)
            return
        yield from self.name(endpoint.name, loops, "agent")
        yield from self.buffer(endpoint.buffer, endpoint.name, loops)

    def require(self, require: ast.Require, loops: _Loops) -> Iterator[Occurrence]:
        """The metrics, the values, and the sources after ``of``."""
        for condition in require.conditions:
            yield Occurrence(Key("metric", condition.metric.text), condition.metric.span, "metric")
            yield from self.value(condition.value, loops)
        for name in require.of:
            yield from self.name(name, loops, "source")

    def name(
        self, name: ast.Name, loops: _Loops, kind: str, *, role: Role = "entity", whole: Span | None = None
    ) -> Iterator[Occurrence]:
        """A name, declared where *whole* is given; and the variables in its holes."""
        yield Occurrence(Key(role, name.text), name.span, kind, whole is not None, name.quoted, whole=whole)
        yield from self.holes(name, loops)

    def buffer(self, name: ast.Name, agent: ast.Name, loops: _Loops, whole: Span | None = None) -> Iterator[Occurrence]:
        """A buffer of *agent*."""
        key = Key("buffer", name.text, agent.text)
        yield Occurrence(key, name.span, "buffer", whole is not None, name.quoted, whole=whole)
        yield from self.holes(name, loops)

    def holes(self, name: ast.Name, loops: _Loops) -> Iterator[Occurrence]:
        """The variables in a quoted name. Their places are known where the string has no escapes."""
        if not name.quoted or "${" not in name.text or len(quote(name.text)) != len(name.text) + 2:
            return
        for hole in HOLE.finditer(name.text):
            column = name.span.column + 1 + hole.start(1)
            span = name.span._replace(column=column, end_column=column + len(hole[1]))
            yield Occurrence(loops.get(hole[1], Key("variable", hole[1])), span, "variable", hole=True)

    def attributes(self, attributes: Iterable[ast.Attribute], loops: _Loops, block: str) -> Iterator[Occurrence]:
        """All attributes of a statement."""
        for attribute in attributes:
            yield from self.attribute(attribute, loops, block)

    def attribute(self, attribute: ast.Attribute, loops: _Loops, block: str) -> Iterator[Occurrence]:
        """Its name, and the names in its value."""
        name, value = attribute.name, attribute.value
        yield Occurrence(Key("attribute", name.text), name.span, "attribute", block=block)
        if name.text in NAMING and isinstance(value, ast.Reference):
            yield Occurrence(Key("entity", value.name.text), value.span, name.text)
        elif name.text in NAMING and isinstance(value, ast.String):
            text = "".join(part if isinstance(part, str) else f"${{{part.name}}}" for part in value.parts)
            yield Occurrence(Key("entity", text), value.span, name.text, quoted=True)
            yield from self.value(value, loops)
        else:
            yield from self.value(value, loops)

    def value(self, value: ast.Value, loops: _Loops) -> Iterator[Occurrence]:
        """The variables that a value names."""
        match value:
            case ast.Reference(name):
                yield Occurrence(loops.get(name.text, Key("variable", name.text)), value.span, "variable")
            case ast.String(parts):
                for part in parts:
                    if isinstance(part, ast.Hole):
                        span = part.span._replace(column=part.span.column + 2, end_column=part.span.end_column - 1)
                        key = loops.get(part.name, Key("variable", part.name))
                        yield Occurrence(key, span, "variable", hole=True)
            case ast.ListValue(items):
                for item in items:
                    yield from self.value(item, loops)
            case ast.Range(low, high):
                yield from self.value(low, loops)
                yield from self.value(high, loops)


def _declared(name: ast.Name, key: Key, kind: str, whole: Span) -> Occurrence:
    return Occurrence(key, name.span, kind, True, name.quoted, whole=whole)
