"""TC909: warning: a target that nothing feeds.

Why: it is declared, so somebody believes that data comes back there.

Mend: let a chain end in it, or take it out.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic
from ..model import Model
from ..names import as_written
from ..rule import Rule

RULE = Rule("TC909", "a target that nothing feeds", "warning")


def check(model: Model) -> Iterator[Diagnostic]:
    """Every target at the end of no chain, unless a fault hides which one was meant."""
    if model.lost or model.chain_faults:
        return
    fed = {coupling.buffer.name for coupling in model.couplings if coupling.buffer.kind == "target"}
    for entity in model.of_kind("target"):
        if entity.name not in fed and model.entities[entity.name] is entity:
            name = as_written(entity.name)
            yield RULE.at(
                entity.span,
                f"nothing feeds the target {name}: no data comes back there",
                help=f"let a chain end in it, `chain AGENT.BUFFER -> {name}`, or take it out",
            )
