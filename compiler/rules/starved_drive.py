"""TC907: warning: a drive that gets less than the slowest rate at which it streams.

Why: a tape that runs out of data stops, winds back and starts again, many times a minute. That takes longer than the
data does, and wears out tape and heads.

    drive R1 { tape = "/dev/nst0"  rate = 30MB/s..160MB/s }    # fed by one source of 10MB/s

Mend: feed it more sources at once, faster ones, or from a ``spool``.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ..duration import rate_text
from ..graph import Graph
from ..names import as_written
from ..rule import Rule
from ..streaming import starved_drives

RULE = Rule("TC907", "a drive that is fed more slowly than it can stream", "warning")


def check(graph: Graph) -> Iterator[Diagnostic]:
    """Every drive with a range as its rate that gets less than the lower end while all its sources flow."""
    for pace in starved_drives(graph):
        statement = graph.model.statement_of("drive", pace.drive)
        rate = statement.settings.get("rate") if statement is not None else None
        if rate is None:
            continue
        name = as_written(pace.agent.name)
        yield RULE.at(
            rate.span,
            f"the drive {as_written(pace.drive)} starves: it gets at most {rate_text(pace.inflow)}, "
            f"and streams at {rate_text(pace.own)} or more",
            help=f"feed {name} more sources at once, or faster ones, or give it a `spool`",
            related=[Related(f"{name} writes it", pace.agent.drive_span)],
        )
