"""``--format gitlab``: a Code Quality report, the list that GitLab shows in a merge request.

Its fields: ``description``, ``check_name``, ``fingerprint``, ``severity`` (info, minor, major, critical, blocker),
``location.path`` (relative to the repository, without a leading ``./``) and ``location.lines.begin``.
"""

from __future__ import annotations

import os
from pathlib import Path

from ...dsl.diagnostics import Severity
from .findings import Findings, dumps, fingerprints, words

SEVERITIES: dict[Severity, str] = {"error": "critical", "warning": "minor"}


def render(findings: Findings) -> str:
    """The report; an empty list where there is nothing to report."""
    diagnostics = findings.diagnostics
    return dumps(
        [
            {
                "description": words(d),
                "check_name": d.code,
                "fingerprint": fingerprint,
                "severity": SEVERITIES[d.severity],
                "location": {
                    "path": _path(d.span.file),
                    "lines": {"begin": d.span.line, "end": max(d.span.line, d.span.end_line)},
                },
            }
            for d, fingerprint in zip(diagnostics, fingerprints(diagnostics), strict=True)
        ]
    )


def _path(file: str) -> str:
    """*file* as seen from the working folder, which in CI is the repository's."""
    path = os.path.normpath(file)
    here = str(Path.cwd())
    return os.path.relpath(path, here) if path.startswith(here.rstrip("/") + "/") else path
