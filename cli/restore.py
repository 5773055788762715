"""``tcc restore``: a source comes back from any surviving copy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..runtime.faults import EXIT_DEGRADED, EXIT_OK
from ..runtime.kinds import encode_name
from .console import harmless, print_result, say
from .many import ManyVolumes
from .options import (
    catalog_option,
    define_option,
    examples,
    hang_option,
    identity_option,
    plan_option,
    progress_option,
    state_option,
)
from .table import size_text

if TYPE_CHECKING:
    from ..runtime.restore.restore import Reading, Restored
    from ..runtime.restore.selection import Selection


#: How every report that this command has written begins.
REPORT_HEAD = b'{\n "version": 1,\n "status": "'

#: A full disk makes one problem a file: so many are shown.
_PROBLEMS_SHOWN = 20


@click.command(
    cls=ManyVolumes,
    epilog=examples(
        "tcc restore home --plan night.tc --to /restored",
        "tcc restore home --plan night.tc --to /restored --path 'home/ann/*.odt'",
        "tcc restore home --plan night.tc --to /restored --dry-run",
        "tcc restore shop --from /media/vault --to /restored --as-of 2026-11-20T02:00",
    ),
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
@click.option(
    "--path",
    "paths",
    metavar="GLOB",
    multiple=True,
    help="Only members of this path, and what is below them; * also matches / (repeatable).",
)
@click.option("--plan-name", metavar="NAME", help="SOURCE is of the plan NAME (where PLAN/SOURCE could mean two).")
@click.option(
    "--keep-damaged", is_flag=True, help="Keep files that lack some of their content, as NAME.damaged with zeros."
)
@hang_option("Leave a drive that does not answer for so long, and read the other copies.")
@click.option("--report", "report_path", metavar="FILE", help="Write a report (JSON) to FILE; - is standard output.")
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
    paths: tuple[str, ...],
    plan_name: str | None,
    keep_damaged: bool,
    hang_after: float,
    report_path: str | None,
    identity: tuple[str, ...],
    progress: str,
    plan_path: str | None,
    catalog: str | None,
    state: str | None,
    defines: dict[str, str],
) -> int:
    """Bring SOURCE (or PLAN/SOURCE) back: its newest whole object, from the best copies.

    A files source's members go to DIR, below the path that they had; a stream's or command's data to DIR/SOURCE.
    Records that are damaged in one copy are taken from another. With --path only the records that hold the members
    asked for are read.
    """
    from contextlib import ExitStack

    from ..runtime.codec.identities import load
    from ..runtime.restore.chain import chain_of, restore_chain
    from ..runtime.restore.listing import member_list
    from ..runtime.restore.parts import choose_parts, restore_parts
    from ..runtime.restore.restore import plan_reading, restore
    from ..runtime.restore.select import choose, moment, resolve_source
    from ..runtime.restore.selection import merged
    from ..runtime.restore.shelf import Shelf
    from .meter import Stopped, interruptible, steps
    from .opening import open_for_reading, tell_of_list
    from .reports import check_report, forget_report, write_report
    from .waiting import patience_of, say_stopped

    if report_path is not None:
        forget_report(report_path, REPORT_HEAD)
        # The place is empty as a rule, and what comes there has names that nobody knows yet.
        below = [f"{folder}/" for folder in (os.path.abspath(to), os.path.realpath(to))]  # noqa: PTH100
        check_report(report_path, [(folder, "what is restored goes there") for folder in below])
    identities = load([Path(file) for file in identity])
    given = [Path(v) for v in volumes]
    patience = patience_of(hang_after)
    when = moment(as_of) if as_of is not None else None
    try:
        with interruptible(patience):
            opened = open_for_reading(given, plan_path, catalog, state, defines, patience)
            with opened.catalog as known:
                shelf = Shelf(known.volumes(), given, patience=patience)
                plan, name = resolve_source(known, source, plan=plan_name, object_id=object_id)
                choice = choose(known, plan, name, shelf, object_id=object_id, as_of=when)
                chain = chain_of(known, choice.object, shelf, parents_only=object_id is not None)
            readings = [plan_reading(link, shelf) for link in chain]
    except Stopped as stop:
        return say_stopped(stop, "nothing was written")
    for note in choice.notes:
        say(f"note: {note}")
    reading = readings[-1]
    whole = sum(link.bytes for link in readings)
    for volume in {v.id: v for link in readings for v in (*link.volumes, *link.spare)}.values():
        if volume.doubt:
            say(f"warning: volume {volume.name}: {volume.doubt}", style="1;33")

    try:
        with steps(progress, f"restoring {name}", whole, patience) as step, ExitStack() as stack:
            members = only = None
            lists, holes = [], []
            for link in readings if paths else ():
                listed = stack.enter_context(
                    member_list(link.object, shelf, opened.lists, identities, step, folders=True)
                )
                tell_of_list(listed)
                lists.append(listed.members)
                holes.append(bool(listed.lacks))
            chosen_of = choose_parts([link.object for link in readings], lists, paths, holes) if paths else []
            selected = [part for part in zip(readings, chosen_of, lists, strict=False) if part[1].members]
            if selected:
                reading, only, members = selected[-1]
            elif len(readings) > 1:
                pass
            elif opened.lists is not None and choice.object.kind == "files":
                kept = opened.lists.open(choice.object.id)
                members = stack.enter_context(kept) if kept is not None else None
            if dry_run:
                for link, chosen, _ in selected:
                    _show(link, Path(to), chosen)
                for link in () if selected else readings:
                    _show(link, Path(to), None)
                return EXIT_OK
            how: dict[str, Any] = {"overwrite": overwrite, "progress": step, "identities": identities}
            how["keep_damaged"] = keep_damaged
            if len(selected) > 1:
                only = merged([chosen for _, chosen, _ in selected])
                result = restore_parts(selected, shelf, Path(to), **how)
            elif len(readings) > 1 and not selected:
                result = restore_chain(readings, shelf, Path(to), **how)
            else:
                result = restore(reading, shelf, Path(to), only=only, members=members, **how)
    except Stopped as stop:
        return say_stopped(
            stop,
            f"what is in {to} is not all of it: files there are whole, a NAME.partial is cut off;"
            " start again with --overwrite, or elsewhere",
        )
    _tell(result, only)
    _advise(result, readings)
    code = result.exit_code
    if report_path is not None and not write_report(restore_json(result, only), report_path):
        code = code or EXIT_DEGRADED
    return code


def _show(reading: Reading, to: Path, only: Selection | None) -> None:
    item = reading.object
    level = "" if item.level == "full" else f", {item.level}, follows {item.parent}"
    started = f"session {item.number} of {item.started}"
    print_result(harmless(f"object   {item.id} of {item.plan}/{item.source}, {started}{level}"))
    how = [f"compressed with {item.compress}"] * bool(item.compress) + [f"encrypted with {item.encrypt}"] * bool(
        item.encrypt
    )
    print_result(f"bytes    {item.bytes} in {item.records} records" + "".join(f", {word}" for word in how))
    if only is not None:
        print_result(f"members  {only.members} with {only.data_bytes} bytes, headers included")
    target = to if item.kind == "files" else to / encode_name(item.source)
    print_result(harmless(f"to       {target}"))
    for role, volumes in (("volume", reading.volumes), ("spare", reading.spare)):
        for volume in volumes:
            place = str(volume.path) if volume.path else f"missing: {volume.why}"
            print_result(harmless(f"{role:8} {volume.name}  {volume.id}  {place}"))


def _tell(result: Restored, only: Selection | None) -> None:
    item = result.object
    for warning in item.warnings:
        say(f"warning: when it was backed up: {warning}", style="1;33")
    if item.unread:
        files = "one file" if item.unread == 1 else f"{item.unread} files"
        say(f"warning: the object lacks {files} that could not be read when it was backed up", style="1;33")
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
    if only is None:
        say(f"{words}: {item.plan}/{item.source} of {item.started}, {result.bytes} bytes, to {result.place}")
        return
    for target in only.targets:
        say(f"note: {os.fsdecode(target)} comes along, since a hard link asked for is another name of it")
    # Of a small object a volume's label and index are more than the object itself.
    part = f" of {size_text(item.bytes)}" if result.read_bytes <= item.bytes else ""
    say(
        f"{words}: {only.members} member{'s' * (only.members != 1)} of {item.plan}/{item.source} of {item.started},"
        f" to {result.place};"
        f" read {size_text(result.read_bytes)}{part}"
    )


def _advise(result: Restored, readings: list[Reading]) -> None:
    """Where something was lost: what is safe, and what may still bring it back."""
    if not result.lossy:
        return
    say("  safe:  the volumes are unchanged; what came back is as it was backed up, but for what is named above")
    away = {v.id: v.name for link in readings for v in (*link.volumes, *link.spare) if v.path is None}
    item = result.object
    if away:
        say(
            f"  do:    bring {', '.join(away.values())} to {'its' if len(away) == 1 else 'their'} place, or name the"
            " folder with --from, and restore again: copies there may hold what is lost"
        )
    else:
        say(
            f"  do:    no copy that is known holds what is lost: see `tcc objects` for older objects of {item.plan}/"
            f"{item.source}, and name volumes that the catalog does not know with --from FOLDER"
        )


def restore_json(result: Restored, only: Selection | None) -> dict[str, Any]:
    """The report of a restore (docs/restore.md)."""
    item = result.object
    return {
        "version": 1,
        "status": result.status,
        "plan": item.plan,
        "source": item.source,
        "object": item.id,
        "session": item.session_id,
        "started": item.started,
        "to": str(result.place),
        "bytes": result.bytes,
        "records": result.records,
        "read": result.read_bytes,
        "of": item.bytes,
        "members": None if only is None else only.members,
        "mended": result.mended,
        "problems": list(result.problems),
        "notes": [*result.mended_notes, *result.notes],
    }
