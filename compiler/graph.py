"""The graph of a program: sources, selectors, buffers, targets and drives, and who feeds whom (networkx).

Edges point the way the data flows. In a sound program the graph is acyclic and each buffer has one feed; a wrong one
has the graph that it says, so that the rules can show what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..runtime import kinds
from .model import Agent, Coupling, Model, Node

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True, slots=True)
class Arrival:
    """A source's (or selector's) objects reach a drive: by way of *coupling*, into *agent*."""

    agent: Agent
    drive: str
    coupling: Coupling


@dataclass(frozen=True, slots=True)
class Graph:
    """``feeds`` gives for every buffer and target its distinct couplings in the order of the program.

    ``roots`` are the sources in the order of their declaration, then the selectors in the order of their buffers;
    ``below`` gives for each root the buffers and targets that descend from it, by the first feed of each, with their
    stage (1 for what the root feeds itself), in the order of stage, agent and buffer. ``uncertain`` are roots of which another fault hides where they go; None: all.
    """

    model: Model
    dag: nx.DiGraph[Any]
    feeds: Mapping[Node, tuple[Coupling, ...]]
    roots: tuple[Node, ...]
    below: Mapping[Node, tuple[tuple[Node, int], ...]]
    cycles: tuple[tuple[Coupling, ...], ...]
    uncertain: frozenset[Node] | None

    def is_uncertain(self, root: Node) -> bool:
        """Whether a fault that is reported elsewhere hides where *root*'s objects go."""
        return self.uncertain is None or root in self.uncertain

    def is_read(self, root: Node) -> bool:
        """Whether any buffer is fed by *root*."""
        return bool(self.dag.out_degree(root))

    def arrivals(self, root: Node) -> Iterator[Arrival]:
        """Where the objects of *root* are written, storing drives and discarding ones, in the order of ``below``."""
        for node, _ in self.below.get(root, ()):
            agent = self.model.agents.get(node.name) if node.kind == "buffer" else None
            if agent is not None and agent.role == "write" and agent.drive is not None:
                yield Arrival(agent, agent.drive, self.feeds[node][0])

    def copies(self, root: Node) -> tuple[str, ...]:
        """The drives that store the objects of *root*; what is discarded is no copy (system.md)."""
        drives = dict.fromkeys(arrival.drive for arrival in self.arrivals(root))
        return tuple(drive for drive in drives if not self.discards(drive))

    def discards(self, drive: str) -> bool:
        """Whether *drive* stores nothing."""
        statement = self.model.statement_of("drive", drive)
        return statement is not None and statement.mentions("discard")

    def depth(self, buffer: Node) -> int:
        """The records that *buffer* states: its couplings' depth, else its agent's, the plan's, or the default."""
        stated = [c.statement.whole("depth") for c in self.model_couplings(buffer) if c.statement is not None]
        own = max((d for d in stated if d is not None), default=None)
        plan = self.model.plan
        agent = self.model.agents[buffer.name].statement.whole("depth")
        return own or agent or (plan.whole("depth") if plan is not None else None) or kinds.DEPTH_DEFAULT

    def model_couplings(self, buffer: Node) -> tuple[Coupling, ...]:
        """Every statement of the couplings of *buffer*, repeated ones too."""
        return self._stated.get(buffer, ())

    _stated: Mapping[Node, tuple[Coupling, ...]]


def build(model: Model) -> Graph:
    """The graph of *model*, and what can be read off it."""
    import networkx as nx

    dag: nx.DiGraph[Any] = nx.DiGraph()
    dag.add_nodes_from(Node("source", e.name) for e in model.of_kind("source"))
    stated: dict[Node, list[Coupling]] = {}
    feeds: dict[Node, list[Coupling]] = {}
    for coupling in model.couplings:
        stated.setdefault(coupling.buffer, []).append(coupling)
        same = feeds.setdefault(coupling.buffer, [])
        if not any(c.feed == coupling.feed and c.selector == coupling.selector for c in same):
            same.append(coupling)
            dag.add_edge(coupling.feed, coupling.buffer)
    for agent in model.agents.values():
        if agent.drive is None:
            continue
        drive = Node("drive", agent.drive)
        for name in model.buffers[agent.name]:
            if agent.role == "write":
                dag.add_edge(Node("buffer", agent.name, name), drive)
            else:
                dag.add_edge(drive, Node("selector", agent.name, name))
    roots = _roots(model, dag)
    order = {
        Node("buffer", a, b): (i, j) for i, (a, own) in enumerate(model.buffers.items()) for j, b in enumerate(own)
    }
    below = _below(roots, feeds, order)
    cycles = tuple(_cycles(model, dag))
    graph = Graph(
        model=model,
        dag=dag,
        feeds={node: tuple(couplings) for node, couplings in feeds.items()},
        roots=roots,
        below=below,
        cycles=cycles,
        uncertain=None,
        _stated={node: tuple(couplings) for node, couplings in stated.items()},
    )
    return replace(graph, uncertain=_uncertain(graph))


def _roots(model: Model, dag: nx.DiGraph[Any]) -> tuple[Node, ...]:
    sources = [Node("source", e.name) for e in model.of_kind("source")]
    selectors = [
        Node("selector", agent.name, name)
        for agent in model.agents.values()
        if agent.group_kind == "restore"
        for name in model.buffers[agent.name]
    ]
    return (*sources, *(s for s in selectors if s in dag))


def _below(
    roots: tuple[Node, ...], feeds: Mapping[Node, list[Coupling]], order: Mapping[Node, tuple[int, int]]
) -> dict[Node, tuple[tuple[Node, int], ...]]:
    """The stages below each root. A buffer has one feed that counts, so that nothing is below two roots."""
    fed: dict[Node, list[Node]] = {}
    for node, couplings in feeds.items():
        fed.setdefault(couplings[0].feed, []).append(node)
    below = {}
    for root in roots:
        found: list[tuple[Node, int]] = []
        stage = [root]
        number = 0
        while stage:
            number += 1
            following = (node for before in stage for node in fed.get(before, ()))
            stage = sorted(following, key=lambda n: (n.kind, order.get(n, (0, 0)), n.name))
            found += ((node, number) for node in stage)
        below[root] = tuple(found)
    return below


def _cycles(model: Model, dag: nx.DiGraph[Any]) -> Iterator[tuple[Coupling, ...]]:
    """One cycle for each knot of buffers, as the couplings that make it, in the direction of the data."""
    import networkx as nx

    between = {
        (c.feed, c.buffer): c
        for c in reversed(model.couplings)
        if c.feed.kind == "buffer" and c.buffer.kind == "buffer"
    }
    buffers = nx.DiGraph()
    for coupling in model.couplings:
        if (coupling.feed, coupling.buffer) in between:
            buffers.add_edge(coupling.feed, coupling.buffer)
    knots = [
        k for k in nx.strongly_connected_components(buffers) if len(k) > 1 or buffers.has_edge(*[next(iter(k))] * 2)
    ]
    # Sets have no order that is the same in every process: what is shown follows the order of the program.
    member = {node: i for i, knot in enumerate(knots) for node in knot}
    shown: set[int] = set()
    for node in buffers:
        if node not in member or member[node] in shown:
            continue
        knot = member[node]
        shown.add(knot)
        inside = nx.DiGraph()
        inside.add_edges_from((a, b) for a, b in buffers.edges if member.get(a) == knot == member.get(b))
        yield tuple(between[a, b] for a, b in nx.find_cycle(inside, source=node))


def _uncertain(graph: Graph) -> frozenset[Node] | None:
    """Which roots are hidden by faults of the graph itself: broken feeds, cycles, drives not known or not free."""
    model = graph.model
    if model.lost or graph.cycles or model.star_cycles or None in model.broken_feeds or model.chain_faults:
        return None
    if any(not model.buffers.get(a.name) or a.again for a in model.all_agents) or any(
        not g.agents for g in model.groups
    ):
        return None
    doubtful = {node for node in model.broken_feeds if node is not None}
    writers: set[str] = set()
    readers = {a.drive for a in model.all_agents if a.role == "read"}
    for agent in model.all_agents:
        if agent.drive is None or agent.drive in writers or (agent.role == "write" and agent.drive in readers):
            doubtful.update(Node("buffer", agent.name, name) for name in model.buffers[agent.name])
        if agent.drive is not None and agent.role == "write":
            writers.add(agent.drive)
    if not doubtful:
        return frozenset()
    return frozenset(
        root for root in graph.roots if root in doubtful or any(node in doubtful for node, _ in graph.below[root])
    )
