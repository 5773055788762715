"""``tcc objects``: what the catalog knows of objects and their copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..runtime.faults import EXIT_OK
from .console import print_json
from .options import catalog_option, define_option, examples, plan_option, state_option

if TYPE_CHECKING:
    from ..runtime.catalog.queries import CatalogObject
    from ..runtime.catalog.store import Catalog
    from ..runtime.plan import CompiledPlan


@click.command(epilog=examples("tcc objects --plan night.tc", "tcc objects --source night/home --json"))
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

    known, plan = catalog_of_options(plan_path, catalog, state, defines)
    with known:
        if source is None:
            objects = known.objects()
        else:
            from ..runtime.restore.select import resolve_source

            of_plan, name = resolve_source(known, source)
            objects = known.objects(plan=of_plan, source=name)
        expires = _expiries(known, plan)
    if as_json:
        print_json([object_json(o) | ({"expires": expires.get(o.id)} if expires is not None else {}) for o in objects])
    else:
        _print(objects, expires)
    return EXIT_OK


def _expiries(known: Catalog, plan: CompiledPlan | None) -> dict[str, str] | None:
    """Object → when the last of its copies may go, by the calendar; None where no pool of *plan* says anything."""
    if plan is None or all(pool.retention is None and pool.sessions is None for pool in plan.pools):
        return None
    import time

    from ..runtime.catalog.keeping import pools_of
    from ..runtime.media.times import text_of

    verdicts = known.expiry(pools_of([plan]), now=time.time()).objects
    return {key: text_of(v.expires) for key, v in verdicts.items() if v.expires is not None}


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
        **_more(item),
    }


def _more(item: CatalogObject) -> dict[str, Any]:
    """What is said only of objects of which there is something to say, beyond the contract's keys."""
    level = {} if item.level == "full" else {"level": item.level, "parent": item.parent}
    return level | {
        key: how for key, how in (("compress", item.compress), ("encrypt", item.encrypt)) if how is not None
    }


def _print(objects: list[CatalogObject], expires: dict[str, str] | None) -> None:
    from .summary import plural
    from .table import moment_text, print_table, size_text

    rows = [
        (
            f"{o.plan}/{o.source}",
            moment_text(o.started),
            o.kind if o.level == "full" else f"{o.kind}, {o.level}",
            size_text(o.bytes),
            o.status + (f", {plural(o.unread, 'file')} unread" if o.unread else ""),
            " ".join(c.drive if c.status == "stored" else f"{c.drive}({c.status})" for c in o.copies),
            *([moment_text(expires.get(o.id))] if expires is not None else []),
            o.id,
        )
        for o in objects
    ]
    head = (
        "SOURCE",
        "STARTED",
        "KIND",
        "SIZE",
        "STATUS",
        "COPIES",
        *(["EXPIRES"] if expires is not None else []),
        "OBJECT",
    )
    print_table(head, rows, right=frozenset({3}))
