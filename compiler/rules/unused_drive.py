"""TC902: warning: a drive that nothing uses.

Why: it is declared, so somebody believes that it is written.

Mend: give it an agent, or take it out.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic
from ..model import Model
from ..names import as_written
from ..rule import Rule

RULE = Rule("TC902", "a drive that nothing uses", "warning")


def check(model: Model) -> Iterator[Diagnostic]:
    """Every drive without an agent, unless a fault at some agent's drive hides which one was meant."""
    if model.lost or any(not group.agents for group in model.groups):
        return
    used: set[str] = set()
    for agent in model.all_agents:
        if agent.drive is None or agent.drive in used:
            return
        used.add(agent.drive)
    for entity in model.of_kind("drive"):
        # A name that something else bears, too (TC202), may stand where that is used.
        if entity.name not in used and model.entities[entity.name] is entity:
            yield RULE.at(
                entity.span,
                f"nothing uses the drive {as_written(entity.name)}",
                help=f"give it an agent, `agent NAME -> {as_written(entity.name)}`, or take it out",
            )
