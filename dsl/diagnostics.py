"""Diagnostics: the plan is wrong. Values, collected and sorted, never raised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from .spans import Span

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Related:
    """The other place that a diagnostic is about, and what it is ("first declared here")."""

    message: str
    span: Span


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One fault of a plan: code (``TC302``), severity, message in the plan's own names, exact span, help, other places.

    The span is the offending name or value itself. Where two places are at fault the later one is the place and the
    earlier one is related (language.md).
    """

    code: str
    severity: Severity
    message: str
    span: Span
    help: str = ""
    related: tuple[Related, ...] = field(default=())

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        """File, place, code: the order of every report."""
        return (self.span.file, self.span.line, self.span.column, self.code, self.message)


def ordered(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sorted by place, without repetitions."""
    return tuple(sorted(dict.fromkeys(diagnostics), key=lambda d: d.sort_key))
