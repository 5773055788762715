"""``tcc volume``: looking at one volume, with no catalog and no plan; labelling the next one; recycling by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..runtime.faults import EXIT_FAILED, EXIT_OK, Fault
from .console import harmless, print_fault, print_json, print_result, say
from .options import Commands, hang_option
from .volume_label import label_command
from .volume_recycle import recycle_command

if TYPE_CHECKING:
    from ..runtime.media.contents import VolumeContents
    from ..runtime.media.index import Index, IndexedObject
    from ..runtime.media.label import VolumeLabel

EPILOG = """\b
Examples:
  tcc volume show media/R1/R1-000001.tar
  tcc volume label R1 --plan night.tc
  tcc volume recycle R1-000001 --plan night.tc
"""
_SHOW = """\b
Examples:
  tcc volume show media/R1/R1-000001.tar
  tcc volume show media/R1/*.tar --json
"""


@click.group("volume", cls=Commands, epilog=EPILOG)
def volume_command() -> None:
    """Look at volumes, label the next one, recycle those that have expired."""


volume_command.add_command(label_command)
volume_command.add_command(recycle_command)


@volume_command.command("show", epilog=_SHOW)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="A list with one object a volume.")
@hang_option("Leave a drive that does not answer for so long, and show the other volumes.")
def show_command(paths: tuple[Path, ...], as_json: bool, hang_after: float) -> int:
    """Label, sessions, objects and recovery commands of volumes; a volume with no index is read through.

    Exit code 1 where a volume is refused, holds damage, or hangs.
    """
    from ..runtime.patience import HangingFault
    from .waiting import patience_of

    shown: list[dict[str, Any]] = []
    code = EXIT_OK
    patience = patience_of(hang_after, "its volumes are not shown")
    for path in paths:
        try:
            size, label, contents = patience.ask(path.parent, "", partial(_look, path, patience.beat))
        except HangingFault:
            say(f"error: {path} is not shown: its folder hangs")
            code = EXIT_FAILED
        except Fault as fault:
            print_fault(fault)
            code = EXIT_FAILED
        else:
            code = EXIT_FAILED if contents.damages else code
            if as_json:
                shown.append(_document(path, size, label, contents))
            else:
                print_result(harmless(_text(path, size, label, contents)))
    if as_json:
        print_json(shown)
    return code


def _look(path: Path, answered: Callable[[], None]) -> tuple[int, VolumeLabel, VolumeContents]:
    """Bytes, label and contents of a volume. Raises MediaFault."""
    from ..runtime.media.volume import open_volume

    with open_volume(path) as volume:
        volume.answered = answered
        return volume.size, volume.label, volume.indexes()


def _document(path: Path, size: int, label: VolumeLabel, contents: VolumeContents) -> dict[str, Any]:
    return {
        "path": str(path),
        "bytes": size,
        "name": label.name,
        "uuid": label.volume,
        "drive": label.drive,
        "agent": label.agent,
        "pool": label.pool,
        "created": label.created,
        "plan": label.session.plan,
        "record": label.record,
        "capacity": label.capacity,
        "sessions": [_session(index) for index in contents.sessions],
        "notes": list(contents.notes),
        "damages": [
            {
                "position": damage.position,
                "end": damage.end,
                "reason": damage.reason,
                "object": damage.object_id,
                "sequence": damage.sequence,
                "torn": damage.torn,
            }
            for damage in contents.damages
        ],
        "recover": label.recover,
    }


def _session(index: Index) -> dict[str, Any]:
    return {
        "session": index.session.id,
        "number": index.session.number,
        "plan": index.session.plan,
        "started": index.session.started,
        "ended": index.ended,
        "seconds": index.seconds,
        "state": index.state if index.position is not None else "no index",
        "objects": [
            {
                "source": item.source,
                "object": item.object_id,
                "kind": item.kind,
                "level": item.level,
                "bytes": item.bytes,
                "records": item.records,
                "first_sequence": item.first_sequence,
                "first": item.first,
                "last": item.last,
                "status": item.state,
                "continued": item.continued,
                "continues": item.continues,
                "warnings": list(item.warnings),
            }
            for item in index.objects
        ],
    }


def _text(path: Path, size: int, label: VolumeLabel, contents: VolumeContents) -> str:
    lines = [
        f"{label.name}  {path}",
        f"  uuid     {label.volume}",
        f"  drive    {label.drive}, agent {label.agent}, pool {label.pool or '(keeps for ever)'}",
        f"  made     {label.created} by plan {label.session.plan}, session {label.session.id}",
        f"  bytes    {size}" + (f" of {label.capacity}" if label.capacity is not None else ""),
    ]
    for index in contents.sessions:
        state = "" if index.state == "ended" else ", recovered" if index.position is not None else ", without an index"
        lines.append(f"  session  {index.session.id} (number {index.session.number}), {index.session.started}{state}")
        lines += [f"    {_object(item)}" for item in index.objects]
        lines += [f"      warning: {warning}" for item in index.objects for warning in item.warnings]
    lines += [f"  note     {note}" for note in contents.notes]
    lines += [f"  damage   {damage}" for damage in contents.damages]
    lines.append("  without tapechain, in the volume's folder:")
    for use, commands in label.recover.items():
        lines.append(f"    {use}")
        lines += [f"      {command}" for command in commands]
    return "\n".join(lines)


def _object(item: IndexedObject) -> str:
    parts = ", begun on an earlier volume" * item.continued + ", goes on on the next volume" * item.continues
    where = f"bytes {item.first}-{item.last}" if item.records else "no record here"
    return (
        f"{item.state:7}  {item.source}  {item.object_id}  {item.kind or 'kind unknown'}"
        f"  {item.records} records, {item.bytes} bytes, {where}{parts}"
    )
