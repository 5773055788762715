"""Which programs a file belongs to: itself, or those whose main file includes it, directly or not.

An included file is not judged alone: its sources would be read by nothing, its drives unused.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...dsl.strings import HOLE
from .overlay import is_inside, read_regular

#: Of a project's folder no more is looked through: an editor may be opened on a whole disk.
FILES_MAX = 2_000
FOLDERS_MAX = 5_000
DEPTH_MAX = 8
#: A larger file is not searched for includes before it is opened.
SEARCHED_BYTES_MAX = 1 << 20
#: A file that more programs than this include is checked in the first of them.
MAINS_MAX = 8

_INCLUDE = re.compile(r'#[^\n]*|\binclude\s*"((?:[^"\\\r\n]|\\[^\r\n])*)"')


def includes(text: str) -> tuple[str, ...]:
    """The paths that a text includes, as written (holes too), whether or not it can be parsed."""
    return tuple(dict.fromkeys(match[1] for match in _INCLUDE.finditer(text) if match[1]))


def plans_in(folders: Iterable[str]) -> Iterator[str]:
    """The ``.tc`` files in the folders and below, hidden ones and symbolic links to folders left out."""
    files = visited = 0
    ahead = [(folder, 0) for folder in folders]
    while ahead:
        folder, depth = ahead.pop()
        visited += 1
        if visited > FOLDERS_MAX:
            return
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "node_modules":
                continue
            try:
                if entry.is_dir(follow_symlinks=False) and depth < DEPTH_MAX:
                    ahead.append((entry.path, depth + 1))
                elif entry.name.endswith(".tc") and entry.is_file():
                    files += 1
                    if files > FILES_MAX:
                        return
                    yield os.path.realpath(entry.path)
            except OSError:
                continue


@dataclass(slots=True)
class Projects:
    """The includes of all files that are known, by real path."""

    _on_disk: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _scanned: set[str] = field(default_factory=set)
    #: what paths really are, as long as :meth:`forget` was not called
    _resolved: dict[str, str] = field(default_factory=dict)

    def look_through(self, folder: str, *, below: bool) -> None:
        """Read the includes of the plans in *folder* (and *below* it), once until :meth:`forget`."""
        if folder in self._scanned:
            return
        self._scanned.add(folder)
        found = plans_in([folder]) if below else (str(p) for p in _beside(folder))
        for path in found:
            if path not in self._on_disk:
                try:
                    content = read_regular(path, SEARCHED_BYTES_MAX)
                except OSError:
                    continue
                self._on_disk[path] = includes(content.decode("utf-8", "replace"))

    def forget(self) -> None:
        """Look at the disk anew when asked next."""
        self._on_disk.clear()
        self._scanned.clear()
        self._resolved.clear()

    def known(self, folders: tuple[str, ...]) -> list[str]:
        """The plans in *folders* that are known."""
        return sorted(path for path in self._on_disk if is_inside(path, folders))

    def mains(self, path: str, documents: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        """The main files of the programs that *path* belongs to; itself where nothing includes it, or all in a circle.

        *documents* are the includes of what is open, which count above those on disk.
        """
        including = _Including({**self._on_disk, **documents}, self._resolved)
        mains: dict[str, None] = {}
        seen = {path}
        ahead = [path]
        while ahead and len(mains) < MAINS_MAX:
            one = ahead.pop(0)
            above = including(one)
            if not above:
                mains[one] = None
            for other in above:
                if other not in seen:
                    seen.add(other)
                    ahead.append(other)
        return tuple(mains) or (path,)


def _beside(folder: str) -> Iterator[Path]:
    try:
        yield from sorted(p.resolve() for p in Path(folder).glob("*.tc") if p.is_file())[:FILES_MAX]
    except OSError:
        return


class _Including:
    """For a path the files that include it."""

    def __init__(self, files: Mapping[str, tuple[str, ...]], resolved: dict[str, str]) -> None:
        self._exact: dict[str, dict[str, None]] = {}
        self._patterns: list[tuple[re.Pattern[str], str]] = []
        for file, written in files.items():
            folder = posixpath.dirname(file)
            for include in written:
                if HOLE.search(include):
                    pieces = HOLE.split(posixpath.normpath(posixpath.join(folder, include)))[::2]
                    self._patterns.append((re.compile("[^\0]*".join(map(re.escape, pieces))), file))
                elif "\0" not in include:
                    path = posixpath.join(folder, include)
                    if path not in resolved:
                        try:
                            resolved[path] = os.path.realpath(path)
                        except (OSError, ValueError):
                            continue  # no path of this machine
                    self._exact.setdefault(resolved[path], {})[file] = None

    def __call__(self, path: str) -> list[str]:
        found = dict(self._exact.get(path, {}))
        found |= {file: None for pattern, file in self._patterns if pattern.fullmatch(path)}
        return [file for file in found if file != path]
