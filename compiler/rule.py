"""What a rule is: a code of language.md with its title and severity, and how it words a diagnostic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..dsl.diagnostics import Diagnostic, Related, Severity
from ..dsl.spans import Span


@dataclass(frozen=True, slots=True)
class Rule:
    """One code. ``title`` is what is refused, as language.md's table says it; its page is ``docs/rules/CODE.md``."""

    code: str
    title: str
    severity: Severity = "error"

    def at(self, span: Span, message: str, *, help: str = "", related: Sequence[Related] = ()) -> Diagnostic:
        """A diagnostic of this rule at *span*, the offending name or value itself."""
        return Diagnostic(self.code, self.severity, message, span, help, tuple(related))
