"""Plans as commands get them: a ``.tc`` is compiled, a compiled plan is read; what is wrong with either is shown."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..runtime.faults import EXIT_FAILED, UsageFault
from ..runtime.plan import CompiledPlan, loads

if TYPE_CHECKING:
    from ..compiler.program import Compilation

#: A plan or compiled plan larger than this is no plan (runtime.plan reads no more either).
_PLAN_BYTES_MAX = 64 * 1024 * 1024


def load_plan(
    path: str, defines: Mapping[str, str] | None = None, *, warnings: bool = True, content: bytes | None = None
) -> tuple[CompiledPlan, Path]:
    """The compiled plan that *path* is (JSON) or gives (``.tc``), and the absolute folder of its relative paths.

    Diagnostics go to stderr; without *warnings* only those of a plan that has errors, for commands to which the plan
    just says where its catalog is. *content* is the file's, where it has been read already: a pipe gives it once.
    Raises ``click.exceptions.Exit(1)`` when the plan has errors, :class:`UsageFault` (exit code 2) when the file cannot
    be read, is no compiled plan, or a name in *defines* is no param of it.
    """
    content = read_content(path) if content is None else content
    if is_json(content):
        if defines:
            raise UsageFault(
                f"{'standard input' if path == '-' else path} is a compiled plan: -D has no effect on it",
                todo="compile the plan anew with -D, or run the .tc",
            )
        plan = loads(content, name="standard input" if path == "-" else path)
        return plan, (Path.cwd() if path == "-" else Path(path).absolute().parent) / plan.base
    compilation = compile_file(path, defines or {}, content=content)
    if warnings or compilation.plan is None:
        print_diagnostics(compilation)
    if compilation.plan is None:
        raise click.exceptions.Exit(EXIT_FAILED)
    return compilation.plan, Path.cwd() if path == "-" else Path(path).absolute().parent


def is_compiled(path: str) -> bool:
    """Whether the file is a compiled plan: JSON begins with a brace, a plan in the language never does."""
    return path != "-" and Path(path).is_file() and is_json(read_content(path))


def is_json(content: bytes) -> bool:
    """Whether *content* is that of a compiled plan, or at least of no plan in the language."""
    return content.lstrip()[:1] == b"{"


def compile_file(
    path: str, defines: Mapping[str, str], *, base: str = ".", content: bytes | None = None
) -> Compilation:
    """Compile the plan at *path* (``-``: standard input) in the real world; *base* is written into the compiled plan.

    *content* is the file's, where it has been read already.

    Raises :class:`UsageFault` when the file cannot be read or a name in *defines* is no param of the plan; all else
    that is wrong is among the diagnostics.
    """
    from ..compiler.program import compile_program
    from .world import KnownWorld, RealWorld

    world = RealWorld() if content is None else KnownWorld(path, content)
    try:
        compilation = compile_program(path, world, defines, base=base)
    except OSError as error:
        raise UsageFault(f"{path} cannot be read: {error.strerror or error}") from None
    if compilation.unused_defines:
        names = ", ".join(compilation.unused_defines)
        raise UsageFault(f"-D {names}: {path} has no param of that name", todo=f"declare it: param {names} = …")
    return compilation


def print_diagnostics(compilation: Compilation) -> None:
    """The diagnostics of a compilation on stderr, as ``tcc check`` shows them."""
    if compilation.diagnostics:
        from .report import print_text

        # What is counted is the plan that was asked for, whichever of its includes is at fault.
        print_text(compilation.diagnostics, compilation.texts, sys.stderr, files=[compilation.graph.model.main_file])


def read_content(path: str) -> bytes:
    """The bytes of the file *path*, or of standard input (``-``). Raises :class:`UsageFault`."""
    name = "standard input" if path == "-" else path
    try:
        if path == "-":
            content = sys.stdin.buffer.read(_PLAN_BYTES_MAX + 1)
        else:
            with open(path, "rb") as file:
                content = file.read(_PLAN_BYTES_MAX + 1)
    except OSError as error:
        raise UsageFault(f"{name} cannot be read: {error.strerror or error}") from None
    if len(content) > _PLAN_BYTES_MAX:
        raise UsageFault(f"{name} is larger than {_PLAN_BYTES_MAX} bytes: it is not a plan")
    return content
