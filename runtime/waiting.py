"""Who waits for whom: whether agents with ``order = "object"`` can stand still for ever (docs/deadlock.md).

The one place where this is decided: the compiler refuses such plans (TC310, TC311), and the engine refuses them
before it opens anything, since a compiled plan may come from anywhere. A *reader* here is what one thread reads from:
a source, or the drive of restore agents; its rings go in step, as far apart as they are deep. An agent that
interleaves, or that has a spool, takes every record that comes: it makes nobody wait and is not among the waiters.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from .frozen import frozen
from .plan import CompiledPlan


@frozen
class Waiter:
    """An agent that takes one object after another: for each of its buffers, in their order, the reader it hangs on."""

    agent: str
    readers: tuple[Hashable, ...]


@frozen
class Wait:
    """*held* may stand still until *first* has ended: *agent* takes its buffer *later* only after its buffer *earlier*.

    ``earlier`` and ``later`` are places in the waiter's ``readers``, from 0.
    """

    agent: str
    held: Hashable
    first: Hashable
    earlier: int
    later: int


#: held → first → the wait between them
_Edges = dict[Hashable, dict[Hashable, Wait]]


def wait_cycles(waiters: Iterable[Waiter]) -> tuple[tuple[Wait, ...], ...]:
    """One cycle of waits for each knot of readers; empty if and only if nothing can wait for ever.

    In a cycle the ``first`` of each wait is the ``held`` of the next, and the last leads back. No two neighbours are of
    one agent. Linear in the number of buffers; the same for the same input. No waiter may wait for itself
    (:func:`waits_for_itself`): that is another fault, which the caller has looked for before.
    """
    edges: _Edges = {}
    for waiter in waiters:
        # The order within an agent is a chain of waits: neighbours say it all.
        for later in range(1, len(waiter.readers)):
            first, held = waiter.readers[later - 1], waiter.readers[later]
            if first != held:
                edges.setdefault(held, {}).setdefault(first, Wait(waiter.agent, held, first, later - 1, later))
    return tuple(_merged(_shortest_cycle(edges, knot)) for knot in _knots(edges))


def waits_for_itself(waiter: Waiter) -> tuple[int, int] | None:
    """The first two buffers of *waiter* that hang on one reader: the later one's records hold the earlier one up."""
    seen: dict[Hashable, int] = {}
    for i, reader in enumerate(waiter.readers):
        if reader in seen:
            return seen[reader], i
        seen[reader] = i
    return None


def waiters_of(plan: CompiledPlan) -> tuple[Waiter, ...]:
    """The agents of a compiled plan that may make a reader wait."""
    buffers = {f"{a.name}.{b.name}": (a, b) for a in plan.agents for b in a.buffers}
    kinds = {group.name: group.kind for group in plan.groups}
    sources = {source.name for source in plan.sources}

    def reader_of(name: str) -> tuple[str, str]:
        seen = set()
        while name not in seen:
            seen.add(name)
            agent, buffer = buffers[name]
            if agent.role == "read":
                return "drive", agent.drive
            kind = kinds.get(agent.group)
            if kind == "backup" or buffer.feed not in buffers or (kind is None and buffer.feed in sources):
                return "source", buffer.feed
            name = buffer.feed
        return "buffer", name  # a circle of feeds, which no compiler made: it hangs on itself

    return tuple(
        Waiter(agent.name, tuple(reader_of(f"{agent.name}.{b.name}") for b in agent.buffers))
        for agent in plan.agents
        if agent.role == "write" and agent.order == "object" and agent.spool is None
    )


def _knots(edges: _Edges) -> list[list[Hashable]]:
    """The sets of readers that all wait for each other (strong components of two and more), in a fixed order.

    Kosaraju: the order in which a depth-first search leaves the nodes, then a search of the reversed graph in the
    opposite order.
    """
    left: list[Hashable] = []
    seen: set[Hashable] = set()
    for root in edges:
        if root in seen:
            continue
        seen.add(root)
        path = [(root, iter(edges[root]))]
        while path:
            node, following = path[-1]
            for other in following:
                if other not in seen:
                    seen.add(other)
                    path.append((other, iter(edges.get(other, {}))))
                    break
            else:
                left.append(node)
                path.pop()
    back: dict[Hashable, list[Hashable]] = {}
    for held, waits in edges.items():
        for first in waits:
            back.setdefault(first, []).append(held)
    knots = []
    taken: set[Hashable] = set()
    for root in reversed(left):
        if root in taken:
            continue
        taken.add(root)
        knot = [root]
        for node in knot:  # it grows while it is walked
            for other in back.get(node, ()):
                if other not in taken:
                    taken.add(other)
                    knot.append(other)
        if len(knot) > 1:
            knots.append(knot)
    return knots


def _shortest_cycle(edges: _Edges, knot: Sequence[Hashable]) -> list[Wait]:
    """A shortest cycle through the knot's first reader."""
    inside = set(knot)
    start = knot[0]
    came: dict[Hashable, Wait] = {}
    queue = [start]
    for node in queue:
        for first, wait in edges.get(node, {}).items():
            if first not in inside or first in came:
                continue
            came[first] = wait
            if first == start:
                cycle = [wait]
                while cycle[-1].held != start:
                    cycle.append(came[cycle[-1].held])
                return cycle[::-1]
            queue.append(first)
    raise AssertionError("every node of a knot lies on a cycle")


def _merged(cycle: list[Wait]) -> tuple[Wait, ...]:
    """The same cycle with neighbouring waits of one agent taken together: its order is transitive."""
    # One agent alone orders its buffers, so two agents at least take part: begin where the agent changes.
    turn = next((i for i, wait in enumerate(cycle) if wait.agent != cycle[i - 1].agent), 0)
    merged: list[Wait] = []
    for wait in cycle[turn:] + cycle[:turn]:
        last = merged[-1] if merged else None
        if last is not None and last.agent == wait.agent and last.earlier == wait.later:
            merged[-1] = Wait(wait.agent, last.held, wait.first, wait.earlier, last.later)
        else:
            merged.append(wait)
    return tuple(merged)
