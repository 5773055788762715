"""From a target of the compiled plan to its writer; what stands in its way is said before anything is read."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ..events import Event
from ..faults import Place, RestoreFault
from ..model import Ending, ObjectFacts
from ..plan import Target
from ..restore.changes import Changes
from ..restore.decoded import DecodedSink
from ..restore.folder import TargetFolder, open_target
from ..restore.sinks import Sink, StreamSink
from ..restore.tar_sink import TarSink
from ..sources.base import place_of
from ..sources.children import Children
from .command import CommandSink
from .file import file_sink
from .writer import TargetWriter


def target_writer(
    target: Target,
    *,
    base: Path,
    children: Children,
    events: SimpleQueue[Event],
    overwrite: bool,
    identities: Sequence[Any] = (),
) -> TargetWriter:
    """The writer of *target*: what it restores are plain bytes, decrypted with *identities* and decompressed.

    Raises RestoreFault: its folder or file holds something and *overwrite* is not given.
    """

    def plain(make: Callable[[ObjectFacts], Sink]) -> Callable[[ObjectFacts], Sink]:
        return lambda facts: _undone(facts, make, identities)

    if target.files is not None:
        folder = open_target(Path(place_of(target.files, base)), overwrite=overwrite)
        chains = _FolderOfChains(folder)
        return TargetWriter(target.name, plain(chains), events, folder.__exit__, chains.before_end)
    if target.stream is not None:
        path = Path(place_of(target.stream, base))
        _refuse_existing(path, overwrite=overwrite)
        return TargetWriter(target.name, plain(lambda facts: file_sink(path)), events)
    return TargetWriter(
        target.name,
        plain(lambda facts: CommandSink(target.command, base=base, children=children, facts=facts)),
        events,
    )


class _FolderOfChains:
    """Makes the sinks of one folder: an incremental is applied only behind its parent, deletions included.

    Where the folder held something before the run nothing in it may be deleted, so that only fulls go there.
    """

    def __init__(self, folder: TargetFolder) -> None:
        self._folder = folder
        self._ours = folder.fresh
        self._begun: set[str] = set()
        self._changes: Changes | None = None

    def __call__(self, facts: ObjectFacts) -> Sink:
        """The sink of one object. Raises RestoreFault."""
        place = Place(source=facts.source, object_id=facts.id)
        changes = None
        if facts.level != "full":
            if facts.parent not in self._begun:
                raise RestoreFault(
                    f"the object is incremental and follows {facts.parent}, which was not restored before it",
                    place=place,
                    todo=f"select the whole chain: chain({facts.source})",
                )
            if not self._ours:
                raise RestoreFault(
                    f"{self._folder.path} held something before, so that nothing in it can be deleted as the"
                    " incremental wants it",
                    place=place,
                    todo="name an empty folder, or restore the chain with `tcc restore --overwrite`",
                )
            changes = Changes(self._folder, complete=True)
        elif facts.parent is not None:
            self._begun.add(facts.parent)  # the full stands for it
        self._begun.add(facts.id)
        self._changes = changes
        sink: Sink
        if facts.kind == "files":
            sink = TarSink(self._folder, changes=changes, folders=changes is not None)
        else:
            sink = StreamSink(self._folder, facts.source)
        self._folder.fresh = False  # the next object finds what this one left
        return sink

    def before_end(self, ending: Ending) -> None:
        """The object that came last lacks what could not be read."""
        if ending.unread and self._changes is not None:
            self._changes.lacks()


def _undone(facts: ObjectFacts, make: Callable[[ObjectFacts], Sink], identities: Sequence[Any]) -> Sink:
    """The object's sink behind what undoes its encoding. Raises RestoreFault."""
    if not facts.compress and not facts.encrypt:
        return make(facts)
    return DecodedSink(facts, make(facts), identities)


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
