"""The sink of a ``stream`` target: a file that bears its name only when it is whole; a pipe or device as it is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..faults import RestoreFault
from ..restore.sinks import Outcome


class FileSink:
    """Writes ``PATH.partial``, and gives it its name when it is complete and on the disk. See ``restore.sinks.Sink``.

    Where PATH is a FIFO or a device already it is written as it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = 0
        self._partial: Path | None = None
        try:
            if path.exists() and not stat.S_ISREG(path.stat().st_mode):
                self._fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            self._partial = path.with_name(f"{path.name}.partial")
            self._partial.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._fd = os.open(self._partial, flags, 0o600)
        except OSError as error:
            raise RestoreFault(f"{path} cannot be written: {error.strerror}") from None

    def write(self, payload: memoryview) -> bool:
        """Append the payload."""
        try:
            while payload:
                done = os.write(self._fd, payload)
                self._written += done
                payload = payload[done:]
        except OSError as error:
            raise RestoreFault(
                f"{self._partial or self._path} cannot be written: {error.strerror}",
                safe=f"its first {self._written} bytes",
            ) from None
        return True

    def finish(self) -> Outcome:
        """Bring the file to the disk, then under its name."""
        try:
            if self._partial is not None:
                os.fsync(self._fd)
                self._partial.replace(self._path)
                folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
        except OSError as error:
            raise RestoreFault(f"{self._path} cannot be completed: {error.strerror}") from None
        finally:
            self._close()
        return Outcome(True)

    def cut(self, why: str) -> Outcome:
        """Keep what came as ``.partial``."""
        self._close()
        where = self._partial or self._path
        return Outcome(self._written > 0, (why, f"its first {self._written} bytes are in {where}"))

    def abandon(self) -> None:
        """Close the file; what it holds stays as ``.partial``."""
        self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
