"""A fluid model of a run: how fast objects flow when they share drives fairly, and when the last of them has ended.

An object flows to all its drives at one rate, since its ring keeps them in step. A drive divides its rate fairly among
the objects that reach it (max-min): what one of them cannot use, the others may. See docs/estimate.md for what the
model leaves out. Sizes are bytes, rates bytes per second, times seconds; infinity stands for "not limited".
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

#: Visits of a flow's drives after which :func:`course` goes over to the lower bound: about two seconds.
WORK_MAX = 400_000


@dataclass(frozen=True, slots=True)
class Flow:
    """One object: what limits it by itself (*source* at *rate*), and the drives that it passes through in step."""

    source: str
    size: float
    rate: float
    drives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Queue:
    """A drive that takes one object after another: the flows through it, by their places, in its order."""

    drive: str
    flows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """When all flows have ended, and what held the last of them up longest: a source or drive; "" for nothing.

    *exact*: False where the end is only the least that it can be, since the plan is too large to be followed.
    """

    seconds: float
    bottleneck: str
    exact: bool = True


def fair_rates(
    flows: Sequence[Flow], capacity: Mapping[str, float], active: Iterable[int]
) -> dict[int, tuple[float, str]]:
    """The max-min fair rate of each *active* flow, and the source or drive that limits it ("": nothing does).

    Drives without *capacity* limit nothing. The common rate of all flows is raised until a flow's own rate or a drive's
    share is reached; what is limited stays there, the others go on. O(E log E) for E drives of flows.
    """
    users: dict[str, list[int]] = {}
    heap: list[tuple[float, int, int | str]] = []
    for i in active:
        heap.append((flows[i].rate, len(heap), i))
        for drive in flows[i].drives:
            if drive in capacity:
                users.setdefault(drive, []).append(i)
    left = {drive: capacity[drive] for drive in users}
    count = {drive: len(own) for drive, own in users.items()}
    heap += [(left[drive] / count[drive], len(heap) + n, drive) for n, drive in enumerate(users)]
    heapq.heapify(heap)
    rates: dict[int, tuple[float, str]] = {}

    def settle(i: int, level: float, limit: str) -> None:
        rates[i] = (level, limit)
        for drive in flows[i].drives:
            if drive in left:
                left[drive] -= level
                count[drive] -= 1

    while heap:
        level, n, key = heapq.heappop(heap)  # n keeps the order where levels are equal
        if isinstance(key, int):
            if key not in rates:
                settle(key, level, flows[key].source if level < math.inf else "")
            continue
        if not count[key]:
            continue
        share = max(left[key] / count[key], level)  # never less: what was settled before took no more than this level
        if share > level * (1 + 1e-12):
            heapq.heappush(heap, (share, n, key))  # others took less than their share
            continue
        for i in users[key]:
            if i not in rates:
                settle(i, share, key)
    return rates


def least_seconds(flows: Sequence[Flow], sizes: Sequence[float], capacity: Mapping[str, float]) -> tuple[float, str]:
    """The least time in which *sizes* can flow, however the drives share: that of the slowest source or drive."""
    least, slowest = 0.0, ""
    load: dict[str, float] = {}
    for flow, size in zip(flows, sizes, strict=True):
        if size / flow.rate > least:
            least, slowest = size / flow.rate, flow.source
        for drive in flow.drives:
            load[drive] = load.get(drive, 0.0) + size
    for drive, amount in load.items():
        if amount / capacity.get(drive, math.inf) > least:
            least, slowest = amount / capacity[drive], drive
    return least, slowest


def course(
    flows: Sequence[Flow], capacity: Mapping[str, float], queues: Sequence[Queue] = (), *, work_max: int = WORK_MAX
) -> Course | None:
    """Let all flows run to their ends; None when the *queues* wait for each other and nothing can flow (TC310)."""
    left = [flow.size for flow in flows]
    open_flows = {i for i, size in enumerate(left) if size > 0}
    waiting = [[i for i in queue.flows if i in open_flows][::-1] for queue in queues]
    limited: list[dict[str, float]] = [{} for _ in flows]
    seconds, last, work = 0.0, -1, 0
    while open_flows:
        held = {i: queue.drive for queue, rest in zip(queues, waiting, strict=True) for i in rest[:-1]}
        active = [i for i in sorted(open_flows) if i not in held]
        if not active:
            return None
        work += len(open_flows) + sum(len(flows[i].drives) for i in active)
        if work > work_max:
            rest, slowest = least_seconds(flows, left, capacity)
            return Course(seconds + rest, slowest, exact=False)
        rates = fair_rates(flows, capacity, active)
        step = min(left[i] / rates[i][0] for i in active)
        seconds += step
        for i in open_flows:
            limit = held[i] if i in held else rates[i][1]
            limited[i][limit] = limited[i].get(limit, 0.0) + step
        for i in active:
            rate = rates[i][0]
            left[i] = 0.0 if rate == math.inf else left[i] - rate * step
            if left[i] <= 1e-9 * flows[i].size:
                left[i] = 0.0
                open_flows.discard(i)
                last = i
        for rest_of_queue in waiting:
            while rest_of_queue and rest_of_queue[-1] not in open_flows:
                rest_of_queue.pop()
    causes = limited[last] if last >= 0 else {}
    return Course(seconds, max(causes, key=lambda cause: causes[cause]) if causes else "")
