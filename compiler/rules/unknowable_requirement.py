"""TC402: a requirement that cannot be evaluated.

Why: a promise that nobody checked is worse than none; so it is an error that says what is missing.

    require sites >= 2           # and no drive says its site

Mend: give the attribute that the message names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...dsl.diagnostics import Diagnostic
from ..requirements import Verdict
from ..rule import Rule

RULE = Rule("TC402", "a requirement that cannot be evaluated")


def check(judged: Iterable[Verdict]) -> Iterator[Diagnostic]:
    """Every promise of which it depends on facts that the plan does not give."""
    for verdict in judged:
        if verdict.unknowable:
            yield RULE.at(verdict.span, verdict.unknowable, help=verdict.help, related=verdict.related)
