"""``tcc verify``: read media, check every record, notice what is missing."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..runtime.faults import EXIT_FAILED, CatalogFault, MediaFault, UsageFault
from .console import print_json
from .options import (
    catalog_option,
    define_option,
    duration,
    hang_option,
    plan_option,
    progress_option,
    state_option,
)
from .verified import Problem, advised_of, as_document, show, stranger

if TYPE_CHECKING:
    from ..runtime.catalog.queries import CatalogVolume
    from ..runtime.catalog.store import Catalog
    from ..runtime.patience import Patience
    from ..runtime.plan import CompiledPlan
    from ..runtime.restore.due import Due
    from ..runtime.restore.verdicts import Verified


@click.command(
    epilog="""\b
Examples:
  tcc verify --plan night.tc                              every volume, and whether each source was stored in time
  tcc verify night/home --plan night.tc --max-age 36h     only home; its newest object must be younger
  tcc verify media/R1/R1-000001.tar                       a volume, with no catalog
  tcc verify --plan night.tc --repair -o repair.tc        drafts the plan that heals what is damaged
"""
)
@click.argument("targets", metavar="[SOURCE | VOLUME]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.option(
    "--max-age",
    metavar="DURATION",
    callback=duration,
    help="How old the newest whole object of each source of --plan may be (default: by its schedule and window).",
)
@click.option("--repair", is_flag=True, help="Draft the plan that makes damaged and missing copies anew.")
@click.option("-o", "--output", metavar="FILE", help="With --repair: write the plan to FILE, else to standard output.")
@hang_option("Leave a drive that does not answer for so long, and verify the others.")
@progress_option
@plan_option
@catalog_option
@state_option
@define_option
def verify_command(
    *,
    targets: tuple[str, ...],
    as_json: bool,
    max_age: float | None,
    repair: bool,
    output: str | None,
    hang_after: float,
    progress: str,
    plan_path: str | None,
    catalog: str | None,
    state: str | None,
    defines: dict[str, str],
) -> int:
    """Read volumes, check every record's digest, and compare with the catalog.

    VOLUME is a name, a UUID, or a path (also of a folder of volumes); SOURCE is SOURCE or PLAN/SOURCE, of which only
    the records are read. Without any, all volumes that the catalog knows are read. Ends with 1 when something is
    damaged, missing, or not as the catalog says; what the catalog knows to be incomplete is no fault. With --plan also
    when a source of the plan has no whole object, or none that is young enough.
    """
    from .meter import Stopped, interruptible
    from .state import catalog_of_options
    from .waiting import patience_of, say_stopped

    if max_age is not None and plan_path is None:
        raise UsageFault("--max-age is about the sources of a plan", todo="name it: --plan FILE")
    if repair and as_json and output is None:
        raise UsageFault("--json and the draft of --repair cannot both be standard output", todo="-o FILE")
    if output is not None and not repair:
        raise UsageFault("-o is where --repair writes its plan", todo="say --repair, too")

    patience = patience_of(hang_after, "what it holds is not verified")
    paths = [target for target in targets if _is_path(target, patience)]
    files = [file for target in paths for file in _volume_files(target, patience)]
    silent = [Problem(str(fault), fault.safe, fault.todo) for fault in patience.hanging.values()]
    names = [t for t in targets if t not in paths]
    named = bool(plan_path or catalog or state)
    known: Catalog | None
    try:
        known, plan = catalog_of_options(plan_path, catalog, state, defines)
    except CatalogFault as fault:
        if names or not (files or silent):
            # Nothing was verified: the exit code of a fault would say that damage was found.
            raise UsageFault(fault.message, place=fault.place, safe=fault.safe, todo=fault.todo) from None
        known = plan = None
    with contextlib.ExitStack() as open_catalogs:
        if known is not None:
            open_catalogs.enter_context(known)
        try:
            with interruptible(patience):
                parts, strangers = _parts(known, names, files, patience, any_target=bool(targets))
                told = list(silent)
                if strangers:
                    from ..runtime.catalog.rebuild import catalog_of_volumes

                    alone, unreadable = catalog_of_volumes(strangers, patience)
                    open_catalogs.enter_context(alone)
                    told += [Problem(str(fault), fault.safe, fault.todo) for fault in unreadable]
                    if named and known is not None:
                        told += [stranger(path, known.name) for path in strangers]
                    parts.append(_Part(alone, alone.volumes(), None, ()))
            result = _read(parts, progress, patience)
        except Stopped as stop:
            return say_stopped(stop, "nothing is verified; the media were only read, and nothing was changed")
        lacking = _due(plan, known, parts, max_age, whole=not targets)
    options = [
        ("--plan", "FILE" if known is None or (strangers and not named) else plan_path),
        ("--catalog", catalog),
        ("--state", state),
    ]
    advised = advised_of(result, [*options, *(("-D", f"{name}={value}") for name, value in defines.items())])
    if as_json:
        print_json(as_document(result, told, lacking, advised, plan_path))
    else:
        show(result, told, lacking, advised, plan_path)
    if repair:
        from .repairing import draft_repair

        draft_repair(result, output, plan_path=plan_path, catalog=catalog, state=state, defines=defines)
    return EXIT_FAILED if told or lacking.absent else result.exit_code


def _due(
    plan: CompiledPlan | None, known: Catalog | None, parts: list[_Part], max_age: float | None, *, whole: bool
) -> Due:
    """What of the plan's sources should be stored and is not; of all, or of those that were asked for."""
    from ..runtime.restore.due import Due, age_allowed, due

    asked = {part.source[1] for part in parts if part.source is not None and plan and part.source[0] == plan.plan}
    if plan is None or known is None or not (whole or asked):
        return Due((), ())
    allowed = age_allowed(plan) if max_age is None else max_age
    found = due(plan, known.objects(plan=plan.plan), now=time.time(), allowed=allowed, only=None if whole else asked)
    if plan.schedule is not None and allowed is None:
        note = f'how far apart "{plan.schedule}" elapses is not understood: say --max-age'
        return Due(found.absent, (note, *found.notes))
    return found


@dataclass(frozen=True, slots=True)
class _Part:
    """Volumes to read and compare with one catalog; of one (plan, source) only, where one is given."""

    catalog: Catalog
    volumes: list[CatalogVolume]
    source: tuple[str, str] | None
    places: tuple[Path, ...]


def _is_path(target: str, patience: Patience) -> bool:
    """Whether it names a place; one that does not answer is one."""
    from ..runtime.patience import HangingFault

    try:
        return target.endswith(".tar") or patience.ask(Path(target), "", Path(target).is_dir)
    except HangingFault:
        return True


def _volume_files(target: str, patience: Patience) -> list[Path]:
    """The volumes that *target* is, or holds. A folder without any proves nothing: its disk may not be mounted."""
    from ..runtime.catalog.rebuild import volume_files

    files = volume_files([Path(target)], patience)
    if not files and not patience.hanging:
        raise UsageFault(
            f"the folder {target} holds no volumes: nothing was verified",
            todo="see whether its disk is mounted"
            + ("" if target.startswith("/") else f"; if a source is meant, say PLAN/{target.rstrip('/')}"),
        )
    return files


def _parts(
    known: Catalog | None, names: list[str], files: list[Path], patience: Patience, *, any_target: bool
) -> tuple[list[_Part], list[Path]]:
    """What is to be read with the catalog *known*, and the files that it does not know. Raises UsageFault."""
    if known is None:
        return [], files
    volumes = known.volumes()
    if not any_target:
        return [_Part(known, volumes, None, ())], []
    whole: dict[str, CatalogVolume] = {}
    parts: list[_Part] = []
    for name in names:
        if found := [v for v in volumes if name in {v.id, v.name}]:
            whole |= {v.id: v for v in found}
        else:
            parts.append(_source_part(known, volumes, name))
    strangers: list[Path] = []
    for path in files:
        try:
            identifier = patience.ask(path.parent, "", partial(_identifier, path))
        except MediaFault:
            identifier = ""
        match = next((v for v in volumes if v.id == identifier), None)
        if match is None:
            # A damaged label: the catalog may still know the place.
            match = next((v for v in volumes if v.location == str(path)), None)
        if match is None:
            strangers.append(path)
        else:
            whole[match.id] = match
    if whole:
        parts.insert(0, _Part(known, list(whole.values()), None, tuple(files)))
    return parts, strangers


def _identifier(path: Path) -> str:
    from ..runtime.media.volume import open_volume

    with open_volume(path) as reader:
        return reader.label.volume


def _source_part(known: Catalog, volumes: list[CatalogVolume], name: str) -> _Part:
    from ..runtime.restore.select import resolve_source

    plan, source = resolve_source(known, name)
    holding = {s.volume_id for o in known.objects(plan=plan, source=source) for c in o.copies for s in c.segments}
    return _Part(known, [v for v in volumes if v.id in holding], (plan, source), ())


def _read(parts: list[_Part], progress: str, patience: Patience) -> Verified:
    from ..runtime.restore.shelf import Shelf
    from ..runtime.restore.verdicts import Verified
    from ..runtime.restore.verify import verify
    from .meter import steps

    results: list[Verified] = []
    with steps(progress, "verifying", sum(v.bytes for p in parts for v in p.volumes), patience) as moved:
        before = 0
        for part in parts:

            def step(done: int, before: int = before) -> None:
                moved(before + done)

            shelf = Shelf(part.catalog.volumes(), part.places, patience=patience)
            results.append(verify(part.catalog, shelf, volumes=part.volumes, source=part.source, progress=step))
            before += sum(v.bytes for v in part.volumes)
    return Verified(tuple(v for r in results for v in r.volumes), tuple(o for r in results for o in r.objects))
