"""TC901: warning: a source that nothing reads.

Why: it is declared, so somebody believes that it is backed up.

Mend: couple it to a buffer of a backup group, or take it out.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic
from ..graph import Graph
from ..names import as_written
from ..rule import Rule

RULE = Rule("TC901", "a source that nothing reads", "warning")


def check(graph: Graph) -> Iterator[Diagnostic]:
    """Every source without a buffer."""
    declared = {entity.name: entity for entity in graph.model.of_kind("source")}
    for root in graph.roots:
        if root.kind != "source" or graph.model.entities[root.name] is not declared[root.name]:
            continue  # what else bears the name (TC202) may be meant where that is used
        if not graph.below[root] and not graph.is_uncertain(root):
            yield RULE.at(
                declared[root.name].span,
                f"nothing reads the source {as_written(root.name)}: it is not backed up",
                help=f"couple it to a buffer of a backup group, `B1 <- {as_written(root.name)}`, or take it out",
            )
