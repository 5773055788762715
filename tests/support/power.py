"""Power loss at the file layer: from a log of ``faulty_fs`` any state in which a disk may be found afterwards.

What POSIX promises, and no more: a file's bytes and size are on the disk when the file was fsynced, a folder's
entries when the folder was. All else that was done since may be there or not, in any order, a write also in part.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOP = 1


def read_log(path: Path) -> list[tuple[Any, ...]]:
    """All that was logged."""

    def entries() -> Iterator[tuple[Any, ...]]:
        with open(path, "rb") as log:
            while True:
                try:
                    yield pickle.load(log)
                except EOFError:
                    return

    return list(entries())


@dataclass
class File:
    """What is on the disk for sure, and what was done since."""

    sure: bytearray = field(default_factory=bytearray)
    since: list[tuple[Any, ...]] = field(default_factory=list)


@dataclass
class Folder:
    """Its entries: for sure, and as they were changed since (each change whole or not at all)."""

    sure: dict[str, int] = field(default_factory=dict)
    since: list[dict[str, int | None]] = field(default_factory=list)

    def now(self) -> dict[str, int]:
        found = dict(self.sure)
        for change in self.since:
            found |= change  # type: ignore[arg-type]
        return {name: node for name, node in found.items() if node is not None}


class Disk:
    """A disk on which the log is done operation by operation."""

    def __init__(self) -> None:
        self.files: dict[int, File] = {}
        self.folders: dict[int, Folder] = {TOP: Folder()}
        self.marks: list[str] = []

    def do(self, entry: tuple[Any, ...]) -> None:
        match entry:
            case ("mark", text):
                self.marks.append(text)
            case ("link", folder, name, node, is_folder):
                if is_folder:
                    self.folders.setdefault(node, Folder())
                else:
                    self.files.setdefault(node, File())
                self.folders[folder].since.append({name: node})
            case ("unlink", folder, name):
                self.folders[folder].since.append({name: None})
            case ("rename", folder, old, other, new):
                assert folder == other, "nothing of ours is moved between folders"
                self.folders[folder].since.append({old: None, new: self.folders[folder].now()[old]})
            case ("sync", node) if node in self.folders:
                self.folders[node] = Folder(self.folders[node].now())
            case ("sync", node):
                file = self.files.setdefault(node, File())
                self.files[node] = File(content(file))
            case (_, node, *what):
                self.files.setdefault(node, File()).since.append((entry[0], *what))

    def settle(self) -> None:
        """All that was done is on the disk."""
        self.files = {node: File(content(file)) for node, file in self.files.items()}
        self.folders = {node: Folder(folder.now()) for node, folder in self.folders.items()}


def content(file: File) -> bytearray:
    """As a program sees it."""
    data = bytearray(file.sure)
    for what, *values in file.since:
        apply(data, what, values)
    return data


def apply(data: bytearray, what: str, values: list[Any]) -> None:
    if what == "truncate":
        (size,) = values
        data += bytes(max(0, size - len(data)))
        del data[size:]
    else:
        offset, new = values
        data += bytes(max(0, offset - len(data)))
        data[offset : offset + len(new)] = new


def whole(disk: Disk, to: Path, only: str) -> None:
    """What programs see below the folder *only*."""
    folders = {n: f.now() for n, f in disk.folders.items()}
    node = folders[TOP].get(only)
    if node is None:
        return

    def below(node: int) -> set[int]:
        return {node}.union(*(below(inner) for inner in folders.get(node, {}).values()))

    _write(to / only, node, folders, {n: content(disk.files[n]) for n in below(node) & disk.files.keys()})


def lost(disk: Disk, to: Path, dice: random.Random) -> str:
    """One state after a power loss; how it was chosen."""
    how = dice.choice(["nothing since", "most", "half", "few", "in order", "folders only", "files only"])
    keep = {"nothing since": 0.0, "most": 0.9, "half": 0.5, "few": 0.15, "in order": 1.0}
    block = dice.choice([512, 4096])
    folders = {}
    for node, folder in disk.folders.items():
        share = 0.0 if how == "files only" else keep.get(how, 1.0)
        folders[node] = _entries(folder, share, dice, in_order=how == "in order")
    files = {}
    for node, file in disk.files.items():
        share = 0.0 if how == "folders only" else keep.get(how, 1.0)
        files[node] = _bytes(file, share, block, dice, in_order=how == "in order")
    _write(to, TOP, folders, files)
    return f"{how}, blocks of {block}"


def _entries(folder: Folder, share: float, dice: random.Random, *, in_order: bool) -> dict[str, int]:
    changes = folder.since
    if in_order:
        changes = changes[: dice.randint(0, len(changes))]
    found: dict[str, int | None] = dict(folder.sure)
    taken: set[str] = set()
    chosen = [change for change in changes if in_order or dice.random() < share]
    # What a change needs was done: every earlier change of the same names.
    for number, change in enumerate(changes):
        later = [other for other in changes[number + 1 :] if other in chosen and not change.keys().isdisjoint(other)]
        if any(change is c for c in chosen) or later:
            found |= change
            taken |= change.keys()
    return {name: node for name, node in found.items() if node is not None}


def _bytes(file: File, share: float, block: int, dice: random.Random, *, in_order: bool) -> bytearray:
    data = bytearray(file.sure)
    done = file.since
    if in_order:
        done = done[: dice.randint(0, len(done))]
    for number, (what, *values) in enumerate(done):
        if not in_order and dice.random() >= share:
            continue
        torn = what == "write" and dice.random() < (0.3 if not in_order else number == len(done) - 1)
        if not torn:
            apply(data, what, values)
            continue
        offset, new = values
        ordered, cut = dice.random() < 0.5, dice.random()
        edge = offset - offset % block
        for at in range(edge, offset + len(new), block):
            there = (at - edge) / max(1, len(new)) < cut if ordered else dice.random() < cut
            if there:
                start, end = max(at, offset), min(at + block, offset + len(new))
                apply(data, "write", [start, new[start - offset : end - offset]])
    if file.since and dice.random() < 0.3:  # the size came to the disk, and the bytes did not
        data += bytes(max(0, len(content(file)) - len(data)))
    return data


def _write(to: Path, node: int, folders: dict[int, dict[str, int]], files: dict[int, bytearray]) -> None:
    to.mkdir(exist_ok=True, mode=0o700)
    for name, inner in folders[node].items():
        if inner in folders:
            _write(to / name, inner, folders, files)
        else:
            (to / name).write_bytes(files[inner])
            (to / name).chmod(0o600)
