"""TC306: an agent's arrow against its group's kind.

    restore group old { agent A1 -> R1 { B1 <- D1 } }      # a restore agent reads: A1 <- R1

Mend: turn the arrow round. An arrow points the way the data flows: ``->`` writes the drive, ``<-`` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ..model import Model
from ..names import as_written
from ..rule import Rule

RULE = Rule("TC306", "an agent's arrow against its group's kind")


def check(model: Model) -> Iterator[Diagnostic]:
    """Every agent that reads where its group writes, or the other way round."""
    kind_span = {group.name: group.kind_span for group in reversed(model.groups)}
    for agent in model.all_agents:
        right = "<-" if agent.role == "read" else "->"
        if agent.arrow == right:
            continue
        does, arrow_says = ("reads", "writes") if agent.role == "read" else ("writes", "reads")
        drive = as_written(agent.drive_name)
        yield RULE.at(
            agent.arrow_span,
            f"a {agent.group_kind} agent {does} its drive; this arrow {arrow_says} it",
            help=f"write `agent {as_written(agent.name)} {right} {drive}`",
            related=[Related(f"{as_written(agent.group)} is a {agent.group_kind} group", kind_span[agent.group])],
        )
