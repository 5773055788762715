"""Where restored payload goes: what a sink is, and the one whose file appears only when it is whole.

The other one, GNU tar behind a walker of its members, is in ``tar_sink``.
"""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from ..faults import RestoreFault
from ..frozen import frozen
from ..kinds import encode_name
from .folder import TargetFolder


@frozen
class Outcome:
    """What became of the data. ``usable``: something complete was restored; ``problems``: what was not."""

    usable: bool
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Sink(Protocol):
    """Takes payloads in their order. Exactly one of ``finish``, ``cut`` and ``abandon`` ends it."""

    def write(self, payload: memoryview) -> bool:
        """Take the next payload; False when there is no sense in more. Raises RestoreFault."""
        ...

    def finish(self) -> Outcome:
        """The object is complete."""
        ...

    def cut(self, why: str) -> Outcome:
        """The next record is lost: keep what is whole and say so."""
        ...

    def abandon(self) -> None:
        """Something else went wrong: release everything, at once."""
        ...


class GapSink(Sink, Protocol):
    """A sink that hears of losses, and may go on behind them; ``cut_off`` ends it, too."""

    @property
    def ended_early(self) -> bool:
        """Whether what came could not be used to its end."""
        ...

    def can_go_on(self) -> bool:
        """Whether there is sense in what follows a loss."""
        ...

    def gap(self, size: int) -> None:
        """The next *size* bytes are lost. Raises RestoreFault."""
        ...

    def in_step(self) -> bool:
        """Whether the sink knows what the next byte belongs to."""
        ...

    def resume(self, lost: Sequence[bytes]) -> None:
        """The next byte begins a member; *lost* are the names of members that will not come."""
        ...

    def cut_off(self, why: Sequence[str]) -> Outcome:
        """Records were lost (*why* says which, and what else is known): keep what is whole and say so."""
        ...


class EndsAtLoss(ABC):
    """What a :class:`GapSink` is that has no use for what follows a loss: it is never asked to go on there."""

    @property
    def ended_early(self) -> bool:
        """Never, unless a sink knows better."""
        return False

    def can_go_on(self) -> bool:
        """Not behind a loss."""
        return False

    def gap(self, size: int) -> None:  # noqa: B027 - nothing to do is what is right for all of them
        """Not asked."""

    def in_step(self) -> bool:
        """Always, since it never goes on."""
        return True

    def resume(self, lost: Sequence[bytes]) -> None:  # noqa: B027 - as gap
        """Not asked."""

    def cut(self, why: str) -> Outcome:
        """As :meth:`cut_off`."""
        return self.cut_off([why])

    @abstractmethod
    def cut_off(self, why: Sequence[str]) -> Outcome:
        """See :class:`GapSink`."""


class WholeFile(EndsAtLoss):
    """A file that bears its name only when it is whole: written beside it as ``NAME.partial``, fsynced, renamed.

    A stream with a hole is no stream: it ends at the first loss. *keep_damaged*: it goes on behind each, with zeros for
    what is lost, and the file is ``NAME.damaged`` then. *fd*: the folder *folder*, which whoever opened it closes;
    *again*: a ``.partial`` of an earlier attempt may lie there.
    """

    def __init__(self, folder: Path, fd: int, name: str, *, again: bool = True, keep_damaged: bool = False) -> None:
        self._path = folder / name
        self._partial = self._path.with_name(f"{name}.partial")
        self._folder = fd
        self._keep_damaged = keep_damaged
        self._written = 0
        #: byte ranges that are lost, ends exclusive; and how many there are
        self._holes: list[tuple[int, int]] = []
        self._hole_count = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            if again:
                try:
                    os.unlink(self._partial.name, dir_fd=fd)
                except FileNotFoundError:
                    pass
            self._fd = os.open(self._partial.name, flags, 0o600, dir_fd=fd)
        except OSError as error:
            raise RestoreFault(f"{self._partial} cannot be made: {error.strerror}") from None

    def write(self, payload: memoryview) -> bool:
        """Append the payload."""
        self._written += write_all(self._fd, payload, self._partial, self._written)
        return True

    def can_go_on(self) -> bool:
        """Only where what is damaged is wanted, too."""
        return self._keep_damaged

    def gap(self, size: int) -> None:
        """Zeros for what is lost."""
        if self._holes and self._holes[-1][1] == self._written:
            self._holes[-1] = (self._holes[-1][0], self._written + size)
        else:
            self._hole_count += 1
            if len(self._holes) < _HOLES_MAX:
                self._holes.append((self._written, self._written + size))
        self._written += size
        try:
            os.ftruncate(self._fd, self._written)
            os.lseek(self._fd, 0, os.SEEK_END)
        except OSError as error:
            raise RestoreFault(f"{self._partial} cannot be written: {error.strerror}") from None

    def finish(self) -> Outcome:
        """Bring the file to the disk, then under its name."""
        try:
            os.fsync(self._fd)
            self._name(self._path)
        except OSError as error:
            raise RestoreFault(f"{self._path} cannot be completed: {error.strerror}") from None
        finally:
            self.close()
        return Outcome(True)

    def cut_off(self, why: Sequence[str]) -> Outcome:
        """Keep what came, and say what it is."""
        if not self._written or (self._holes and self._holes[0] == (0, self._written)):
            self.close()
            with contextlib.suppress(OSError):  # an empty file more
                os.unlink(self._partial.name, dir_fd=self._folder)
            return Outcome(False, (*why, "nothing of it came back, and no file was made"))
        if not self._holes:
            self.close()
            return Outcome(True, (*why, came_back(self._written, self._partial)))
        damaged = self._path.with_name(f"{self._path.name}.damaged")
        try:
            os.fsync(self._fd)
            self._name(damaged)
        except OSError as error:
            raise RestoreFault(f"{damaged} cannot be completed: {error.strerror}") from None
        finally:
            self.close()
        ranges = ", ".join(f"{low} to {high - 1}" for low, high in self._holes)
        more = f" and {self._hole_count - len(self._holes)} more stretches" * (self._hole_count > len(self._holes))
        return Outcome(
            True, (*why, f"{damaged} has zeros for what is lost (bytes {ranges}{more}); all else in it is right")
        )

    def abandon(self) -> None:
        """Close the file; what it holds stays as ``.partial``."""
        self.close()

    def close(self) -> None:
        """Close the file; once more does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):  # what is complete was confirmed by fsync before
                os.close(fd)

    def _name(self, path: Path) -> None:
        os.rename(self._partial.name, path.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        os.fsync(self._folder)


#: Lost stretches of one file that are told one by one.
_HOLES_MAX: Final = 50


def write_all(fd: int, payload: memoryview, where: Path, before: int = 0) -> int:
    """Write all of *payload*; how many bytes that is. Raises RestoreFault, which names *where* and *before*."""
    done = 0
    try:
        while done < len(payload):
            done += os.write(fd, payload[done:])
    except OSError as error:
        raise RestoreFault(
            f"{where} cannot be written: {error.strerror}", safe=f"its first {before + done} bytes are kept there"
        ) from None
    return done


def came_back(size: int, where: Path) -> str:
    """What a stream that ended early left."""
    return f"its first {size} bytes are in {where}, as they were backed up; all behind them is lost"


class StreamSink(WholeFile):
    """``DIR/SOURCE``; see :class:`WholeFile`."""

    def __init__(self, folder: TargetFolder, source: str, *, keep_damaged: bool = False) -> None:
        super().__init__(folder.path, folder.fd, encode_name(source), again=not folder.fresh, keep_damaged=keep_damaged)
