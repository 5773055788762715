"""TC307: one drive both read and written in one plan.

Why: a drive has one volume mounted at a time, and a run must not write what it is still reading.

    restore group old { agent A1 <- R1 { B1 <- D1 } }
    copy group new of old { agent A2 -> R1 { B1 <- A1.B1 } }

Mend: write another drive.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ..model import Agent, Model
from ..names import as_written
from ..rule import Rule

RULE = Rule("TC307", "one drive both read and written in one plan")


def check(model: Model) -> Iterator[Diagnostic]:
    """Every drive whose later agent does the other thing with it than its first one."""
    first: dict[str, Agent] = {}
    said: set[str] = set()
    for agent in model.all_agents:
        if agent.drive is None:
            continue
        earlier = first.setdefault(agent.drive, agent)
        if earlier.role == agent.role or agent.drive in said:
            continue
        said.add(agent.drive)
        drive = as_written(agent.drive)
        does = {"read": "reads", "write": "writes"}
        yield RULE.at(
            agent.drive_span,
            f"{as_written(agent.name)} {does[agent.role]} {drive}, "
            f"which {as_written(earlier.name)} {does[earlier.role]}",
            help="a plan reads a drive or writes it: take another drive for one of them",
            related=[Related(f"{as_written(earlier.name)} {does[earlier.role]} {drive} here", earlier.drive_span)],
        )
