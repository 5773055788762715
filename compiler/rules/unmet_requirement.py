"""TC401: a requirement that the plan does not meet.

Why: ``require copies >= 2`` is a promise; it is checked here, not on the day of the fire.

Mend: the message names the sources and what each has. Add a mirror, another site, more media.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...dsl.diagnostics import Diagnostic
from ..requirements import Verdict
from ..rule import Rule

RULE = Rule("TC401", "a requirement that the plan does not meet")


def check(judged: Iterable[Verdict]) -> Iterator[Diagnostic]:
    """Every promise that is broken, whatever the missing facts may turn out to be."""
    for verdict in judged:
        if verdict.broken:
            yield RULE.at(verdict.span, verdict.broken, help=verdict.help, related=verdict.related)
