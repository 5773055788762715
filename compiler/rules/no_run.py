"""TC908: warning: attributes that each may be written, and together ask for what no run can do.

Why: the run would be refused, at night, when nobody reads what it says.

    source shop { command = ["pg_dump", "shop"]  level = "incremental" }

Mend: take out the one that has no meaning there.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ...dsl.spans import Span
from ..model import Model, Statement
from ..names import as_written
from ..rule import Rule

RULE = Rule("TC908", "attributes that together ask for what no run can do", "warning")


def check(model: Model) -> Iterator[Diagnostic]:
    """Levels of what has none, standard input for two, a spool's size without a spool, readers of what is discarded."""
    stdin: Span | None = None
    for entity in model.of_kind("source"):
        source = entity.statement
        yield from _level(source)
        if source.text("stream") == "-":
            here = source.settings["stream"].span
            if stdin is not None:
                yield RULE.at(
                    here,
                    f"the source {as_written(source.name)} reads standard input, and so does another one",
                    help="standard input can be read once only: read a FIFO, or start a command",
                    related=[Related("it is read here", stdin)],
                )
            stdin = stdin or here
    discards = {e.name: e.statement for e in model.of_kind("drive") if e.statement.get("discard") is True}
    for agent in model.all_agents:
        size = agent.statement.settings.get("spool_size")
        if size is not None and not agent.statement.mentions("spool"):
            yield RULE.at(
                size.name_span,
                f"the agent {as_written(agent.name)} has a `spool_size` and no `spool`",
                help="name the folder where records wait, `spool = FOLDER`, or take the size out",
            )
        if agent.role == "read" and agent.drive in discards:
            drive = as_written(agent.drive)
            yield RULE.at(
                agent.drive_span,
                f"the restore agent {as_written(agent.name)} reads {drive}, which discards: it holds nothing",
                help="read a drive that stores",
                related=[Related(f"{drive} discards", discards[agent.drive].settings["discard"].span)],
            )


def _level(source: Statement) -> Iterator[Diagnostic]:
    for kind in ("stream", "command"):
        level = source.settings.get("level")
        if kind in source.settings and level is not None and level.value == "incremental":
            yield RULE.at(
                level.span,
                f'the source {as_written(source.name)} is a {kind}: only `files` have a level "incremental"',
                help="a stream is stored whole each time: take `level` out",
            )
