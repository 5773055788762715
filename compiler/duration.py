"""How long a run takes at least and at most, from ``rate`` and ``size``: a simple model.

Every source is read once, all at the same time; every drive writes all that reaches it. So the run lasts as long
as the slowest of them: a source ``size / rate``, a drive ``Σ sizes / rate`` at its fastest (for the least) and its
slowest rate (for the most). Changing volumes, starting tapes and competing for one disk or network are left out. A
source without ``size`` or ``rate``, or a drive without ``rate``, could take any time: then nothing is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .graph import Graph
from .names import as_written


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds, at least *low* and at most *high*; *missing* is what the plan does not give, *said* the bottleneck."""

    low: float
    high: float
    missing: tuple[str, ...] = ()
    said: str = ""


def estimate(graph: Graph) -> Estimate:
    """The duration of a run of the plan; from 0 to infinite where something is missing."""
    missing: list[str] = []
    parts: list[tuple[float, float, str]] = []
    load: dict[str, int] = {}
    for root in graph.roots:
        if not graph.below[root]:
            continue
        statement = graph.model.statement_of("source", root.name) if root.kind == "source" else None
        if statement is None:
            missing.append(f"the size of what {root} reads stands on its volumes")
            continue
        size, rate = statement.whole("size"), statement.whole("rate")
        missing += [f"{as_written(root.name)} has no `{a}`" for a, v in (("size", size), ("rate", rate)) if v is None]
        if size is not None and rate is not None:
            parts.append((size / rate, size / rate, f"the source {as_written(root.name)}"))
        for drive in dict.fromkeys(arrival.drive for arrival in graph.arrivals(root)):
            load[drive] = load.get(drive, 0) + (size or 0)
    for drive, amount in load.items():
        if graph.discards(drive):
            continue
        drive_statement = graph.model.statement_of("drive", drive)
        rates = drive_statement.get("rate") if drive_statement is not None else None
        if not isinstance(rates, tuple):
            missing.append(f"{as_written(drive)} has no `rate`")
            continue
        slow, fast = rates
        parts.append((amount / fast, amount / slow, f"the drive {as_written(drive)}"))
    if missing or not parts:
        return Estimate(0, math.inf, tuple(missing) or ("the plan reads no source",))
    low, _, _ = max(parts)
    _, high, slowest = max(parts, key=lambda part: part[1])
    return Estimate(low, high, said=f"{slowest} takes {_clock(low)} to {_clock(high)}")


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
