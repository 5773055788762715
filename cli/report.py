"""Diagnostics for people: message, place, source lines with carets, other places, help, and a summary at the end."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import IO

from ..dsl.diagnostics import Diagnostic, Severity, ordered
from .console import harmless, wants_colour
from .formats.snippet import BLUE, WIDTH, Frame, Mark, Painter, clusters, one_line, render, split_lines

STYLES: dict[Severity, str] = {"error": "1;31", "warning": "1;33"}
BOLD = "1"
HELP = "1;36"
#: A terminal narrower than this gets lines of this width all the same: less would show nothing of use.
NARROWEST = 60


def print_text(
    diagnostics: Iterable[Diagnostic], texts: Mapping[str, str], stream: IO[str], *, files: Sequence[str] = ()
) -> None:
    """Write the report of *diagnostics* to *stream*; nothing at all where there are none.

    *texts* holds the text of each file that a span may name; a place in a file that it lacks is given without its
    source. *files* are the plans that were checked, for the summary (default: the files with diagnostics). Colours are
    used only where *stream* is a terminal that wants them.
    """
    found = ordered(diagnostics)
    if not found:
        return
    colour = wants_colour(stream)
    width = WIDTH
    if stream.isatty():
        width = max(NARROWEST, min(WIDTH, shutil.get_terminal_size().columns - 10))
    write(stream, render_text(found, texts, colour=colour, width=width) + "\n")
    names = list(dict.fromkeys(files)) or list(dict.fromkeys(d.span.file for d in found))
    write(stream, _painter(colour)(summary(found, names), BOLD) + "\n")


def render_text(
    diagnostics: Iterable[Diagnostic], texts: Mapping[str, str], *, colour: bool = False, width: int = WIDTH
) -> str:
    """The report as text without its summary, one blank line behind each diagnostic; empty where there is none."""
    paint = _painter(colour)
    lines: dict[str, Sequence[str]] = {}
    blocks = []
    for diagnostic in ordered(diagnostics):
        for span in (diagnostic.span, *(r.span for r in diagnostic.related)):
            if span.file not in lines:
                lines[span.file] = split_lines(texts[span.file]) if span.file in texts else ()
        blocks.append("\n".join(_block(diagnostic, lines, paint, width)) + "\n")
    return "\n".join(blocks)


def summary(diagnostics: Iterable[Diagnostic], files: Sequence[str]) -> str:
    """``2 errors, 1 warning in plan.tc``; more than one file is counted, not named."""
    errors, warnings = count(diagnostics)
    parts = [_number(errors, "error")] if errors else []
    parts += [_number(warnings, "warning")] if warnings else []
    where = f" in {one_line(files[0])}" if len(files) == 1 else f" in {len(files)} files" if files else ""
    return (", ".join(parts) or "no errors") + where


def count(diagnostics: Iterable[Diagnostic]) -> tuple[int, int]:
    """How many errors and how many warnings there are."""
    severities = [d.severity for d in diagnostics]
    return severities.count("error"), severities.count("warning")


def write(stream: IO[str], text: str) -> None:
    """Write *text*; what the stream's encoding lacks is written as escapes instead of failing."""
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = getattr(stream, "encoding", None) or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _number(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def _painter(colour: bool) -> Painter:
    return (lambda text, style: f"\x1b[{style}m{text}\x1b[0m") if colour else (lambda text, style: text)


def _block(diagnostic: Diagnostic, lines: Mapping[str, Sequence[str]], paint: Painter, width: int) -> list[str]:
    style = STYLES[diagnostic.severity]
    head = paint(f"{diagnostic.severity}[{one_line(diagnostic.code)}]", style)
    out = [head + paint(f": {one_line(diagnostic.message)}", BOLD)]
    # What is said of the place itself (the last hop of a cycle, say) stands behind its carets.
    own = next((r for r in diagnostic.related if r.span == diagnostic.span), None)
    main = Mark(diagnostic.span, own.message if own else "", "^", style)
    marks = [main, *(Mark(r.span, r.message, "-", BLUE) for r in diagnostic.related if r is not own)]
    gutter = len(str(max(m.span.end_line for m in marks)))
    frame = Frame(gutter, paint, width)
    for group in clusters(marks):
        first = group[0]
        if first is not main:
            out.append(frame.margin)
        arrow = paint(f"{' ' * gutter}{'-->' if first is main else ':::'}", BLUE)
        out.append(f"{arrow} {one_line(first.span.file)}:{first.span.line}:{first.span.column}")
        snippet = render(group, lines[first.span.file], frame)
        if not snippet:
            # The file's text is not known (it cannot be read, say): the words must not get lost with it.
            out += [f"{' ' * gutter} {paint('= note:', HELP)} {one_line(m.label)}" for m in group if m.label]
        out += snippet
    if diagnostic.help:
        text = harmless(diagnostic.help).replace("\t", " ")
        first_line, *more = text.split("\n")
        out.append(frame.margin)
        out.append(f"{' ' * gutter} {paint('= help:', HELP)} {first_line}")
        out += [f"{' ' * gutter}         {line}".rstrip() for line in more]
    return out
