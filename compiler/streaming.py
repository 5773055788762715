"""Whether drives keep up with what feeds them, and whether they are fed fast enough: what TC905 and TC907 look at.

Both look at the time when all objects flow, by the fluid model of docs/estimate.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .duration import drive_rates, flows_of, has_spool
from .flow import Flow, fair_rates
from .graph import Graph
from .model import Agent


@dataclass(frozen=True, slots=True)
class Pace:
    """A drive that writes at *own* bytes per second at best (or at least), where *inflow* would come."""

    agent: Agent
    drive: str
    own: float
    inflow: float


def _any_rate(graph: Graph) -> bool:
    return any(entity.statement.get("rate") is not None for entity in graph.model.of_kind("drive"))


def slow_mirrors(graph: Graph) -> Iterator[Pace]:
    """Mirrors without a spool whose drive is slower than what the stages before would send it, in the plan's order."""
    if not _any_rate(graph) or graph.uncertain is None:
        return
    found = {pace.agent.name: pace for pace in _slow_mirrors(graph)}
    yield from (found[name] for name in graph.model.agents if name in found)


def _slow_mirrors(graph: Graph) -> Iterator[Pace]:
    whole = flows_of(graph)
    stages: dict[int, dict[str, tuple[Agent, list[int]]]] = {}
    for i, root in enumerate(whole.roots):
        for node, stage in graph.below[root]:
            agent = graph.model.agents.get(node.name) if node.kind == "buffer" else None
            if agent is not None and agent.role == "write" and agent.drive is not None and not has_spool(agent):
                stages.setdefault(stage, {}).setdefault(agent.drive, (agent, []))[1].append(i)
    written = {f"drive {drive}" for own in stages.values() for drive in own}
    # The stages behind do not count yet: begin with sources and the drives that are read.
    flows = [replace(flow, drives=tuple(d for d in flow.drives if d not in written)) for flow in whole.flows]
    rates = fair_rates(flows, whole.capacity, range(len(flows)))
    for stage in sorted(stages):
        exceeded = False
        for drive, (agent, own) in stages[stage].items():
            capacity = whole.capacity.get(f"drive {drive}")
            inflow = sum(rates[i][0] for i in own)
            if capacity is not None and inflow > capacity * (1 + 1e-9):
                exceeded = True
                if agent.group_kind == "mirror" and inflow < math.inf:
                    yield Pace(agent, drive, capacity, inflow)
            for i in own:
                flows[i] = replace(flows[i], drives=(*flows[i].drives, f"drive {drive}"))
        if exceeded:  # a drive that keeps up changes nothing
            rates = fair_rates(flows, whole.capacity, range(len(flows)))


def starved_drives(graph: Graph) -> Iterator[Pace]:
    """Drives whose ``rate`` is a range and that get less than its lower end even while everything flows."""
    ranges = {}
    for agent in graph.model.agents.values():
        rates = drive_rates(graph, agent.drive) if agent.drive is not None else None
        if agent.role == "write" and rates is not None and rates[0] < rates[1] and not has_spool(agent):
            ranges[agent.name] = (agent, rates[0])
    if not ranges or graph.uncertain is None or graph.uncertain:
        return
    whole = flows_of(graph)
    rates_of = fair_rates(whole.flows, whole.capacity, range(len(whole.flows)))
    through: dict[str, list[int]] = {}
    for i, flow in enumerate(whole.flows):
        for drive in flow.drives:
            through.setdefault(drive, []).append(i)
    for agent, least in ranges.values():
        own = through.get(f"drive {agent.drive}", [])
        if agent.statement.text("order") == "object":  # one at a time, each as fast as it can alone
            inflow = max((_alone(whole.flows[i], whole.capacity) for i in own), default=math.inf)
        else:
            inflow = sum(rates_of[i][0] for i in own) if own else math.inf
        if inflow < least * (1 - 1e-9):
            assert agent.drive is not None
            yield Pace(agent, agent.drive, least, inflow)


def _alone(flow: Flow, capacity: dict[str, float]) -> float:
    return min([flow.rate, *(capacity.get(drive, math.inf) for drive in flow.drives)])
