"""TC502: an estimated duration beyond ``window``.

Why: a backup that still runs when the users come back slows them down, and the next one meets it.

    plan night { window = 2h }                     # 4TB at 200MB/s take 5:33:20

Mend: the message names the source or drive that sets the pace: a faster one, less data, or a longer ``window``.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ...dsl.spans import Span
from ..duration import clock, estimate
from ..graph import Graph
from ..rule import Rule

RULE = Rule("TC502", "an estimated duration beyond `window`")


def check(graph: Graph) -> Iterator[Diagnostic]:
    """The least that the run takes, at the drives' fastest rates and with what is known where facts are missing."""
    plan = graph.model.plan
    window = plan.settings.get("window") if plan is not None else None
    if plan is None or window is None or graph.uncertain is None or graph.uncertain:
        return
    allowed = plan.seconds("window")
    found = estimate(graph)
    if allowed is None or found.low <= allowed:
        return
    place = _bottleneck(graph, found.bottleneck)
    yield RULE.at(
        window.span,
        f"{found.said}; `window` allows {clock(allowed)}",
        help="less data, faster or more drives, or a longer `window`; `tcc estimate` shows the load of each drive",
        related=[Related("this sets the pace", place)] if place is not None else [],
    )


def _bottleneck(graph: Graph, bottleneck: str) -> Span | None:
    _, _, name = bottleneck.partition(" ")
    entity = graph.model.entities.get(name)
    if entity is None:
        return None
    rate = entity.statement.settings.get("rate")
    return rate.span if rate is not None else entity.span
