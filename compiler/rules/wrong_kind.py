"""TC203: a name of the wrong kind: a drive where a source belongs.

    backup group nightly { agent A1 -> R1 { B1 <- R2 } }      # R2 is a drive

Mend: name something of the kind that belongs there. In a chain the same mistake is TC312.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ..model import Model
from ..names import listed, with_article
from ..rule import Rule

RULE = Rule("TC203", "a name of the wrong kind")

_BELONGS = {
    "buffer": "a buffer, `AGENT.BUFFER`,",
    "selector": "a selector of recorded data",
}


def check(model: Model) -> Iterator[Diagnostic]:
    """Every use of a name that something else bears than what belongs there."""
    for use in model.uses:
        if use.found is None or use.fits:
            continue
        belongs = listed((_BELONGS.get(kind, with_article(kind)) for kind in use.wanted), "or")
        found = with_article(use.found)
        message = (
            f"`{use.what}` stands where {belongs} belongs"
            if use.found == "star"
            else f"{use.what} is {found}; {belongs} belongs here"
        )
        related = [Related(f"{use.what} is declared here", use.found_span)] if use.found_span is not None else []
        yield RULE.at(use.span, message, help=use.help or f"name {belongs}".removesuffix(","), related=related)
