"""TC105: ``${…}`` that names no variable.

Why: a string with a hole that nothing fills would name a wrong file or a wrong source, in silence.

    source D1 { files = "/home/${user}" }     # no let, param or for variable `user`

Mend: declare it (``let user = "anna"``), or name the one that is meant.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...dsl.diagnostics import Diagnostic
from ...dsl.spans import Span
from ..names import nearest
from ..rule import Rule

RULE = Rule("TC105", "`${…}` that names no variable")


def no_variable(name: str, span: Span, known: Sequence[str]) -> Diagnostic:
    """The diagnostic for ``${name}``, where *known* are the variables in scope."""
    near = nearest(name, known)
    return RULE.at(
        span,
        f"`${{{name}}}` names no variable",
        help=f"did you mean `${{{near}}}`?" if near else f"declare it, for example with `let {name} = …`",
    )


def needs_itself(path: Sequence[str], span: Span) -> Diagnostic:
    """The diagnostic for a ``let`` whose value needs its own value, by way of *path*."""
    return RULE.at(
        span,
        f"the value of `{path[0]}` needs itself: {' -> '.join(path)}",
        help="a let or param may use others, but not in a circle",
    )


def nested_too_deep(name: str, span: Span, most: int) -> Diagnostic:
    """The diagnostic for lets that use each other through more than *most* steps."""
    return RULE.at(
        span,
        f"the value of `{name}` is reached through more than {most} other variables",
        help="write one of the values out",
    )
