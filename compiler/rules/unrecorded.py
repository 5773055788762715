"""TC208: a selector that names a source or object that the catalog does not know. Only where a catalog is given.

Why: the restore would be refused when it is needed, at the worst of times.

Mend: the help names the nearest recorded name. ``PLAN/SOURCE`` tells sources of several plans apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic
from ...runtime.kinds import source_text
from ..model import Coupling, Model, Selector
from ..names import as_written, listed, nearest, quoted
from ..picked import fitting, named
from ..recorded import Recorded
from ..rule import Rule

RULE = Rule("TC208", "a selector that names nothing recorded")

#: Names that a help lists at most.
_LISTED = 6


def check(model: Model) -> Iterator[Diagnostic]:
    """Every selector whose source or object the catalog does not know, or knows several times."""
    recorded = model.world.recorded()
    if recorded is None:
        return
    for coupling in model.couplings:
        selector = coupling.selector
        if selector is None or selector.argument is None or not selector.argument:
            continue
        if selector.function == "object":
            yield from _object(coupling, selector, recorded)
        else:
            yield from _source(coupling, selector, model, recorded)


def _object(coupling: Coupling, selector: Selector, recorded: Recorded) -> Iterator[Diagnostic]:
    assert selector.argument is not None
    if not named(selector, recorded):
        near = nearest(selector.argument, (o.id for o in recorded.objects))
        yield RULE.at(
            selector.argument_span or coupling.span,
            f"the catalog {recorded.name} knows no object {as_written(selector.argument)}",
            help=f"did you mean {quoted(near)}?" if near else "`tcc objects` lists what it knows",
        )


def _source(coupling: Coupling, selector: Selector, model: Model, recorded: Recorded) -> Iterator[Diagnostic]:
    assert selector.argument is not None
    span = selector.argument_span or coupling.span
    name = as_written(selector.argument)
    if not named(selector, recorded):
        known = list(dict.fromkeys(n for o in recorded.objects for n in (o.source, f"{o.plan}/{o.source}")))
        near = nearest(selector.argument, known)
        sources = [as_written(source) for source in dict.fromkeys(o.source for o in recorded.objects)]
        more = f" and {len(sources) - _LISTED} more" if len(sources) > _LISTED else ""
        help = f"it knows {', '.join(sources[:_LISTED])}{more}" if more else f"it knows {listed(sources) or 'nothing'}"
        yield RULE.at(
            span,
            f"the catalog {recorded.name} knows no source {name}",
            help=f"did you mean `{as_written(near)}`?" if near else help,
        )
        return
    agent = model.agents.get(coupling.buffer.name)
    if agent is None or agent.drive is None:
        return
    # What runs looks at the drive alone, and so does this: another plan's source of that name elsewhere is no doubt.
    plans = list(dict.fromkeys(source_text(o.plan, o.source) for o in fitting(selector, agent.drive, recorded)))
    if len(plans) > 1:
        yield RULE.at(
            span,
            f"{name} is recorded on the drive {as_written(agent.drive)} by several plans: {listed(sorted(plans))}",
            help=f"name one of them: {' or '.join(f'`{quoted(plan)}`' for plan in sorted(plans)[:_LISTED])}",
        )
