"""Which paths GNU tar is given, and what is left out: roots, their overlaps, what the run itself writes.

Everything here only looks at names and ``lstat``; it decides, ``files.py`` runs tar.
"""

from __future__ import annotations

import bisect
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..frozen import frozen
from . import patterns
from .patterns import is_below, literal


@frozen
class OwnPath:
    """Something that the run writes: a folder, or (``names``) only files in it that match these shell patterns.

    Where a source lies inside such a folder, or is that folder, only the patterns are left out: a plan whose
    volumes lie beside its data must not lose the data.
    """

    folder: str
    names: tuple[str, ...] = ()
    #: its symbolic links were resolved, or do not answer: it is not looked up again
    settled: bool = False


@frozen
class Roots:
    """``names`` for tar behind ``-C /``; ``missing`` are paths with the reason why they cannot be looked at.

    ``inside``: names of paths that lie in another one of the source, which brings them along.
    """

    names: tuple[str, ...]
    inside: tuple[str, ...]
    #: paths that are stored under their real names, each with that
    moved: tuple[tuple[str, str], ...]
    missing: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def absolute(path: str, base: str) -> str:
    """*path* of a plan as an absolute path without ``.``, ``..`` and double slashes, symbolic links kept.

    ``a/../b`` is not always ``b`` (``a`` may be a link): what stands before the last ``..`` is resolved by the system.
    """
    joined = os.path.join(os.path.abspath(base), path)  # noqa: PTH100, PTH118
    parts = joined.split("/")
    if ".." in parts:
        last = len(parts) - parts[::-1].index("..")
        joined = "/".join([os.path.realpath("/".join(parts[:last]) or "/"), *parts[last:]])
    return "/" + "/".join(part for part in joined.split("/") if part not in ("", "."))


def choose(paths: Sequence[str], base: str, *, one_file_system: bool) -> Roots:
    """The roots of a source: those that exist, without those that another one holds already.

    A path whose last part is a symbolic link is followed where it ends with a slash. What is so reached through a link
    lies below the link's name, unless another path stores that link as a link, or the place it leads to: no archive can
    hold a link and something below it, and GNU tar takes a folder with two names for one that was renamed.
    """
    found: dict[str, bool] = {}  # absolute path → whether a link there is followed
    missing = []
    warnings = []
    for written in paths:
        path = absolute(written, base)
        try:
            is_link = stat.S_ISLNK(os.lstat(path).st_mode)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            missing.append((path, f"{why} (a plan's paths are taken as written)" if written[:1] in ("~", "$") else why))
            found.setdefault(path, False)  # so that no other path changes its name while this one is away
            continue
        follow = is_link and written.endswith(("/", "/."))
        if is_link and not follow:
            warnings.append(
                f"{path} is a symbolic link: the link is stored, not what it points to (end the path with / for that)"
            )
        found[path] = found.get(path, False) or follow
    moved = []
    while clashing := list(_clashing(found, one_file_system)):
        for path, real in clashing:
            warnings.append(
                f"{path} is reached through a symbolic link that the source stores, or leads into what it stores: it is"
                f" stored as {real}"
            )
            moved.append((path, real))
            if found.pop(path):
                found.setdefault(path, False)
            found.setdefault(real, False)
    for path, _ in missing:
        found.pop(path, None)
    above = {
        p: next((q for q in _above(p) if q in found and _holds(q, p, found, one_file_system)), None) for p in found
    }
    kept = [p for p in found if above[p] is None]
    names = tuple(f"{p[1:]}/." if found[p] else p[1:] or "." for p in kept)
    inside = tuple(p[1:] for p in found if above[p] is not None)
    return Roots(names, inside, tuple(moved), tuple(missing), tuple(warnings))


def _clashing(found: Mapping[str, bool], one_file_system: bool) -> Iterator[tuple[str, str]]:
    """Paths that are reached through a link and cannot be stored under their names, each with its real one."""
    folders: dict[str, str] = {}
    reals: dict[str, str] = {}
    for path, follow in found.items():
        if any(found.get(q) and _holds(q, path, found, one_file_system) for q in _above(path)):
            continue
        above, _, last = path.rpartition("/")
        if follow:
            reals[path] = os.path.realpath(path)
        else:
            real = folders.get(above)
            if real is None:
                real = folders[above] = os.path.realpath(above or "/").rstrip("/")
            reals[path] = f"{real}/{last}"
    if all(path == real for path, real in reals.items()):
        return
    count: dict[str, int] = {}
    for real in reals.values():
        count[real] = count.get(real, 0) + 1
    order = sorted(real.rstrip("/") + "/" for real in count)
    for path, real in reals.items():
        if path == real:
            continue
        if not os.path.lexists(real):
            continue
        at = bisect.bisect_right(order, real.rstrip("/") + "/")
        below = at < len(order) and order[at].startswith(real.rstrip("/") + "/")
        if (
            below
            or count[real] > 1
            or any(q in count for q in _above(real))
            or _is_stored(path, found, one_file_system)
        ):
            yield path, real


def _is_stored(path: str, found: Mapping[str, bool], one_file_system: bool) -> bool:
    """Whether a link that leads to *path* is itself stored by another path."""
    for way in (path, *_above(path)) if found[path] else _above(path):
        if os.path.islink(way):  # noqa: PTH114 - Path.is_symlink raises where a folder may not be searched
            if found.get(way) is False and way != path:
                return True
            if any(q in found and _holds(q, way, {**found, way: False}, one_file_system) for q in _above(way)):
                return True
    return False


def left_out(chosen: Roots, exclude: Iterable[str], own: Iterable[OwnPath]) -> Iterator[tuple[str, str]]:
    """The source's own paths that are not stored after all, each with the reason."""
    for name, pattern in patterns.left_out(exclude, chosen.names, chosen.inside):
        yield f"/{name}", f'the source\'s exclude "{pattern}" leaves it out'
    for option in own_excludes(own, chosen.names):
        written = option.removeprefix("--exclude=")
        for name in chosen.inside if written != option else ():
            if is_below(name, written):
                yield f"/{name}", "it is left out, since it lies in a folder that the run itself writes"


def _above(path: str) -> Iterator[str]:
    """The folders above *path*, nearest first."""
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        yield path


def _holds(outer: str, inner: str, found: Mapping[str, bool], one_file_system: bool) -> bool:
    """Whether tar reaches *inner* from *outer*, above it: with no symbolic link and no file system's border between."""
    try:
        device = (os.stat if found[outer] else os.lstat)(outer).st_dev
        path = outer.rstrip("/")
        parts = inner[len(path) + 1 :].split("/")
        if not found[outer] and stat.S_ISLNK(os.lstat(outer).st_mode):
            return False
        for i, part in enumerate(parts):
            path = f"{path}/{part}"
            here = os.lstat(path)
            if stat.S_ISLNK(here.st_mode) and (i < len(parts) - 1 or found.get(inner, False)):
                return False
            if one_file_system and here.st_dev != device:
                return False
    except OSError:
        return False
    return True


def own_excludes(own: Iterable[OwnPath], names: Sequence[str]) -> list[str]:
    """Options of tar that leave out what the run itself writes: anchored, and literal wherever a folder is meant.

    Folders are compared after symbolic links are resolved, on both sides.
    """
    plain: dict[str, None] = {}
    wild: dict[str, None] = {}
    for name in names:
        root = os.path.realpath("/" + name)
        for path in own:
            folder = path.folder if path.settled else os.path.realpath(path.folder)
            if folder != root and is_below(folder, root):
                plain[f"--exclude={_member(name, os.path.relpath(folder, root))}"] = None
            elif is_below(root, folder):
                for pattern in path.names:
                    if root == folder:
                        wild[f"--exclude={literal(_member(name, ''))}{pattern}"] = None
    options = []
    if plain:
        options += ["--anchored", "--no-wildcards", *plain]
    if wild:
        options += ["--anchored", "--wildcards", "--no-wildcards-match-slash", *wild]
    return options


def _member(name: str, below: str) -> str:
    """The name that tar gives to *below* (relative, or empty for a prefix) under the root *name*."""
    return f"{name}/{below}"
