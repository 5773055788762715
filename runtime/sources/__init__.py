"""Sources: where an object's bytes come from. :func:`open_source` is their face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..plan import Source
from .base import Cancel, OpenSource
from .children import Children
from .roots import OwnPath


def open_source(
    source: Source, *, base: Path, children: Children, cancel: Cancel, own: Sequence[OwnPath] = ()
) -> OpenSource:
    """Begin to read *source*. *base* is the plan's folder, *own* what the run writes and files sources leave out.

    Raises :class:`~..faults.SourceFault`. The modules of a kind are loaded when the kind is used.
    """
    if source.kind == "files":
        from .files import FilesSource

        return FilesSource(source, base=base, children=children, cancel=cancel, own=own)
    if source.kind == "command":
        from .command import CommandSource

        return CommandSource(source, base=base, children=children, cancel=cancel)
    from .stream import StreamSource

    return StreamSource(source, base=base)
