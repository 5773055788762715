"""What is at the cursor, in Markdown: a source with its whole way to the drives, an attribute with unit and range."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from ...compiler.graph import Graph
from ...compiler.metrics import PLAN_METRICS, SOURCE_METRICS
from ...compiler.model import Node, StatementKind
from ...compiler.names import as_written, listed
from ...compiler.passes.layout import Layout
from ...compiler.program import Compilation
from ...compiler.tree import in_bytes
from ...dsl import ast
from ...dsl.inline import print_head, print_value
from ...dsl.spans import Span
from ..console import harmless
from . import attribute_words as words
from .book import Book, Page
from .occurrences import Occurrence, patterns

#: Of a long way no more stations are shown, and of many names no more.
_STATIONS_MAX = 24
_NAMES_MAX = 8


def hover(page: Page, offset: int, book: Book, compilation: Compilation | None) -> tuple[str, Span] | None:
    """Markdown about the name at *offset*, and its place; None where there is nothing to say.

    *compilation* is the last one that there was: what it does not know is left out.
    """
    name = page.at(offset)
    if name is None:
        return None
    said = "\n\n".join(part for part in _said(name, book, compilation) if part)
    return (harmless(said), name.span) if said else None


def _said(name: Occurrence, book: Book, compilation: Compilation | None) -> Iterator[str]:
    key = name.key
    if key.role == "attribute":
        described = words.described(cast(StatementKind, name.block), key.name)
        if described:
            yield f"`{key.name}` of {_a(name.block)}"
            yield described
    elif key.role == "metric" and key.name in words.METRICS:
        yield f"`require {key.name}`"
        yield words.METRICS[key.name]
        yield f"Where it is not kept: {(SOURCE_METRICS | PLAN_METRICS)[key.name]}."
    elif key.role == "recorded":
        yield f"`{key.name}`: a recorded source. The catalog knows it by this name, whatever the plan declares."
    elif key.role == "variable":
        yield from _variable(name, book)
    elif key.role in {"entity", "buffer", "plan"}:
        if key.role == "entity":
            yield from _declaration(name, book)
        if patterns(key.name) or patterns(key.owner):
            yield "The name is put together from variables."
        elif compilation is not None:
            yield from _meaning(name, compilation)


def _a(block: str) -> str:
    return {"plan": "the plan", "agent": "an agent"}.get(block, f"a {block}")


def _variable(name: Occurrence, book: Book) -> Iterator[str]:
    for declared in book.declarations(name.key):
        yield _code(_statement(book.pages[declared.span.file].file.statements, declared))
        yield f"`{name.key.name}`: {words.STATEMENT[declared.kind]}"


def _declaration(name: Occurrence, book: Book) -> Iterator[str]:
    for declared in book.declarations(name.key)[:2]:
        yield _code(_statement(book.pages[declared.span.file].file.statements, declared))
        yield f"{as_written(name.key.name)} is {words.STATEMENT[declared.kind]}."


def _statement(items: Iterable[object], declared: Occurrence) -> str:
    """The head and attributes of the statement that declares a name."""
    wanted = declared.whole
    for item in items:
        span = getattr(item, "span", None)
        if span == wanted and isinstance(item, ast.For | ast.Let | ast.Param | ast.Group | ast.AgentDeclaration):
            return print_head(item)
        if span == wanted and isinstance(item, ast.Declaration):
            inside = "\n".join(f"  {a.name.text} = {print_value(a.value)}" for a in item.attributes)
            return f"{print_head(item)} {{\n{inside}\n}}" if inside else print_head(item)
        if isinstance(item, ast.Group | ast.For | ast.AgentDeclaration):
            found = _statement(item.body, declared)
            if found:
                return found
    return ""


def _code(text: str) -> str:
    return f"```tc\n{text}\n```" if text else ""


# ---------------------------------------------------------------- what the compiler knows


def _meaning(name: Occurrence, compilation: Compilation) -> Iterator[str]:
    graph, key = compilation.graph, name.key
    if key.role == "buffer":
        yield from _buffer(Node("buffer", key.owner, key.name), graph, compilation.layout)
        return
    if key.role == "plan":
        yield f"A plan of {_count(len(graph.model.of_kind('source')), 'source')}, " + (
            f"{_count(len(graph.model.all_agents), 'agent')} and {_count(len(compilation.layout), 'ring')} of memory: "
            f"{in_bytes(sum(d.depth for d in compilation.layout) * graph.model.record)}."
        )
        return
    entity = graph.model.entities.get(key.name)
    if entity is None:
        return
    if entity.kind == "source":
        yield from _source(Node("source", key.name), graph, compilation.layout)
    elif entity.kind == "drive":
        yield from _drive(key.name, graph)
    elif entity.kind == "agent":
        yield from _agent(key.name, graph)
    elif entity.kind == "group":
        group = next((g for g in graph.model.groups if g.name == key.name), None)
        if group is not None:
            yield f"{_count(len(group.agents), 'agent')}: {_names(group.agents)}"
    elif entity.kind in {"host", "pool"}:
        users = [s.name for s in graph.model.statements if s.text(entity.kind) == key.name]
        yield f"Used by {_names(users)}." if users else "Nothing names it."


def _source(root: Node, graph: Graph, layout: Layout) -> Iterator[str]:
    below = graph.below.get(root, ())
    if not below:
        yield "Nothing reads it."
        return
    yield _way(root, graph)
    copies = graph.copies(root)
    sites = dict.fromkeys(s for d in copies if (s := _site(d, graph)))
    yield (
        _count(len(copies), "copy", "copies")
        + (f" ({_names(copies)})" if copies else "")
        + (f" on {_count(len(sites), 'site')} ({_names(sites)})" if sites else "")
    )
    rings = [(i, draft) for i, draft in enumerate(layout) if draft.root == root]
    for i, draft in rings[:_NAMES_MAX]:
        yield _ring(i, draft.depth, len(draft.buffers), draft.host, graph)


def _way(root: Node, graph: Graph) -> str:
    """The stations below a root as a list that is indented by stage."""
    fed: dict[Node, list[Node]] = {}
    for node, _ in graph.below[root]:
        fed.setdefault(graph.feeds[node][0].feed, []).append(node)
    lines: list[str] = []
    ahead = [(node, 0) for node in reversed(fed.get(root, []))]
    while ahead and len(lines) < _STATIONS_MAX:
        node, stage = ahead.pop()
        lines.append(f"{'  ' * stage}- → `{_written(node)}`{_on(node, graph)}")
        ahead += [(below, stage + 1) for below in reversed(fed.get(node, []))]
    if ahead:
        lines.append(f"- … {len(graph.below[root]) - len(lines)} more")
    return "\n".join(lines)


def _on(node: Node, graph: Graph) -> str:
    agent = graph.model.agents.get(node.name) if node.kind == "buffer" else None
    if agent is None or agent.drive is None or agent.role == "read":
        return ""
    site = _site(agent.drive, graph)
    return f" on drive `{as_written(agent.drive)}`" + (f", site {site}" if site else "")


def _buffer(node: Node, graph: Graph, layout: Layout) -> Iterator[str]:
    feeds = graph.feeds.get(node)
    if not feeds:
        return
    way = [node]
    while way[-1].kind == "buffer" and way[-1] in graph.feeds and len(way) < _STATIONS_MAX:
        feed = graph.feeds[way[-1]][0].feed
        if feed in way:
            break
        way.append(feed)
    yield "Buffer: " + " → ".join(f"`{_written(station)}`" for station in reversed(way)) + _on(node, graph)
    for i, draft in enumerate(layout):
        if node in draft.buffers:
            yield _ring(i, draft.depth, len(draft.buffers), draft.host, graph)


def _drive(name: str, graph: Graph) -> Iterator[str]:
    agents = [a for a in graph.model.all_agents if a.drive == name]
    for agent in agents[:2]:
        does = "Written" if agent.role == "write" else "Read"
        yield f"{does} by `{as_written(agent.name)}` of {agent.group_kind} group `{as_written(agent.group)}`."
    if not agents:
        yield "No agent uses it."
    elif agents[0].role == "write":
        own = {Node("buffer", agents[0].name, b) for b in graph.model.buffers.get(agents[0].name, ())}
        sources = [str(root) for root in graph.roots if any(node in own for node, _ in graph.below[root])]
        yield f"Stores {_names(sources)}." if sources and not graph.discards(name) else ""


def _agent(name: str, graph: Graph) -> Iterator[str]:
    agent = graph.model.agents.get(name)
    if agent is None:
        return
    does = "writes" if agent.role == "write" else "reads"
    yield (
        f"{agent.group_kind} group `{as_written(agent.group)}`, {does} drive `{as_written(agent.drive_name)}`, "
        f"{_count(len(graph.model.buffers[name]), 'buffer')}:"
    )
    lines = []
    for buffer in graph.model.buffers[name][:_STATIONS_MAX]:
        feeds = graph.feeds.get(Node("buffer", name, buffer), ())
        lines.append(f"- `{as_written(buffer)}` ← `{feeds[0].text if feeds else '?'}`")
    yield "\n".join(lines)


def _ring(number: int, depth: int, buffers: int, host: str | None, graph: Graph) -> str:
    where = f" on host `{as_written(host)}`" if host else ""
    return (
        f"Ring {number}{where}: {depth} records of {in_bytes(graph.model.record)} = "
        f"{in_bytes(depth * graph.model.record)}, shared by {_count(buffers, 'buffer')}"
    )


def _site(drive: str, graph: Graph) -> str | None:
    statement = graph.model.statement_of("drive", drive)
    return statement.text("site") if statement is not None else None


def _written(node: Node) -> str:
    return f"{as_written(node.name)}.{as_written(node.buffer)}" if node.buffer else as_written(node.name)


def _names(names: Iterable[str]) -> str:
    known = [as_written(name) for name in names]
    more = [f"{len(known) - _NAMES_MAX} more"] if len(known) > _NAMES_MAX else []
    return listed([*(f"`{name}`" for name in known[:_NAMES_MAX]), *more])


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one}" if number == 1 else f"{number} {many or one + 's'}"
