"""The sink of a ``stream`` target: a file that bears its name only when it is whole; a pipe or device as it is."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from ..faults import RestoreFault
from ..restore.sinks import EndsAtLoss, Outcome, WholeFile, write_all


def file_sink(path: Path) -> WholeFile | _AsItIs:
    """What writes *path*: ``PATH.partial`` first, or the FIFO or device that is there already. Raises RestoreFault."""
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            return _AsItIs(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return _Named(path, os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError as error:
        raise RestoreFault(f"{path} cannot be written: {error.strerror}") from None


class _Named(WholeFile):
    """A file in a folder that is open for it alone."""

    def __init__(self, path: Path, folder: int) -> None:
        self._open_folder = folder
        try:
            super().__init__(path.parent, folder, path.name)
        except BaseException:
            os.close(folder)
            raise

    def cut_off(self, why: Sequence[str]) -> Outcome:
        """As for every file."""
        try:
            return super().cut_off(why)
        finally:
            self._done()

    def finish(self) -> Outcome:
        """As for every file."""
        try:
            return super().finish()
        finally:
            self._done()

    def abandon(self) -> None:
        """As for every file."""
        super().abandon()
        self._done()

    def _done(self) -> None:
        if self._open_folder >= 0:
            os.close(self._open_folder)
            self._open_folder = -1


class _AsItIs(EndsAtLoss):
    """A FIFO or a device."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = 0
        self._fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def write(self, payload: memoryview) -> bool:
        """Hand it the payload."""
        self._written += write_all(self._fd, payload, self._path, self._written)
        return True

    def finish(self) -> Outcome:
        """All came."""
        self.abandon()
        return Outcome(True)

    def cut_off(self, why: Sequence[str]) -> Outcome:
        """It has got a part, and will not know."""
        self.abandon()
        got = f"{self._path} got its first {self._written} bytes and no more; all behind them is lost"
        return Outcome(self._written > 0, (*why, got))

    def abandon(self) -> None:
        """Close it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
