"""TC209: a selector for which its drive holds no whole object. Only where a catalog is given.

Why: the restore would be refused when it is needed, though another drive, or another moment, may well have the data.

Mend: read a drive that holds it whole, or choose a later ``as_of``; the help says which.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ..model import Agent, Coupling, Model, Selector
from ..names import as_written, listed
from ..picked import fitting, named
from ..recorded import Recorded
from ..rule import Rule

RULE = Rule("TC209", "a selector for which its drive holds no whole object")


def check(model: Model) -> Iterator[Diagnostic]:
    """Every selector that names what is recorded, but not whole on its drive, or not by its ``as_of``."""
    recorded = model.world.recorded()
    if recorded is None:
        return
    for coupling in model.couplings:
        agent = model.agents.get(coupling.buffer.name)
        if coupling.selector is None or agent is None or agent.drive is None:
            continue
        yield from _check(coupling, coupling.selector, agent, agent.drive, recorded)


def _check(
    coupling: Coupling, selector: Selector, agent: Agent, drive: str, recorded: Recorded
) -> Iterator[Diagnostic]:
    anywhere = named(selector, recorded)
    here = fitting(selector, drive, recorded)
    if selector.argument is not None and (not anywhere or len({(o.plan, o.source) for o in here}) > 1):
        return  # TC208
    span = selector.argument_span or coupling.span
    what = _what(selector)
    whole = [o for o in here if o.whole and drive in o.stored]
    if not whole:
        others = sorted({d for o in anywhere if o.whole for d in o.stored} - {drive})
        said = f"holds no whole {what}" if here else f"holds no {what}"
        yield RULE.at(
            span,
            f"the drive {as_written(drive)} {said}",
            help=f"{listed([as_written(d) for d in others[:6]])} hold{'s' if len(others) == 1 else ''} one: read that"
            if others
            else "no drive holds one: `tcc objects` says what became of them",
            related=[Related("the drive", agent.drive_span)],
        )
        return
    if selector.as_of is not None:
        when = _moment(selector.as_of, recorded)
        if when is None:
            return
        earliest = min(o.started for o in whole)
        whole = [o for o in whole if o.started <= when]
        if not whole:
            assert coupling.statement is not None
            yield RULE.at(
                coupling.statement.settings["as_of"].span,
                f"no session up to this moment ({when}) put a whole {what} on the drive {as_written(drive)}",
                help=f"the first one began at {earliest}",
            )
            return
    if selector.function == "chain" and all(o.level != "full" for o in whole):
        yield RULE.at(
            span,
            f"the drive {as_written(drive)} holds incremental objects of {as_written(selector.argument or '')} only, "
            "no full one that a chain could begin with",
            help="read the drive that holds the full object, or copy that one here first",
        )


def _what(selector: Selector) -> str:
    if selector.argument is None:
        return "object"
    name = as_written(selector.argument)
    return f"copy of the object {name}" if selector.function == "object" else f"object of {name}"


def _moment(text: str, recorded: Recorded) -> str | None:
    try:
        return recorded.moment(text)
    except ValueError:
        return None  # TC207 has said so
