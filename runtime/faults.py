"""Faults: the world is wrong (a device, a disk, a medium, a network, a catalog).

A fault is an exception with a stable exit code (cli.md) whose text is ready for an administrator: what failed, named in
the plan's own words; what is safe; what to do. Wrong plans are *diagnostics* (values, never raised); wrong code is an
*internal error* (any other exception, caught once, in ``cli.main``).
"""

from __future__ import annotations

from collections.abc import Sequence

from .frozen import frozen

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_UNUSABLE = 2
EXIT_DEGRADED = 3
EXIT_SIGINT = 130
EXIT_SIGTERM = 143


@frozen
class Place:
    """Where in the world a fault lies. ``position`` is a byte offset on the volume; None: does not apply."""

    source: str | None = None
    drive: str | None = None
    volume: str | None = None
    object_id: str | None = None
    sequence: int | None = None
    position: int | None = None

    def __str__(self) -> str:
        """The known parts in words: ``drive "R1", volume R1-000001, object …, record 7, at byte 1048576``."""
        parts = (
            f'source "{self.source}"' if self.source is not None else "",
            f'drive "{self.drive}"' if self.drive is not None else "",
            f"volume {self.volume}" if self.volume is not None else "",
            f"object {self.object_id}" if self.object_id is not None else "",
            f"record {self.sequence}" if self.sequence is not None else "",
            f"at byte {self.position}" if self.position is not None else "",
        )
        return ", ".join(part for part in parts if part)


class Fault(Exception):
    """Something in the world failed.

    ``message`` says what; ``safe`` says what is still safe; ``todo`` what to do; ``place`` where. ``str()`` is one
    line for logs; the command line prints the parts on lines of their own.
    """

    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, place: Place | None = None, safe: str = "", todo: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.place = place or Place()
        self.safe = safe
        self.todo = todo

    def __str__(self) -> str:
        where = str(self.place)
        return f"{where}: {self.message}" if where else self.message


#: What zstd says that got no memory, the loader of libraries, and Python that got no thread.
_STARVED = ("not enough memory", "failed to map segment", "can't start new thread")
STARVED_TODO = (
    "raise its limits (memory: `ulimit -v`, MemoryMax; threads: `ulimit -u`, TasksMax),"
    " or let the plan ask for less (`record`, `depth`, the level of zstd)"
)


def starved(error: BaseException) -> bool:
    """Whether *error* says that the system gives no more memory or threads: that is the world's, nobody's mistake."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _STARVED)


def unforeseen(error: Exception) -> str:
    """What to say of an exception that nobody foresaw: the system gives no more, or we made a mistake."""
    if starved(error):
        return f"the system gives it no more memory or threads; {STARVED_TODO}"
    return f"internal error ({type(error).__name__}: {error})"


class UsageFault(Fault):
    """What was asked for cannot be begun: an unreadable file, a compiled plan of another version, a bad argument."""

    exit_code = EXIT_UNUSABLE


class AmbiguousFault(UsageFault):
    """A name means several sources. ``text``: the name; ``readings``: (what it can mean, the text for just that)."""

    def __init__(self, text: str, readings: Sequence[tuple[str, str]], *, where: str) -> None:
        super().__init__(
            f"{text} means {len(readings)} sources of {where}: {', '.join(what for what, _ in readings)}",
            safe="nothing was written",
            todo=f"write {' or '.join(only for _, only in readings)}",
        )
        self.text = text
        self.readings = tuple(readings)


class SourceFault(Fault):
    """A source cannot be read: tar died, a command ended with a non-zero status, a file is gone."""


class DriveFault(Fault):
    """A drive cannot be written or read any more; its writer leaves the rings."""


class DriveFullFault(DriveFault):
    """A drive has no room and no next volume."""


class DriveBusyFault(DriveFault):
    """Another run holds the drive."""


class MediaFault(Fault):
    """What lies on a medium is not what it must be: a label that lies, a damaged record, a torn tail."""


class KeptFault(Fault):
    """A volume is not to be recycled: something on it is still kept, or nobody knows what it holds."""


class CatalogFault(Fault):
    """The catalog cannot be opened, read or written."""


class RestoreFault(Fault):
    """Nothing usable can be restored: no whole object, no surviving copy, a folder that must not be written."""
