"""TC905: warning: a mirror whose drive is slower than what feeds it, so that it holds back the backup.

Why: all drives of a daisy-chain go in step, as far apart as the buffers are deep; the slowest sets the pace, and the
users' machines are read for that long.

Mend: a faster drive, or a ``spool`` into which the mirror may fall behind.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ..duration import rate_text
from ..graph import Graph
from ..names import as_written
from ..rule import Rule
from ..streaming import slow_mirrors

RULE = Rule("TC905", "a mirror whose drive is slower than what feeds it, so that it holds back the backup", "warning")


def check(graph: Graph) -> Iterator[Diagnostic]:
    """Every mirror that gets more than its drive's fastest rate from the stages before it."""
    for pace in slow_mirrors(graph):
        statement = graph.model.statement_of("drive", pace.drive)
        rate = statement.settings.get("rate") if statement is not None else None
        yield RULE.at(
            pace.agent.drive_span,
            f"the mirror {as_written(pace.agent.name)} holds back the backup: {as_written(pace.drive)} writes "
            f"{rate_text(pace.own)}, what feeds it could send {rate_text(pace.inflow)}",
            help=f"use a faster drive, or give {as_written(pace.agent.name)} a `spool` into which it may fall behind",
            related=[Related("its rate", rate.span)] if rate is not None else [],
        )
