"""The tests' side of :mod:`faulty_fs`: mounts it, changes its faults, takes it away again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faulty_fs
import pytest

DEADLINE_SECONDS = 60
#: Operations that change a file system: what one that became read-only refuses.
CHANGES = ("write", "create", "mkdir", "unlink", "rmdir", "rename", "link", "truncate", "fallocate", "chmod")
#: All that a run does to a file or a folder.
ALL = (*CHANGES, "lookup", "getattr", "open", "read", "readdir", "fsync", "fsyncdir", "statfs", "close")

Rule = dict[str, Any]


class Faulty:
    """A mounted one: what lies in ``backing`` is seen at ``place``."""

    def __init__(self, backing: Path, place: Path, log: Path | None) -> None:
        self.backing, self.place, self._log = backing, place, log
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, faulty_fs.__file__, self.backing, self.place, *([self._log] if self._log else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        said = self._answer()
        if "mounted" not in said:
            self._process.communicate(timeout=DEADLINE_SECONDS)
            pytest.skip(f"this machine lets nobody mount a FUSE file system: {said.get('refused', said)}")

    def _answer(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline() or "{}")

    def _tell(self, order: dict[str, Any]) -> list[int]:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return []  # a rule was that it dies
        return self._answer() or []

    def faults(self, rules: Sequence[Rule]) -> None:
        """These from now on."""
        self._tell({"rules": list(rules)})

    def heal(self) -> list[int]:
        """No faults from now on; how often each rule fired. What hangs goes on."""
        return self._tell({"rules": []})

    def wait_until_fired(self) -> None:
        """Until a rule has."""
        until = time.monotonic() + DEADLINE_SECONDS
        while not any(self._tell({})):
            assert time.monotonic() < until, "no rule has fired"
            os.sched_yield()

    def mark(self, text: str) -> None:
        """A mark in the log."""
        self._tell({"mark": text})

    def again(self) -> None:
        """Mount it once more, without faults, after it went away."""
        self.close()
        self._start()

    def close(self) -> None:
        """Unmount it, and end its process."""
        faulty_fs.unmount(str(self.place))
        self._process.kill()
        self._process.communicate(timeout=DEADLINE_SECONDS)


@contextmanager
def faulty_folder(folder: Path, log: Path | None = None) -> Iterator[Faulty]:
    """A faulty file system below *folder*, for as long as the block lasts. Skips where nobody may mount."""
    if not os.path.exists("/dev/fuse"):
        pytest.skip("there is no /dev/fuse, so that no file system of the tests' own can be mounted")
    backing, place = folder / "backing", folder / "mount"
    backing.mkdir(parents=True)
    place.mkdir()
    mounted = Faulty(backing, place, log)
    try:
        yield mounted
    finally:
        mounted.close()
