"""Couple: blocks, ``* <- AGENT`` and chains to one list of couplings, and for each agent its buffers in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ..dsl import ast
from ..dsl.spans import Span
from . import attributes
from .chains import places
from .expand import Expanded
from .model import Agent, ChainFault, Coupling, Duplicate, Node, Problem, Selector, Statement
from .names import as_written, quoted
from .uses import Names

#: What a named tuple's own way to make it calls: a program has more couplings and nodes than anything else.
_NEW: Callable[..., Any] = tuple.__new__


@dataclass(frozen=True, slots=True)
class Couplings:
    """What :func:`couple` finds, named as in :class:`~.model.Model`; ``recorded`` are sources that selectors name."""

    couplings: tuple[Coupling, ...]
    buffers: Mapping[str, tuple[str, ...]]
    star_cycles: tuple[tuple[tuple[str, Span], ...], ...]
    broken_feeds: tuple[Node | None, ...]
    chain_faults: tuple[ChainFault, ...]
    statements: tuple[Statement, ...]
    duplicates: tuple[Duplicate, ...]
    recorded: frozenset[str]


@dataclass(frozen=True, slots=True)
class _All:
    """``* <- AGENT``, before it is known which buffers AGENT has."""

    agent: str
    feed: str
    span: Span
    star_span: Span
    statement: Statement | None


def couple(statements: Iterable[Expanded], agents: Sequence[Agent], names: Names) -> Couplings:
    """All couplings of the program in its order; uses of names that nothing bears are remembered in *names*."""
    coupler = _Coupler(names, {a.name: a for a in agents if not a.again})
    remaining = iter(agents)
    for statement in statements:
        if isinstance(statement, ast.Group):
            for declaration in statement.body:
                assert isinstance(declaration, ast.AgentDeclaration)
                coupler.agent(declaration, next(remaining))
        elif isinstance(statement, ast.Chain):
            coupler.chain(statement)
    return coupler.finish()


@dataclass(slots=True)
class _Coupler:
    names: Names
    agents: Mapping[str, Agent]
    #: couplings and stars in the order of the program
    stated: list[Coupling | _All] = field(default_factory=list)
    #: for each agent its buffers (text) and stars in order
    items: dict[str, list[str | _All]] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    faults: list[ChainFault] = field(default_factory=list)
    broken: list[Node | None] = field(default_factory=list)
    recorded: set[str] = field(default_factory=set)
    #: agents with a `* <- …` of which nobody knows what it means: they have a buffer `*` in its place
    unclear: set[str] = field(default_factory=set)
    #: buffers at the head of a chain, to be looked up when all are known
    heads: list[tuple[Node, Span]] = field(default_factory=list)
    #: the place of `A124.B2` -> that of `B2` in it
    ends: dict[Span, Span] = field(default_factory=dict)

    # ------------------------------------------------------------ blocks

    def agent(self, declaration: ast.AgentDeclaration, agent: Agent) -> None:
        """The couplings inside an agent's braces."""
        for item in declaration.body:
            if isinstance(item, ast.Coupling):
                statement = self._attributes(item.buffer.text, item.buffer.span, item.attributes)
                if agent.again:
                    continue
                self._declare(agent.name, item.buffer.text)
                coupling = self._coupling(agent, item, statement)
                if coupling is not None:
                    self.stated.append(coupling)
                elif statement is None:
                    self._bare(item.buffer.text, item.buffer.span)
            elif isinstance(item, ast.CoupleAll):
                statement = self._attributes("*", item.span, item.attributes)
                if not agent.again:
                    self._all(agent, item, statement)

    def _attributes(self, name: str, span: Span, written: tuple[ast.Attribute, ...]) -> Statement | None:
        """The statement that a coupling is, where it says more than who feeds whom."""
        if not written and name.strip():
            return None
        settings, problems = attributes.read("coupling", written)
        if not name.strip():
            problems = (*problems, Problem("TC207", span, "the name of a buffer must not be empty"))
        statement = Statement("coupling", name, span, written, settings, problems)
        self.statements.append(statement)
        self.duplicates += attributes.repeated(written)
        return statement

    def _bare(self, name: str, span: Span) -> None:
        """Remember the place of a coupling that has no attributes, and no place among the couplings."""
        self.statements.append(Statement("coupling", name, span, (), {}))

    def _declare(self, agent: str, buffer: str) -> None:
        self.items.setdefault(agent, []).append(buffer)

    def _coupling(self, agent: Agent, item: ast.Coupling, statement: Statement | None) -> Coupling | None:
        buffer = _NEW(Node, ("buffer", agent.name, item.buffer.text))
        if agent.group_kind == "restore":
            return self._restore(buffer, item, statement)
        feed = item.feed
        wanted = ("source",) if agent.group_kind == "backup" else ("buffer",)
        if isinstance(feed, ast.Selector):
            self.names.misuse(_selector_text(feed), "selector", feed.span, wanted, "selectors belong to restore agents")
            self.broken.append(None)
            return None
        node = self._source(feed, wanted) if agent.group_kind == "backup" else self._buffer(feed, wanted)
        if node is None:
            return None
        coupling: Coupling = _NEW(
            Coupling, (buffer, node, _text_of(feed), feed.span, item.buffer.span, "block", statement, None)
        )
        return coupling

    def _meant(self, nodes: list[Node]) -> None:
        """Remember that a feed is wrong, and what it may have been meant to be: what is said of those is not sure."""
        self.broken += nodes or [None]

    def _source(self, feed: ast.Endpoint, wanted: tuple[str, ...]) -> Node | None:
        name = feed.name.text
        if feed.buffer is not None:
            if self.names.declared.get(name):
                help = "buffers of other agents feed mirror groups: `mirror group … of …`"
                self.names.misuse(_text_of(feed), "buffer", feed.span, wanted, help)
            else:
                self.names.use(name, feed.name.span, wanted)
            self.broken.append(None)
            return None
        if self.names.fits(name, "source"):
            return _NEW(Node, ("source", name, ""))  # type: ignore[no-any-return]
        use = self.names.use(name, feed.span, wanted)
        others = self.names.near(use)
        self._meant([Node("source", other) for other in others])
        return None

    def _buffer(self, feed: ast.Endpoint, wanted: tuple[str, ...]) -> Node | None:
        name = feed.name.text
        if feed.buffer is not None:
            if self.names.fits(name, "agent"):
                self.ends[feed.span] = feed.buffer.span
                return _NEW(Node, ("buffer", name, feed.buffer.text))  # type: ignore[no-any-return]
            use = self.names.use(name, feed.name.span, ("agent",))
            others = self.names.near(use)
            self._meant([Node("buffer", other, feed.buffer.text) for other in others])
            return None
        self.broken.append(None)
        if self.names.find(name, ("agent",)) is not None:
            help = (
                f"name one of its buffers, `{as_written(name)}.B1`, or write `* <- {as_written(name)}` for all of them"
            )
            self.names.use(name, feed.span, wanted, help=help)
        else:
            candidates = tuple(self.names.of_kinds(("agent",)))
            help = "a mirror is fed by the buffers of the group named by `of`: `AGENT.BUFFER`"
            self.names.use(name, feed.span, wanted, candidates=candidates, help=help)
        return None

    def _restore(self, buffer: Node, item: ast.Coupling, statement: Statement | None) -> Coupling | None:
        feed = item.feed
        as_of = statement.text("as_of") if statement is not None else None
        if isinstance(feed, ast.Selector):
            argument = feed.argument
            selector = (
                Selector(feed.function, None, as_of)
                if argument is None
                else Selector(feed.function, argument.text, as_of, argument.span)
            )
        elif feed.buffer is None:
            selector = Selector("latest", feed.name.text, as_of, feed.name.span)
        else:
            help = (
                "a restore agent reads its drive: name the recorded source, or latest(…), all(…), chain(…), object(…)"
            )
            self.names.misuse(_text_of(feed), "buffer", feed.span, ("selector",), help)
            self.broken.append(None)
            return None
        if selector.argument is not None and selector.function != "object":
            self.recorded.add(selector.argument)
        text = _text_of(feed) if isinstance(feed, ast.Endpoint) else _selector_text(feed)
        node = Node("selector", buffer.name, buffer.buffer)
        return Coupling(buffer, node, text, feed.span, item.buffer.span, "block", statement, selector)

    def _all(self, agent: Agent, item: ast.CoupleAll, statement: Statement | None) -> None:
        if agent.group_kind in {"backup", "restore"}:
            wanted = ("source",) if agent.group_kind == "backup" else ("selector",)
            help = "`* <- AGENT` couples the buffers of another agent: it belongs in a mirror or copy group"
            use = self.names.use(item.agent.text, item.agent.span, wanted, help=help)
            if use.fits:
                # A source has no buffers: the star is what is wrong, and the name the place that shows it.
                self.names.uses.pop()
                self.names.misuse(f"* <- {as_written(item.agent.text)}", "star", item.agent.span, wanted, help)
            self._stand_in(agent.name)
            return
        use = self.names.use(item.agent.text, item.agent.span, ("agent",))
        if use.fits:
            star = _All(agent.name, item.agent.text, item.agent.span, item.span, statement)
            self.items.setdefault(agent.name, []).append(star)
            self.stated.append(star)
        else:
            self._stand_in(agent.name)

    def _stand_in(self, agent: str) -> None:
        """A buffer in the place of those that a faulty star may have meant."""
        self.broken.append(None)
        self.unclear.add(agent)
        self._declare(agent, "*")

    # ------------------------------------------------------------ chains

    def chain(self, chain: ast.Chain) -> None:
        """The couplings that a chain shows."""
        before: Node | None = None
        for i, (endpoint, node, selector) in enumerate(places(chain, self.names, self.agents, self.faults)):
            if endpoint.buffer is not None:
                self.ends[endpoint.span] = endpoint.buffer.span
            if node is not None and node.kind == "buffer" and i > 0:
                self._declare(node.name, node.buffer)
            if i == 0 and node is not None and node.kind == "buffer":
                self.heads.append((node, endpoint.span))
            if i > 0 and (before is None or node is None):
                self.broken.append(None)
            elif i > 0 and before is not None and node is not None:
                previous = chain.places[i - 1]
                if selector is not None:
                    self.recorded.add(previous.name.text)
                    before = Node("selector", node.name, node.buffer)
                self.stated.append(
                    Coupling(node, before, _text_of(previous), previous.span, endpoint.span, "chain", None, selector)
                )
            before = node

    # ------------------------------------------------------------ all of it

    def finish(self) -> Couplings:
        """Give the stars their buffers, then look up every buffer that feeds another."""
        buffers, cycles = self._expand_stars()
        known = {agent: frozenset(own) for agent, own in buffers.items()}
        couplings: list[Coupling] = []
        reported: set[tuple[Node, Span]] = set()
        circular = {span for hops in cycles for _, span in hops}
        for stated in self.stated:
            if isinstance(stated, _All) and (stated.span in circular or stated.feed in self.unclear):
                self.broken.append(None)  # the circle, or the star there, is what is said
            elif isinstance(stated, _All):
                couplings += (
                    Coupling(
                        Node("buffer", stated.agent, name),
                        Node("buffer", stated.feed, name),
                        f"{as_written(stated.feed)}.{as_written(name)}",
                        stated.span,
                        stated.span,
                        "all",
                        stated.statement,
                    )
                    for name in buffers.get(stated.feed, ())
                )
            elif stated.feed.kind != "buffer" or stated.feed.buffer in known.get(stated.feed.name, ()):
                couplings.append(stated)
            else:
                if stated.statement is None:
                    self._bare(stated.buffer.buffer, stated.buffer_span)
                self._unknown_buffer(stated.feed, stated.span, buffers, reported)
        for node, span in self.heads:
            if node.buffer not in known.get(node.name, ()):
                self._unknown_buffer(node, span, buffers, reported)
        return Couplings(
            couplings=tuple(couplings),
            buffers=buffers,
            star_cycles=cycles,
            broken_feeds=tuple(self.broken),
            chain_faults=tuple(self.faults),
            statements=tuple(self.statements),
            duplicates=(*self.duplicates, *_same_text(buffers, self.agents)),
            recorded=frozenset(self.recorded),
        )

    def _unknown_buffer(
        self, node: Node, span: Span, buffers: Mapping[str, tuple[str, ...]], reported: set[tuple[Node, Span]]
    ) -> None:
        if (node, span) in reported:
            return
        reported.add((node, span))
        if node.name in self.unclear:
            self.broken.append(None)
            return
        own = buffers.get(node.name, ())
        self.names.unknown_buffer(node.name, node.buffer, self.ends.get(span, span), own)
        self._meant([Node("buffer", node.name, other) for other in own])

    def _expand_stars(self) -> tuple[dict[str, tuple[str, ...]], tuple[tuple[tuple[str, Span], ...], ...]]:
        """Each agent's buffers in order. Depth first on a stack of our own: a program may have any number of stages."""
        done: dict[str, tuple[str, ...]] = {}
        cycles: list[tuple[tuple[str, Span], ...]] = []
        for start in self.agents:
            path: list[str] = [start]
            on_path: dict[str, None] = {start: None}
            while path:
                agent = path[-1]
                stars = [item for item in self.items.get(agent, ()) if isinstance(item, _All)]
                pending = next((s for s in stars if s.feed not in done and s.feed not in on_path), None)
                if agent not in done and pending is not None:
                    path.append(pending.feed)
                    on_path[pending.feed] = None
                    continue
                if agent not in done:
                    for star in stars:
                        if star.feed in on_path and star.feed not in done:
                            cycles.append(self._star_cycle(path[path.index(star.feed) :], star))
                    done[agent] = self._ordered(agent, done)
                path.pop()
                on_path.pop(agent, None)
        return {agent: done[agent] for agent in self.agents}, tuple(cycles)

    def _star_cycle(self, path: Sequence[str], last: _All) -> tuple[tuple[str, Span], ...]:
        hops = []
        for agent, feed in pairwise(path):
            star = next(s for s in self.items[agent] if isinstance(s, _All) and s.feed == feed)
            hops.append((f"{as_written(agent)} takes every buffer of {as_written(feed)}", star.span))
        hops.append((f"{as_written(last.agent)} takes every buffer of {as_written(last.feed)}", last.span))
        return tuple(hops)

    def _ordered(self, agent: str, done: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for item in self.items.get(agent, ()):
            if isinstance(item, str):
                names[item] = None
            else:
                own = (i for i in self.items.get(item.feed, ()) if isinstance(i, str))
                names.update(dict.fromkeys(done.get(item.feed, tuple(own))))
        return tuple(names)


def _same_text(buffers: Mapping[str, tuple[str, ...]], agents: Mapping[str, Agent]) -> list[Duplicate]:
    """Buffers that a compiled plan could not tell apart: agent ``a.b`` with ``c``, and agent ``a`` with ``b.c``."""
    if not any("." in agent for agent in buffers):
        return []
    first: dict[str, str] = {}
    found = []
    for agent, own in buffers.items():
        for buffer in own:
            text = f"{agent}.{buffer}"
            if first.setdefault(text, agent) != agent:
                message = f"the compiled plan would call two buffers {quoted(text)}"
                found.append(Duplicate(agents[agent].span, message, agents[first[text]].span))
    return found


def _text_of(endpoint: ast.Endpoint) -> str:
    """A feed as a plan writes it; ``D4`` alone is the name itself in the compiled plan, quoted where it must be."""
    name = as_written(endpoint.name.text)
    buffer = endpoint.buffer
    return name if buffer is None else f"{name}.{as_written(buffer.text)}"


def _selector_text(selector: ast.Selector) -> str:
    if selector.argument is None:
        return selector.function
    argument = selector.argument.text
    shown = quoted(argument) if selector.function == "object" else as_written(argument)
    return f"{selector.function}({shown})"
