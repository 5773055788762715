"""Where in a plan's text the parts of its picture are: a place for each part, and the parts at a place."""

from __future__ import annotations

import bisect
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...dsl.ast import Attribute
from ...dsl.spans import Span
from ..graph import Graph
from ..model import Node, Statement
from ..places import LoopSpan, plain
from .picture import PartKey

#: Statements whose parts are drawn.
_DRAWN = frozenset({"source", "drive", "target", "host", "group", "agent"})


@dataclass(slots=True)
class Whereabouts:
    """``declared``: the place of each part's name. Look parts up with :meth:`at`."""

    declared: dict[PartKey, Span] = field(default_factory=dict)
    #: the parts whose names, values and attributes begin at a place, each with the iteration of its ``for``
    exact: dict[Span, list[tuple[str, PartKey]]] = field(default_factory=dict)
    #: whole attributes by file, to find what lies inside them
    wide: dict[str, list[tuple[Span, str, PartKey]]] = field(default_factory=dict)
    #: where agents begin, by file: line, column, iteration, name
    agents: dict[str, list[tuple[int, int, str, str]]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    def at(self, span: Span, said: str = "") -> list[PartKey]:
        """The parts that are at *span*. Of the iterations of a ``for``, those that the message *said* names."""
        found = _meant(self.exact.get(plain(span), []), said)
        if not found:
            around = [entry for entry in self.wide.get(span.file, ()) if _inside(span, entry[0])]
            nearest = max(((p.line, p.column) for p, _, _ in around), default=None)
            found = _meant([(i, key) for p, i, key in around if (p.line, p.column) == nearest], said)
        if not found:
            found = _meant(self._block_around(span), said)
        return list(dict.fromkeys(key for _, key in found))

    def _block_around(self, span: Span) -> list[tuple[str, PartKey]]:
        """The agents in whose braces *span* is: a coupling whose feed is wrong is no coupling of the model."""
        before = self.agents.get(span.file, [])
        at = bisect.bisect_right(before, (span.line, span.column, "\uffff", ""))
        text = self.texts.get(span.file)
        if at == 0 or text is None:
            return []
        line, column = before[at - 1][:2]
        lines = text.split("\n")[line - 1 : span.line]
        lines[-1] = lines[-1][: span.column - 1]
        depth = 0
        for mark in _MARKS.finditer("\n".join(lines), column - 1):
            depth += {"{": 1, "}": -1}.get(mark[0], 0)
            if mark[0] == "}" and depth <= 0:
                return []
        first = bisect.bisect_left(before, (line, column, "", ""))
        return [(i, ("agent", name)) for _, _, i, name in before[first:at]] if depth > 0 else []

    def add(self, span: Span | None, key: PartKey) -> None:
        """*key* is at *span*."""
        if span is not None:
            iteration = span.iteration if isinstance(span, LoopSpan) else ""
            self.exact.setdefault(plain(span), []).append((iteration, key))

    def add_wide(self, span: Span, key: PartKey) -> None:
        """*key* is wherever is inside *span*."""
        iteration = span.iteration if isinstance(span, LoopSpan) else ""
        self.wide.setdefault(span.file, []).append((plain(span), iteration, key))


#: Braces, and what hides them.
_MARKS = re.compile(r'"(?:\\.|[^"\\\n])*"|#[^\n]*|[{}]')


def _meant(found: list[tuple[str, PartKey]], said: str) -> list[tuple[str, PartKey]]:
    """Those of *found* whose iteration the message *said* names, where it names any."""
    # compiler.places.report: "(in the iteration i = 3)", "(in the iteration i = 3, and 99 more)"
    if "(in the iteration " not in said:
        return found
    iterations = {iteration for iteration, _ in found}
    if f", and {len(iterations) - 1} more)" in said:
        return found
    named = {i for i in iterations if f"(in the iteration {i})" in said or f"(in the iteration {i}, and " in said}
    return [(i, key) for i, key in found if i in named]


def _inside(span: Span, place: Span) -> bool:
    start, end = (place.line, place.column), (place.end_line, place.end_column)
    return start <= (span.line, span.column) and (span.end_line, span.end_column) <= end


def whereabouts_of(graph: Graph, texts: Mapping[str, str]) -> Whereabouts:
    """Every place of *graph*'s program, whose *texts* are given by file, that belongs to one part of its picture."""
    model, out = graph.model, Whereabouts(texts=texts)
    for entity in model.entities.values():
        if entity.kind in _DRAWN:
            key: PartKey = (entity.kind, entity.name)
            out.declared[key] = entity.span
            _add_statement(out, entity.statement, key)
    for agent in model.all_agents:
        key = ("agent", agent.name)
        for place in (agent.span, agent.drive_span, agent.arrow_span):
            out.add(place, key)
        iteration = agent.span.iteration if isinstance(agent.span, LoopSpan) else ""
        begins = (agent.span.line, agent.span.column, iteration, agent.name)
        out.agents.setdefault(agent.span.file, []).append(begins)
    for group in model.groups:
        for span in (group.span, group.kind_span, group.of_span):
            out.add(span, ("group", group.name))
    for coupling in model.couplings:
        key = key_of(coupling.buffer)
        out.declared.setdefault(key, coupling.buffer_span)
        # `* <- AGENT` is one place for many buffers: their agent's.
        whole: PartKey = ("agent", coupling.buffer.name) if coupling.form == "all" else key
        out.add(coupling.span, whole)
        out.add(coupling.buffer_span, whole)
        if coupling.statement is not None:
            _add_statement(out, coupling.statement, whole)
        if coupling.feed.kind == "buffer":
            out.declared.setdefault(key_of(coupling.feed), coupling.span)
    for known in out.agents.values():
        known.sort()
    return out


def _add_statement(out: Whereabouts, statement: Statement, key: PartKey) -> None:
    out.add(statement.span, key)
    for attribute in statement.attributes:
        _add_attribute(out, attribute, key)


def _add_attribute(out: Whereabouts, attribute: Attribute, key: PartKey) -> None:
    out.add(attribute.name.span, key)
    out.add(attribute.value.span, key)
    out.add_wide(attribute.span, key)


def key_of(node: Node) -> PartKey:
    """A node of the graph as a part of the picture."""
    return ("buffer", node.name, node.buffer) if node.kind == "buffer" else (node.kind, node.name)


def shown_file(file: str, main: str) -> str:
    """*file* relative to the folder of the program's *main* file, so that no picture depends on where it was drawn."""
    folder = posixpath.dirname(main)
    if file == main or not folder:
        return posixpath.basename(file) if file == main else file
    return posixpath.relpath(file, folder) if file.startswith("/") == folder.startswith("/") else file
