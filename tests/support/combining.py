"""Random trees of whatever file systems hold, what a source of them has to bring back, and what came back."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import random
import re
import shutil
import socket
import stat
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

State = dict[bytes, tuple[Any, ...]]

NAMES = (
    *b"a b c cache x.tmp -dash --help ..dots ... ~ # %2F @file a.tmp.keep b1 b2 X lost+found @LongLink".split(),
    *(b"new\nline", b"back\\slash", b"a\\tb", b"[bracket]", b"*star?", b" blank ", b"quote'\"", b"tab\t", b"\x01\x7f"),
    *("ünïcödé 😀".encode(), b"latin-\xe9\xff", b"n" * 99, b"l" * 155, b"L" * 255, b"GNUSparseFile.0", b"PaxHeaders"),
)
TIMES = (-1, -86400 * 365 * 30, 0, 1, 1_000_000_000, 2**31 + 5, 2**33 + 5)
SIZES = (0, 0, 1, 10, 511, 512, 513, 3000, 62_464, 70_000, 150_000)


@dataclass
class Tree:
    """A folder that changes at random; ``root`` is bytes."""

    root: bytes
    chance: random.Random
    privileged: bool = field(default_factory=lambda: os.geteuid() == 0)

    def grow(self, count: int) -> None:
        for _ in range(count):
            self.change(remove=False)

    def folders(self) -> list[bytes]:
        return [folder for folder, _, _ in os.walk(self.root)]

    def entries(self) -> list[bytes]:
        return [os.path.join(f, n) for f, folders, files in os.walk(self.root) for n in (*folders, *files)]

    def _free(self) -> bytes | None:
        folder = self.chance.choice(self.folders())
        path = os.path.join(folder, self.chance.choice(NAMES))
        return None if os.path.lexists(path) or len(path) > 2000 else path

    def _one(self, *, files: bool) -> bytes | None:
        fits = [p for p in self.entries() if not files or stat.S_ISREG(os.lstat(p).st_mode)]
        return self.chance.choice(fits) if fits else None

    def change(self, *, remove: bool = True) -> str:
        makes = (
            ["file"] * 6 + ["folder"] * 4 + ["symlink", "hard link", "hard link", "fifo", "socket", "sparse", "device"]
        )
        alters = ["mode", "time", "xattr", "acl", "owner", "setid"]
        ends = ["remove", "remove", "move", "move", "replace", "fill", "fill", "swap", "kind"]
        what = self.chance.choice(makes + alters + (ends * 2 if remove else []))
        getattr(self, "do_" + what.replace(" ", "_"))()
        return what

    # ------------------------------------------------------------ making

    def do_file(self) -> None:
        if path := self._free():
            with open(path, "wb") as file:
                file.write(self.chance.randbytes(self.chance.choice(SIZES)))
            self._time(path)

    def do_folder(self) -> None:
        if path := self._free():
            os.mkdir(path)

    def do_symlink(self) -> None:
        if path := self._free():
            os.symlink(self.chance.choice([b"a", b"../b", b"/etc/hostname", b"/no where/\xff", b"x" * 300, b"."]), path)

    def do_hard_link(self) -> None:
        old, path = self._one(files=True), self._free()
        if old and path:
            os.link(old, path)

    def do_fifo(self) -> None:
        if path := self._free():
            os.mkfifo(path)

    def do_socket(self) -> None:
        if (path := self._free()) and len(path) < 100:
            with socket.socket(socket.AF_UNIX) as one:
                one.bind(path)

    def do_device(self) -> None:
        if self.privileged and (path := self._free()):
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))

    def do_sparse(self) -> None:
        if path := self._free():
            with open(path, "wb") as file:
                file.truncate(self.chance.choice([100_000, 1 << 20, 5_000_001]))
                for _ in range(self.chance.randrange(4)):
                    file.seek(self.chance.randrange(90_000))
                    file.write(b"island")

    # ------------------------------------------------------------ altering

    def _time(self, path: bytes) -> None:
        if self.chance.random() < 0.4:
            moment = self.chance.choice(TIMES) * 10**9 + self.chance.choice([0, 1, 123_456_789])
            os.utime(path, ns=(moment, moment), follow_symlinks=False)

    def do_time(self) -> None:
        if path := self._one(files=False):
            self._time(path)

    def do_mode(self) -> None:
        path = self._one(files=False)
        if path and not os.path.islink(path):
            modes = [0o700, 0o755, 0o777, 0o1777, *([0o640, 0o500] if self.privileged else [])]
            os.chmod(path, self.chance.choice(modes))

    def do_setid(self) -> None:
        if self.privileged and (path := self._one(files=False)) and not os.path.islink(path):
            os.chmod(path, self.chance.choice([0o4755, 0o2755, 0o6711]))

    def do_owner(self) -> None:
        if self.privileged and (path := self._one(files=False)):
            os.chown(
                path,
                self.chance.choice([0, 7, 3_000_000]),
                self.chance.choice([0, 9, 2_200_000]),
                follow_symlinks=False,
            )

    def do_xattr(self) -> None:
        path = self._one(files=False)
        if path and stat.S_IFMT(os.lstat(path).st_mode) in (stat.S_IFREG, stat.S_IFDIR):
            name = self.chance.choice(
                ["user.a", "user.b=c", "user.new\nline", "trusted.t"][: 4 if self.privileged else 3]
            )
            value = self.chance.choice([b"", b"1", b"\0\xff\n", b"v" * 900, b"a\nb=c"])
            self._set(path, name, value)

    def do_acl(self) -> None:
        path = self._one(files=False)
        if path and stat.S_IFMT(os.lstat(path).st_mode) in (stat.S_IFREG, stat.S_IFDIR):
            some = bytes.fromhex(
                "02000000 01000700ffffffff 0200040007000000 04000500ffffffff 10000700ffffffff 20000500ffffffff"
            )
            kinds = ["system.posix_acl_access", "system.posix_acl_default"][: 1 + stat.S_ISDIR(os.lstat(path).st_mode)]
            self._set(path, self.chance.choice(kinds), some)

    @staticmethod
    def _set(path: bytes, name: str, value: bytes) -> None:
        try:
            os.setxattr(path, name, value, follow_symlinks=False)
        except OSError:
            pass  # this file system has none

    # ------------------------------------------------------------ ending

    def do_fill(self) -> None:
        if path := self._one(files=True):
            with open(path, "ab") as file:
                file.write(self.chance.randbytes(self.chance.choice([1, 700, 66_000])))

    def do_remove(self) -> None:
        if path := self._one(files=False):
            remove(path)

    def do_move(self) -> None:
        old, new = self._one(files=False), self._free()
        if old and new and not (new + b"/").startswith(old + b"/"):
            os.rename(old, new)

    def do_swap(self) -> None:
        one, other, by = self._one(files=False), self._one(files=False), self._free()
        apart = (
            one
            and other
            and by
            and not any(
                (p + b"/").startswith(q + b"/") for p, q in ((one, other), (other, one), (by, one), (by, other))
            )
        )
        if apart and one and other and by:
            os.rename(one, by)
            os.rename(other, one)
            os.rename(by, other)

    def do_replace(self) -> None:
        path, other = self._one(files=True), self._free()
        if path and other:
            with open(other, "wb") as file:
                file.write(self.chance.randbytes(os.lstat(path).st_size % 200_000))
            os.rename(other, path)

    def do_kind(self) -> None:
        """What was a folder is a file, link or other folder of that name now, and the other way round."""
        if path := self._one(files=False):
            remove(path)
            what = self.chance.choice(["file", "folder", "symlink", "filled folder"])
            if what == "file":
                Path(os.fsdecode(path)).write_bytes(b"now a file")
            elif what == "symlink":
                os.symlink(b"elsewhere", path)
            else:
                os.mkdir(path)
                if what == "filled folder":
                    with open(os.path.join(path, b"a"), "wb") as file:
                        file.write(b"new in it")


def remove(path: bytes) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


# ---------------------------------------------------------------- what there is


def facts_of(path: bytes, *, follow: bool = False) -> tuple[Any, ...] | None:
    """What of an entry has to come back; None for what no archive holds."""
    found = os.stat(path) if follow else os.lstat(path)
    mode = found.st_mode
    owner = (found.st_uid, found.st_gid) if os.geteuid() == 0 else ()
    if stat.S_ISSOCK(mode):
        return None
    if stat.S_ISLNK(mode):
        return ("link", os.readlink(path), owner, found.st_mtime_ns)
    attributes = tuple(
        sorted((n, os.getxattr(path, n, follow_symlinks=follow)) for n in os.listxattr(path, follow_symlinks=follow))
    )
    if stat.S_ISDIR(mode):
        return ("folder", oct(mode), owner, found.st_mtime_ns, attributes)
    if stat.S_ISREG(mode):
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return ("file", oct(mode), owner, found.st_mtime_ns, attributes, found.st_size, digest)
    return ("special", oct(mode), owner, found.st_mtime_ns, found.st_rdev)


def grouped(state: State, inodes: dict[bytes, tuple[int, int]]) -> State:
    """*state* with one more entry: which of its names are one file."""
    groups: dict[tuple[int, int], list[bytes]] = {}
    for name, entry in state.items():
        if entry[0] in ("file", "special") and name in inodes:
            groups.setdefault(inodes[name], []).append(name)
    state[b"/hard links"] = tuple(sorted(tuple(sorted(g)) for g in groups.values() if len(g) > 1))
    return state


@dataclass(frozen=True)
class Wanted:
    """A ``files`` source as the plan says it, and what it has to bring back: an own reading of the documents."""

    base: str
    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    #: folders that the run itself writes
    own: tuple[bytes, ...] = ()
    #: of each path only what lies on its own file system
    one: bool = False

    def tops(self) -> list[tuple[bytes, bool]]:
        """The absolute paths, and whether a link there is followed.

        What is reached through a link that is itself stored, or that leads into what is stored, bears its real name.
        """
        found: dict[bytes, bool] = {}
        for written in self.paths:
            path = os.fsencode(os.path.normpath(os.path.join(self.base, written)))
            found[path] = found.get(path, False) or (written.endswith("/") and os.path.islink(path))
        while True:
            held = [
                p
                for p, f in found.items()
                if any(p.startswith(o + b"/") and g and _reached(o, p, g, self.one) and not f for o, g in found.items())
            ]
            for path, follow in found.items():
                if path in held:
                    continue
                above, last = os.path.split(path)
                real = os.path.realpath(path) if follow else os.path.join(os.path.realpath(above), last)
                if real == path or not os.path.lexists(real):
                    continue
                others = {p: f for p, f in found.items() if p != path and p not in held}
                reals = [
                    os.path.realpath(p)
                    if f
                    else os.path.join(os.path.realpath(os.path.dirname(p)), os.path.basename(p))
                    for p, f in others.items()
                ]
                overlap = any((r + b"/").startswith(real + b"/") or (real + b"/").startswith(r + b"/") for r in reals)
                ways = [b"/".join(path.split(b"/")[:n]) for n in range(2, path.count(b"/") + 1 + follow)]
                links = [w for w in ways if os.path.islink(w)]
                stored = any(
                    (w == p and not f and w != path) or (w.startswith(p + b"/") and _reached(p, w, f, self.one))
                    for w in links
                    for p, f in others.items()
                )
                if overlap or stored:
                    del found[path]
                    if follow:
                        found.setdefault(path, False)
                    found.setdefault(real, False)
                    break
            else:
                return [(p, f) for p, f in found.items() if _is_there(p, f)]

    def away(self) -> tuple[bytes, ...]:
        """Paths that are not there."""
        paths = (
            (os.fsencode(os.path.normpath(os.path.join(self.base, written))), written.endswith("/"))
            for written in self.paths
        )
        return tuple(path for path, follow in paths if not _is_there(path, follow))

    def sockets(self) -> frozenset[bytes]:
        """Sockets among what is stored: no archive holds them, but GNU tar's lists of folders name them."""
        found: set[bytes] = set()
        self.state(found)
        return frozenset(found)

    def state(self, sockets: set[bytes] | None = None) -> State:
        out: State = {}
        inodes: dict[bytes, tuple[int, int]] = {}
        tops = self.tops()
        for top, follow in tops:
            if any(top.startswith(o + b"/") and _reached(o, top, f, self.one) for o, f in tops) and not follow:
                continue
            waiting = [(top, follow)]
            device = (os.stat if follow else os.lstat)(top).st_dev
            while waiting:
                path, through = waiting.pop()
                entry = facts_of(path, follow=through)
                if entry is None and sockets is not None:
                    sockets.add(path)
                if entry is None or (path != top and self._out(top, path)):
                    continue
                out[path] = entry
                found = os.stat(path) if through else os.lstat(path)
                inodes[path] = (found.st_dev, found.st_ino)
                if entry[0] == "folder" and not (self.one and found.st_dev != device):
                    waiting += [(os.path.join(path, name), False) for name in os.listdir(path)]
        return grouped(out, inodes)

    def _out(self, top: bytes, path: bytes) -> bool:
        if any(path == own and own.startswith(top + b"/") for own in self.own):
            return True
        rest = os.fsdecode(path[len(top) + 1 :])
        parts = rest.split("/")
        for written in self.exclude:
            pattern = written.rstrip("/")
            if pattern.startswith("/"):
                whole = os.fsdecode(top)
                if pattern.startswith(whole + "/"):
                    pattern = pattern[len(whole) :]
                wanted = pattern[1:].split("/")
                if _fits(parts[: len(wanted)], wanted):
                    return True
            else:
                wanted = pattern.split("/")
                if any(_fits(parts[at : at + len(wanted)], wanted) for at in range(len(parts))):
                    return True
        return False


def _is_there(path: bytes, follow: bool) -> bool:
    """A link that is to be followed leads somewhere."""
    return os.path.exists(path) if follow else os.path.lexists(path)


def _reached(outer: bytes, inner: bytes, follow: bool, one: bool) -> bool:
    path, first = outer, not follow
    device = (os.stat if follow else os.lstat)(outer).st_dev if one and os.path.lexists(outer) else None
    for part in inner[len(outer) + 1 :].split(b"/"):
        if device is not None and os.path.lexists(path) and os.lstat(path).st_dev != device and path != outer:
            return False
        if os.path.islink(path) and (first or path != outer):
            return False
        path = os.path.join(path, part)
    return True


def _fits(parts: list[str], wanted: list[str]) -> bool:
    """A backslash takes a letter for itself, as tar has it; in fnmatch only a bracket does."""
    plain = [re.sub(r"\\(.)", lambda m: f"[{m[1]}]" if m[1] in "*?[" else m[1], w, flags=re.DOTALL) for w in wanted]
    return len(parts) == len(plain) and all(fnmatch.fnmatchcase(p, w) for p, w in zip(parts, plain, strict=True))


def came_back(folder: bytes) -> State:
    """What lies below *folder*, by its names from there on, each with a slash before it."""
    out: State = {}
    inodes = {}
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        for name in os.listdir(path):
            inner = os.path.join(path, name)
            entry = facts_of(inner)
            if entry is not None:
                out[inner[len(folder) :]] = entry
                found = os.lstat(inner)
                inodes[inner[len(folder) :]] = (found.st_dev, found.st_ino)
                if entry[0] == "folder":
                    waiting.append(inner)
    return grouped(out, inodes)


def differences(wanted: State, got: State, *, loose: Collection[bytes] = ()) -> list[str]:
    """In words. Folders above what is wanted need only be folders; those of *loose* may have another time."""
    above = {p for name in wanted for p in _above(name)} - wanted.keys()
    out = []
    for name in sorted(wanted.keys() | got.keys()):
        one, other = wanted.get(name), got.get(name)
        if name in loose and one and other and one[0] == other[0] == "folder":
            one, other = (*one[:3], *one[4:]), (*other[:3], *other[4:])
        if one == other or (name in above and other is not None and other[0] == "folder"):
            continue
        out.append(f"{name!r}: {one} -> {other}")
    return out


def _above(name: bytes) -> list[bytes]:
    parts = name.split(b"/")
    return [b"/".join(parts[:n]) for n in range(2, len(parts))]
