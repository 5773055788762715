"""TC313: one source that reaches one drive more than once.

Why: the same records twice on one medium cost time and room and are no second copy.

    agent A1 -> R1 { B1 <- D1   B2 <- D1 }

Mend: take one of the couplings out, or send it to another drive.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ..graph import Arrival, Graph
from ..names import as_written
from ..rule import Rule

RULE = Rule("TC313", "one source that reaches one drive more than once")


def check(graph: Graph) -> Iterator[Diagnostic]:
    """Every way of a source into an agent beyond the first. Two agents on one drive are TC302 and not said again."""
    order: dict[int, int] = {}
    for root in graph.roots:
        if len({arrival.agent.name for arrival in graph.arrivals(root)}) == len(graph.arrivals(root)):
            continue
        order = order or {id(coupling): i for i, coupling in enumerate(graph.model.couplings)}
        ways: dict[str, list[Arrival]] = {}
        for arrival in graph.arrivals(root):
            ways.setdefault(arrival.agent.name, []).append(arrival)
        for several in ways.values():
            first, *others = sorted(several, key=lambda a: order[id(a.coupling)])
            name = as_written(root.name) if root.kind == "source" else str(root)
            for again in others:
                if again.coupling.form == "all" and again.coupling.span == first.coupling.span:
                    continue
                yield RULE.at(
                    again.coupling.buffer_span,
                    f"{name} reaches the drive {as_written(again.drive)} twice: by {first.coupling.buffer} "
                    f"and by {again.coupling.buffer}",
                    help="take one of the two couplings out, or send one to another drive",
                    related=[Related(f"{first.coupling.buffer} takes it here", first.coupling.buffer_span)],
                )
