"""The graph of a program: sources, selectors, buffers, targets and drives, and who feeds whom.

Edges point the way the data flows. In a sound program the graph is acyclic and each buffer has one feed, so that what
descends from one source is a tree; this module reads the trees off. The graph as such is networkx's
(:meth:`Graph.dag`), made when it is asked for: importing networkx takes longer than checking an everyday plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ..runtime import kinds
from .model import Agent, Coupling, Model, Node

if TYPE_CHECKING:
    import networkx as nx


class Arrival(NamedTuple):
    """A source's (or selector's) objects reach a drive: by way of *coupling*, into *agent*."""

    agent: Agent
    drive: str
    coupling: Coupling


@dataclass(frozen=True, slots=True)
class Graph:
    """Who feeds whom.

    ``feeds`` gives for every buffer and target its distinct couplings in the order of the program; in a sound program
    there is one. ``stated`` gives all of them, repetitions too. ``roots`` are the sources in the order of their
    declaration, then the selectors in the order of their buffers; ``below`` gives for each root the buffers and targets
    that descend from it, by the first feed of each, with their stage (1 for what the root feeds itself), in the order
    of stage, agent and buffer. ``uncertain`` are roots of which another fault hides where they go; None: all.
    ``reached`` and ``stored`` give for each root what ``arrivals`` and ``copies`` say.
    """

    model: Model
    feeds: Mapping[Node, tuple[Coupling, ...]]
    stated: Mapping[Node, tuple[Coupling, ...]]
    roots: tuple[Node, ...]
    below: Mapping[Node, tuple[tuple[Node, int], ...]]
    cycles: tuple[tuple[Coupling, ...], ...]
    uncertain: frozenset[Node] | None
    reached: Mapping[Node, tuple[Arrival, ...]] = field(default_factory=dict)
    stored: Mapping[Node, tuple[str, ...]] = field(default_factory=dict)

    def dag(self) -> nx.DiGraph[Any]:
        """The whole graph, drives and selectors too; its nodes are :class:`~.model.Node`. Made anew at each call."""
        import networkx as nx

        dag: nx.DiGraph[Any] = nx.DiGraph()
        dag.add_nodes_from(self.roots)
        dag.add_edges_from((c.feed, c.buffer) for couplings in self.feeds.values() for c in couplings)
        for agent in self.model.agents.values():
            if agent.drive is None:
                continue
            drive = Node("drive", agent.drive)
            for name in self.model.buffers[agent.name]:
                if agent.role == "write":
                    dag.add_edge(Node("buffer", agent.name, name), drive)
                else:
                    dag.add_edge(drive, Node("selector", agent.name, name))
        return dag

    def is_uncertain(self, root: Node) -> bool:
        """Whether a fault that is reported elsewhere hides where *root*'s objects go."""
        return self.uncertain is None or root in self.uncertain

    def arrivals(self, root: Node) -> tuple[Arrival, ...]:
        """Where the objects of *root* are written, storing drives and discarding ones, in the order of ``below``."""
        return self.reached.get(root, ())

    def copies(self, root: Node) -> tuple[str, ...]:
        """The drives that store the objects of *root*; what is discarded is no copy (system.md)."""
        return self.stored.get(root, ())

    def discards(self, drive: str) -> bool:
        """Whether *drive* stores nothing."""
        statement = self.model.statement_of("drive", drive)
        return statement is not None and statement.mentions("discard")

    def depth(self, buffer: Node) -> int:
        """The records that *buffer* states: its couplings' depth, else its agent's, the plan's, or the default."""
        depths = [c.statement.whole("depth") for c in self.stated.get(buffer, ()) if c.statement is not None]
        own = max((d for d in depths if d is not None), default=None) if depths else None
        if own is not None:
            return own
        plan = self.model.plan
        agent = self.model.agents[buffer.name].statement.whole("depth")
        return agent or (plan.whole("depth") if plan is not None else None) or kinds.DEPTH_DEFAULT


def build(model: Model) -> Graph:
    """The graph of *model*, and what can be read off it."""
    all_of: dict[Node, list[Coupling]] = {}
    for coupling in model.couplings:
        all_of.setdefault(coupling.buffer, []).append(coupling)
    stated = {node: tuple(couplings) for node, couplings in all_of.items()}
    feeds = {node: couplings if len(couplings) == 1 else _distinct(couplings) for node, couplings in stated.items()}
    roots = _roots(model, feeds)
    below = _below(model, roots, feeds)
    reached = {root: tuple(_arrivals(model, feeds, below[root])) for root in roots}
    graph = Graph(
        model=model,
        feeds=feeds,
        stated=stated,
        roots=roots,
        below=below,
        cycles=tuple(_cycles(feeds, below)),
        uncertain=None,
        reached=reached,
        stored=_stored(model, reached),
    )
    return replace(graph, uncertain=_uncertain(graph))


def _distinct(couplings: Iterable[Coupling]) -> tuple[Coupling, ...]:
    """The couplings without those that say again what another has said."""
    found: dict[object, Coupling] = {}
    for coupling in couplings:
        found.setdefault((coupling.feed, coupling.selector), coupling)
    return tuple(found.values())


def _roots(model: Model, feeds: Mapping[Node, tuple[Coupling, ...]]) -> tuple[Node, ...]:
    sources = [Node("source", entity.name) for entity in model.of_kind("source")]
    fed = {couplings[0].feed for couplings in feeds.values()}
    selectors = [
        Node("selector", agent.name, name)
        for agent in model.agents.values()
        if agent.group_kind == "restore"
        for name in model.buffers[agent.name]
    ]
    return (*sources, *(selector for selector in selectors if selector in fed))


def _below(
    model: Model, roots: Iterable[Node], feeds: Mapping[Node, tuple[Coupling, ...]]
) -> dict[Node, tuple[tuple[Node, int], ...]]:
    """The stages below each root. A buffer has one feed that counts, so that nothing is below two roots, or twice."""
    order: dict[Node, tuple[int, int]] = {}
    fed: dict[Node, list[Node]] = {}
    for node, couplings in feeds.items():
        fed.setdefault(couplings[0].feed, []).append(node)
    below = {}
    for root in roots:
        found: list[tuple[Node, int]] = []
        stage = fed.get(root, [])
        number = 0
        while stage:
            number += 1
            if len(stage) > 1:
                order = order or _order(model)
                stage = sorted(stage, key=lambda n: (n.kind, order.get(n, (0, 0)), n.name))
            for node in stage:
                found.append((node, number))
            stage = fed.get(stage[0], []) if len(stage) == 1 else [n for node in stage for n in fed.get(node, [])]
        below[root] = tuple(found)
    return below


def _order(model: Model) -> dict[Node, tuple[int, int]]:
    """The place of each buffer in the order of the program."""
    return {
        Node("buffer", agent, name): (i, j)
        for i, (agent, own) in enumerate(model.buffers.items())
        for j, name in enumerate(own)
    }


def _arrivals(
    model: Model, feeds: Mapping[Node, tuple[Coupling, ...]], below: Iterable[tuple[Node, int]]
) -> Iterator[Arrival]:
    for node, _ in below:
        agent = model.agents.get(node.name) if node.kind == "buffer" else None
        if agent is not None and agent.role == "write" and agent.drive is not None:
            yield Arrival(agent, agent.drive, feeds[node][0])


def _stored(model: Model, reached: Mapping[Node, tuple[Arrival, ...]]) -> dict[Node, tuple[str, ...]]:
    """For each root its drives but those that discard. Roots with the same drives share one tuple."""
    discarding = {e.name for e in model.of_kind("drive") if e.statement.mentions("discard")}
    same: dict[tuple[str, ...], tuple[str, ...]] = {}
    stored = {}
    for root, arrivals in reached.items():
        drives = tuple(dict.fromkeys(arrival.drive for arrival in arrivals))
        if drives not in same:
            same[drives] = tuple(drive for drive in drives if drive not in discarding)
        stored[root] = same[drives]
    return stored


def _cycles(
    feeds: Mapping[Node, tuple[Coupling, ...]], below: Mapping[Node, tuple[tuple[Node, int], ...]]
) -> Iterator[tuple[Coupling, ...]]:
    """One cycle for each knot of buffers, as the couplings that make it, in the direction of the data."""
    reached = sum(len(nodes) for nodes in below.values())
    if reached == len(feeds) and all(len(couplings) == 1 for couplings in feeds.values()):
        return  # everything descends from a root by its only feed: these are trees
    between = {(c.feed, c.buffer): c for couplings in feeds.values() for c in couplings if c.feed.kind == "buffer"}
    if _are_acyclic(between):
        return  # a mistyped feed, say: importing networkx would take longer than all of the check
    import networkx as nx

    buffers: nx.DiGraph[Any] = nx.DiGraph(list(between))
    knots = [
        knot for knot in nx.strongly_connected_components(buffers) if len(knot) > 1 or _feeds_itself(knot, between)
    ]
    # Sets have no order that is the same in every process: what is shown follows the order of the program.
    member = {node: i for i, knot in enumerate(knots) for node in knot}
    shown: set[int] = set()
    inside: dict[int, nx.DiGraph[Any]] = {}
    for a, b in between:
        if a in member and member[a] == member.get(b):
            inside.setdefault(member[a], nx.DiGraph()).add_edge(a, b)
    for node in buffers:
        knot = member.get(node)
        if knot is not None and knot not in shown:
            shown.add(knot)
            yield tuple(between[a, b] for a, b in nx.find_cycle(inside[knot], source=node))


def _are_acyclic(edges: Iterable[tuple[Node, Node]]) -> bool:
    """Whether no way along the edges leads back: what nothing feeds is taken away until nothing is left (Kahn)."""
    fed: dict[Node, list[Node]] = {}
    feeds: dict[Node, int] = {}
    for tail, head in edges:
        fed.setdefault(tail, []).append(head)
        feeds[head] = feeds.get(head, 0) + 1
    free = [node for node in fed if node not in feeds]
    while free:
        for head in fed.get(free.pop(), ()):
            feeds[head] -= 1
            if feeds[head] == 0:
                free.append(head)
                del feeds[head]
    return not feeds


def _feeds_itself(knot: Iterable[Node], between: Mapping[tuple[Node, Node], Coupling]) -> bool:
    return any((node, node) in between for node in knot)


def _uncertain(graph: Graph) -> frozenset[Node] | None:
    """Which roots are hidden by faults of the graph itself: broken feeds, cycles, drives not known or not free."""
    model = graph.model
    if model.lost or graph.cycles or model.star_cycles or None in model.broken_feeds or model.chain_faults:
        return None
    if any(not model.buffers.get(a.name) or a.again for a in model.all_agents):
        return None
    if any(not group.agents for group in model.groups):
        return None
    doubtful = {node for node in model.broken_feeds if node is not None}
    doubtful |= {c.feed for couplings in graph.feeds.values() for c in couplings[1:]}
    doubtful |= {Node("source", e.name) for e in model.of_kind("source") if e.statement.lost}
    writers: set[str] = set()
    readers = {a.drive for a in model.all_agents if a.role == "read"}
    for agent in model.all_agents:
        drive = model.statement_of("drive", agent.drive) if agent.drive is not None else None
        unread = drive is not None and drive.lost
        if (
            unread
            or agent.drive is None
            or agent.drive in writers
            or (agent.role == "write" and agent.drive in readers)
        ):
            doubtful.update(Node("buffer", agent.name, name) for name in model.buffers[agent.name])
        if agent.drive is not None and agent.role == "write":
            writers.add(agent.drive)
    if not doubtful:
        return frozenset()
    return frozenset(
        root for root in graph.roots if root in doubtful or any(node in doubtful for node, _ in graph.below[root])
    )
