"""TC904: warning: two copies of one source on one site.

Why: a fire takes both. Only drives that declare a ``site`` are compared.

Mend: move one of the drives to another site, or mirror to a drive that is elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ..graph import Graph
from ..model import Setting
from ..names import as_written, listed, quoted
from ..rule import Rule

RULE = Rule("TC904", "two copies of one source on one site", "warning")


def check(graph: Graph) -> Iterator[Diagnostic]:
    """Every source of which two or more storing drives declare the same site."""
    declared = {entity.name: entity for entity in graph.model.of_kind("source")}
    known: dict[tuple[str, ...], dict[str, list[tuple[str, Setting]]]] = {}
    for root in graph.roots:
        if root.kind != "source" or graph.is_uncertain(root):
            continue
        copies = graph.copies(root)
        if copies not in known:
            known[copies] = _shared(graph, copies)
        for site_name, drives in known[copies].items():
            yield RULE.at(
                declared[root.name].span,
                f"the source {as_written(root.name)} has {len(drives)} copies on the site {quoted(site_name)}: "
                f"on {listed(as_written(drive) for drive, _ in drives)}",
                help="mirror it to a drive on another site",
                related=[Related(f"{as_written(drive)} is there", site.span) for drive, site in drives],
            )


def _shared(graph: Graph, copies: Iterable[str]) -> dict[str, list[tuple[str, Setting]]]:
    """The sites that two or more of the drives declare, with the drives and where they say so."""
    at: dict[str, list[tuple[str, Setting]]] = {}
    for drive in copies:
        statement = graph.model.statement_of("drive", drive)
        site = statement.settings.get("site") if statement is not None else None
        if site is not None and isinstance(site.value, str):
            at.setdefault(site.value, []).append((drive, site))
    return {site_name: drives for site_name, drives in at.items() if len(drives) > 1}
