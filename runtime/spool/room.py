"""Where the records between a spool and its drive lie in memory: in what the plan gives its buffers.

A spool's thread and its drive's writer need a small ring between them. Its slots are taken from the deepest ring that
the spool empties, which needs fewer: what the drive cannot take waits in the spool's file. So a mirror with a spool
costs no memory beyond that of the plan, unless rings have not more than :data:`LEAST_DEPTH` records to begin with.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..plan import CompiledPlan, Ring

#: Records between a spool's thread and its drive's writer: one for each of them.
OWN_DEPTH: Final = 2
#: No ring gives away so much that fewer are left: its other readers need some room.
LEAST_DEPTH: Final = 4


def depths(plan: CompiledPlan, rings: Iterable[Ring]) -> dict[int, int]:
    """How many records each ring of *plan* among *rings* holds, by its identifier."""
    found = {ring.id: ring.depth for ring in rings}
    for agent in plan.agents:
        emptied = [buffer.ring for buffer in agent.buffers if buffer.ring in found]
        if agent.role == "write" and agent.spool is not None and emptied:
            deepest = max(emptied, key=found.__getitem__)
            if found[deepest] - OWN_DEPTH >= LEAST_DEPTH:
                found[deepest] -= OWN_DEPTH
    return found
