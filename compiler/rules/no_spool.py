"""TC311: a restore agent whose objects are demultiplexed to an ``order = "object"`` writer with no ``spool``.

Why: a tape that was written by interleaving holds the records of its objects among each other. The writer takes none of
the second object before the first is whole; the reader cannot pass over them; so the first never becomes whole.

    restore group old { agent A1 <- R1 { B1 <- home  B2 <- mail } }
    copy group new of old { agent A2 -> R2 { order = "object"  * <- A1 } }

Mend: a ``spool`` in which the later objects wait, or a writer that interleaves.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ...runtime.waiting import waits_for_itself
from ..graph import Graph
from ..model import Node
from ..names import as_written
from ..rule import Rule
from ..waiters import ObjectWriter, object_writers

RULE = Rule("TC311", 'a restore agent demultiplexed to an `order = "object"` writer without a `spool`')

_HELP = "give {} a `spool`, a folder in which the later objects wait, or let it interleave"


def check(graph: Graph) -> Iterator[Diagnostic]:
    """Every such writer that takes several objects of one pass over a drive, in two buffers or in one of ``all``."""
    for writer in object_writers(graph):
        found = _mixed(writer, graph)
        if found is None:
            continue
        message, places = found
        name = as_written(writer.agent.name)
        yield RULE.at(
            writer.agent.statement.settings["order"].span,
            message,
            help=_HELP.format(name),
            related=[
                Related(text, writer.couplings[i].span)
                for text, i in zip(
                    ("the first object", "records of this one come before it is whole"), places, strict=False
                )
            ],
        )


def _mixed(writer: ObjectWriter, graph: Graph) -> tuple[str, tuple[int, ...]] | None:
    """What makes *writer* wait for itself, and the buffers concerned."""
    name = as_written(writer.agent.name)
    pair = waits_for_itself(writer.waiter)
    if pair is not None and writer.roots[pair[0]].kind == "selector":
        agents = dict.fromkeys(as_written(writer.roots[i].name) for i in pair)
        drive = graph.model.agents[writer.roots[pair[0]].name].drive_name
        return (
            f"{name} waits for ever: it takes one object after another, but {' and '.join(agents)} may find their "
            f"records mixed on the drive {as_written(drive)}",
            pair,
        )
    for i, root in enumerate(writer.roots):
        coupling = graph.feeds.get(Node("buffer", root.name, root.buffer), (None,))[0]
        selector = coupling.selector if coupling is not None and root.kind == "selector" else None
        if selector is not None and selector.function == "all" and selector.argument is None:
            return (
                f"{name} waits for ever: it takes one object after another, but the records of all objects "
                f"come through {root}, mixed as they lie on the drive",
                (i,),
            )
    return None
