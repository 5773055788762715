"""``tcc compile``: the compiled plan, and what else is made from it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ..runtime.faults import EXIT_FAILED, EXIT_OK, UsageFault
from .console import say
from .ending import ends_with_this
from .kept import COMPILED
from .options import define_option
from .plans import compile_file, is_compiled, print_diagnostics
from .writing import holds, write_whole

if TYPE_CHECKING:
    from ..compiler.program import Compilation
    from ..runtime.plan import CompiledPlan

#: What ``--emit`` knows, and the suffix of each one's file.
EMITTERS: Final[Mapping[str, str]] = {
    "json": ".plan.json",
    "dot": ".dot",
    "svg": ".svg",
    "png": ".png",
    "pdf": ".pdf",
    "mermaid": ".mmd",
    "markdown": ".md",
    "systemd": "",  # two files, named for the plan: tapechain-NAME.service and .timer
}


def _read_emitters(ctx: click.Context, option: click.Parameter, given: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    for name in names:
        if name not in EMITTERS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(EMITTERS)}", ctx=ctx, param=option)
    if not names:
        raise click.BadParameter(f"at least one of {', '.join(EMITTERS)} is wanted", ctx=ctx, param=option)
    return names


@click.command(
    "compile",
    epilog="\b\nExamples:\n  tcc compile night.tc                          writes night.plan.json\n"
    "  tcc compile night.tc -o -                     the compiled plan on standard output\n"
    "  tcc compile night.tc --emit json,svg -o out   several, into the folder out\n"
    "  tcc compile night.tc --emit systemd -o units  a service and its timer, from the plan's schedule\n"
    "  tcc compile --check night.tc                  fails if night.plan.json is not up to date",
)
@click.argument("file", metavar="FILE")
@click.option(
    "-o",
    "--output",
    metavar="FILE|FOLDER",
    help="Where to; - is standard output. Default: night.tc gives night.plan.json. "
    "With several --emit, and for systemd, a folder.",
)
@click.option(
    "--emit",
    "emitters",
    default="json",
    show_default=True,
    metavar="LIST",
    callback=_read_emitters,
    help=f"What to write, comma-separated: {', '.join(EMITTERS)}.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file on disk differs.")
@define_option
def compile_command(
    file: str, output: str | None, emitters: tuple[str, ...], check: bool, defines: dict[str, str]
) -> int:
    """Compile the plan FILE: one JSON document that names every source, ring, agent, drive and thread of its run."""
    if is_compiled(file):
        raise UsageFault(f"{file} is compiled already", todo="give the .tc that it was made from")
    if check and output == "-":
        raise UsageFault("--check compares with a file, and standard output is none", todo="leave `-o -` out")
    ends_with_this()
    goals = _goals(file, output, emitters)
    compilation = compile_file(file, defines, base=_base(file, goals[0][1]))
    print_diagnostics(compilation)
    if compilation.plan is None:
        return EXIT_FAILED
    # All is made before anything is written: a picture that cannot be drawn leaves no half of a folder behind.
    documents = [
        document for emitter, goal in goals for document in _documents(file, compilation, defines, emitter, goal)
    ]
    _spare(compilation.texts, (path for path, _ in documents))
    stale = []
    for path, content in documents:
        if path is None:
            sys.stdout.flush()
            sys.stdout.buffer.write(content)  # UTF-8 whatever the terminal's encoding is: it is a document
            sys.stdout.buffer.flush()
        elif not check:
            write_whole(path, content, may=frozenset({COMPILED} if content.startswith(b"{") else ()))
        elif not holds(path, content):
            stale.append(path)
    for path in stale:
        say(f"{path} is not what {file} gives now: run `tcc compile` again")
    return EXIT_FAILED if stale else EXIT_OK


def _documents(
    file: str, compilation: Compilation, defines: Mapping[str, str], emitter: str, goal: Path | None
) -> list[tuple[Path | None, bytes]]:
    """What *emitter* makes of a sound plan, each with the file that it belongs in (None: standard output)."""
    assert compilation.plan is not None
    if emitter == "systemd":
        from .units import units

        return [(goal and goal / name, content) for name, content in units(file, compilation.plan, defines).items()]
    if emitter == "markdown":
        from ..compiler.emit.markdown import to_markdown
        from ..compiler.forecast import forecast

        found = forecast(compilation.graph, compilation.layout)
        text = to_markdown(compilation.plan, found, compilation.diagnostics)
        return [(goal, text.encode("utf-8"))]
    return [(goal, emitted(compilation.plan, emitter))]


def emitted(plan: CompiledPlan, emitter: str) -> bytes:
    """*plan* as the *emitter* writes it. Raises :class:`UsageFault` where a picture cannot be drawn."""
    if emitter == "json":
        from ..runtime.plan import dumps

        return dumps(plan).encode()
    from .diagram import drawn

    return drawn(plan, emitter)


def _goals(file: str, output: str | None, emitters: tuple[str, ...]) -> list[tuple[str, Path | None]]:
    """For each emitter the file that it writes; None is standard output."""
    stem = Path("stdin" if file == "-" else file).name.removesuffix(".tc") or "plan"
    if output == "-":
        if len(emitters) > 1 or emitters == ("systemd",):
            raise UsageFault("several documents cannot go to standard output", todo="name a folder: -o FOLDER")
        return [(emitters[0], None)]
    if output is None and file == "-":
        return [(emitters[0], None)] if len(emitters) == 1 else _goals(file, ".", emitters)
    if output is None:
        folder = Path(file).parent
    elif len(emitters) > 1 or emitters == ("systemd",) or Path(output).is_dir() or output.endswith("/"):
        folder = Path(output)
        if folder.exists() and not folder.is_dir():
            raise UsageFault(f"{output} is no folder, and several documents are to be written", todo="-o FOLDER")
    else:
        return [(emitters[0], Path(output))]
    return [(name, folder if name == "systemd" else folder / (stem + EMITTERS[name])) for name in emitters]


def _spare(read: Iterable[str], goals: Iterable[Path | None]) -> None:
    """Raise :class:`UsageFault` where a document would be written over a file of the plan itself."""
    own = {os.path.realpath(file) for file in read}
    for goal in goals:
        if goal is not None and os.path.realpath(goal) in own:
            raise UsageFault(f"{goal} is a file of the plan itself", safe="nothing was written", todo="-o another file")


def _base(file: str, goal: Path | None) -> str:
    """The plan's folder relative to the compiled plan's, both as they really are: ``..`` is followed by the system."""
    if goal is None:
        return "."
    folder = os.path.realpath("." if file == "-" else Path(file).parent)
    return os.path.relpath(folder, os.path.realpath(goal.parent))
