"""TC201: a name that is not declared.

Why: a mistyped source would silently not be backed up, a mistyped drive not be written.

    source Home { files = "/home" }
    …  B1 <- Hone              # did you mean Home?

Mend: the help names the nearest declared name, of the kind that belongs there if one is near.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...dsl.diagnostics import Diagnostic
from ...dsl.spans import Span
from ..model import Model
from ..names import as_written, listed, nearest
from ..rule import Rule

RULE = Rule("TC201", "a name that is not declared")


def no_variable(name: str, span: Span, known: Sequence[str]) -> Diagnostic:
    """The diagnostic for a bare name as a value, where *known* are the variables in scope."""
    near = nearest(name, known)
    return RULE.at(
        span,
        f"`{name}` is not declared: a bare name as a value is a let, param or for variable",
        help=f"did you mean `{near}`?"
        if near
        else f'write "{name}" in quotes if it is a text, or declare `let {name} = …`',
    )


def check(model: Model) -> Iterator[Diagnostic]:
    """Every use of a name that nothing bears, except where what would declare it may be lost to another fault."""
    for use in model.uses:
        if use.found is not None or model.may_be_lost(use.name) or not model.lost_kinds.isdisjoint(use.wanted):
            continue
        kinds = listed(use.wanted, "or")
        if use.variable:
            help = f'for the value of the variable write "${{{use.name}}}", in quotes'
        elif use.suggestion is not None:
            help = f"did you mean `{use.prefix}{as_written(use.suggestion)}`?"
        elif use.declared:
            few = len(use.declared) == 1
            help = (
                f"the only {use.wanted[0]} is {_some(use.prefix, use.declared)}"
                if few
                else (f"the {use.wanted[0]}s are {_some(use.prefix, use.declared)}")
            )
        else:
            help = f"declare the {use.wanted[0]} first"
        yield RULE.at(use.span, f"{use.what} is not declared: no {kinds} bears this name", help=help)


def _some(prefix: str, names: Sequence[str], most: int = 6) -> str:
    shown = [prefix + as_written(name) for name in names]
    if len(shown) > most:
        return f"{', '.join(shown[:most])} and {len(shown) - most} more"
    return listed(shown)
