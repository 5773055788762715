"""Sources: where an object's bytes come from. :func:`open_source` is their face."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..hang import HANG_SECONDS
from ..plan import Source
from .base import Cancel, OpenSource, PlainSource, ReadableSource, Tap
from .children import Children
from .roots import OwnPath

if TYPE_CHECKING:
    from .chain import ChainWork
    from .levels import Listing


def open_source(
    source: Source,
    *,
    base: Path,
    children: Children,
    cancel: Cancel,
    own: Sequence[OwnPath] = (),
    tap: Tap | None = None,
    listing: Listing | None = None,
    chain: ChainWork | None = None,
    note: Callable[[str], None] = lambda _: None,
    hang_seconds: float = HANG_SECONDS,
) -> ReadableSource:
    """Begin to read *source*: its bytes, shown to *tap*, then compressed and encrypted as it asks.

    *base* is the plan's folder, *own* what the run writes and files sources leave out, *listing* what an incremental
    builds on, *chain* what a chain source comes to; *note* hears, on any thread, what is worth saying; a
    folder that does not answer for *hang_seconds* is left. Raises
    :class:`~..faults.SourceFault`. The modules of a kind are loaded when the kind is used.
    """
    inner: OpenSource
    if chain is not None:
        from .chain import ChainSource

        inner = ChainSource(chain, cancel=cancel, note=note, hang_seconds=hang_seconds)
    else:
        inner = _open(source, base=base, children=children, cancel=cancel, own=own, listing=listing)
    if not source.compress and not source.encrypt:
        return PlainSource(inner, cancel=cancel, tap=tap)
    from ..codec.encode import EncodedSource

    try:
        return EncodedSource(inner, source, children=children, cancel=cancel, tap=tap)
    except BaseException:
        inner.close()
        raise


def _open(
    source: Source,
    *,
    base: Path,
    children: Children,
    cancel: Cancel,
    own: Sequence[OwnPath],
    listing: Listing | None,
) -> OpenSource:
    if source.kind == "files":
        from .files import FilesSource

        return FilesSource(source, base=base, children=children, cancel=cancel, own=own, listing=listing)
    if source.kind == "command":
        from .command import CommandSource

        return CommandSource(source, base=base, children=children, cancel=cancel)
    from .stream import StreamSource

    return StreamSource(source, base=base)
