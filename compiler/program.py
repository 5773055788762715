"""The whole way of a plan: load, expand, resolve, check, optimise, lower. Each step is one function of one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..dsl.diagnostics import Diagnostic
from ..dsl.pieces import Memory
from ..runtime.plan import CompiledPlan
from .expand import expand
from .graph import Graph, build
from .load import load
from .lower import lower
from .passes.layout import Layout
from .passes.pipeline import optimised
from .places import report
from .resolve import resolve
from .rulebook import GRAPH_CHECKS, LAYOUT_CHECKS, MODEL_CHECKS
from .silence import not_mended, not_silenced
from .world import World


@dataclass(frozen=True, slots=True)
class Compilation:
    """What became of a program: the compiled plan (None when there are errors), all diagnostics in the order of their
    places, and the text of every file that was read, by the name that spans bear.

    ``graph`` and ``layout`` are what the plan was lowered from; ``unused_defines`` the names given with ``-D`` that no
    ``param`` bears.
    """

    plan: CompiledPlan | None
    diagnostics: tuple[Diagnostic, ...]
    texts: Mapping[str, str]
    graph: Graph
    layout: Layout
    unused_defines: tuple[str, ...] = ()


def compile_program(
    path: str,
    world: World,
    defines: Mapping[str, str] | None = None,
    *,
    base: str = ".",
    memory: Memory | None = None,
    lowered: bool = True,
) -> Compilation:
    """Compile the program that the file *path* (``-``: standard input) begins.

    *base* is the plan's folder relative to where the compiled plan will lie, and goes into it as it is. With *memory*
    only that is parsed which it does not know; without *lowered* there is no compiled plan, for those who check while
    somebody types. Raises OSError when the file itself cannot be read; everything else that is wrong is a diagnostic.
    """
    program = load(path, world, defines or {}, memory)
    expansion = expand(program)
    model = resolve(program, expansion, world)
    graph = build(model)
    layout = optimised(graph)
    found = list(expansion.diagnostics)
    for check in MODEL_CHECKS:
        found += check(model)
    for check_graph in GRAPH_CHECKS:
        found += check_graph(graph)
    for check_layout in LAYOUT_CHECKS:
        found += check_layout(graph, layout)
    found = [*program.diagnostics, *not_mended(found, program.diagnostics)]
    diagnostics = not_silenced(report(found), program.comments, program.texts)
    wrong = any(d.severity == "error" for d in diagnostics)
    return Compilation(
        plan=None if wrong or not lowered else lower(graph, layout, base=base),
        diagnostics=diagnostics,
        texts=program.texts,
        graph=graph,
        layout=layout,
        unused_defines=program.unused_defines,
    )
