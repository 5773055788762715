"""``tcc volumes``: the volumes that the catalog knows, and where they were seen last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..runtime.faults import EXIT_OK
from .console import print_json
from .options import catalog_option, define_option, plan_option, state_option

if TYPE_CHECKING:
    from ..runtime.catalog.queries import CatalogVolume
    from ..runtime.plan import Pool


@click.command(epilog="Examples:  tcc volumes --plan night.tc   tcc volumes --drive R1 --json")
@click.option("--drive", metavar="DRIVE", help="Only volumes of this drive.")
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
@plan_option
@catalog_option
@state_option
@define_option
def volumes_command(
    *,
    drive: str | None,
    as_json: bool,
    plan_path: str | None,
    catalog: str | None,
    state: str | None,
    defines: dict[str, str],
) -> int:
    """List the volumes that the catalog knows, by drive and name.

    STATUS is open (the drive's last one), full, or missing (not where it was seen last). When a volume expires is known
    only with --plan, since its pool's retention is the plan's to say.
    """
    from .state import catalog_of_options

    known, plan = catalog_of_options(plan_path, catalog, state, defines)
    with known:
        volumes = [v for v in known.volumes() if drive in (None, v.drive)]
    pools = {p.name: p for p in plan.pools} if plan is not None else {}
    if as_json:
        print_json([volume_json(v, pools) for v in volumes])
        return EXIT_OK
    from .table import moment_text, print_table, size_text

    rows = [
        (
            v.name,
            v.drive,
            v.pool or "-",
            size_text(v.bytes),
            str(v.objects),
            str(v.sessions),
            moment_text(expires(v, pools)),
            status(v),
            v.location or "-",
            v.id,
        )
        for v in volumes
    ]
    print_table(
        ("NAME", "DRIVE", "POOL", "SIZE", "OBJECTS", "SESSIONS", "EXPIRES", "STATUS", "LOCATION", "UUID"),
        rows,
        right=frozenset({3, 4, 5}),
    )
    return EXIT_OK


def volume_json(volume: CatalogVolume, pools: Mapping[str, Pool]) -> dict[str, Any]:
    """One volume as ``tcc volumes --json`` shows it (cli.md)."""
    return {
        "name": volume.name,
        "uuid": volume.id,
        "drive": volume.drive,
        "pool": volume.pool,
        "location": volume.location,
        "bytes": volume.bytes,
        "objects": volume.objects,
        "sessions": volume.sessions,
        "expires": expires(volume, pools),
        "status": status(volume),
    }


def status(volume: CatalogVolume) -> str:
    """``open``, ``full`` (an object goes on on the next volume), or ``missing`` (not where it was seen last)."""
    try:
        there = volume.location is not None and Path(volume.location).is_file()
    except (OSError, ValueError):
        there = False
    return "missing" if not there else "full" if volume.full else "open"


def expires(volume: CatalogVolume, pools: Mapping[str, Pool]) -> str | None:
    """When the retention of the volume's pool ends, counted from its newest session; None: never, or not known."""
    pool = pools.get(volume.pool or "")
    if pool is None or pool.retention is None or pool.sessions is not None or volume.last_ended is None:
        return None
    try:
        end = datetime.fromisoformat(volume.last_ended) + timedelta(seconds=pool.retention)
    except (ValueError, OverflowError):
        return None
    return end.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
