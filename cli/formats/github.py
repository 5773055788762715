"""``--format github``: workflow commands that GitHub Actions turns into annotations of a pull request.

The escapes are those of the runner's own toolkit: ``%``, CR and LF in the text, ``:`` and ``,`` too in the properties.
"""

from __future__ import annotations

from ...dsl.diagnostics import Diagnostic
from ..console import harmless
from .findings import Findings, words


def render(findings: Findings) -> str:
    """One line a diagnostic, nothing else; empty where there is none."""
    return "".join(_line(d) + "\n" for d in findings.diagnostics)


def _line(d: Diagnostic) -> str:
    properties = {
        "file": d.span.file,
        "line": d.span.line,
        "col": d.span.column,
        "endLine": d.span.end_line,
        "endColumn": d.span.end_column,
        "title": d.code,
    }
    if d.span.line != d.span.end_line:  # the runner takes columns within one line only, and complains of others
        del properties["col"], properties["endColumn"]
    stated = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{d.severity} {stated}::{_data(words(d))}"


def _data(text: str) -> str:
    # A carriage return must be escaped as the runner knows it before `harmless` shows it as text.
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return harmless(escaped)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
