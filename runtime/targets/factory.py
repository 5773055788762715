"""From a target of the compiled plan to its writer; what stands in its way is said before anything is read."""

from __future__ import annotations

import stat
from pathlib import Path
from queue import SimpleQueue

from ..events import Event
from ..faults import RestoreFault
from ..model import ObjectFacts
from ..plan import Target
from ..restore.folder import open_target
from ..restore.sinks import Sink, StreamSink, TarSink
from ..sources.base import place_of
from ..sources.children import Children
from .command import CommandSink
from .file import FileSink
from .writer import TargetWriter


def target_writer(
    target: Target, *, base: Path, children: Children, events: SimpleQueue[Event], overwrite: bool
) -> TargetWriter:
    """The writer of *target*. Raises RestoreFault: its folder or file holds something and *overwrite* is not given."""
    if target.files is not None:
        folder = open_target(Path(place_of(target.files, base)), overwrite=overwrite)

        def sink_of(facts: ObjectFacts) -> Sink:
            sink = TarSink(folder) if facts.kind == "files" else StreamSink(folder, facts.source)
            folder.fresh = False  # the next object finds what this one left
            return sink

        return TargetWriter(target.name, sink_of, events, folder.__exit__)
    if target.stream is not None:
        path = Path(place_of(target.stream, base))
        _refuse_existing(path, overwrite=overwrite)
        return TargetWriter(target.name, lambda facts: FileSink(path), events)
    return TargetWriter(
        target.name, lambda facts: CommandSink(target.command, base=base, children=children, facts=facts), events
    )


def _refuse_existing(path: Path, *, overwrite: bool) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise RestoreFault(f"{path} cannot be written: {error.strerror}", safe="nothing was written") from None
    if stat.S_ISDIR(mode):
        raise RestoreFault(f"{path} is a folder", safe="nothing was written", todo="name a file, or say files = …")
    if stat.S_ISREG(mode) and not overwrite:
        raise RestoreFault(
            f"{path} exists",
            safe="nothing was written",
            todo="name another file, or give --overwrite to put the restored one in its place",
        )
