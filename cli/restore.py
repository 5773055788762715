"""``tcc restore``: a source comes back from any surviving copy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..runtime.faults import EXIT_OK, CatalogFault
from ..runtime.kinds import encode_name
from .console import harmless, print_result, say
from .many import ManyVolumes
from .options import catalog_option, define_option, identity_option, plan_option, progress_option, state_option

if TYPE_CHECKING:
    from ..runtime.catalog.store import Catalog
    from ..runtime.restore.restore import Reading, Restored


#: A full disk makes one problem a file: so many are shown.
_PROBLEMS_SHOWN = 20


@click.command(
    cls=ManyVolumes,
    epilog="Examples:  tcc restore home --plan night.tc --to /restored   "
    "tcc restore shop --from /media/vault --to /restored --as-of 2026-11-20T02:00",
)
@click.argument("source")
@click.option(
    "--to", "to", metavar="DIR", required=True, help="Folder to restore into; it must be empty, or not there."
)
@click.option("--object", "object_id", metavar="ID", help="This object, not the newest.")
@click.option("--as-of", metavar="TIME", help="The newest object of a session that began by then (ISO, local time).")
@click.option(
    "--from",
    "volumes",
    metavar="VOLUME…",
    multiple=True,
    help="Read these volumes, or the volumes in these folders; needs no catalog.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be read, and from which volumes.")
@click.option("--overwrite", is_flag=True, help="Restore into a folder that is not empty.")
@identity_option
@progress_option
@plan_option
@catalog_option
@state_option
@define_option
def restore_command(
    *,
    source: str,
    to: str,
    object_id: str | None,
    as_of: str | None,
    volumes: tuple[str, ...],
    dry_run: bool,
    overwrite: bool,
    identity: tuple[str, ...],
    progress: str,
    plan_path: str | None,
    catalog: str | None,
    state: str | None,
    defines: dict[str, str],
) -> int:
    """Bring SOURCE (or PLAN/SOURCE) back: its newest whole object, from the best copies.

    A files source's members go to DIR, below the path that they had; a stream's or command's data to DIR/SOURCE.
    Records that are damaged in one copy are taken from another.
    """
    from ..runtime.codec.identities import load
    from ..runtime.restore.restore import plan_reading, restore
    from ..runtime.restore.select import choose, moment, resolve_source
    from ..runtime.restore.shelf import Shelf

    identities = load([Path(file) for file in identity])
    given = [Path(v) for v in volumes]
    with open_for_reading(given, plan_path, catalog, state, defines) as known:
        shelf = Shelf(known.volumes(), given)
        plan, name = resolve_source(known, source)
        choice = choose(
            known, plan, name, shelf, object_id=object_id, as_of=moment(as_of) if as_of is not None else None
        )
    for note in choice.notes:
        say(f"note: {note}")
    reading = plan_reading(choice.object, shelf)
    if dry_run:
        _show(reading, Path(to))
        return EXIT_OK
    from .meter import Stopped, meter, stoppable

    try:
        with stoppable() as check, meter(progress, f"restoring {name}", reading.bytes) as moved:

            def step(done: int) -> None:
                check()
                if moved is not None:
                    moved(done)

            result = restore(reading, shelf, Path(to), overwrite=overwrite, progress=step, identities=identities)
    except Stopped as stop:
        say(f"stopped: what is in {to} is whole but not all of it; start again with --overwrite, or elsewhere")
        return 128 + stop.number
    _tell(result)
    return result.exit_code


def open_for_reading(
    given: list[Path], plan_path: str | None, catalog: str | None, state: str | None, defines: dict[str, str]
) -> Catalog:
    """The catalog that the options mean; one made from the given volumes where none is named, or none is there."""
    from .state import open_the_catalog

    plan = folder = None
    if plan_path is not None:
        from .plans import load_plan

        plan, folder = load_plan(plan_path, defines, warnings=False)
    if not given:
        return open_the_catalog(catalog, state, plan, folder)
    if plan is not None or catalog is not None or state is not None:
        try:
            return open_the_catalog(catalog, state, plan, folder)
        except CatalogFault as fault:
            say(f"note: {fault.message}; reading the volumes instead")
    from ..runtime.catalog.rebuild import catalog_of_volumes

    known, unreadable = catalog_of_volumes(given)
    for bad in unreadable:
        say(f"warning: {bad}", style="1;33")
    return known


def _show(reading: Reading, to: Path) -> None:
    item = reading.object
    print_result(harmless(f"object   {item.id} of {item.plan}/{item.source}, session {item.number} of {item.started}"))
    how = [f"compressed with {item.compress}"] * bool(item.compress) + [f"encrypted with {item.encrypt}"] * bool(
        item.encrypt
    )
    print_result(f"bytes    {item.bytes} in {item.records} records" + "".join(f", {word}" for word in how))
    target = to if item.kind == "files" else to / encode_name(item.source)
    print_result(harmless(f"to       {target}"))
    for role, volumes in (("volume", reading.volumes), ("spare", reading.spare)):
        for volume in volumes:
            place = str(volume.path) if volume.path else f"missing: {volume.why}"
            print_result(harmless(f"{role:8} {volume.name}  {volume.id}  {place}"))


def _tell(result: Restored) -> None:
    item = result.object
    for warning in item.warnings:
        say(f"warning: when it was backed up: {warning}", style="1;33")
    if item.unread:
        say(f"warning: the object lacks {item.unread} files that could not be read when it was backed up", style="1;33")
    for note in result.mended_notes:
        say(f"warning: {note}", style="1;33")
    if result.mended > len(result.mended_notes):
        say(f"warning: {result.mended - len(result.mended_notes)} more records were taken from other copies")
    for note in result.notes:
        say(f"note: {note}")
    for problem in result.problems[:_PROBLEMS_SHOWN]:
        say(f"error: {problem}", style="1;31")
    if len(result.problems) > _PROBLEMS_SHOWN:
        say(f"error: and {len(result.problems) - _PROBLEMS_SHOWN} more", style="1;31")
    words = {"ok": "restored", "degraded": "restored in part", "failed": "not restored"}[result.status]
    say(f"{words}: {item.plan}/{item.source} of {item.started}, {result.bytes} bytes, to {result.place}")
