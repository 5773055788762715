"""TC205: none, or more than one, of the attributes that say what a source, drive or target is.

    drive R1 { volumes = "media/R1"  tape = "/dev/nst0" }

Mend: exactly one of them. Two drives are two statements.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ...dsl.spans import Span
from ..attributes import WHAT_IT_IS
from ..model import Model
from ..names import as_written, listed, nearest
from ..rule import Rule

RULE = Rule("TC205", "none, or more than one, of the attributes that say what a source, drive or target is")


def check(model: Model) -> Iterator[Diagnostic]:
    """Every source, drive and target that is nothing, or several things."""
    for statement in model.statements:
        known = WHAT_IT_IS.get(statement.kind)
        if known is None:
            continue
        given: dict[str, Span] = {}
        for attribute in statement.attributes:
            if attribute.name.text in known:
                given.setdefault(attribute.name.text, attribute.name.span)
        choice = listed((f"`{k}`" for k in known), "or")
        if not given:
            # A mistyped `voluems` is TC204, whose help names it: that it is missing as well would say it twice.
            if any(nearest(a.name.text, known) is not None for a in statement.attributes):
                continue
            if statement.lost:
                continue
            yield RULE.at(
                statement.span,
                f"the {statement.kind} {as_written(statement.name)} does not say what it is",
                help=f"give it exactly one of {choice}",
            )
        elif len(given) > 1:
            *earlier, last = given.items()
            yield RULE.at(
                last[1],
                f"the {statement.kind} {as_written(statement.name)} is {listed(f'`{k}`' for k in given)} at once",
                help=f"exactly one of {choice} says what it is",
                related=[Related(f"`{name}` is given here", span) for name, span in earlier],
            )
