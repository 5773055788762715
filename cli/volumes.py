"""``tcc volumes``: the volumes that the catalog knows, and where they were seen last."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..runtime.faults import EXIT_OK
from .console import print_json, say
from .options import catalog_option, define_option, examples, hang_option, plans_option, state_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..runtime.catalog.expiry import Verdict
    from ..runtime.catalog.queries import CatalogVolume
    from ..runtime.patience import Patience


@click.command(epilog=examples("tcc volumes --plan night.tc", "tcc volumes --drive R1 --json"))
@click.option("--drive", metavar="DRIVE", help="Only volumes of this drive.")
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
@hang_option("List a volume as hanging whose folder does not answer for so long.", default="30s")
@plans_option
@catalog_option
@state_option
@define_option
def volumes_command(
    *,
    drive: str | None,
    as_json: bool,
    hang_after: float,
    plan_paths: tuple[str, ...],
    catalog: str | None,
    state: str | None,
    defines: dict[str, str],
) -> int:
    """List the volumes that the catalog knows, by drive and name.

    STATUS is empty (labelled, and nothing on it yet), open, full (an object goes on on the next volume), expired (it
    may be recycled), missing (not where it was seen last), or hanging (its folder does not answer). When a volume
    expires is known only with --plan, since its pool's retention is the plan's to say; "(kept)" behind the date:
    something on it is kept beyond it (`tcc volume recycle --dry-run` says what).
    """
    from ..runtime.catalog.keeping import pools_of
    from .state import catalog_and_plans
    from .waiting import patience_of

    known, plans, _ = catalog_and_plans(plan_paths, catalog, state, defines)
    now = time.time()
    with known:
        volumes = [v for v in known.volumes() if drive in (None, v.drive)]
        verdicts = known.expiry(pools_of(plans), now=now).volumes if plans else {}
    there = _places(volumes, patience_of(hang_after, "its volumes are listed as the catalog knows them"))
    if as_json:
        print_json([volume_json(v, verdicts.get(v.id), there[v.id]) for v in volumes])
        return EXIT_OK
    from .table import print_table, size_text

    rows = [
        (
            v.name,
            v.drive,
            v.pool or "-",
            size_text(v.bytes),
            str(v.objects),
            str(v.sessions),
            _expires_text(verdicts.get(v.id), now),
            status(v, verdicts.get(v.id), there[v.id]),
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
    for note in _unknown_pools(verdicts.get(v.id) for v in volumes):
        say(f"note: {note}")
    return EXIT_OK


def _unknown_pools(verdicts: Iterable[Verdict | None]) -> Iterator[str]:
    """Why of some volumes nobody can say when they expire: a plan that wrote on them was not named."""
    from ..runtime.catalog.expiry import UNKNOWN_POOL, UNKNOWN_POOL_TODO
    from .summary import plural

    count: dict[str, int] = {}
    for verdict in verdicts:
        for reason in verdict.reasons if verdict is not None else ():
            if reason.endswith(UNKNOWN_POOL):
                count[reason] = count.get(reason, 0) + 1
    for reason, volumes in count.items():
        yield f"when {plural(volumes, 'volume')} may go is not known: {reason}; {UNKNOWN_POOL_TODO}"


def _places(volumes: Sequence[CatalogVolume], patience: Patience) -> dict[str, bool | None]:
    """Whether each volume is where it was seen last; None: its folder does not answer."""
    there: dict[str, bool | None] = {v.id: None if v.location is not None else False for v in volumes}

    def look(volume: CatalogVolume, location: str) -> None:
        try:
            there[volume.id] = Path(location).is_file()
        except (OSError, ValueError):
            there[volume.id] = False

    places = [(v, v.location) for v in volumes if v.location is not None]
    patience.ask_at_once((Path(where).parent, v.drive, partial(look, v, where)) for v, where in places)
    return there


def volume_json(volume: CatalogVolume, verdict: Verdict | None, there: bool | None) -> dict[str, Any]:
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
        "expires": expires(verdict),
        "status": status(volume, verdict, there),
    }


def status(volume: CatalogVolume, verdict: Verdict | None, there: bool | None) -> str:
    """``missing`` (not where it was seen last), ``empty``, ``expired``, ``full`` (an object goes on on the next one).

    ``hanging`` where nobody can say whether it is *there* (None). Else ``open``.
    """
    if not there:
        return "hanging" if there is None else "missing"
    if not volume.sessions:
        return "empty"
    if verdict is not None and verdict.expired:
        return "expired"
    return "full" if volume.full else "open"


def expires(verdict: Verdict | None) -> str | None:
    """When retention ends for all that it holds, by the calendar; None: never, or not known."""
    from ..runtime.media.times import text_of

    return None if verdict is None or verdict.expires is None else text_of(verdict.expires)


def _expires_text(verdict: Verdict | None, now: float) -> str:
    from .table import moment_text

    kept = verdict is not None and verdict.expires is not None and verdict.expires <= now and not verdict.expired
    return moment_text(expires(verdict)) + (" (kept)" if kept else "")
