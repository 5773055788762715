"""TC204: an attribute that the statement does not have.

Why: an attribute that is silently ignored (``exlude``) backs up what it should not, or worse.

    source D1 { files = "/home"  exlude = ["*.tmp"] }

Mend: the help lists what the statement has, the nearest first.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic
from ..attributes import attributes_of
from ..model import Model, Statement
from ..names import by_nearness, listed, nearest
from ..rule import Rule

RULE = Rule("TC204", "an attribute that the statement does not have")


def check(model: Model) -> Iterator[Diagnostic]:
    """Every attribute that is not in the statement's table."""
    selecting = {id(c.statement) for c in model.couplings if c.statement is not None and c.selector is not None}
    for statement in model.statements:
        known = attributes_of(statement.kind, restore=id(statement) in selecting)
        for attribute in statement.attributes:
            name = attribute.name.text
            if name not in known:
                yield RULE.at(
                    attribute.name.span, f"{_whose(statement)} has no attribute `{name}`", help=_help(name, [*known])
                )


def _whose(statement: Statement) -> str:
    return {"agent": "an agent", "plan": "the plan"}.get(statement.kind, f"a {statement.kind}")


def _help(name: str, known: list[str]) -> str:
    if name == "as_of":
        return "`as_of` belongs to the couplings of restore agents"
    near = nearest(name, known)
    has = f"it has {listed(f'`{k}`' for k in by_nearness(name, known))}"
    return f"did you mean `{near}`? {has}" if near else has
