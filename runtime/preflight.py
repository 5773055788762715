"""What this version of the engine cannot run is refused before anything is opened; nothing is ignored in silence."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import pairwise

from .faults import UsageFault
from .kinds import RUNNABLE_DRIVE_KINDS
from .plan import CompiledPlan

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


def refuse_unrunnable(plan: CompiledPlan) -> None:
    """Raises :class:`UsageFault` that names every attribute that this version cannot run."""
    wrong = list(_unrunnable(plan))
    if wrong:
        raise UsageFault(
            "this version cannot run the plan: " + "; ".join(wrong),
            safe="nothing was opened, read or written",
            todo="take these out of the plan, or run it with a version that knows them",
        )
    cycle = wait_cycle(plan)
    if cycle:
        raise UsageFault(
            "the plan would wait for ever: " + ", ".join(cycle) + ' (order = "object") wait for each other\'s buffers',
            safe="nothing was opened, read or written",
            todo='declare their buffers in the same order, or leave order = "interleave"',
        )


def _unrunnable(plan: CompiledPlan) -> Iterator[str]:
    for source in plan.sources:
        if source.compress is not None:
            yield f"source {source.name}: compress"
        if source.encrypt:
            yield f"source {source.name}: encrypt"
        if source.level != "full":
            yield f'source {source.name}: level = "{source.level}"'
    for drive in plan.drives:
        if drive.kind not in RUNNABLE_DRIVE_KINDS:
            yield f"drive {drive.name}: {drive.kind}"
        for attribute in ("changer", "slot"):
            if getattr(drive, attribute) is not None:
                yield f"drive {drive.name}: {attribute}"
    for group in plan.groups:
        if group.kind in ("restore", "copy"):
            yield f"{group.kind} group {group.name}"
    restores = {group.name for group in plan.groups if group.kind in ("restore", "copy")}
    for agent in plan.agents:
        if agent.role != "write" and agent.group not in restores:
            yield f"agent {agent.name}: reads its drive"
        if len({buffer.ring for buffer in agent.buffers}) < len(agent.buffers):
            yield f"agent {agent.name}: two of its buffers hold one object"
        if agent.spool is not None:
            yield f"agent {agent.name}: spool"
        if agent.spool_size is not None:
            yield f"agent {agent.name}: spool_size"
    for target in plan.targets:
        yield f"target {target.name}"
    yield from _elsewhere(plan)
    if sum(source.stream == "-" for source in plan.sources) > 1:
        names = " and ".join(source.name for source in plan.sources if source.stream == "-")
        yield f"sources {names}: standard input can be read once only"


def _elsewhere(plan: CompiledPlan) -> Iterator[str]:
    """``host`` of something that is not this machine."""
    here = _HERE | {socket.gethostname()}
    address = {host.name: host.address if host.address is not None else host.name for host in plan.hosts}
    parts = [("source", s.name, s.host) for s in plan.sources]
    parts += [("drive", d.name, d.host) for d in plan.drives]
    parts += [("agent", a.name, a.host) for a in plan.agents]
    for kind, name, host in parts:
        if host is not None and address.get(host, host) not in here:
            yield f"{kind} {name}: host = {host} (another machine)"


def wait_cycle(plan: CompiledPlan) -> tuple[str, ...]:
    """Agents with ``order = "object"`` that wait for each other's rings, sorted; empty when there are none.

    Such an agent takes nothing from a ring before the rings of its earlier buffers have ended: an edge from the
    later to the earlier. A ring ends once all its readers have taken it. So the run stands still if and only if the
    edges form a cycle; agents that interleave never refuse a record and add no edge.
    """
    edges: dict[int, dict[int, set[str]]] = {}
    for agent in plan.agents:
        if agent.order != "object":
            continue
        rings = [buffer.ring for buffer in agent.buffers]
        for earlier, later in pairwise(rings):
            if earlier != later:
                edges.setdefault(later, {}).setdefault(earlier, set()).add(agent.name)
    while True:
        # A ring that waits for nothing ends; what waits for it alone goes on: what is left when nothing ends is cyclic.
        ends = {ring for waits in edges.values() for ring in waits} - edges.keys()
        rest = {
            later: kept
            for later, waits in edges.items()
            if (kept := {ring: names for ring, names in waits.items() if ring not in ends})
        }
        # A ring that nothing waits for holds nobody up.
        waited_for = {ring for waits in rest.values() for ring in waits}
        rest = {later: waits for later, waits in rest.items() if later in waited_for}
        if rest == edges:
            break
        edges = rest
    return tuple(sorted({name for waits in edges.values() for names in waits.values() for name in names}))
