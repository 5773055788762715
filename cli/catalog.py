"""``tcc catalog``: the catalog from volumes alone, and what it is told of volumes that were moved."""

from __future__ import annotations

import os
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..runtime.faults import EXIT_DEGRADED, EXIT_FAILED, EXIT_OK, Fault, UsageFault
from .console import print_fault, say, shown
from .options import Commands, catalog_option, define_option, examples, hang_option, plan_option, state_option
from .summary import plural

if TYPE_CHECKING:
    from ..runtime.patience import Patience
    from ..runtime.plan import CompiledPlan

_SUFFIXES = frozenset({".sqlite", ".sqlite3", ".db"})
#: What becomes of what a drive that hangs holds.
_THEN = "what it holds will not be known"
_HANG_HELP = "Leave a drive that does not answer for so long, and read the others."


@click.group(
    cls=Commands,
    epilog=examples("tcc catalog rebuild media/R1 media/R2 --plan night.tc", "tcc catalog add /vault --plan night.tc"),
)
def catalog_command() -> None:
    """Work on the catalog itself."""


@catalog_command.command(
    "rebuild",
    epilog=examples(
        "tcc catalog rebuild --plan night.tc",
        "tcc catalog rebuild media/R1 /vault/R5 --plan night.tc",
        "tcc catalog rebuild /mnt/disk --into sqlite:///found.sqlite",
    ),
)
@click.argument("paths", metavar="[PATH...]", nargs=-1)
@click.option("--into", metavar="URL", help="The catalog to write (default: the one that the other options mean).")
@hang_option(_HANG_HELP)
@plan_option
@catalog_option
@state_option
@define_option
def rebuild_command(
    *,
    paths: tuple[str, ...],
    into: str | None,
    hang_after: float,
    plan_path: str | None,
    catalog: str | None,
    state: str | None,
    defines: dict[str, str],
) -> int:
    """Make the catalog anew from volumes: folders of volumes, or volumes' files.

    Without PATH the folders of all drives of --plan are read. The catalog that is there now is kept beside it under
    another name. Only what these volumes hold will be known. Ends with 3 where some of them cannot be read.
    """
    from ..runtime.catalog.rebuild import rebuild
    from .meter import Stopped, interruptible
    from .state import catalog_place, state_folder
    from .waiting import patience_of, say_stopped

    plan = folder = None
    if plan_path is not None:
        from .plans import load_plan

        plan, folder = load_plan(plan_path, defines, warnings=False)
    place = catalog_place(into or catalog, state_folder(state, plan, folder), plan, folder)
    _refuse_no_catalog(place)
    named = [Path(p) for p in paths]
    patience = patience_of(hang_after, _THEN)
    try:
        with interruptible(patience):
            there = named or _folders(plan, folder, patience)
            result = rebuild(place, there, patience)
    except Stopped as stop:
        return say_stopped(stop, "the catalog that was there is as it was; the media were only read")
    for note in result.notes:
        say(f"note: {note}")
    for fault in result.faults:
        print_fault(fault)
    if result.kept is not None:
        say(f"note: the catalog that was there is kept as {result.kept}")
        _say_forgotten(result.kept, place)
    if not result.volumes and not result.empty:
        say("nothing was rebuilt: no volume could be read")
        return EXIT_FAILED
    say(f"rebuilt: {plural(result.volumes, 'volume')} with {_indexes(result.indexes)}{_empty(result.empty)}")
    lacks = not named and len(there) < len(_drive_folders(plan, folder))
    return EXIT_DEGRADED if result.faults or lacks else EXIT_OK


def _is_folder(path: Path) -> bool:
    """(``Path.is_dir`` raises where a folder on the way may not be searched, or a name is too long.)"""
    return os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK)  # noqa: PTH112


def _drive_folders(plan: CompiledPlan | None, folder: Path | None) -> dict[Path, str]:
    drives = plan.drives if plan is not None else ()
    return {(folder or Path()) / drive.volumes: drive.name for drive in drives if drive.volumes}


def _folders(plan: CompiledPlan | None, folder: Path | None, patience: Patience) -> list[Path]:
    """The folders of a plan's drives that are there, one at least; one that is not is told: is its disk mounted?

    Of one that hangs *patience* tells. Raises UsageFault.
    """
    from ..runtime.patience import HangingFault

    if plan is None:
        raise UsageFault(
            "no volumes are named", todo="name their folders, or the plan whose drives hold them: --plan FILE"
        )
    known = _drive_folders(plan, folder)
    patience.ask_at_once((place, drive, partial(_is_folder, place)) for place, drive in known.items())
    there = []
    for place, drive in known.items():
        try:
            if patience.ask(place, drive, partial(_is_folder, place)):
                there.append(place)
            else:
                say(f"warning: the folder of drive {drive}, {place}, is not there, or may not be read: {_THEN}")
        except HangingFault:
            continue
    if not there and not patience.hanging:
        raise UsageFault(
            f"none of the folders of the drives of plan {plan.plan} is there",
            safe="nothing was changed",
            todo="see whether their disks are mounted, or name the folders of volumes",
        )
    return there


def _say_forgotten(before: Path, place: str) -> None:
    """Name the volumes that the catalog *before* knew and the new one does not: those of another plan, say."""
    from ..runtime.catalog.store import open_catalog

    try:
        with open_catalog(before, create=False) as old, open_catalog(place, create=False) as new:
            there = {volume.id for volume in new.volumes()}
            lacking = [volume for volume in old.volumes() if volume.id not in there]
    except Fault:
        return  # a catalog that is rebuilt may be damaged
    if not lacking:
        return
    names = ", ".join([*(volume.name for volume in lacking[:8]), *(["…"] if len(lacking) > 8 else [])])
    folders = dict.fromkeys(str(Path(volume.location).parent) for volume in lacking if volume.location)
    say(f"note: it knew {plural(len(lacking), 'volume')} more, which no PATH holds: {names}")
    say(f"note: where they are still there, add them: tcc catalog add {shlex.join([*folders][:8]) or 'FOLDER'}")


@catalog_command.command(
    "add",
    epilog=examples("tcc catalog add /vault/R1-000007.tar --plan night.tc", "tcc catalog add /mnt/old --plan night.tc"),
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@hang_option(_HANG_HELP)
@plan_option
@catalog_option
@state_option
@define_option
def add_command(
    *,
    paths: tuple[str, ...],
    hang_after: float,
    plan_path: str | None,
    catalog: str | None,
    state: str | None,
    defines: dict[str, str],
) -> int:
    """Tell the catalog of volumes: where they lie now, and what it does not know of them.

    For volumes that were moved (to a vault, to another disk) or come from elsewhere. What it knows of others stays, and
    the place of a volume that is still there when this is a copy of it.
    """
    from ..runtime.catalog.rebuild import record_paths
    from .meter import Stopped, interruptible
    from .state import catalog_of_options
    from .waiting import patience_of, say_stopped

    known, _ = catalog_of_options(plan_path, catalog, state, defines)
    patience = patience_of(hang_after, _THEN)
    try:
        with known, interruptible(patience):
            result = record_paths(known, [Path(p) for p in paths], patience=patience)
    except Stopped as stop:
        return say_stopped(stop, "what was read until then is in the catalog; the media were only read")
    for note in result.notes:
        say(f"note: {note}")
    for fault in result.faults:
        print_fault(fault)
    if not result.volumes and not result.empty and not result.copies:
        say("nothing was added: no volume could be read and believed")
        return EXIT_FAILED
    say(f"added: {plural(result.volumes, 'volume')} with {_indexes(result.indexes)}{_empty(result.empty)}")
    return EXIT_DEGRADED if result.faults else EXIT_OK


def _empty(count: int) -> str:
    return f", and {count} empty" if count else ""


def _refuse_no_catalog(place: str) -> None:
    """Raise UsageFault where what would be put aside never was a catalog, not even one that is damaged."""
    from ..runtime.catalog.sqlite import file_of
    from .kept import CATALOG, kept_thing

    path = file_of(place)
    if path is None or not path.exists():
        return
    try:
        what = kept_thing(str(path))
    except OSError as error:
        raise UsageFault(f"the catalog {shown(path)} cannot be read: {error.strerror}") from None
    # Whatever bears a catalog's name may be one that is damaged.
    if what is None and (not path.is_file() or path.stat().st_size) and path.suffix not in _SUFFIXES:
        what = "no catalog"
    if what not in (CATALOG, None):
        raise UsageFault(
            f"{shown(path)} is {what}: no catalog is made in its place",
            safe="nothing was written",
            todo="name another file, or see where the plan and --state say that the catalog is",
        )


def _indexes(count: int) -> str:
    return "1 index" if count == 1 else f"{count} indexes"
