"""borg: three repositories, written at once; in each one archive after the other, since a repository is locked.

Settings in borg's favour: no encryption, no compression, no files cache (nothing was backed up before), chunks of a
fixed size of 4 MiB (its default, which looks for chunks by their content, takes 1.6 times as long). Repositories are
made outside the timed part.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .restic import at_once

_REPOSITORIES = ("first", "second", "third")


def missing() -> list[str]:
    """What is not installed."""
    return [] if shutil.which("borg") else ["borg"]


class Borg:
    """borg in *folder* (which is its own), with one archive for each of *trees* (absolute folders)."""

    def __init__(self, folder: Path, trees: Sequence[Path]) -> None:
        self.folder = folder
        self._trees = tuple(trees)
        self._env = f"BORG_BASE_DIR={folder}/base BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes"

    def start(self) -> None:
        """Three empty repositories."""
        self.stop()
        self.folder.mkdir(parents=True)
        (self.folder / "back").mkdir()
        for name in _REPOSITORIES:
            subprocess.run(self._shell(f"borg init -e none {name}"), check=True, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        """Take it all away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def daemons(self) -> list[int]:
        """It has none."""
        return []

    def backup(self) -> list[str]:
        """All trees to three repositories, at once."""
        options = "--compression none --files-cache disabled --chunker-params fixed,4194304"
        return self._shell(
            at_once(
                [
                    "{ " + " && ".join(f"borg create {options} {name}::a{n} {tree}" for n, tree in each) + "; }"
                    for name in _REPOSITORIES
                    for each in [list(enumerate(self._trees))]
                ]
            )
        )

    def restore(self) -> list[str]:
        """The first tree brought back from the third repository."""
        return self._shell("cd back; borg extract ../third::a0")

    @property
    def restored(self) -> Path:
        """Where the first tree lies after a restore."""
        return self.folder / "back" / self._trees[0].relative_to("/")

    def check(self, least_bytes: int) -> None:
        """Each repository holds at least *least_bytes*, and its index says how many archives."""
        for name in _REPOSITORIES:
            held = sum(p.stat().st_size for p in (self.folder / name / "data").rglob("*") if p.is_file())
            listed = subprocess.run(self._shell(f"borg list --short {name}"), capture_output=True, text=True)
            archives = re.findall(r"^a\d+$", listed.stdout, re.MULTILINE)
            if held < least_bytes or len(archives) != len(self._trees):
                raise SystemExit(f"borg: {name} holds {len(archives)} archives and {held} bytes, not {least_bytes}")

    def _shell(self, script: str) -> list[str]:
        return ["env", *self._env.split(), "bash", "-euc", f"cd {self.folder}\n{script}"]
