"""Places inside a ``for``: a span that remembers its iteration, so that a diagnostic can name it (language.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import cast

from ..dsl.diagnostics import Diagnostic, Related, ordered
from ..dsl.spans import Span


class LoopSpan(Span):
    """A place in one iteration of a ``for``; ``iteration`` is ``i = 3``, or ``i = 3, j = 4`` in nested ones."""

    __slots__ = ()

    @property
    def iteration(self) -> str:
        """The sixth item: equal places of two iterations are two places."""
        return cast(str, tuple.__getitem__(self, 5))


def in_iteration(span: Span, iteration: str) -> Span:
    """*span* in *iteration*; outside every ``for`` (*iteration* empty) the span itself."""
    if not iteration:
        return span
    return tuple.__new__(LoopSpan, (*span[:5], iteration))


def plain(span: Span) -> Span:
    """The place in the text, whatever the iteration."""
    if isinstance(span, LoopSpan):
        return Span(*span[:5])
    return span


def report(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The diagnostics as users get them: in the order of their places, iterations named in the messages.

    What every iteration repeats word by word is said once, with the first iteration and the number of the others.
    """
    iterations: dict[Diagnostic, list[str]] = {}
    for diagnostic in diagnostics:
        span = diagnostic.span
        where = span.iteration if isinstance(span, LoopSpan) else ""
        related = tuple(dict.fromkeys(Related(r.message, plain(r.span)) for r in diagnostic.related))
        bare = replace(diagnostic, span=plain(span), related=related)
        seen = iterations.setdefault(bare, [])
        if where and where not in seen[:1]:
            seen.append(where)
    merged: dict[tuple[str, Span, str], Diagnostic] = {}
    for bare, seen in iterations.items():
        if not seen:
            said = bare
        elif len(seen) == 1:
            said = replace(bare, message=f"{bare.message} (in the iteration {seen[0]})")
        else:
            said = replace(bare, message=f"{bare.message} (in the iteration {seen[0]}, and {len(seen) - 1} more)")
        merged.setdefault((said.code, said.span, said.message), said)
    return ordered(merged.values())
