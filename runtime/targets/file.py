"""The sink of a ``stream`` target: a file that bears its name only when it is whole; a pipe or device as it is."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..faults import RestoreFault
from ..restore.sinks import EndsAtLoss, Outcome, WholeFile, write_all
from ..sources.base import Cancel

#: How long until a FIFO that nobody reads is looked at again.
_LOOK_AGAIN_MS: Final = 50


def file_sink(path: Path) -> WholeFile | _AsItIs:
    """What writes *path*: ``PATH.partial`` first, or the FIFO or device that is there already. Raises RestoreFault."""
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            return _AsItIs(path, path.stat().st_mode)
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
    """A FIFO or a device. A FIFO that nobody reads is waited for, until the run is stopped."""

    def __init__(self, path: Path, mode: int) -> None:
        self._path = path
        self._written = 0
        self._is_disk = stat.S_ISBLK(mode)
        self._is_pipe = stat.S_ISFIFO(mode)
        self._cancel = Cancel()
        self._fd = -1

    def write(self, payload: memoryview) -> bool:
        """Hand it the payload. Raises RestoreFault."""
        try:
            fd = self._opened()
            if self._is_disk:
                self._written += write_all(fd, payload, self._path, self._written)
                return True
            done = 0
            while done < len(payload):
                self._wait(fd, 60_000)
                with contextlib.suppress(BlockingIOError):
                    got = os.write(fd, payload[done:])
                    done += got
                    self._written += got
        except OSError as error:
            raise RestoreFault(
                f"{self._path} cannot be written: {error.strerror}", safe=f"it got its first {self._written} bytes"
            ) from None
        return True

    def _opened(self) -> int:
        """The open file. Blocks until a FIFO has a reader."""
        while self._fd < 0:
            try:
                flags = os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY | (0 if self._is_disk else os.O_NONBLOCK)
                self._fd = os.open(self._path, flags)
            except OSError as error:
                if error.errno != errno.ENXIO or not self._is_pipe:
                    raise
                self._wait(-1, _LOOK_AGAIN_MS)
        return self._fd

    def _wait(self, fd: int, milliseconds: int) -> None:
        """Until *fd* takes something (-1: none), or the time is over. Raises RestoreFault once stopped."""
        poll = select.poll()
        poll.register(self._cancel.fileno(), select.POLLIN)
        if fd >= 0:
            poll.register(fd, select.POLLOUT)
        poll.poll(milliseconds)
        if self._cancel.reason is not None:
            raise RestoreFault(f"{self._path} got its first {self._written} bytes and no more: {self._cancel.reason}")

    def interrupt(self) -> None:
        """From any thread: whoever reads it is not waited for any more."""
        self._cancel.set("the run was stopped")

    def finish(self) -> Outcome:
        """All came; a disk says that it has it. Raises RestoreFault."""
        try:
            if self._is_disk:
                os.fsync(self._opened())
            else:
                self._opened()
        except OSError as error:
            raise RestoreFault(f"{self._path} does not confirm what it got: {error.strerror}") from None
        finally:
            self.abandon()
        return Outcome(True)

    def cut_off(self, why: Sequence[str]) -> Outcome:
        """It has got a part, and will not know."""
        self.abandon()
        got = f"{self._path} got its first {self._written} bytes and no more; all behind them is lost"
        return Outcome(self._written > 0, (*why, got))

    def abandon(self) -> None:
        """Close it. Safe after anything."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):  # what a disk has to say it said to the fsync
                os.close(fd)
        self._cancel.close()
