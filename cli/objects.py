"""``tcc objects``: what the catalog knows of objects and their copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..runtime.faults import EXIT_OK
from .console import print_json
from .options import catalog_option, define_option, plan_option, state_option

if TYPE_CHECKING:
    from ..runtime.catalog.queries import CatalogObject


@click.command(epilog="Examples:  tcc objects --plan night.tc   tcc objects --source night/home --json")
@click.option("--source", metavar="SOURCE", help="Only objects of this source (SOURCE or PLAN/SOURCE).")
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
@plan_option
@catalog_option
@state_option
@define_option
def objects_command(
    *,
    source: str | None,
    as_json: bool,
    plan_path: str | None,
    catalog: str | None,
    state: str | None,
    defines: dict[str, str],
) -> int:
    """List the objects that the catalog knows, newest first, and what became of each copy."""
    from .state import catalog_of_options

    known, _ = catalog_of_options(plan_path, catalog, state, defines)
    with known:
        if source is None:
            objects = known.objects()
        else:
            from ..runtime.restore.select import resolve_source

            plan, name = resolve_source(known, source)
            objects = known.objects(plan=plan, source=name)
    if as_json:
        print_json([object_json(o) for o in objects])
    else:
        _print(objects)
    return EXIT_OK


def object_json(item: CatalogObject) -> dict[str, Any]:
    """One object as ``tcc objects --json`` shows it (cli.md)."""
    return {
        "source": item.source,
        "object": item.id,
        "plan": item.plan,
        "session": item.session_id,
        "started": item.started,
        "kind": item.kind,
        "bytes": item.bytes,
        "records": item.records,
        "status": item.status,
        "copies": [
            {
                "drive": c.drive,
                "agent": c.agent,
                "volumes": list(dict.fromkeys(s.volume_id for s in c.segments)),
                "status": c.status,
            }
            for c in item.copies
        ],
    }


def _print(objects: list[CatalogObject]) -> None:
    from .table import moment_text, print_table, size_text

    rows = [
        (
            f"{o.plan}/{o.source}",
            moment_text(o.started),
            o.kind,
            size_text(o.bytes),
            o.status + (f", {o.unread} files unread" if o.unread else ""),
            " ".join(c.drive if c.status == "stored" else f"{c.drive}({c.status})" for c in o.copies),
            o.id,
        )
        for o in objects
    ]
    print_table(("SOURCE", "STARTED", "KIND", "SIZE", "STATUS", "COPIES", "OBJECT"), rows, right=frozenset({3}))
