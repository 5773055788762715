"""TC310: a deadlock: agents with ``order = "object"`` that wait for each other's buffers.

Why: such an agent takes nothing of an object before the one in front of it is whole. Two that take shared feeds in
opposite orders each hold up what the other waits for (docs/deadlock.md shows that nothing else can).

    agent A1 -> R1 { order = "object"  B1 <- home  B2 <- mail }
    agent A2 -> R2 { order = "object"  B1 <- mail  B2 <- home }

Mend: one order for both, or ``order = "interleave"`` for one of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ...runtime.waiting import Wait, wait_cycles, waits_for_itself
from ..graph import Graph
from ..names import as_written, listed
from ..rule import Rule
from ..waiters import ObjectWriter, object_writers

RULE = Rule("TC310", "a deadlock among agents that write object by object")

_SHOWN_MAX = 8


def check(graph: Graph) -> Iterator[Diagnostic]:
    """One diagnostic for each knot of agents, with one cycle of waiting through it."""
    writers = {w.agent.name: w for w in object_writers(graph) if waits_for_itself(w.waiter) is None}
    order = {name: i for i, name in enumerate(writers)}
    for found in wait_cycles(writer.waiter for writer in writers.values()):
        # The place is the agent that stands last in the program; the story begins with the one that stands first.
        start = min(range(len(found)), key=lambda i: (order[found[i].agent], found[i].later))
        cycle = found[start:] + found[:start]
        last = max(cycle, key=lambda wait: (order[wait.agent], wait.later))
        agents = dict.fromkeys(as_written(wait.agent) for wait in cycle)
        yield RULE.at(
            writers[last.agent].couplings[last.later].span,
            f"the agents {listed(_some(list(agents)))} wait for each other for ever: "
            f"{', '.join(_some([_hop(wait, writers[wait.agent]) for wait in cycle]))}",
            help="declare their buffers in one order, or let one of these agents interleave",
            related=[
                Related(_reason(wait, writers[wait.agent]), writers[wait.agent].couplings[wait.later].span)
                for wait in cycle
            ],
        )


def _some(parts: list[str]) -> list[str]:
    return parts if len(parts) <= _SHOWN_MAX else [*parts[: _SHOWN_MAX - 1], f"… ({len(parts)} in all)"]


def _hop(wait: Wait, writer: ObjectWriter) -> str:
    later, earlier = (_object(writer, i) for i in (wait.later, wait.earlier))
    return f"{later} waits in {as_written(wait.agent)} until {earlier} is whole there"


def _reason(wait: Wait, writer: ObjectWriter) -> str:
    later, earlier = (writer.couplings[i].buffer.buffer for i in (wait.later, wait.earlier))
    return f"{as_written(wait.agent)} takes {as_written(later)} only when {as_written(earlier)} is whole"


def _object(writer: ObjectWriter, i: int) -> str:
    """The object in the *i*-th buffer, by the name of its source or by the restore agent's buffer."""
    return str(writer.roots[i]) if writer.roots[i].kind == "selector" else as_written(writer.roots[i].name)
