"""restic: one repository is backed up to, and copied to two others (``restic copy``, both at once).

Each source is read once, as with us; three backups at once take the same processor time (measured: 15.0 and 15.1 s
for 512 MiB) and would be three different snapshots of a live tree. Settings in restic's favour: no compression, no
cache (it only pays with a repository far away); its encryption cannot be turned off. Repositories are made outside
the timed part.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

_REPOSITORIES = ("first", "second", "third")


def missing() -> list[str]:
    """What is not installed."""
    return [] if shutil.which("restic") else ["restic"]


class Restic:
    """restic in *folder* (which is its own), with one backup for each of *trees* (absolute folders)."""

    def __init__(self, folder: Path, trees: Sequence[Path]) -> None:
        self.folder = folder
        self._trees = tuple(trees)
        self._env = f"RESTIC_PASSWORD=bench RESTIC_FROM_PASSWORD_FILE={folder}/password HOME={folder}"

    def start(self) -> None:
        """Three empty repositories, the copies' with the first one's chunks."""
        self.stop()
        self.folder.mkdir(parents=True)
        (self.folder / "password").write_text("bench\n")
        self._run("restic -q init -r first")
        for name in _REPOSITORIES[1:]:
            self._run(f"restic -q init -r {name} --from-repo first --copy-chunker-params")

    def stop(self) -> None:
        """Take it all away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def daemons(self) -> list[int]:
        """It has none."""
        return []

    def backup(self) -> list[str]:
        """All trees backed up, at once; then two copies, at once."""
        options = "-q --no-cache --compression off"
        backups = [f"restic {options} -r first backup {tree}" for tree in self._trees]
        copies = [f"restic {options} -r {name} copy --from-repo first" for name in _REPOSITORIES[1:]]
        return self._shell(f"{at_once(backups)}\n{at_once(copies)}")

    def restore(self) -> list[str]:
        """The first tree brought back from a copy."""
        return self._shell(f"restic -q --no-cache -r third restore latest --path {self._trees[0]} --target back")

    @property
    def restored(self) -> Path:
        """Where the first tree lies after a restore."""
        return self.folder / "back" / self._trees[0].relative_to("/")

    def check(self, least_bytes: int) -> None:
        """Each repository holds a snapshot for each tree, and at least *least_bytes*."""
        for name in _REPOSITORIES:
            snapshots = len(os.listdir(self.folder / name / "snapshots"))
            held = sum(p.stat().st_size for p in (self.folder / name / "data").rglob("*") if p.is_file())
            if snapshots != len(self._trees) or held < least_bytes:
                raise SystemExit(f"restic: {name} holds {snapshots} snapshots and {held} bytes, not {least_bytes}")

    def _shell(self, script: str) -> list[str]:
        return ["env", *self._env.split(), "bash", "-euc", f"cd {self.folder}\n{script}"]

    def _run(self, script: str) -> None:
        subprocess.run(self._shell(script), check=True, stdout=subprocess.DEVNULL)


def at_once(commands: Sequence[str]) -> str:
    """Lines of a shell that run all of *commands* at once, and fail when one of them does."""
    started = "\n".join(f"{command} & pids+=($!)" for command in commands)
    return f'pids=()\n{started}\nfor pid in "${{pids[@]}}"; do wait "$pid"; done'
