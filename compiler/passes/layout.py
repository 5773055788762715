"""The layout of rings that passes work on: which buffers share which memory.

A pass is a pure function from a layout to a layout. It keeps every buffer and what each one descends from.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Graph
from ..model import Node


@dataclass(frozen=True, slots=True)
class RingDraft:
    """One ring to be: the root that all its buffers descend from, their host, and the depth in records."""

    root: Node
    host: str | None
    depth: int
    buffers: tuple[Node, ...]


Layout = tuple[RingDraft, ...]


def unshared(graph: Graph) -> Layout:
    """A ring for each buffer, in the order of roots, stages, agents and buffers: the plan as it is written."""
    hosts = {name: agent.statement.text("host") for name, agent in graph.model.agents.items()}
    return tuple(
        RingDraft(root, hosts[node.name], graph.depth(node), (node,))
        for root in graph.roots
        for node, _ in graph.below[root]
        if node.kind == "buffer"
    )
