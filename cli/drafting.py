"""From an open catalog to what drafts are made from, and from a draft to a file."""

from __future__ import annotations

import collections
import dataclasses
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..compiler.draft.holdings import Held, HeldCopy, HeldDrive
from ..compiler.draft.outcome import Drafted, Holdings, Left, Unknown
from ..compiler.draft.text import Draft, Output, string_text, write
from ..dsl.units import print_size
from ..runtime.faults import EXIT_DEGRADED, EXIT_OK, UsageFault
from .console import harmless, is_text, say, shown
from .kept import PLAN
from .writing import holds, write_whole

if TYPE_CHECKING:
    from ..runtime.catalog.queries import CatalogObject, CatalogVolume
    from ..runtime.catalog.store import Catalog
    from ..runtime.plan import CompiledPlan, Drive

#: So many objects that are left out, and volumes that are not at hand, are named.
_LEFT_SHOWN = 100
_VOLUMES_SHOWN = 10
#: A copy that was to be there and is not.
_LACKING = frozenset({"failed", "cut-off"})


@dataclass(frozen=True, slots=True)
class Sighted:
    """What a draft is made from, and how it finds the same catalog again.

    ``sources`` (plan, source) and ``drives``: the names that the catalog has, at hand or not; ``volumes``: name or
    identifier → the volumes that it means, as :class:`~..compiler.draft.holdings.HeldCopy` calls them.
    """

    holdings: Holdings
    settings: tuple[tuple[str, str], ...]
    plan: CompiledPlan | None
    catalog: str
    sources: tuple[tuple[str, str], ...]
    volumes: Mapping[str, tuple[str, ...]]
    drives: frozenset[str]
    #: where the plan was read, as it really is
    read: str | None = None


def sight(plan_path: str | None, catalog: str | None, state: str | None, defines: Mapping[str, str]) -> Sighted:
    """Open the catalog that these options mean, and see what is there. Raises CatalogFault, UsageFault."""
    from ..runtime.catalog.keeping import pools_of
    from .plans import load_plan
    from .state import catalog_place, default_state_folder, open_the_catalog, state_folder

    plan, base = load_plan(plan_path, defines, warnings=False) if plan_path is not None else (None, Path())
    folder = state_folder(state, plan, base)
    place = catalog_place(catalog, folder, plan, base)
    settings = [] if folder == default_state_folder() else [("state", string_text(str(folder)))]
    if place != catalog_place(None, folder):
        url = catalog_url(place)
        if url is None:
            say("the draft does not name its catalog: name it with --catalog when the draft is checked and run")
        else:
            settings.append(("catalog", string_text(url)))
    with open_the_catalog(catalog, state, plan, base) as opened:
        pools, now = pools_of([plan] if plan else []), time.time()
        volumes = opened.volumes()
        holdings = holdings_of(opened, plan, base, opened.expiry(pools, now=now).expired)
        return Sighted(
            holdings,
            tuple(settings),
            plan,
            opened.name,
            tuple(opened.source_names()),
            _called(volumes),
            frozenset([*holdings.drives, *(volume.drive for volume in volumes)]),
            os.path.realpath(plan_path) if plan_path is not None else None,
        )


def catalog_url(place: str) -> str | None:
    """The URL by which a plan anywhere on this machine names the catalog at *place*, a path or URL.

    None where a plan cannot: a password does not belong into one, a blank is in no URL of the language, and a plan is
    UTF-8.
    """
    path = place
    for scheme in ("sqlite:///", "sqlite+pysqlite:///"):
        path = path.removeprefix(scheme)
    url = path if "://" in path else f"sqlite:///{Path(path).absolute()}"
    return None if (url == path and "@" in url) or len(url.split()) != 1 or not is_text(url) else url


def holdings_of(
    catalog: Catalog, plan: CompiledPlan | None, base: Path, expired: frozenset[tuple[str, str | None]]
) -> Holdings:
    """All whole objects that *catalog* knows, oldest first; a drive's folder is *plan*'s, else where its volumes lie.

    *expired*: (identifier, pool) of objects that their pool does not keep any more.
    """
    volumes = catalog.volumes()
    drives = {d.name: _drive_of(d, base) for d in (plan.drives if plan else ()) if d.volumes is not None}
    for volume in volumes:
        if volume.drive not in drives and volume.location is not None:
            drives[volume.drive] = HeldDrive(volume.drive, str(Path(volume.location).parent))
    pools = {v.id: v.pool for v in volumes}
    names = {identifier: its[0] for identifier, its in _called(volumes).items()}
    away: dict[str, str] = {}
    stray: dict[str, str] = {}
    for volume in volumes:
        if volume.location is None:
            away[volume.id] = f"{volume.name}: nobody knows where it lies"
            continue
        folder = drives[volume.drive].folder
        if not _is_there(Path(volume.location)):
            away[volume.id] = f"{volume.name} is not at {volume.location}"
        elif Path(volume.location).parent.resolve() != Path(folder).resolve():
            stray[volume.id] = f"{volume.location}, where the drive's folder is {folder}"
            say(f"note: {volume.location} is left out: drive {volume.drive} has its volumes in {folder}")
    objects = [_held(o, names, away, stray, pools, expired) for o in reversed(catalog.objects()) if o.status == "whole"]
    return Holdings(tuple(objects), dict(sorted(drives.items())), tuple(_unknown(drives, volumes)))


def _unknown(drives: Mapping[str, HeldDrive], volumes: Sequence[CatalogVolume]) -> Iterator[Unknown]:
    """Volumes in the drives' folders that the catalog does not know as they lie there, by place and size."""
    from ..runtime.drives.blank import BLANK_BYTES
    from ..runtime.kinds import encode_name

    sizes = {volume.location: volume.bytes for volume in volumes}
    for name, drive in drives.items():
        pattern = re.compile(re.escape(encode_name(name)) + r"-[0-9]{6}\.tar", re.ASCII)
        folder = Path(drive.folder)
        try:
            found = sorted(entry.name for entry in os.scandir(folder) if pattern.fullmatch(entry.name))
            files = {file: (folder.resolve() / file, (folder / file).stat().st_size) for file in found}
        except OSError:
            continue  # a folder that is not there, or not ours to read: its volumes are not at hand
        for file, (path, size) in files.items():
            known = sizes.get(str(path))
            if known is None and size != BLANK_BYTES:
                yield Unknown(name, Path(file).stem, f"the catalog does not know it: `tcc catalog add {path}` tells it")
            elif known is not None and known != size:
                why = f"it has {size} bytes, the catalog knows {known}: `tcc catalog add {path}` tells it the rest"
                yield Unknown(name, Path(file).stem, why)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False  # a disk that fails, a folder that nobody may enter: as good as gone for now


def _called(volumes: Sequence[CatalogVolume]) -> dict[str, tuple[str, ...]]:
    """Name or identifier → the volumes that it means, each as it is called here: by its name where no other has it."""
    same = collections.Counter(volume.name for volume in volumes)
    called: dict[str, tuple[str, ...]] = {}
    for volume in volumes:
        own = volume.name if same[volume.name] == 1 else f"{volume.name} ({volume.id})"
        called[volume.id] = (own,)
        called[volume.name] = (*called.get(volume.name, ()), own)
    return called


def _held(  # noqa: PLR0917 - one object's all
    item: CatalogObject,
    names: Mapping[str, str],
    away: Mapping[str, str],
    stray: Mapping[str, str],
    pools: Mapping[str, str | None],
    expired: frozenset[tuple[str, str | None]],
) -> Held:
    copies: list[HeldCopy] = []
    gone: list[HeldCopy] = []
    elsewhere: list[HeldCopy] = []
    for c in item.copies:
        if c.status == "stored" and c.segments:
            volumes = tuple(dict.fromkeys(names[s.volume_id] for s in c.segments))
            ids = dict.fromkeys(s.volume_id for s in c.segments)
            kept = any((item.id, pools.get(v)) not in expired for v in ids)
            absent = tuple((away.get(v) or stray[v]) for v in ids if v in away or v in stray)
            copy = HeldCopy(c.drive, volumes, kept, absent)
            if not absent:
                copies.append(copy)
            elif all(v in stray for v in ids):  # that is another drive of the same name
                elsewhere.append(copy)
            else:
                gone.append(copy)
    return Held(
        id=item.id,
        plan=item.plan,
        source=item.source,
        session=item.session_id,
        kind=item.kind,
        level=item.level,
        parent=item.parent,
        started=item.started,
        number=item.number,
        bytes=item.bytes,
        records=item.records,
        copies=tuple(copies),
        lacking=tuple(c.drive for c in item.copies if c.status in _LACKING),
        away=tuple(gone),
        stray=tuple(elsewhere),
        compress=item.compress,
        encrypt=item.encrypt,
    )


def _drive_of(drive: Drive, base: Path) -> HeldDrive:
    """A plan's drive with what it says of itself; its pool must be declared where the drive is written."""
    said = [(name, getattr(drive, name)) for name in ("site", "media", "pool")]
    attributes = [(name, string_text(value)) for name, value in said if value is not None]
    if drive.capacity is not None:
        attributes.append(("capacity", print_size(drive.capacity)))
    return HeldDrive(drive.name, os.path.normpath(base / (drive.volumes or "")), tuple(attributes), drive.rate)


def encoding_of(held: Held, sighted: Sighted) -> tuple[tuple[str, str], ...]:
    """How the source of *held* is compressed and encrypted, as attributes: what its plan says, where that is at hand.

    Raises UsageFault where the object is encrypted and nobody says for whom.
    """
    plan = sighted.plan
    source = next((s for s in plan.sources if s.name == held.source), None) if plan and plan.plan == held.plan else None
    if source is not None:
        said = [("compress", string_text(source.compress))] if source.compress else []
        if source.encrypt:
            said.append(("encrypt", f"[{', '.join(string_text(recipient) for recipient in source.encrypt)}]"))
        if source.encrypt or not held.encrypt:
            return tuple(said)
    elif not held.encrypt:
        return (("compress", string_text(held.compress)),) if held.compress else ()
    raise UsageFault(
        f"{held.name} is encrypted, and no plan at hand says for whom",
        safe="nothing was written",
        todo="name the plan that encrypts it with --plan, so that the full is encrypted, too",
    )


def pool_statements(plan: CompiledPlan | None, drives: Iterable[HeldDrive]) -> tuple[str, ...]:
    """The statements of the pools that these drives name."""
    named = {value for drive in drives for name, value in drive.attributes if name == "pool"}
    statements = []
    for pool in plan.pools if plan else ():
        if string_text(pool.name) in named:
            words = [f"retention = {round(pool.retention)}s"] if pool.retention is not None else []
            words += [f"sessions = {pool.sessions}"] if pool.sessions is not None else []
            words += [f"capacity = {print_size(pool.capacity)}"] if pool.capacity is not None else []
            statements.append(f"pool {string_text(pool.name)} {{ {'  '.join(words)} }}")
    return tuple(statements)


def output_of(text: str, sighted: Sighted, spool: str | None) -> Output:
    """``NAME=FOLDER``, a known drive's ``NAME``, or ``FOLDER``, whose last part is the new drive's name.

    Raises UsageFault where it names a drive that is known elsewhere.
    """
    known = sighted.holdings.drives
    name, separator, folder = text.partition("=")
    if not separator and name in known:
        return Output(known[name], spool)
    if not separator:
        folder = text
        name = Path(os.path.normpath(text)).name
    place = str(Path(folder).absolute())
    if not name or not folder:
        raise UsageFault(f"--to {text} names no folder", todo="write --to NAME=FOLDER")
    if name in known:
        if os.path.realpath(known[name].folder) == os.path.realpath(place):
            return Output(known[name], spool)
        raise UsageFault(
            f"there is a drive {name} already, whose volumes lie in {known[name].folder}",
            todo=f"give the new drive another name: --to OTHER={folder}",
        )
    return Output(HeldDrive(name, place), spool)


def put(
    drafted: Drafted, sighted: Sighted, *, how: Sequence[str], output: str | None, force: bool, again: bool = False
) -> int:
    """Write the draft in canonical form to *output* (standard output where None), and say what was left out.

    *how*: the command line that made it. *again*: the plan copies what the catalog takes for whole. Raises UsageFault.
    """
    from .fmt import canonical

    draft = drafted.draft
    pools = pool_statements(sighted.plan, (o.drive for o in draft.outputs))
    declared = {value.split(" ")[1] for value in pools}
    outputs = tuple(dataclasses.replace(o, drive=_with_known_pool(o.drive, declared)) for o in draft.outputs)
    reads = tuple(dataclasses.replace(r, drive=dataclasses.replace(r.drive, attributes=())) for r in draft.reads)
    whole: Draft = dataclasses.replace(
        draft,
        remarks=(f"Drafted by: {' '.join(how)}", *draft.remarks),
        reads=reads,
        outputs=outputs,
        settings=sighted.settings,
        pools=pools,
    )
    try:
        text, problems = canonical(_utf8(write(whole), output), "the draft")
    except ValueError as error:
        raise UsageFault(f"no plan can be drafted: {error}") from None
    if text is None:
        raise RuntimeError(f"a draft that is no plan: {problems[0].message}")
    for note in drafted.notes:
        say(f"note: {note}")
    for line in drafted.missing:
        say(f"left out: {line}")
    for held, why in drafted.left[:_LEFT_SHOWN]:
        say(f"left out: {held.name} of {held.started}: {why}")
    if len(drafted.left) > _LEFT_SHOWN:
        say(f"left out: {len(drafted.left) - _LEFT_SHOWN} objects more")
    say_what_brings_back(drafted.left)
    if output is None or output == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
    else:
        path = Path(output)
        if sighted.read is not None and os.path.realpath(path) == sighted.read:
            raise UsageFault(f"{shown(output)} is the plan itself", safe="it is as it was", todo="name another file")
        if not force and path.is_file() and not holds(path, text):
            raise UsageFault(
                f"{shown(output)} exists already", safe="it was not changed", todo="name another file, or --force"
            )
        write_whole(path, text, may=frozenset({PLAN}))
        words = f"{output} --again" if again else output
        say(f"drafted {output}: read it, then `tcc check {output}`, `tcc run {words} --dry-run`, `tcc run {words}`")
    return EXIT_OK if drafted.whole else EXIT_DEGRADED


def _utf8(text: str, output: str | None) -> bytes:
    """A plan's text, which is UTF-8: a folder with other bytes in its name is named from the folder of *output*.

    Raises UsageFault where that has no other name either.
    """
    lines = text.splitlines(keepends=True)
    text = "".join(harmless(line) if line.startswith("#") else line for line in lines)
    if output is not None and output != "-":
        own = Path(output).absolute().parent
        for folder in {str(own), os.path.realpath(own)}:
            if not is_text(folder):
                opened = string_text(folder)[:-1]
                text = text.replace(f"{opened}/", '"').replace(f'{opened}"', '"."')
    if not is_text(text):
        odd = next(line.strip() for line in text.splitlines() if not is_text(line))
        raise UsageFault(
            f"no plan can name this, since plans are UTF-8 and it is not: {odd}",
            safe="nothing was written",
            todo="write the plan beside it (-o FILE in the folder with that name, or in one above what it holds), or "
            "give the folder another name: a symbolic link, a bind mount",
        )
    return text.encode()


def say_what_brings_back(left: Left) -> None:
    """What to do about volumes that are not at hand, each named once."""
    absent = sorted({volume for held, _ in left for copy in held.away for volume in copy.absent})
    if absent:
        more = f", and {len(absent) - _VOLUMES_SHOWN} more" if len(absent) > _VOLUMES_SHOWN else ""
        say(f"  not at hand: {'; '.join(absent[:_VOLUMES_SHOWN])}{more}")
        say("  do: bring them back to their place, or say where they lie now (`tcc catalog add FOLDER`); draft again")
        say("  do: where they are gone for good, `tcc verify --repair` makes them anew, as far as other copies reach")


def _with_known_pool(drive: HeldDrive, declared: set[str]) -> HeldDrive:
    """A drive without a pool that no plan at hand declares: what nobody can say the retention of keeps for ever."""
    kept = tuple((n, v) for n, v in drive.attributes if n != "pool" or v in declared)
    return dataclasses.replace(drive, attributes=kept)
