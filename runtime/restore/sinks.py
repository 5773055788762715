"""Where restored payload goes: what a sink is, and the one whose file appears only when it is whole.

The other one, GNU tar behind a walker of its members, is in ``tar_sink``.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..faults import RestoreFault
from ..kinds import encode_name
from .folder import TargetFolder


@dataclass(frozen=True, slots=True)
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


class StreamSink(EndsAtLoss):
    """``DIR/SOURCE``: written beside its name as ``SOURCE.partial``, renamed when it is complete and fsynced.

    A stream with a hole is no stream: it ends at the first loss.
    """

    def __init__(self, folder: TargetFolder, source: str) -> None:
        self._folder = folder
        self._name = encode_name(source)
        self._partial = f"{self._name}.partial"
        self._written = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            if not folder.fresh:
                try:
                    os.unlink(self._partial, dir_fd=folder.fd)
                except FileNotFoundError:
                    pass
            self._fd = os.open(self._partial, flags, 0o600, dir_fd=folder.fd)
        except OSError as error:
            raise RestoreFault(f"{folder.path / self._partial} cannot be made: {error.strerror}") from None

    def write(self, payload: memoryview) -> bool:
        """Append the payload."""
        try:
            while payload:
                done = os.write(self._fd, payload)
                self._written += done
                payload = payload[done:]
        except OSError as error:
            raise RestoreFault(
                f"{self._folder.path / self._partial} cannot be written: {error.strerror}",
                safe=f"its first {self._written} bytes are kept there",
            ) from None
        return True

    def finish(self) -> Outcome:
        """Bring the file to the disk, then under its name."""
        try:
            os.fsync(self._fd)
            os.rename(self._partial, self._name, src_dir_fd=self._folder.fd, dst_dir_fd=self._folder.fd)
            os.fsync(self._folder.fd)
        except OSError as error:
            raise RestoreFault(f"{self._folder.path / self._name} cannot be completed: {error.strerror}") from None
        finally:
            self._close()
        return Outcome(True)

    def cut_off(self, why: Sequence[str]) -> Outcome:
        """Keep what came as ``.partial``."""
        self._close()
        if not self._written:
            os.unlink(self._partial, dir_fd=self._folder.fd)
            return Outcome(False, tuple(why))
        return Outcome(True, (*why, f"its first {self._written} bytes are in {self._folder.path / self._partial}"))

    def abandon(self) -> None:
        """Close the file; what it holds stays as ``.partial``."""
        self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
