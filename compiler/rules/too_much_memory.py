"""TC501: buffers that need more memory than ``memory`` allows.

    plan night { depth = 64  memory = 32MiB }      # one ring alone needs 64MiB

Mend: fewer records a buffer (``depth``), smaller ones (``record``), or more ``memory``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...dsl.diagnostics import Diagnostic
from ..graph import Graph
from ..passes.layout import Layout
from ..rule import Rule
from ..tree import in_bytes

RULE = Rule("TC501", "buffers that need more memory than `memory` allows")


def check(graph: Graph, laid_out: Callable[[], Layout]) -> Iterator[Diagnostic]:
    """The sum of depth × record over the rings, after buffers are shared, against the plan's ``memory``."""
    model = graph.model
    limit = model.plan.settings.get("memory") if model.plan is not None else None
    if limit is None or not isinstance(limit.value, int) or graph.uncertain is None or model.plan_is_lost:
        return
    layout = laid_out()
    needed = sum(draft.depth for draft in layout) * model.record
    if needed > limit.value:
        largest = max(layout, key=lambda draft: draft.depth)
        yield RULE.at(
            limit.span,
            f"the buffers need {in_bytes(needed)}, `memory` allows {in_bytes(limit.value)}: "
            f"{len(layout)} rings of up to {largest.depth} records of {in_bytes(model.record)}",
            help=f"lower `depth` or `record`, or allow {in_bytes(needed)}",
        )
