"""TC309: an agent with no buffer, or a group with no agent.

Why: it would do nothing, every night, in silence.

    backup group nightly { agent A1 -> R1 }      # and no chain gives A1 a buffer

Mend: couple a buffer, or take the agent out.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic
from ..model import Model
from ..names import as_written
from ..rule import Rule

RULE = Rule("TC309", "an agent with no buffer, or a group with no agent")


def check(model: Model) -> Iterator[Diagnostic]:
    """Every empty agent and group, unless what would fill it may be lost to another fault."""
    in_star_cycle = {span for hops in model.star_cycles for _, span in hops}
    for agent in model.all_agents:
        written = bool(model.buffers.get(agent.name)) or agent.again
        may_be = agent.statement.lost or model.may_be_lost(agent.name)
        if written or in_star_cycle or may_be:
            continue
        feed = "D1" if agent.group_kind in {"backup", "restore"} else "AGENT.B1"
        yield RULE.at(
            agent.span,
            f"the agent {as_written(agent.name)} has no buffer",
            help=f"couple one inside its braces, `B1 <- {feed}`, or in a chain",
        )
    for group in model.groups:
        if not group.agents and not group.lost:
            yield RULE.at(
                group.span,
                f"the group {as_written(group.name)} has no agent",
                help="add `agent NAME -> DRIVE { … }`, or take the group out",
            )
