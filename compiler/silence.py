"""What is not said: warnings that the plan silences, and what follows from a syntax error and was said with it.

``# tcc: ignore TC903`` at the end of a line, or alone on the line above, silences a warning for that line. It may stand
behind another remark of the same comment: ``# scratch only  # tcc: ignore TC903``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..dsl.ast import Comment
from ..dsl.diagnostics import Diagnostic
from ..dsl.spans import Span

_IGNORE = re.compile(r"(?:^|#)\s*tcc:\s*ignore\s+(TC[0-9]+(?:[\s,]+TC[0-9]+)*)")


def not_silenced(
    diagnostics: Iterable[Diagnostic], comments: Mapping[str, tuple[Comment, ...]], texts: Mapping[str, str]
) -> tuple[Diagnostic, ...]:
    """The diagnostics without the silenced warnings. Errors cannot be silenced."""
    silenced = {
        (file, line, code)
        for file, own in comments.items()
        for line, codes in _ignores(own, texts.get(file, ""))
        for code in codes
    }
    return tuple(d for d in diagnostics if d.severity == "error" or (d.span.file, d.span.line, d.code) not in silenced)


def _ignores(comments: tuple[Comment, ...], text: str) -> Iterable[tuple[int, list[str]]]:
    """For each comment that silences, the line that it is about and its codes."""
    matches = [(c, m) for c in comments if (m := _IGNORE.search(c.text))]
    if not matches:
        return
    lines = text.split("\n")
    for comment, match in matches:
        line = comment.span.line
        if _alone(lines, line):
            line += 1
            while _alone(lines, line):
                line += 1
        yield line, re.findall(r"TC[0-9]+", match[1])


def _alone(lines: list[str], line: int) -> bool:
    """Whether *line* (from 1) holds a comment and nothing else."""
    return line <= len(lines) and lines[line - 1].lstrip().startswith("#")


def not_mended(found: Iterable[Diagnostic], syntax: Iterable[Diagnostic]) -> Iterable[Diagnostic]:
    """The diagnostics that do not lie where the parser found fault: its guess is not the plan's."""
    guessed: dict[tuple[str, int], list[Span]] = {}
    for diagnostic in syntax:
        for line in range(diagnostic.span.line, diagnostic.span.end_line + 1):
            guessed.setdefault((diagnostic.span.file, line), []).append(diagnostic.span)
    for diagnostic in found:
        here = diagnostic.span
        if not any(_overlap(here, span) for span in guessed.get((here.file, here.line), ())):
            yield diagnostic


def _overlap(one: Span, other: Span) -> bool:
    return (one.line, one.column) < (other.end_line, other.end_column) and (other.line, other.column) < (
        one.end_line,
        one.end_column,
    )
