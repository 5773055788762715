"""A program with errors as a compiled plan, as far as it can be read: to be drawn with its marks, never to be run."""

from __future__ import annotations

from typing import cast

from ...runtime import kinds, plan
from ...runtime.kinds import DriveKind, Order, PlanSourceKind, TargetKind
from ..graph import Graph
from ..model import Agent, Node, Statement
from ..passes.layout import Layout
from .picture import UNKNOWN, Coupling


def rough(graph: Graph, layout: Layout) -> tuple[plan.CompiledPlan, tuple[Coupling, ...]]:
    """What resolves of the program, and the feeds that its buffers have beside their first one.

    The plan has no fingerprint, no requirements, and kinds and feeds that are ``?``; nothing but a picture may be made
    from it.
    """
    model = graph.model
    ring_of = {node: i for i, draft in enumerate(layout) for node in draft.buffers}
    rings = tuple(plan.Ring(i, d.depth, str(d.root), tuple(map(str, d.buffers)), d.host) for i, d in enumerate(layout))
    agents = tuple(_agent(graph, agent, ring_of) for agent in model.agents.values())
    more = tuple(
        _coupling((node.name, node.buffer), coupling.feed)
        for node, couplings in graph.feeds.items()
        if node.kind == "buffer" and node.name in model.agents
        for coupling in couplings[1:]
        if coupling.feed.kind in {"source", "buffer"}
    )
    drawn = plan.CompiledPlan(
        version=plan.VERSION,
        plan=model.plan_name,
        fingerprint="",
        base=".",
        record=model.record,
        memory=sum(ring.depth for ring in rings) * model.record,
        sources=tuple(_source(e.statement) for e in model.of_kind("source")),
        rings=rings,
        agents=agents,
        drives=tuple(_drive(e.statement) for e in model.of_kind("drive")),
        targets=tuple(_target(graph, e.statement) for e in model.of_kind("target")),
        groups=tuple(plan.Group(g.name, g.kind, g.of) for g in {g.name: g for g in reversed(model.groups)}.values()),
        hosts=tuple(plan.Host(e.name, e.statement.text("address")) for e in model.of_kind("host")),
    )
    return drawn, more


def _coupling(into: tuple[str, str], feed: Node) -> Coupling:
    if feed.kind == "source":
        return Coupling(into, source=feed.name, tone="error")
    return Coupling(into, buffer=(feed.name, feed.buffer), tone="error")


def _kind(statement: Statement, known: tuple[str, ...]) -> str:
    return next((kind for kind in known if statement.mentions(kind)), UNKNOWN)


def _source(s: Statement) -> plan.Source:
    return plan.Source(
        name=s.name,
        kind=cast(PlanSourceKind, _kind(s, kinds.PLAN_SOURCE_KINDS)),
        files=s.texts("files"),
        stream=s.text("stream"),
        command=s.texts("command"),
        chain=s.text("chain"),
        host=s.text("host"),
    )


def _drive(s: Statement) -> plan.Drive:
    return plan.Drive(
        name=s.name,
        kind=cast(DriveKind, _kind(s, kinds.DRIVE_KINDS)),
        volumes=s.text("volumes"),
        tape=s.text("tape"),
        bucket=s.text("bucket"),
        host=s.text("host"),
        site=s.text("site"),
        media=s.text("media"),
        pool=s.text("pool"),
        capacity=s.whole("capacity"),
    )


def _target(graph: Graph, s: Statement) -> plan.Target:
    couplings = graph.feeds.get(Node("target", s.name), ())
    return plan.Target(
        name=s.name,
        kind=cast(TargetKind, _kind(s, kinds.TARGET_KINDS)),
        files=s.text("files"),
        stream=s.text("stream"),
        command=s.texts("command"),
        feed=str(couplings[0].feed) if couplings else None,
    )


def _agent(graph: Graph, agent: Agent, ring_of: dict[Node, int]) -> plan.Agent:
    s = agent.statement
    order = s.text("order")
    return plan.Agent(
        name=agent.name,
        group=agent.group,
        role=agent.role,
        drive=agent.drive_name,
        order=cast(Order, order if order in {"interleave", "object"} else "interleave"),
        buffers=tuple(_buffer(graph, Node("buffer", agent.name, b), ring_of) for b in graph.model.buffers[agent.name]),
        host=s.text("host"),
        spool=s.text("spool"),
    )


def _buffer(graph: Graph, node: Node, ring_of: dict[Node, int]) -> plan.Buffer:
    couplings = graph.feeds.get(node, ())
    if not couplings:
        return plan.Buffer(node.buffer, ring_of.get(node, -1), UNKNOWN)
    first = couplings[0]
    if first.selector is not None:
        return plan.Buffer(node.buffer, ring_of.get(node, -1), first.text, first.selector.as_of)
    return plan.Buffer(node.buffer, ring_of.get(node, -1), str(first.feed))
