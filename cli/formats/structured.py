"""``--format json``: the project's own format, fixed by cli.md."""

from __future__ import annotations

from typing import Any

from ...dsl.spans import Span
from ..report import count
from .findings import Findings, dumps

VERSION = 1


def render(findings: Findings) -> str:
    """The JSON document of *findings*; keys do not change without a new ``version``."""
    diagnostics = findings.diagnostics
    errors, warnings = count(diagnostics)
    return dumps(
        {
            "version": VERSION,
            "diagnostics": [
                {
                    "code": d.code,
                    "severity": d.severity,
                    "message": d.message,
                    "help": d.help,
                    **_place(d.span),
                    "related": [{"message": r.message, **_place(r.span)} for r in d.related],
                }
                for d in diagnostics
            ],
            "summary": {"errors": errors, "warnings": warnings, "files": len(findings.files)},
        }
    )


def _place(span: Span) -> dict[str, Any]:
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }
