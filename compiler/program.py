"""The whole way of a plan: load, expand, resolve, check, optimise, lower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..dsl.diagnostics import Diagnostic
from ..runtime.plan import CompiledPlan
from .world import World


@dataclass(frozen=True, slots=True)
class Compilation:
    """What became of a program: the compiled plan (None when there are errors), all diagnostics in the order of their
    places, and the text of every file that was read, by the name that spans bear.

    ``unused_defines`` are the names given with ``-D`` that no ``param`` bears.
    """

    plan: CompiledPlan | None
    diagnostics: tuple[Diagnostic, ...]
    texts: Mapping[str, str]
    unused_defines: tuple[str, ...] = field(default=())


def compile_program(
    path: str, world: World, defines: Mapping[str, str] | None = None, *, base: str = "."
) -> Compilation:
    """Compile the program that the file *path* begins. Raises OSError when that file itself cannot be read."""
    raise NotImplementedError
