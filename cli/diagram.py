"""``tcc diagram``: a plan as a picture like the patent's Figures 2 and 5."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ..runtime.faults import UsageFault
from .options import define_option
from .picturing import (
    AUTO,
    annotate_option,
    collapse_groups,
    collapse_option,
    focus_on,
    focus_option,
    link_option,
    read_picture,
    theme_option,
)
from .writing import write_whole

if TYPE_CHECKING:
    from ..compiler.emit.colours import ThemeName
    from ..compiler.emit.links import LinkTemplate
    from ..compiler.emit.picture import Picture
    from ..runtime.plan import CompiledPlan

#: What an output file's suffix asks for.
SUFFIXES: Final = {
    ".svg": "svg",
    ".png": "png",
    ".pdf": "pdf",
    ".html": "html",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
}


@click.command(
    "diagram",
    epilog="""\b
Examples:
  tcc diagram night.tc                    draws night.svg
  tcc diagram night.tc -o night.png       the suffix says what is drawn
  tcc diagram -D site=vault night.tc -o - the DOT document on standard output
  tcc diagram night.tc --focus home       one source, agent, drive or buffer, and what it hangs on
  tcc diagram night.tc --collapse all     each group as one card
  tcc diagram night.tc --annotate         errors and warnings at the parts at fault (exit 1 where there are errors)
  tcc diagram night.tc --link 'https://git.example/plans/{file}#L{line}'
  tcc diff old.tc night.tc -o changes.svg what changes between two plans

\b
Exit codes: 0 drawn, 1 the plan has errors (drawn with --annotate only), 2 bad usage, or it cannot be read or drawn.""",
)
@click.argument("file", metavar="FILE")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to: .svg, .png, .pdf, .html, .dot or .mmd (Mermaid); - writes DOT to standard output. "
    "Default: night.tc gives night.svg.",
)
@focus_option
@collapse_option
@annotate_option
@link_option
@theme_option
@define_option
def diagram_command(
    *,
    file: str,
    output: str | None,
    annotate: bool,
    link: LinkTemplate | None,
    focus: tuple[str, ...],
    collapse: tuple[str, ...],
    theme: ThemeName,
    defines: dict[str, str],
) -> int:
    """Draw the plan FILE (.tc, or compiled): sources, groups, agents with their buffers, drives, targets.

    Each daisy-chain has its own colour from its source to its last drive.
    """
    goal = output if output is not None else default_output(file)
    form = "dot" if goal == "-" else form_of(goal)
    whole, status = read_picture(file, defines, annotate=annotate, link=link)
    picture = collapse_groups(focus_on(whole, focus), collapse)
    document = drawn(picture, form, theme)
    if goal == "-":
        sys.stdout.buffer.write(document)  # UTF-8 whatever the terminal's encoding is: it is a document
    else:
        write_whole(Path(goal), document)
    return status


def default_output(file: str) -> str:
    """``night.svg`` for ``night.tc`` and for ``night.plan.json``; standard output for standard input."""
    if file == "-":
        return "-"
    path = Path(file)
    name = path.name
    for suffix in (".tc", ".plan.json", ".json"):
        if name.endswith(suffix) and name != suffix:
            name = name.removesuffix(suffix)
            break
    return str(path.with_name(name + ".svg"))


def form_of(output: str) -> str:
    """The form that the file *output* asks for by its suffix. Raises :class:`UsageFault` for any other suffix."""
    suffix = Path(output).suffix.lower()
    if suffix not in SUFFIXES:
        said = f"the suffix {suffix!r}" if suffix else "no suffix"
        raise UsageFault(
            f"{output} has {said}: a picture is one of {', '.join(SUFFIXES)}", todo="name the output -o FILE.svg, say"
        )
    return SUFFIXES[suffix]


def drawn(plan: CompiledPlan | Picture, form: str, theme: ThemeName = "light") -> bytes:
    """*plan*, or a picture made from it, in *form*: ``dot``, ``mermaid`` (UTF-8 text), ``svg``, ``png``, ``pdf``, or
    ``html`` (a page in both themes).

    The groups of a large plan are collapsed; a picture is drawn as it is. Raises :class:`UsageFault` where no Graphviz
    can draw. ``tcc compile --emit`` uses it too.
    """
    from ..compiler.emit.picture import Picture, picture_of

    picture = plan if isinstance(plan, Picture) else collapse_groups(picture_of(plan), (AUTO,), quiet=True)
    if form == "mermaid":
        from ..compiler.emit.mermaid import to_mermaid

        return to_mermaid(picture).encode("utf-8")
    from ..compiler.emit.dot import to_dot

    if form == "html":
        from .drawing import render
        from .page import page

        light, dark = (render(to_dot(picture, theme=name), "svg") for name in ("light", "dark"))
        return page(picture.whole.plan, light, dark)
    document = to_dot(picture, theme=theme)
    if form == "dot":
        return document.encode("utf-8")
    from .drawing import FORMATS, render

    return render(document, next(f for f in FORMATS if f == form))
