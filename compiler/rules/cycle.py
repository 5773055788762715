"""TC301: a cycle among buffers.

Why: records would go round for ever, and none of the buffers has a source.

    mirror group m1 of m2 { agent A1 -> R1 { B1 <- A2.B1 } }
    mirror group m2 of m1 { agent A2 -> R2 { B1 <- A1.B1 } }

Mend: feed one of the buffers from a group that is nearer to the sources.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ..graph import Graph
from ..rule import Rule

RULE = Rule("TC301", "a cycle among buffers")

_HELP = "feed one of these buffers from a group that is nearer to the sources"


def check(graph: Graph) -> Iterator[Diagnostic]:
    """One diagnostic for each knot of buffers, with the whole path of one cycle through it."""
    order = {id(coupling): i for i, coupling in enumerate(graph.model.couplings)}
    for cycle in graph.cycles:
        path = " -> ".join([str(cycle[0].feed), *(str(c.buffer) for c in cycle)])
        last = max(cycle, key=lambda c: order[id(c)])
        yield RULE.at(
            last.span,
            f"the buffers feed each other in a circle: {path}",
            help=_HELP,
            related=[Related(f"{c.feed} feeds {c.buffer}", c.span) for c in cycle],
        )
    for hops in graph.model.star_cycles:
        yield RULE.at(
            max((span for _, span in hops), key=lambda span: (span.file, span.line, span.column)),
            f"the buffers feed each other in a circle: {', and '.join(text for text, _ in hops)}",
            help=_HELP,
            related=[Related(text, span) for text, span in hops],
        )
