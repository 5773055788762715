"""How long a run takes, from ``rate`` and ``size``: the flows of a plan, and what :mod:`.flow` makes of them.

The least is what the drives' fastest rates give, the most what their slowest ones give. Where a fact is missing the
least is what the other facts alone make necessary, and the most is infinite. docs/estimate.md has the model's limits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from .flow import Course, Flow, Queue, course, least_seconds
from .graph import Graph
from .model import Agent, Node
from .names import as_written

#: More than a plan can mean; a larger number would leave the range of floating point.
_BYTES_MAX = 10**30


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds, at least *low* and at most *high*; *missing* is what the plan does not give.

    ``bottleneck`` is what sets the pace, ``source NAME`` or ``drive NAME`` ("": nothing known does), and ``said`` all
    that in words.
    ``exact`` is False where the plan is so large that *low* and *high* are lower bounds.
    """

    low: float
    high: float
    missing: tuple[str, ...] = ()
    said: str = ""
    bottleneck: str = ""
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Flows:
    """The objects of a plan as flows: ``roots`` are what they descend from, by the same places.

    ``capacity`` holds the rates of drives that are known, by ``drive NAME``. ``behind`` has for each drive whose agent
    has a spool its bytes: it holds nothing up, yet has all of them to write.
    """

    roots: tuple[Node, ...]
    flows: tuple[Flow, ...]
    capacity: dict[str, float]
    queues: tuple[Queue, ...]
    behind: dict[str, float]


def drive_rates(graph: Graph, drive: str) -> tuple[int, int] | None:
    """The slowest and the fastest streaming rate of *drive*, bytes per second, where it states them."""
    statement = graph.model.statement_of("drive", drive)
    rates = statement.get("rate") if statement is not None else None
    return rates if isinstance(rates, tuple) else None


def has_spool(agent: Agent) -> bool:
    """Whether *agent* may fall behind what feeds it."""
    return agent.statement.mentions("spool")


def flows_of(graph: Graph, *, slow: bool = False) -> Flows:
    """The flows of the plan with the drives at their fastest rates, or *slow* at their slowest.

    An unknown size counts as nothing, an unknown rate as no limit: :func:`missing_facts` says which these are.
    """
    roots = [root for root in graph.roots if graph.below[root]]
    flows: list[Flow] = []
    capacity: dict[str, float] = {}
    behind: dict[str, float] = {}
    place: dict[Node, int] = {}
    for root in roots:
        statement = graph.model.statement_of("source", root.name) if root.kind == "source" else None
        size = min((statement.whole("size") if statement is not None else None) or 0, _BYTES_MAX)
        rate = (statement.whole("rate") if statement is not None else None) or math.inf
        drives = dict.fromkeys(_read_drive(graph, root))
        for node, _ in graph.below[root]:
            agent = graph.model.agents.get(node.name) if node.kind == "buffer" else None
            if agent is None or agent.role != "write" or agent.drive is None:
                continue
            place[node] = len(flows)
            if has_spool(agent):
                behind[agent.drive] = behind.get(agent.drive, 0.0) + size
            else:
                drives[agent.drive] = None
        flows.append(Flow(f"source {root}", size, rate, tuple(f"drive {drive}" for drive in drives)))
        for drive in drives:
            rates = drive_rates(graph, drive)
            if rates is not None:
                capacity[f"drive {drive}"] = rates[0] if slow else rates[1]
    queues = tuple(
        Queue(f"drive {agent.drive}", tuple(place[node] for node in _buffers(graph, agent) if node in place))
        for agent in graph.model.agents.values()
        if agent.role == "write" and agent.statement.text("order") == "object" and not has_spool(agent)
    )
    return Flows(tuple(roots), tuple(flows), capacity, queues, behind)


def _read_drive(graph: Graph, root: Node) -> Iterator[str]:
    agent = graph.model.agents.get(root.name) if root.kind == "selector" else None
    if agent is not None and agent.drive is not None:
        yield agent.drive


def _buffers(graph: Graph, agent: Agent) -> list[Node]:
    return [Node("buffer", agent.name, name) for name in graph.model.buffers[agent.name]]


def missing_facts(graph: Graph) -> tuple[str, ...]:
    """What an estimate of the whole run lacks, in words; a drive that discards need not state its rate."""
    missing: list[str] = []
    drives: dict[str, None] = {}
    for root in graph.roots:
        if not graph.below[root]:
            continue
        statement = graph.model.statement_of("source", root.name) if root.kind == "source" else None
        if statement is None:
            missing.append(f"the size of what {root} reads stands on its volumes")
        else:
            missing += [
                f"{as_written(root.name)} has no `{name}`" for name in ("size", "rate") if statement.whole(name) is None
            ]
        drives.update(dict.fromkeys(_read_drive(graph, root)))
        drives.update(dict.fromkeys(arrival.drive for arrival in graph.arrivals(root)))
    if not any(graph.below[root] for root in graph.roots):
        return ("the plan reads no source",)
    missing += [
        f"{as_written(drive)} has no `rate`"
        for drive in drives
        if drive_rates(graph, drive) is None and not graph.discards(drive)
    ]
    return tuple(missing)


def estimate(graph: Graph) -> Estimate:
    """The duration of a run of the plan; at most infinite where something is missing."""
    missing = missing_facts(graph)
    fast = flows_of(graph)
    if missing:
        found = _least(fast, graph)
        return Estimate(found.seconds, math.inf, missing, _in_words("at least", found, found), found.bottleneck)
    low = _course(fast, graph)
    high = _course(flows_of(graph, slow=True), graph, slow=True)
    if high.seconds < low.seconds:  # fair shares can be worse shares
        low, high = high, low
    return Estimate(
        low.seconds, high.seconds, (), _in_words("about", low, high), low.bottleneck, exact=low.exact and high.exact
    )


def _least(flows: Flows, graph: Graph) -> Course:
    seconds, slowest = least_seconds(flows.flows, [flow.size for flow in flows.flows], flows.capacity)
    return _with_spools(Course(seconds, slowest), flows, graph, slow=False)


def _course(flows: Flows, graph: Graph, *, slow: bool = False) -> Course:
    found = course(flows.flows, flows.capacity, flows.queues)
    if found is None:  # the plan would stand still, which TC310 says
        return _least(flows, graph)
    return _with_spools(found, flows, graph, slow=slow)


def _with_spools(found: Course, flows: Flows, graph: Graph, *, slow: bool) -> Course:
    """A drive that falls behind into a spool has its own bytes to write, however early the others are ready."""
    for drive, amount in flows.behind.items():
        rates = drive_rates(graph, drive)
        if rates is not None and amount / rates[0 if slow else 1] > found.seconds:
            found = Course(amount / rates[0 if slow else 1], f"drive {drive}", found.exact)
    return found


def _in_words(about: str, low: Course, high: Course) -> str:
    if not low.bottleneck and high.seconds == 0:
        return "how long a run takes is not known"
    span = clock(low.seconds) if low.seconds == high.seconds else f"{clock(low.seconds)} to {clock(high.seconds)}"
    kind, _, name = low.bottleneck.partition(" ")
    paced = f", and the {kind} {as_written(name)} sets the pace" if name else ""
    return f"a run takes {about} {span}{paced}"


def clock(seconds: float) -> str:
    """*seconds* as hours, minutes and seconds: ``5:33:20``."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def rate_text(bytes_per_second: float) -> str:
    """A rate as plans write it, rounded: ``30MB/s``."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if bytes_per_second >= factor:
            return f"{bytes_per_second / factor:.4g}{unit}/s"
    return f"{bytes_per_second:.4g} bytes/s"
