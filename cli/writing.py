"""Files that a command makes: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from ..runtime.faults import UsageFault


def write_whole(path: Path, content: bytes) -> None:
    """Write *path* by way of a temporary file beside it: a reader sees the old file or the new one, never a part.

    Missing folders are made. A device or FIFO is written as it is, and a symbolic link stays: the file that it leads to
    is written. Raises :class:`UsageFault`.
    """
    name = path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        path = Path(os.path.realpath(path))
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name[:100]}.", delete=False) as out:
            try:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
                mask = os.umask(0)
                os.umask(mask)
                Path(out.name).chmod(0o666 & ~mask)
                Path(out.name).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(out.name).unlink()
                raise
    except OSError as error:
        raise UsageFault(f"{name} cannot be written: {error.strerror or error}") from None
