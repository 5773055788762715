"""What this version of the engine cannot run is refused before anything is opened; nothing is ignored in silence."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

from .faults import UsageFault
from .kinds import RUNNABLE_DRIVE_KINDS
from .plan import CompiledPlan
from .waiting import wait_cycles, waiters_of, waits_for_itself

#: Attributes that are not given.
_UNSAID = ((), False, "full", None)
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
    if any(source.compress or source.encrypt for source in plan.sources):
        from .codec.recipients import faults

        for wrong_codec in faults(plan):
            raise UsageFault(
                f"the plan cannot be run: {wrong_codec}",
                safe="nothing was opened, read or written",
                todo="mend it in the plan; `age-keygen -y` gives a key's recipient",
            )
    for wrong_order in _standstills(plan):
        raise UsageFault(
            f"the plan would wait for ever: {wrong_order}",
            safe="nothing was opened, read or written",
            todo='declare their buffers in the same order, give a spool, or leave order = "interleave"',
        )


def refuse_without_threads(plan: CompiledPlan) -> None:
    """Raises :class:`UsageFault` where the system does not let this process have what the plan needs at once.

    The limits lie in many places (``ulimit -u``, a unit's TasksMax, a container's), so that only trying tells: so many
    threads are started, and ended again. A child process counts like a thread.
    """
    read = {ring.feed for ring in plan.rings if ring.buffers}
    sources = [source for source in plan.sources if source.name in read]
    needed = (
        len(sources)
        + sum(source.kind != "stream" for source in sources)
        + any(source.kind != "stream" for source in sources)  # who listens to all that children say
        + 1  # who tells the catalog
        + sum(bool(source.encrypt) for source in sources)
        + sum(bool(source.encrypt or source.compress) for source in sources)
        + sum(bool(source.compress) for source in sources) * len(os.sched_getaffinity(0))
        + len({(agent.drive, agent.role) for agent in plan.agents})
        + sum(agent.spool is not None for agent in plan.agents)
        + len(plan.targets)
    )
    gate = threading.Event()
    tried = [threading.Thread(target=gate.wait, name="trial", daemon=True) for _ in range(needed)]
    started = 0
    try:
        for thread in tried:
            thread.start()
            started += 1
    except RuntimeError:
        raise UsageFault(
            f"the run of {len(plan.sources)} sources and {len(plan.drives)} drives needs {needed} threads and processes"
            f" at once, and the system lets it have {started}",
            safe="nothing was opened, read or written",
            todo="raise the limit (`ulimit -u`, TasksMax of the unit, the container's"
            + (", or `ulimit -v`: a thread's stack is memory" if _memory_is_limited() else "")
            + "), or split the plan",
        ) from None
    finally:
        gate.set()
        for thread in tried[:started]:
            thread.join()


def _memory_is_limited() -> bool:
    import resource

    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def _standstills(plan: CompiledPlan) -> Iterator[str]:
    """What would make the run stand still, in words: what the compiler refuses too (docs/deadlock.md)."""
    waiters = waiters_of(plan)
    feeds = {buffer.ring: buffer.feed for agent in plan.agents if agent.role == "read" for buffer in agent.buffers}
    for agent in plan.agents:
        patient = agent.role == "write" and agent.order == "object" and agent.spool is None
        if patient and any(feeds.get(buffer.ring) == "all" for buffer in agent.buffers):
            yield f'agent {agent.name} (order = "object") takes all objects of a drive, mixed as they lie there'
    alone = [waiter for waiter in waiters if waits_for_itself(waiter) is not None]
    for waiter in alone:
        yield f'agent {waiter.agent} (order = "object") takes several objects from one reader'
    for cycle in wait_cycles(waiter for waiter in waiters if waiter not in alone):
        names = ", ".join(sorted({wait.agent for wait in cycle}))
        yield f'{names} (order = "object") wait for each other\'s buffers'


def _unrunnable(plan: CompiledPlan) -> Iterator[str]:
    for source in plan.sources:
        if source.level != "full" and source.kind not in ("files", "chain"):
            yield f'source {source.name}: level = "{source.level}" of a {source.kind}'
        if source.kind == "chain":
            given = [name for name in ("exclude", "one_file_system", "level") if getattr(source, name) not in _UNSAID]
            yield from (f"source {source.name}: {name} of a chain" for name in given)
        elif source.object is not None:
            yield f"source {source.name}: object without a chain"
    for drive in plan.drives:
        if drive.kind not in RUNNABLE_DRIVE_KINDS:
            yield f"drive {drive.name}: {drive.kind}"
        for attribute in ("changer", "slot"):
            if getattr(drive, attribute) is not None:
                yield f"drive {drive.name}: {attribute}"
    for agent in plan.agents:
        drive = next(drive for drive in plan.drives if drive.name == agent.drive)
        if agent.role == "read" and drive.kind == "discard":
            yield f"agent {agent.name}: reads {drive.name}, which stores nothing"
        if len({buffer.ring for buffer in agent.buffers}) < len(agent.buffers):
            yield f"agent {agent.name}: two of its buffers hold one object"
        if agent.spool_size is not None and agent.spool is None:
            yield f"agent {agent.name}: spool_size without a spool"
    buffers = {
        f"{agent.name}.{buffer.name}" for agent in plan.agents if agent.role == "read" for buffer in agent.buffers
    }
    restored = {ring.id for ring in plan.rings if not buffers.isdisjoint(ring.buffers)}
    of_buffer = {name: ring.id for ring in plan.rings for name in ring.buffers}
    for target in plan.targets:
        if target.feed is not None and of_buffer.get(target.feed) not in restored:
            yield f"target {target.name}: it hangs on no buffer of a restore or copy group"
    yield from _elsewhere(plan)
    if sum(source.stream == "-" for source in plan.sources) > 1:
        names = " and ".join(source.name for source in plan.sources if source.stream == "-")
        yield f"sources {names}: standard input can be read once only"


def _elsewhere(plan: CompiledPlan) -> Iterator[str]:
    """``host`` of something that is not this machine."""
    here = _HERE | {os.uname().nodename}
    address = {host.name: host.address if host.address is not None else host.name for host in plan.hosts}
    parts = [("source", s.name, s.host) for s in plan.sources]
    parts += [("drive", d.name, d.host) for d in plan.drives]
    parts += [("agent", a.name, a.host) for a in plan.agents]
    for kind, name, host in parts:
        if host is not None and address.get(host, host) not in here:
            yield f"{kind} {name}: host = {host} (another machine)"
