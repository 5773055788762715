"""TC302: a drive with two writers: two agents on one drive, in whatever groups.

Why: one drive has one thread, one mounted volume and one order of records. Two agents would write over each other.

    agent A1 -> R1 { B1 <- D1 }
    agent A2 -> R1 { B1 <- D2 }

Mend: give each agent a drive of its own, or one agent both buffers.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ..model import Agent, Model
from ..names import as_written
from ..rule import Rule

RULE = Rule("TC302", "a drive with two writers")


def check(model: Model) -> Iterator[Diagnostic]:
    """Every agent that writes a drive which an earlier agent writes."""
    first: dict[str, Agent] = {}
    for agent in model.all_agents:
        if agent.drive is None or agent.role != "write":
            continue
        earlier = first.setdefault(agent.drive, agent)
        if earlier is agent:
            continue
        drive = as_written(agent.drive)
        name = as_written(agent.name)
        if agent.name == earlier.name:
            message, help = f"two agents called {name} write {drive}", "join their braces, or give one another drive"
        else:
            message = f"{name} writes {drive}, which {as_written(earlier.name)} writes already"
            help = f"give {name} a drive of its own, or its buffers to {as_written(earlier.name)}"
        yield RULE.at(
            agent.drive_span,
            message,
            help=help,
            related=[Related(f"{as_written(earlier.name)} writes {drive} here", earlier.drive_span)],
        )
