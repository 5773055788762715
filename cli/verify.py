"""``tcc verify``: read media, check every record, notice what is missing."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..runtime.faults import EXIT_FAILED, CatalogFault, MediaFault
from .console import harmless, print_json, print_result, say
from .options import catalog_option, define_option, plan_option, progress_option, state_option

if TYPE_CHECKING:
    from ..runtime.catalog.queries import CatalogVolume
    from ..runtime.catalog.store import Catalog
    from ..runtime.restore.verify import Verified


@click.command(
    epilog="Examples:  tcc verify --plan night.tc   tcc verify home --plan night.tc   tcc verify media/R1/R1-000001.tar"
)
@click.argument("targets", metavar="[SOURCE | VOLUME]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@progress_option
@plan_option
@catalog_option
@state_option
@define_option
def verify_command(
    *,
    targets: tuple[str, ...],
    as_json: bool,
    progress: str,
    plan_path: str | None,
    catalog: str | None,
    state: str | None,
    defines: dict[str, str],
) -> int:
    """Read volumes, check every record's digest, and compare with the catalog.

    VOLUME is a name, a UUID, or a path (also of a folder of volumes); SOURCE is SOURCE or PLAN/SOURCE, of which only
    the records are read. Without any, all volumes that the catalog knows are read. Ends with 1 when something is
    damaged, missing, or not as the catalog says; what the catalog knows to be incomplete is no fault.
    """
    from .state import catalog_of_options

    files = _volume_files([t for t in targets if _is_path(t)])
    names = [t for t in targets if not _is_path(t)]
    named = bool(plan_path or catalog or state)
    known: Catalog | None
    try:
        known, _ = catalog_of_options(plan_path, catalog, state, defines)
    except CatalogFault:
        if names or not files:
            raise
        known = None
    with contextlib.ExitStack() as open_catalogs:
        if known is not None:
            open_catalogs.enter_context(known)
        parts, strangers = _parts(known, names, files, any_target=bool(targets))
        told: list[str] = []
        if strangers:
            from ..runtime.catalog.rebuild import catalog_of_volumes

            alone, unreadable = catalog_of_volumes(strangers)
            open_catalogs.enter_context(alone)
            told += [str(fault) for fault in unreadable]
            if named and known is not None:
                told += [f"{path}: the catalog {known.name} does not know this volume" for path in strangers]
            parts.append(_Part(alone, alone.volumes(), None, ()))
        result = _read(parts, progress)
    if as_json:
        print_json(_json(result, told))
    else:
        _print(result, told)
    return EXIT_FAILED if told else result.exit_code


@dataclass(frozen=True, slots=True)
class _Part:
    """Volumes to read and compare with one catalog; of one (plan, source) only, where one is given."""

    catalog: Catalog
    volumes: list[CatalogVolume]
    source: tuple[str, str] | None
    places: tuple[Path, ...]


def _is_path(target: str) -> bool:
    return target.endswith(".tar") or Path(target).is_dir()


def _volume_files(targets: list[str]) -> list[Path]:
    from ..runtime.catalog.rebuild import volume_files

    return volume_files(Path(t) for t in targets)


def _parts(
    known: Catalog | None, names: list[str], files: list[Path], *, any_target: bool
) -> tuple[list[_Part], list[Path]]:
    """What is to be read with the catalog *known*, and the files that it does not know. Raises UsageFault."""
    from ..runtime.media.volume import open_volume

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
            with open_volume(path) as reader:
                identifier = reader.label.volume
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


def _source_part(known: Catalog, volumes: list[CatalogVolume], name: str) -> _Part:
    from ..runtime.restore.select import resolve_source

    plan, source = resolve_source(known, name)
    holding = {s.volume_id for o in known.objects(plan=plan, source=source) for c in o.copies for s in c.segments}
    return _Part(known, [v for v in volumes if v.id in holding], (plan, source), ())


def _read(parts: list[_Part], progress: str) -> Verified:
    from ..runtime.restore.shelf import Shelf
    from ..runtime.restore.verify import Verified, verify
    from .meter import meter

    results: list[Verified] = []
    with meter(progress, "verifying", sum(v.bytes for p in parts for v in p.volumes)) as moved:
        before = 0
        for part in parts:

            def step(done: int, before: int = before) -> None:
                if moved is not None:
                    moved(before + done)

            shelf = Shelf(part.catalog.volumes(), part.places)
            results.append(verify(part.catalog, shelf, volumes=part.volumes, source=part.source, progress=step))
            before += sum(v.bytes for v in part.volumes)
    return Verified(tuple(v for r in results for v in r.volumes), tuple(o for r in results for o in r.objects))


def _json(result: Verified, told: list[str]) -> dict[str, Any]:
    return {
        "version": 1,
        "status": "sound" if result.sound and not told else "damaged",
        "problems": told,
        "volumes": [
            {
                "name": v.name,
                "uuid": v.id,
                "drive": v.drive,
                "location": v.location,
                "status": v.status,
                "records": v.records,
                "bytes": v.bytes,
                "problems": v.problems,
                "notes": v.notes,
            }
            for v in result.volumes
        ],
        "objects": [
            {
                "source": o.source,
                "plan": o.plan,
                "object": o.object,
                "status": o.status,
                "copies": [{"drive": c.drive, "status": c.status} for c in o.copies],
            }
            for o in result.objects
        ],
    }


#: (status of an object, whether some of its copies were not read) → what that means
_OUTLOOK = {
    ("damaged", False): "damaged, but every record is left",
    ("damaged", True): "damaged; other copies were not read, and hold every record as far as the catalog knows",
    ("lost", False): "LOST: records are nowhere left",
    ("lost", True): "LOST: records are nowhere left, as far as the catalog knows the copies that were not read",
}


def _print(result: Verified, told: list[str]) -> None:
    for volume in result.volumes:
        if volume.status != "sound":
            print_result(harmless(f"{volume.status:8} volume {volume.name} ({volume.location or 'no place known'})"))
        for problem in volume.problems:
            print_result(harmless(f"         {problem}"))
        if volume.left_out:
            print_result(f"         {volume.left_out} more")
        for note in volume.notes:
            say(f"note: volume {volume.name}: {note}")
    for item in result.objects:
        bad = [f"{c.drive} ({c.status})" for c in item.copies if c.status in {"damaged", "missing"}]
        if item.status in {"damaged", "lost"}:
            what = _OUTLOOK[item.status, any(c.status == "unread" for c in item.copies)]
            print_result(harmless(f"{item.status:8} {item.plan}/{item.source} {item.object}: {what}; {', '.join(bad)}"))
    for line in told:
        print_result(harmless(f"unknown  {line}"))
    records = sum(v.records for v in result.volumes)
    size = sum(v.bytes for v in result.volumes)
    word = "all sound" if result.sound and not told else "NOT all sound"
    say(f"{word}: {len(result.volumes)} volumes, {len(result.objects)} objects, {records} records of {size} bytes read")
