"""The passes in their order."""

from __future__ import annotations

from collections.abc import Callable

from ..graph import Graph
from .layout import Layout, unshared
from .share_buffers import share_buffers

PASSES: tuple[Callable[[Layout], Layout], ...] = (share_buffers,)


def optimised(graph: Graph) -> Layout:
    """The layout of *graph* after all passes."""
    layout = unshared(graph)
    for run in PASSES:
        layout = run(layout)
    return layout
