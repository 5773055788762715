"""``tcc diagram``: a plan as a picture like the patent's Figures 2 and 5."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ..runtime.faults import EXIT_OK, UsageFault
from .options import define_option
from .plans import load_plan
from .writing import write_whole

if TYPE_CHECKING:
    from ..compiler.emit.colours import ThemeName
    from ..runtime.plan import CompiledPlan

#: What an output file's suffix asks for.
SUFFIXES: Final = {".svg": "svg", ".png": "png", ".pdf": "pdf", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid"}


@click.command(
    "diagram",
    epilog="\b\nExamples:\n  tcc diagram night.tc                    draws night.svg\n"
    "  tcc diagram night.tc -o night.png       the suffix says what is drawn\n"
    "  tcc diagram -D site=vault night.tc -o - the DOT document on standard output",
)
@click.argument("file", metavar="FILE")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to: .svg, .png, .pdf, .dot or .mmd (Mermaid); - writes DOT to standard output. "
    "Default: night.tc gives night.svg.",
)
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light", show_default=True, help="Its colours.")
@define_option
def diagram_command(file: str, output: str | None, theme: ThemeName, defines: dict[str, str]) -> int:
    """Draw the plan FILE (.tc, or compiled): sources, groups, agents with their buffers, drives, targets.

    Each daisy-chain has its own colour from its source to its last drive.
    """
    goal = output if output is not None else default_output(file)
    form = "dot" if goal == "-" else form_of(goal)
    plan, _ = load_plan(file, defines)
    picture = drawn(plan, form, theme)
    if goal == "-":
        sys.stdout.buffer.write(picture)  # UTF-8 whatever the terminal's encoding is: it is a document
    else:
        write_whole(Path(goal), picture)
    return EXIT_OK


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


def drawn(plan: CompiledPlan, form: str, theme: ThemeName = "light") -> bytes:
    """*plan* in *form*: ``dot``, ``mermaid`` (UTF-8 text), ``svg``, ``png`` or ``pdf``.

    Raises :class:`UsageFault` where no Graphviz can draw. ``tcc compile --emit`` uses it too.
    """
    if form == "mermaid":
        from ..compiler.emit.mermaid import to_mermaid

        return to_mermaid(plan).encode("utf-8")
    from ..compiler.emit.dot import to_dot

    document = to_dot(plan, theme=theme)
    if form == "dot":
        return document.encode("utf-8")
    from .drawing import FORMATS, render

    return render(document, next(f for f in FORMATS if f == form))
