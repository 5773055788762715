"""Sources that give far less than they did: a file system that is not mounted, a dump of an empty database.

A run that stores what is left ends well, night after night, until the last full that held the data expires. So it is
told, though nothing is wrong with the run itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from .model import LastFull, ObjectReport
from .plan import CompiledPlan

#: What was smaller than this is not spoken of: a few small files that come and go.
_LEAST_BYTES: Final = 1 << 20


def shrunk(
    fulls: Sequence[ObjectReport], plan: CompiledPlan, before: Mapping[str, LastFull]
) -> Iterator[tuple[str, str]]:
    """(source, what to say) of each of *fulls* that holds less than half of the one before it.

    Compared is only what was compressed likewise. *fulls*: whole ones, which this run read from their sources.
    """
    compressed = {source.name: bool(source.compress) for source in plan.sources}
    for entry in fulls:
        last = before.get(entry.source)
        if last is None or last.compressed != compressed.get(entry.source):
            continue
        if last.bytes >= _LEAST_BYTES and entry.bytes * 2 < last.bytes:
            yield (
                entry.source,
                f"{entry.bytes:,} bytes, less than half of the {last.bytes:,} bytes of its full of {last.started}: "
                "see that all of it is there and mounted, before older sessions expire",
            )
