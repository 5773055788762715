"""TC312: a chain that holds the wrong kind of thing at one of its places.

    chain D1 -> A1.B1 -> R1      # a drive has no place in a chain: the agent's arrow names it

Mend: a source or a buffer, then buffers, at the end perhaps a target. A drive in a chain is TC312, not TC203.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ..model import Model
from ..rule import Rule

RULE = Rule("TC312", "a chain that holds the wrong kind of thing at one of its places")


def check(model: Model) -> Iterator[Diagnostic]:
    """Every place of a chain that is none."""
    for fault in model.chain_faults:
        related = [Related(f"{text} is declared here", span) for text, span in fault.related]
        yield RULE.at(fault.span, fault.message, help=fault.help, related=related)
