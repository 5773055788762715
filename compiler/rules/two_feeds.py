"""TC303: a buffer with two feeds.

Why: a buffer holds the records of one feed; which of the two would it hold?

    agent A1 -> R1 { B1 <- D1   B1 <- D2 }

Mend: a buffer for each feed. The same feed stated twice (in a block and in a chain) is one coupling and no fault.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ..graph import Graph
from ..rule import Rule

RULE = Rule("TC303", "a buffer with two feeds")


def check(graph: Graph) -> Iterator[Diagnostic]:
    """Every coupling of a buffer, or a target, beyond its first feed."""
    for node, couplings in graph.feeds.items():
        first = couplings[0]
        what = "target" if node.kind == "target" else "buffer"
        for coupling in couplings[1:]:
            as_of = " as of another time" if coupling.text == first.text else ""
            yield RULE.at(
                coupling.buffer_span,
                f"{node} is fed by {coupling.text}{as_of}, and by {first.text} already",
                help=f"a {what} has one feed: take another {what} for {coupling.text}",
                related=[Related(f"{node} is fed by {first.text} here", first.buffer_span)],
            )
