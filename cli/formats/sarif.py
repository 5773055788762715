"""``--format sarif``: SARIF 2.1.0 (OASIS), which code scanning services read. The rules come from the rule book."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

from ... import __version__
from ...dsl.diagnostics import Diagnostic
from ...dsl.spans import Span
from ..rulebook import Page, pages
from .findings import Checked, Findings, dumps, fingerprints

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(findings: Findings) -> str:
    """One run: the rules of the rule book, the diagnostics as results, unreadable files as notifications."""
    book = pages()
    diagnostics = findings.diagnostics
    index = {page.code: i for i, page in enumerate(book)}
    unreadable = [one for one in findings.checked if one.unreadable]
    invocation: dict[str, Any] = {"executionSuccessful": not unreadable}
    if unreadable:
        invocation["toolExecutionNotifications"] = [_notification(one) for one in unreadable]
    run = {
        "tool": {"driver": {"name": "tapechain", "version": __version__, "rules": [_rule(page) for page in book]}},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": [
            _result(d, index.get(d.code), fingerprint)
            for d, fingerprint in zip(diagnostics, fingerprints(diagnostics), strict=True)
        ],
    }
    return dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(page: Page) -> dict[str, Any]:
    return {
        "id": page.code,
        "shortDescription": {"text": page.title},
        "fullDescription": {"text": page.finds},
        "help": {"text": page.text, "markdown": page.text},
        "defaultConfiguration": {"level": page.severity},
    }


def _result(d: Diagnostic, rule: int | None, fingerprint: str) -> dict[str, Any]:
    result: dict[str, Any] = {"ruleId": d.code}
    if rule is not None:
        result["ruleIndex"] = rule
    result |= {
        "level": d.severity,
        "message": {"text": f"{d.message}\nhelp: {d.help}" if d.help else d.message},
        "locations": [{"physicalLocation": _location(d.span)}],
        "partialFingerprints": {"tapechain/v1": fingerprint},
    }
    if d.related:
        result["relatedLocations"] = [
            {"id": i, "message": {"text": r.message}, "physicalLocation": _location(r.span)}
            for i, r in enumerate(d.related)
        ]
    return result


def _location(span: Span) -> dict[str, Any]:
    return {
        "artifactLocation": {"uri": uri(span.file)},
        "region": {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        },
    }


def _notification(one: Checked) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": f"{one.file}: {one.unreadable}"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri(one.file)}}}],
    }


def uri(file: str) -> str:
    """*file* as a URI reference: a relative path stays relative, all but plain characters are percent-encoded."""
    try:
        path = quote(os.fsencode(file), safe="/")
    except UnicodeEncodeError:
        path = quote(file, safe="/", errors="surrogatepass")
    return f"file://{path}" if path.startswith("/") else path
