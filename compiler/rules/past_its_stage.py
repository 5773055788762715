"""TC304: a coupling that reaches past its stage: a mirror's buffer fed from a group other than the one after ``of``.

Why: the stages say how far a copy is from its source; a coupling that skips one makes the plan say something else than
it does.

    mirror group m2 of m1 { agent A3 -> R3 { B1 <- A1.B1 } }    # A1 belongs to the backup group, not to m1

Mend: feed the buffer from an agent of the group after ``of``, or name the other group there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ...dsl.spans import Span
from ..graph import Graph
from ..model import Agent, Coupling, Group
from ..names import as_written
from ..rule import Rule
from .wrong_of import FEEDS

RULE = Rule("TC304", "a coupling that reaches past its stage")


def check(graph: Graph) -> Iterator[Diagnostic]:
    """Every coupling whose feed is not of the stage before its own."""
    model = graph.model
    groups = {group.name: group for group in model.groups}
    # Of two groups with one name (TC202) nobody knows which one is meant.
    unclear = {name for name, times in Counter(group.name for group in model.groups).items() if times > 1}
    for node, couplings in graph.feeds.items():
        agent = model.agents.get(node.name) if node.kind == "buffer" else None
        if agent is None or agent.group in unclear or agent.of in unclear:
            continue
        for coupling in couplings:
            found = _fault(agent, coupling, groups[agent.group], model.agents.get(coupling.feed.name))
            if found is not None:
                yield found


def _fault(agent: Agent, coupling: Coupling, group: Group, feeding: Agent | None) -> Diagnostic | None:
    here = as_written(group.name)
    if coupling.feed.kind == "source" and group.kind in {"mirror", "copy"}:
        return _at(
            coupling,
            f"{coupling.buffer} of the {group.kind} group {here} is fed by the source {coupling.text}",
            f"feed it from a buffer of {as_written(group.of)}"
            if group.of
            else "feed it from a buffer of the stage before",
        )
    if coupling.feed.kind != "buffer" or feeding is None:
        return None
    if group.kind == "backup":
        return _at(
            coupling,
            f"{coupling.buffer} of the backup group {here} is fed by {coupling.text}, a buffer",
            f"sources feed a backup group; put {as_written(agent.name)} into a mirror group of "
            f"{as_written(feeding.group)}",
        )
    if group.of is None or group.of_kind not in FEEDS.get(group.kind, ()) or feeding.group == group.of:
        return None
    of = as_written(group.of)
    return _at(
        coupling,
        f"{here} is a {group.kind} of {of}, "
        f"but {coupling.buffer} is fed by {coupling.text} of {as_written(feeding.group)}",
        f"feed it from an agent of {of}, or make this a {group.kind} group of {as_written(feeding.group)}",
        ((f"{here} is a {group.kind} of {of}", group.of_span),) if group.of_span is not None else (),
    )


def _at(coupling: Coupling, message: str, help: str, related: tuple[tuple[str, Span], ...] = ()) -> Diagnostic:
    """In a block the feed is the place. In a chain two places are at fault: the later one is the place."""
    others = [Related(text, span) for text, span in related]
    if coupling.form == "chain":
        others.insert(0, Related(f"{coupling.buffer} is fed from here", coupling.span))
        return RULE.at(coupling.buffer_span, message, help=help, related=others)
    return RULE.at(coupling.span, message, help=help, related=others)
