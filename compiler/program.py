"""The whole way of a plan: load, expand, resolve, check, optimise, lower. Each step is one function of one value."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from ..dsl.diagnostics import Diagnostic
from ..dsl.pieces import Memory
from ..runtime.plan import CompiledPlan
from .expand import expand
from .graph import Graph, build
from .load import Program, load
from .lower import lower
from .passes.layout import Layout
from .passes.pipeline import optimised
from .places import report
from .requirements import verdicts
from .resolve import resolve
from .rulebook import GRAPH_CHECKS, LAYOUT_CHECKS, MODEL_CHECKS, PROMISE_CHECKS
from .silence import not_mended, not_silenced
from .world import World


@dataclass(frozen=True, slots=True)
class Compilation:
    """What became of a program.

    The compiled plan is None when there are errors, or nobody wanted it; the diagnostics are in the order of their
    places; ``texts`` are those of every file that was read, by the name that spans bear. ``graph`` and ``layout`` are
    what the plan was lowered from; ``unused_defines`` the names given with ``-D`` that no ``param`` bears.
    """

    plan: CompiledPlan | None
    diagnostics: tuple[Diagnostic, ...]
    texts: Mapping[str, str]
    graph: Graph
    laid_out: Callable[[], Layout]
    unused_defines: tuple[str, ...] = ()

    @property
    def layout(self) -> Layout:
        """The rings after all passes, worked out when somebody asks first."""
        return self.laid_out()


def compile_program(
    path: str,
    world: World,
    defines: Mapping[str, str] | None = None,
    *,
    base: str = ".",
    lowered: bool = True,
    memory: Memory | None = None,
) -> Compilation:
    """Compile the program that the file *path* (``-``: standard input) begins.

    *base* is the plan's folder relative to where the compiled plan will lie, and goes into it as it is. Who only wants
    the diagnostics goes without the plan: not *lowered*. *memory* is kept from one call to the next by who compiles the
    same files again and again. Raises OSError when the file itself cannot be read; everything else that is wrong is a
    diagnostic.
    """
    with _collector_at_rest():
        program = load(path, world, defines or {}, memory)
        return _compiled(program, world, base if lowered else None)


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Nothing that is made here is thrown away before the end, and to look for what might be takes a third of the time.

    What is not needed any more goes by its reference count all the same.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _compiled(program: Program, world: World, base: str | None) -> Compilation:
    expansion = expand(program)
    model = resolve(program, expansion, world)
    graph = build(model)
    laid_out = functools.cache(lambda: optimised(graph))
    found = list(expansion.diagnostics)
    for check in MODEL_CHECKS:
        found += check(model)
    for check_graph in GRAPH_CHECKS:
        found += check_graph(graph)
    judged = tuple(verdicts(graph, laid_out))
    for check_promise in PROMISE_CHECKS:
        found += check_promise(judged)
    for check_layout in LAYOUT_CHECKS:
        found += check_layout(graph, laid_out)
    found = [*program.diagnostics, *not_mended(found, program.diagnostics)]
    diagnostics = not_silenced(report(found), program.comments, program.texts)
    wrong = any(d.severity == "error" for d in diagnostics)
    return Compilation(
        plan=None if wrong or base is None else lower(graph, laid_out(), base=base),
        diagnostics=diagnostics,
        texts=program.texts,
        graph=graph,
        laid_out=laid_out,
        unused_defines=program.unused_defines,
    )
