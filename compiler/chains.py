"""The places of a ``chain``: which node of the graph each one is, and what is wrong with those that are none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..dsl import ast
from ..dsl.spans import Span
from .model import Agent, ChainFault, Node, Selector
from .names import as_written, with_article
from .uses import Names

Place = tuple[ast.Endpoint, Node | None, Selector | None]

_RIGHT = "a chain holds a source or a buffer, then buffers, at the end perhaps a target"


def places(chain: ast.Chain, names: Names, agents: Mapping[str, Agent], faults: list[ChainFault]) -> Iterator[Place]:
    """For each place its endpoint, its node (None where it is wrong, which is then in *faults* or among the uses), and
    for a restore agent's buffer at the second place the selector that the first place is.
    """
    last = len(chain.places) - 1
    first_selects = last > 0 and _is_restore(chain.places[1], agents)
    before: Node | None = None
    for i, endpoint in enumerate(chain.places):
        node, selector = None, None
        if endpoint.buffer is not None:
            selecting = i == 1 and first_selects and chain.places[0].buffer is None
            node = _buffer(endpoint, i, names, agents, faults, selecting=selecting)
            if node is not None and selecting and before is not None:
                selector = Selector("latest", chain.places[0].name.text, None, chain.places[0].name.span)
        elif i == 0 and first_selects and names.find(endpoint.name.text, ("source",)) is None:
            node = _recorded(endpoint, names, faults)
        else:
            node = _whole(endpoint, i, last, names, faults)
        if node is not None and node.kind == "target":
            node = _target(endpoint, node, before, agents, faults)
        yield endpoint, node, selector
        before = node


def _is_restore(endpoint: ast.Endpoint, agents: Mapping[str, Agent]) -> bool:
    agent = agents.get(endpoint.name.text)
    return endpoint.buffer is not None and agent is not None and agent.group_kind == "restore"


def _buffer(
    endpoint: ast.Endpoint,
    i: int,
    names: Names,
    agents: Mapping[str, Agent],
    faults: list[ChainFault],
    *,
    selecting: bool,
) -> Node | None:
    assert endpoint.buffer is not None
    name = endpoint.name.text
    entity = names.find(name, ("agent",)) or next(iter(names.declared.get(name, ())), None)
    if entity is None:
        names.use(name, endpoint.name.span, ("agent",), in_chain=True)
        return None
    if entity.kind != "agent":
        message = f"{as_written(name)} is {with_article(entity.kind)}, which has no buffers"
        faults.append(ChainFault(endpoint.span, message, _RIGHT, ((f"the {entity.kind}", entity.span),)))
        return None
    if i > 0 and agents[name].group_kind == "restore" and not selecting:
        message = f"{as_written(name)} is a restore agent: its drive feeds its buffers"
        faults.append(ChainFault(endpoint.span, message, "a restore agent's buffer begins a chain"))
        return None
    return Node("buffer", name, endpoint.buffer.text)


def _recorded(endpoint: ast.Endpoint, names: Names, faults: list[ChainFault]) -> Node | None:
    """The head of ``chain D4 -> A150.B1``: a recorded source, which need not be declared."""
    name = endpoint.name.text
    entity = next(iter(names.declared.get(name, ())), None)
    if entity is None:
        return Node("source", name)
    faults.append(_wrong(endpoint, entity.kind, entity.span))
    return None


def _whole(endpoint: ast.Endpoint, i: int, last: int, names: Names, faults: list[ChainFault]) -> Node | None:
    """A place that is one name: a source at the head, a target at the end."""
    name = endpoint.name.text
    wanted = ("source",) if i == 0 else ("target",) if i == last else ("agent",)
    entity = names.find(name, wanted) or next(iter(names.declared.get(name, ())), None)
    if entity is None:
        names.use(name, endpoint.span, wanted, in_chain=True)
        return None
    if i == 0 and entity.kind == "source":
        return Node("source", name)
    if i == last and entity.kind == "target":
        return Node("target", name)
    faults.append(_wrong(endpoint, entity.kind, entity.span, at_head=i == 0))
    return None


def _wrong(endpoint: ast.Endpoint, kind: str, declared: Span, *, at_head: bool = True) -> ChainFault:
    name = as_written(endpoint.name.text)
    message = f"{name} is {with_article(kind)}, which has no place {'at the head of' if at_head else 'here in'} a chain"
    if kind == "agent":
        help = f"name one of its buffers: `{name}.B1`"
    elif kind == "drive":
        help = "a chain shows buffers; each agent's drive stands behind its arrow: `agent A1 -> R1`"
    else:
        help = _RIGHT
    return ChainFault(endpoint.span, message, help, ((f"the {kind}", declared),))


def _target(
    endpoint: ast.Endpoint,
    node: Node,
    before: Node | None,
    agents: Mapping[str, Agent],
    faults: list[ChainFault],
) -> Node | None:
    """A target takes what comes back: it hangs on a buffer of a restore or copy agent."""
    if before is None:
        return node
    feeding = agents.get(before.name) if before.kind == "buffer" else None
    if feeding is not None and feeding.group_kind in {"restore", "copy"}:
        return node
    what = f"the source {as_written(before.name)}" if feeding is None else f"a {feeding.group_kind} agent's buffer"
    faults.append(
        ChainFault(
            endpoint.span,
            f"the target {as_written(node.name)} hangs on {what}; a target takes restored data",
            "targets hang on the buffers of restore and copy agents",
        )
    )
    return None
