"""Expand: a program without ``for``, ``let``, ``param`` and ``${…}``; what they stood for is written out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ..dsl import twins
from ..dsl.ast import (
    AgentDeclaration,
    AgentItem,
    Attribute,
    Chain,
    Condition,
    CoupleAll,
    Coupling,
    Declaration,
    Endpoint,
    Feed,
    For,
    Group,
    Let,
    Name,
    Param,
    Plan,
    Reference,
    Require,
    Selector,
)
from ..dsl.diagnostics import Diagnostic
from .load import Program
from .loops import iterations
from .places import in_iteration
from .rules import out_of_range
from .rules.declared_twice import in_a_loop
from .tree import is_broken
from .values import Scope, evaluate, evaluate_name

#: A program of more statements than this, loops written out, is refused before it is written out.
STATEMENTS_MAX = 1_000_000

#: In these attributes a bare name is the name of a host or pool, not a variable (language.md, "Lexical rules").
NAME_ATTRIBUTES = frozenset({"host", "pool"})

Expanded = Plan | Declaration | Group | Chain | Require


@dataclass(frozen=True, slots=True)
class Expansion:
    """The statements written out. ``lost`` says that some could not be: a name with a hole that nothing fills.

    ``variables`` are the names of all ``let``, ``param`` and ``for`` variables.
    """

    statements: tuple[Expanded, ...]
    diagnostics: tuple[Diagnostic, ...]
    lost: bool
    variables: frozenset[str] = frozenset()


def expand(program: Program, *, limit: int = STATEMENTS_MAX) -> Expansion:
    """Write out the loops and variables of *program*; at most *limit* statements (couplings and attributes count)."""
    expander = _Expander(limit)
    scope = Scope(program.variables, expander.found)
    for name, value in program.variables.items():
        # Also a variable that nothing uses is looked at: its fault would show up when somebody does.
        if name not in scope.known:
            scope.pending.append(name)
            result = evaluate(value, scope)
            scope.pending.pop()
            scope.known[name] = None if is_broken(result) else result
    known = len(scope.found)
    try:
        statements = tuple(expander.statements(program.statements, scope))
    except _TooMany as too_many:
        # Of what is outside of loops the faults are said all the same.
        expander = _Expander(limit, [*scope.found[:known], too_many.diagnostic], lost=True, without_loops=True)
        outside = Scope(program.variables, expander.found, known=scope.known)
        statements = tuple(expander.statements(program.statements, outside))
    variables = frozenset(program.variables) | expander.loop_variables
    return Expansion(statements, tuple(expander.found), expander.lost, variables)


class _TooMany(Exception):
    """The loops make more statements than a program may have: it is not written out."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


@dataclass(slots=True)
class _Expander:
    limit: int
    found: list[Diagnostic] = field(default_factory=list)
    lost: bool = False
    count: int = 0
    without_loops: bool = False
    loop_variables: set[str] = field(default_factory=set)

    def statements(self, statements: Iterable[Any], scope: Scope) -> Iterator[Expanded]:
        for statement in statements:
            if isinstance(statement, For):
                for body, inside in self._each(statement, scope):
                    yield from self.statements(body, inside)
                continue
            self.count += 1
            if isinstance(statement, Let | Param):
                # Loops hold no variables of the program: their one scope would see one value an iteration.
                self.found.append(in_a_loop(statement.name))
            elif isinstance(statement, Declaration | Plan):
                yield from self._declaration(statement, scope)
            elif isinstance(statement, Group):
                yield from self._group(statement, scope)
            elif isinstance(statement, Chain):
                yield from self._chain(statement, scope)
            elif isinstance(statement, Require):
                yield from self._require(statement, scope)

    def _each(self, loop: For, scope: Scope) -> Iterator[tuple[Iterable[Any], Scope]]:
        """The body with its scope, once for each iteration; nothing when that would be more than the limit."""
        self.loop_variables.add(loop.variable.text)
        values = iterations(evaluate(loop.values, scope), self.found)
        if values is None:
            self.lost = True
        if values is None or self.without_loops:
            return
        total = self.count + values.count * _weight(loop.body, scope)
        if total > self.limit:
            raise _TooMany(out_of_range.too_many(total, self.limit, in_iteration(loop.values.span, scope.iteration)))
        for value in values:
            self.count += 1
            if self.count > self.limit:
                raise _TooMany(out_of_range.too_many(self.count, self.limit, loop.values.span))
            yield loop.body, scope.inside(loop.variable.text, value)

    def _declaration(self, statement: Declaration | Plan, scope: Scope) -> Iterator[Expanded]:
        name = self._name(statement.name, scope)
        attributes = self._attributes(statement.attributes, scope)
        if name is statement.name and attributes is statement.attributes and not scope.iteration:
            yield statement
        elif name is not None:
            span = in_iteration(statement.span, scope.iteration)
            yield replace(statement, name=name, attributes=attributes, span=span)

    def _group(self, group: Group, scope: Scope) -> Iterator[Expanded]:
        name = self._name(group.name, scope)
        of = self._name(group.of, scope) if group.of is not None else None
        body = tuple(self._agents(group.body, scope))
        if name is not None and (of is not None or group.of is None):
            span = in_iteration(group.span, scope.iteration)
            kind_span = in_iteration(group.kind_span, scope.iteration)
            yield replace(group, name=name, of=of, body=body, span=span, kind_span=kind_span)

    def _agents(self, items: Iterable[Any], scope: Scope) -> Iterator[AgentDeclaration]:
        for item in items:
            if isinstance(item, For):
                for body, inside in self._each(item, scope):
                    yield from self._agents(body, inside)
                continue
            assert isinstance(item, AgentDeclaration)
            self.count += 1
            name = self._name(item.name, scope)
            drive = self._name(item.drive, scope)
            body = tuple(self._agent_items(item.body, scope))
            if name is not None and drive is not None:
                yield replace(
                    item,
                    name=name,
                    drive=drive,
                    body=body,
                    span=in_iteration(item.span, scope.iteration),
                    arrow_span=in_iteration(item.arrow_span, scope.iteration),
                )

    def _agent_items(self, items: Iterable[Any], scope: Scope) -> Iterator[AgentItem]:
        for item in items:
            if isinstance(item, For):
                for body, inside in self._each(item, scope):
                    yield from self._agent_items(body, inside)
                continue
            self.count += 1
            if type(item) is Coupling and not item.attributes and not scope.iteration and _says_it_all(item):
                yield item
                continue
            span = in_iteration(item.span, scope.iteration)
            if isinstance(item, Attribute):
                yield from self._attributes((item,), scope)
            elif isinstance(item, CoupleAll):
                agent = self._name(item.agent, scope)
                attributes = self._attributes(item.attributes, scope)
                if agent is not None:
                    yield CoupleAll(agent, attributes, span)
            elif isinstance(item, Coupling):
                buffer = self._name(item.buffer, scope)
                feed = self._feed(item.feed, scope)
                attributes = self._attributes(item.attributes, scope)
                if buffer is not None and feed is not None:
                    yield twins.Coupling(buffer, feed, attributes, span)

    def _feed(self, feed: Feed, scope: Scope) -> Feed | None:
        if isinstance(feed, Endpoint):
            return self._endpoint(feed, scope)
        span = in_iteration(feed.span, scope.iteration)
        if feed.argument is None:
            return replace(feed, span=span)
        argument = self._name(feed.argument, scope)
        return None if argument is None else Selector(feed.function, argument, span)

    def _endpoint(self, endpoint: Endpoint, scope: Scope) -> Endpoint | None:
        name = self._name(endpoint.name, scope)
        buffer = self._name(endpoint.buffer, scope) if endpoint.buffer is not None else None
        if name is None or (buffer is None and endpoint.buffer is not None):
            return None
        return twins.Endpoint(name, buffer, in_iteration(endpoint.span, scope.iteration))

    def _chain(self, chain: Chain, scope: Scope) -> Iterator[Expanded]:
        places = [self._endpoint(place, scope) for place in chain.places]
        intact = tuple(place for place in places if place is not None)
        if len(intact) == len(places):
            yield Chain(intact, in_iteration(chain.span, scope.iteration))

    def _require(self, require: Require, scope: Scope) -> Iterator[Expanded]:
        names = [self._name(name, scope) for name in require.of]
        conditions = tuple(
            Condition(
                replace(c.metric, span=in_iteration(c.metric.span, scope.iteration)),
                c.operator,
                evaluate(c.value, scope),
                in_iteration(c.span, scope.iteration),
            )
            for c in require.conditions
        )
        intact = tuple(name for name in names if name is not None)
        if len(intact) == len(names):
            yield Require(conditions, intact, in_iteration(require.span, scope.iteration))

    def _attributes(self, attributes: tuple[Attribute, ...], scope: Scope) -> tuple[Attribute, ...]:
        if not scope.iteration and not attributes:
            return ()
        out = []
        changed = bool(scope.iteration)
        for attribute in attributes:
            self.count += 1
            name, value = attribute.name, attribute.value
            if isinstance(value, Reference) and name.text in NAME_ATTRIBUTES:
                if scope.iteration:
                    value = Reference(value.name, in_iteration(value.span, scope.iteration))
            else:
                value = evaluate(value, scope)
            if scope.iteration:
                name = twins.Name(name.text, in_iteration(name.span, scope.iteration), name.quoted)
                out.append(twins.Attribute(name, value, in_iteration(attribute.span, scope.iteration)))
            elif value is attribute.value:
                out.append(attribute)
            else:
                changed = True
                out.append(twins.Attribute(name, value, attribute.span))
        return tuple(out) if changed else attributes

    def _name(self, name: Name, scope: Scope) -> Name | None:
        evaluated = evaluate_name(name, scope)
        if evaluated is None:
            self.lost = True
        return evaluated


def _says_it_all(coupling: Coupling) -> bool:
    """Whether no name in it has anything to be filled in."""
    feed = coupling.feed
    if coupling.buffer.quoted or not isinstance(feed, Endpoint) or feed.name.quoted:
        return False
    return feed.buffer is None or not feed.buffer.quoted


def _weight(body: Iterable[Any], scope: Scope) -> int:
    """At least how many statements one iteration of *body* makes; an inner loop over an outer variable counts once."""
    total = 0
    for item in body:
        if isinstance(item, For):
            quiet = Scope(scope.globals, [], scope.loop, "", scope.known)
            values = iterations(evaluate(item.values, quiet), [])
            total += (values.count if values is not None else 1) * _weight(item.body, scope)
        else:
            total += 1 + len(getattr(item, "attributes", ())) + _weight(getattr(item, "body", ()), scope)
    return max(total, 1)
