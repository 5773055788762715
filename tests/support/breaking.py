"""Volumes with blocks that cannot be read."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tapechain.runtime.media import volume as volume_module
from tapechain.runtime.media.scan import reader_of

PAGE = 4096


def breaks(monkeypatch: pytest.MonkeyPatch, bad: Mapping[Path, Iterable[int]]) -> list[int]:
    """The pages with these positions of these volumes cannot be read; what comes back counts the reads that failed."""
    pages = {os.stat(volume).st_ino: {at // PAGE for at in places} for volume, places in bad.items()}
    failed = [0]

    def failing(fd: int) -> Any:
        read, mine = reader_of(fd), pages.get(os.fstat(fd).st_ino, set())

        def reads(view: memoryview, position: int) -> int:
            if any(position < (page + 1) * PAGE and page * PAGE < position + len(view) for page in mine):
                failed[0] += 1
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return int(read(view, position))

        return reads

    monkeypatch.setattr(volume_module, "reader_of", failing)
    return failed
