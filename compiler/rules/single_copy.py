"""TC903: warning: a source with a single copy.

Why: one medium that fails, and the data is gone. A drive that discards is no copy.

Mend: add a mirror group. Where one copy is meant: ``# tcc: ignore TC903`` at the end of the source's line.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ..graph import Graph
from ..names import as_written
from ..rule import Rule

RULE = Rule("TC903", "a source with a single copy", "warning")


def check(graph: Graph) -> Iterator[Diagnostic]:
    """Every source that is read and reaches at most one drive that stores."""
    declared = {entity.name: entity for entity in graph.model.of_kind("source")}
    drives = {entity.name: entity.span for entity in graph.model.of_kind("drive")}
    for root in graph.roots:
        if root.kind != "source" or not graph.below[root] or graph.is_uncertain(root):
            continue
        copies = graph.copies(root)
        if len(copies) > 1:
            continue
        name = as_written(root.name)
        if len(copies) == 1:
            message = f"the source {name} has a single copy, on the drive {as_written(copies[0])}"
        else:
            message = f"the source {name} has no copy: every drive that it reaches discards"
        yield RULE.at(
            declared[root.name].span,
            message,
            help="mirror it to a second drive: `mirror group … of …`",
            related=[Related("its only copy", drives[drive]) for drive in copies],
        )
