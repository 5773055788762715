"""Lower: a checked program to the compiled plan. Deterministic: the order of everything is that of the program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, cast

from ..dsl.ast import Boolean, Duration, Number, Size, Value
from ..runtime import kinds, plan
from ..runtime.kinds import DriveKind, OnFailure, Order, PlanSourceKind, TargetKind
from .graph import Graph
from .model import Agent, Model, Node, Statement
from .passes.layout import Layout


def lower(graph: Graph, layout: Layout, *, base: str = ".") -> plan.CompiledPlan:
    """The compiled plan. Requires a program without errors. Paths stay as written, relative to *base*."""
    model = graph.model
    rings = tuple(
        plan.Ring(i, draft.depth, _feed_of(draft.root, graph), tuple(map(str, draft.buffers)), draft.host)
        for i, draft in enumerate(layout)
    )
    ring_of = {node: i for i, draft in enumerate(layout) for node in draft.buffers}
    own = model.plan
    compiled = plan.CompiledPlan(
        version=plan.VERSION,
        plan=model.plan_name,
        fingerprint="",
        base=base,
        record=model.record,
        memory=sum(ring.depth for ring in rings) * model.record,
        sources=tuple(_source(model, e.statement) for e in model.of_kind("source")),
        rings=rings,
        agents=tuple(_agent(graph, agent, ring_of) for agent in model.agents.values()),
        drives=tuple(_drive(model, e.statement) for e in model.of_kind("drive")),
        targets=tuple(_target(graph, e.statement) for e in model.of_kind("target")),
        groups=tuple(plan.Group(g.name, g.kind, g.of) for g in model.groups),
        pools=tuple(_pool(e.statement) for e in model.of_kind("pool")),
        hosts=tuple(plan.Host(e.name, e.statement.text("address")) for e in model.of_kind("host")),
        requirements=tuple(
            plan.Requirement(c.metric, c.operator, plain_value(c.value), tuple(name for name, _ in c.of))
            for c in model.conditions
        ),
        on_failure=_on_failure(own),
        memory_limit=own.whole("memory") if own else None,
        window=own.seconds("window") if own else None,
        schedule=own.text("schedule") if own else None,
        state=_path(model, own, "state") if own else None,
        catalog=own.text("catalog") if own else None,
    )
    return replace(compiled, fingerprint=plan.fingerprint_of(compiled))


def plain_value(value: Value) -> int | float | bool:
    """The value of a requirement in the compiled plan: a number, bytes, seconds, or true or false."""
    if isinstance(value, Size):
        return value.size_bytes
    if isinstance(value, Duration):
        return float(value.seconds)
    assert isinstance(value, Number | Boolean)
    return value.value


def _feed_of(root: Node, graph: Graph) -> str:
    """A ring's feed: the source's name, or the selector's text."""
    if root.kind == "source":
        return root.name
    return graph.feeds[Node("buffer", root.name, root.buffer)][0].text


def _path(model: Model, statement: Statement, name: str) -> str | None:
    setting = statement.settings.get(name)
    if setting is None or not isinstance(setting.value, str):
        return None
    return model.path_of(setting.value, setting.name_span)


def _on_failure(statement: Statement | None) -> OnFailure:
    return cast(OnFailure, (statement.text("on_failure") if statement else None) or "continue")


def _kind(statement: Statement, known: tuple[str, ...]) -> str:
    return next(kind for kind in known if statement.mentions(kind))


def _source(model: Model, s: Statement) -> plan.Source:
    files = s.settings.get("files")
    stream = s.text("stream")
    return plan.Source(
        name=s.name,
        kind=cast(PlanSourceKind, _kind(s, kinds.PLAN_SOURCE_KINDS)),
        files=tuple(model.path_of(path, files.name_span) for path in s.texts("files")) if files else (),
        stream=stream if stream == "-" else _path(model, s, "stream"),
        command=s.texts("command"),
        chain=s.text("chain"),
        object=s.text("object"),
        exclude=s.texts("exclude"),
        one_file_system=s.get("one_file_system") is True,
        compress=s.text("compress"),
        encrypt=s.texts("encrypt"),
        level=cast(Literal["full", "incremental"], s.text("level") or "full"),
        host=s.text("host"),
        rate=s.whole("rate"),
        size=s.whole("size"),
        tags=s.texts("tags"),
    )


def _drive(model: Model, s: Statement) -> plan.Drive:
    return plan.Drive(
        name=s.name,
        kind=cast(DriveKind, _kind(s, kinds.DRIVE_KINDS)),
        volumes=_path(model, s, "volumes"),
        tape=_path(model, s, "tape"),
        bucket=s.text("bucket"),
        host=s.text("host"),
        site=s.text("site"),
        media=s.text("media"),
        pool=s.text("pool"),
        capacity=s.whole("capacity"),
        rate=cast("tuple[int, int] | None", s.get("rate")),
        changer=_path(model, s, "changer"),
        slot=s.whole("slot"),
    )


def _pool(s: Statement) -> plan.Pool:
    return plan.Pool(s.name, s.seconds("retention"), s.whole("sessions"), s.whole("capacity"))


def _target(graph: Graph, s: Statement) -> plan.Target:
    couplings = graph.feeds.get(Node("target", s.name), ())
    return plan.Target(
        name=s.name,
        kind=cast(TargetKind, _kind(s, kinds.TARGET_KINDS)),
        files=_path(graph.model, s, "files"),
        stream=_path(graph.model, s, "stream"),
        command=s.texts("command"),
        feed=str(couplings[0].feed) if couplings else None,
    )


def _agent(graph: Graph, agent: Agent, ring_of: Mapping[Node, int]) -> plan.Agent:
    s = agent.statement
    assert agent.drive is not None
    return plan.Agent(
        name=agent.name,
        group=agent.group,
        role=agent.role,
        drive=agent.drive,
        order=cast(Order, s.text("order") or "interleave"),
        buffers=tuple(_buffer(graph, Node("buffer", agent.name, b), ring_of) for b in graph.model.buffers[agent.name]),
        host=s.text("host"),
        spool=_path(graph.model, s, "spool"),
        spool_size=s.whole("spool_size"),
        on_failure=_on_failure(s),
    )


def _buffer(graph: Graph, node: Node, ring_of: Mapping[Node, int]) -> plan.Buffer:
    coupling = graph.feeds[node][0]
    if coupling.selector is not None:
        return plan.Buffer(node.buffer, ring_of[node], coupling.text, coupling.selector.as_of)
    return plan.Buffer(node.buffer, ring_of[node], str(coupling.feed))
