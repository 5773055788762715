"""The agents of a program that make others wait: what TC310 and TC311 look at (docs/deadlock.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..runtime.waiting import Waiter
from .graph import Graph
from .model import Agent, Coupling, Node


@dataclass(frozen=True, slots=True)
class ObjectWriter:
    """An agent with ``order = "object"`` and no spool.

    ``couplings`` and ``roots`` are those of its buffers in their order; buffers whose root another fault hides are left
    out. What ``waiter`` says of a buffer is the source, or the drive that a restore agent reads.
    """

    agent: Agent
    couplings: tuple[Coupling, ...]
    roots: tuple[Node, ...]
    waiter: Waiter


def object_writers(graph: Graph) -> Iterator[ObjectWriter]:
    """In the order of the program; none where a fault hides how the whole hangs together."""
    model = graph.model
    agents = [
        agent
        for agent in model.agents.values()
        if agent.role == "write" and agent.statement.text("order") == "object" and not agent.statement.mentions("spool")
    ]
    if not agents or graph.uncertain is None:
        return
    root_of = {node: root for root in graph.roots if not graph.is_uncertain(root) for node, _ in graph.below[root]}
    for agent in agents:
        nodes = [Node("buffer", agent.name, buffer) for buffer in model.buffers[agent.name]]
        known = [node for node in nodes if node in root_of]
        roots = tuple(root_of[node] for node in known)
        readers = tuple(_reader(graph, root) for root in roots)
        yield ObjectWriter(agent, tuple(graph.feeds[node][0] for node in known), roots, Waiter(agent.name, readers))


def _reader(graph: Graph, root: Node) -> Node:
    """What one thread reads *root* from: the source itself, or the drive of its restore agent."""
    if root.kind == "source":
        return root
    agent = graph.model.agents[root.name]
    return Node("drive", agent.drive) if agent.drive is not None else Node("selector", root.name)
