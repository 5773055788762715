"""Sources that give nothing: a file on a server that is gone, a command that neither speaks nor ends.

Nobody but whoever made the source knows how long it may think, so that it is waited for until a signal comes; but who
looks at the run is told which source it is that holds it, and for how long.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from .plan import Source


class Reads(Protocol):
    """What a source's reader says of itself, at any time, to any thread."""

    @property
    def taken(self) -> int:
        """Bytes that the source has given."""

    @property
    def waits(self) -> bool:
        """Whether it waits for the source itself, and not for room."""


class Silence:
    """How long each source has given nothing. For one thread, which looks now and then."""

    def __init__(
        self, sources: Iterable[Source], tell_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """*tell_seconds*: so long a source may be silent."""
        self._sources = {source.name: source for source in sources}
        self._tell_seconds = tell_seconds
        self._clock = clock
        #: when to look again: there may be thousands of them
        self._due = 0.0
        #: source → (bytes that it had given, since when it gives nothing, whether that was told)
        self._seen: dict[str, tuple[int, float, bool]] = {}

    def look(self, readers: Iterable[tuple[str, Reads]], there_seconds: float) -> Iterator[str]:
        """What is to be told of sources that are read now: of one that is silent once, and when it goes on.

        *there_seconds*: for how long this process itself has been there without a break.
        """
        now = self._clock()
        if now < self._due:
            return
        self._due = now + min(1.0, self._tell_seconds / 4)
        for name, reader in readers:
            taken, waits = reader.taken, reader.waits
            before, since, told = self._seen.get(name, (taken, now, False))
            if told and taken != before:
                yield f"source {name} goes on: it had given nothing for {round(now - since)} s"
            if taken != before or not waits:
                since, told = now, False
            elif not told and min(there_seconds, now - since) > self._tell_seconds:
                told = True
                yield self._words(name, now - since, taken)
            self._seen[name] = taken, since, told

    def _words(self, name: str, seconds: float, taken: int) -> str:
        source = self._sources[name]
        if source.kind == "command":
            what, todo = f"its command gives nothing and does not end: {shlex.join(source.command)}", "see what it does"
        elif source.kind == "stream":
            what, todo = f"{source.stream} gives nothing", "see whether what writes it, or its disk, still does"
        elif source.kind == "files":
            what, todo = "tar waits for a file system", "see its disk or server, and the kernel's log"
        else:
            what, todo = "nothing of it can be read", "see the drives that it is read from"
        return (
            f"source {name} has given nothing for {round(seconds)} s (behind {taken} bytes): {what}. It is waited for;"
            f" {todo}, or end the run (Ctrl-C): all that is stored by then stays"
        )
