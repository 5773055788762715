"""Where everything that a plan reads goes: for each source, or each object that a restore agent reads, its copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..runtime.plan import Agent, Buffer, CompiledPlan, Drive


@dataclass(frozen=True, slots=True)
class Copy:
    """One way to a drive: ``path`` is the buffers (``AGENT.BUFFER``) from the first to the one of the drive's agent."""

    drive: Drive
    path: tuple[str, ...]

    @property
    def where(self) -> str:
        """``on R5 at site vault``."""
        return f"on {self.drive.name}" + (f" at site {self.drive.site}" if self.drive.site else "")


@dataclass(frozen=True, slots=True)
class Flow:
    """What is read once: a source, or what a selector names on a drive. ``copies`` and ``discards`` by drive."""

    name: str
    restored: bool
    copies: Mapping[str, Copy]
    discards: Mapping[str, Copy]

    @property
    def sites(self) -> dict[str, list[Copy]]:
        """The copies of each site that is known, in their order."""
        out: dict[str, list[Copy]] = {}
        for copy in self.copies.values():
            if copy.drive.site is not None:
                out.setdefault(copy.drive.site, []).append(copy)
        return out


def flows(plan: CompiledPlan) -> dict[str, Flow]:
    """All that the plan reads or could read, by name, in the plan's order; an unread source has no copies."""
    drives = {drive.name: drive for drive in plan.drives}
    paths = buffer_paths(plan)
    copies: dict[str, dict[str, Copy]] = {source.name: {} for source in plan.sources}
    discards: dict[str, dict[str, Copy]] = {source.name: {} for source in plan.sources}
    restored = {root for root, _ in paths.values()} - copies.keys()
    for agent in plan.agents:
        for buffer in agent.buffers:
            root, path = paths[f"{agent.name}.{buffer.name}"]
            drive = drives[agent.drive]
            copies.setdefault(root, {})
            if agent.role == "write":
                goal = discards if drive.kind == "discard" else copies
                goal.setdefault(root, {})[drive.name] = Copy(drive, path)
    return {name: Flow(name, name in restored, own, discards.get(name, {})) for name, own in copies.items()}


def buffer_paths(plan: CompiledPlan) -> dict[str, tuple[str, tuple[str, ...]]]:
    """For every buffer (``AGENT.BUFFER``) what it holds, and the buffers that lead to it, itself the last."""
    buffers = {f"{agent.name}.{buffer.name}": (agent, buffer) for agent in plan.agents for buffer in agent.buffers}
    kinds = {group.name: group.kind for group in plan.groups}
    out: dict[str, tuple[str, tuple[str, ...]]] = {}
    for start in buffers:
        way: list[str] = []
        here = start
        while here not in out and here not in way:
            way.append(here)
            agent, buffer = buffers[here]
            if agent.role == "read" or kinds.get(agent.group) == "backup" or buffer.feed not in buffers:
                out[here] = (_root(agent, buffer), (here,))
            else:
                here = buffer.feed
        # A compiled plan that was made by hand may lead in a circle: what is in it has no beginning.
        root, path = out.get(here, ("nothing", ()))
        for name in reversed(way):
            if name not in out:
                path = (*path, name)
                out[name] = (root, path)
    return out


def _root(agent: Agent, buffer: Buffer) -> str:
    if agent.role == "read":
        as_of = f" as of {buffer.as_of}" if buffer.as_of is not None else ""
        return f"{buffer.feed}{as_of} from {agent.drive}"
    return buffer.feed
