"""What ``tcc estimate`` shows: duration and bottleneck, the memory of each host, the load of each drive."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .duration import Estimate, drive_rates, estimate, flows_of
from .flow import fair_rates
from .graph import Graph
from .model import Node
from .passes.layout import Layout


@dataclass(frozen=True, slots=True)
class HostMemory:
    """The buffers on one *host* (None: this machine): rings, and their bytes."""

    host: str | None
    rings: int
    bytes: int


@dataclass(frozen=True, slots=True)
class DriveLoad:
    """What one drive has to write in a run.

    ``bytes`` is None where a size is missing. ``rate`` is (slowest, fastest), bytes per second, ``inflow`` what comes
    while everything flows; ``busy_seconds`` what the bytes take at the fastest rate, ``load`` that as a part of the
    run's least duration. None: not known.
    """

    drive: str
    agent: str
    bytes: int | None
    rate: tuple[int, int] | None
    inflow: float | None
    busy_seconds: float | None
    load: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """All of it. ``memory`` is in the order of the rings, ``drives`` in that of the agents."""

    duration: Estimate
    memory: tuple[HostMemory, ...]
    drives: tuple[DriveLoad, ...]


def forecast(graph: Graph, layout: Layout) -> Forecast:
    """The forecast of a program whose couplings are sound."""
    duration = estimate(graph)
    return Forecast(duration, _memory(graph, layout), _loads(graph, duration))


def _memory(graph: Graph, layout: Layout) -> tuple[HostMemory, ...]:
    hosts: dict[str | None, list[int]] = {}
    for draft in layout:
        hosts.setdefault(draft.host, []).append(draft.depth)
    return tuple(HostMemory(host, len(own), sum(own) * graph.model.record) for host, own in hosts.items())


def _loads(graph: Graph, duration: Estimate) -> tuple[DriveLoad, ...]:
    whole = flows_of(graph)
    rates = fair_rates(whole.flows, whole.capacity, range(len(whole.flows)))
    through: dict[str, list[int]] = {}
    for i, root in enumerate(whole.roots):
        for arrival in graph.arrivals(root):
            through.setdefault(arrival.drive, []).append(i)
    sizes = [_size(graph, root) for root in whole.roots]
    loads = []
    for agent in graph.model.agents.values():
        if agent.role != "write" or agent.drive is None:
            continue
        own = through.get(agent.drive, [])
        known = [size for i in own if (size := sizes[i]) is not None]
        amount = sum(known) if len(known) == len(own) else None
        speed = drive_rates(graph, agent.drive)
        inflow = sum(rates[i][0] for i in own)
        busy = amount / speed[1] if amount is not None and speed is not None else None
        loads.append(
            DriveLoad(
                drive=agent.drive,
                agent=agent.name,
                bytes=amount,
                rate=speed,
                inflow=inflow if inflow < math.inf else None,
                busy_seconds=busy,
                load=busy / duration.low if busy is not None and not duration.missing and duration.low > 0 else None,
            )
        )
    return tuple(loads)


def _size(graph: Graph, root: Node) -> int | None:
    statement = graph.model.statement_of("source", root.name) if root.kind == "source" else None
    return statement.whole("size") if statement is not None else None
