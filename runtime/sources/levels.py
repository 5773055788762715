"""Incremental sources: which level a run takes, and the snapshot that the next one builds on.

``STATE/levels/PLAN/SOURCE.snapshot`` is one file: a line of JSON (which object it belongs to, of which settings, its
digest), then GNU tar's snapshot. It is replaced as a whole, fsynced, and only when every copy of its object that was to
be stored is stored; so whatever happens to a run, the next incremental holds everything since the last good one.
tar works on a copy of its own, ``SOURCE.SESSION.work``, locked while the run uses it.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

from xxhash import xxh3_128_hexdigest

from ..frozen import frozen
from ..kinds import encode_name
from ..media import ids
from ..model import ObjectReport, Session
from ..plain_files import open_plain
from ..plan import Source
from . import clocks, mounts, snapshots
from .patterns import is_below
from .roots import OwnPath, absolute, choose
from .tar_messages import readable

_FOLDER: Final = "levels"
#: The line of JSON before a snapshot.
_HEAD_BYTES_MAX: Final = 64 * 1024

#: A clock that was set back by less is made up for, by setting the snapshot's time back by as much: a leap second, a
#: clock that is corrected at intervals. One that was set back by more makes a full.
_SLIP_NS: Final = 1_500_000_000

#: Why an object cannot be built upon; None: it is whole and stored wherever the plan wants it, as all objects below it.
Standing = Callable[[str], "str | None"]


class Listing:
    """What tar is told: its work file, what to put there first, and whether device numbers are compared.

    ``begun``: the moment right before tar began, once it has; ``unseen``: why all is stored anew, where it is.
    """

    __slots__ = ("before", "begun", "check_device", "path", "unseen")

    def __init__(self, path: Path, before: bytes | None, check_device: bool) -> None:
        self.path = path
        self.before = before
        self.check_device = check_device
        self.begun: clocks.Moment | None = None
        self.unseen: str | None = None

    def prepare(self) -> None:
        """Put the snapshot to begin with in place; takes time, on the thread that reads.

        Raises OSError, BadSnapshot.
        """
        data = b""
        if self.before is not None:
            data, unseen = snapshots.still_there(self.before)
            if unseen is not None:
                data = snapshots.of_nothing(data)
                self.unseen = (
                    f"all of it is stored anew: /{readable(unseen)} changed at a time before the last run, which did"
                    " not see it (the clock was set back for a while, or an older state was put in its place)"
                )
        with self.path.open("wb") as stream:
            stream.write(data)
        self.begun = clocks.now()

    def ended(self) -> None:
        """tar has ended, on the thread that reads: see :func:`~.snapshots.with_times`. What fails changes nothing."""
        try:
            data = self.path.read_bytes()
            better = snapshots.with_times(data)
            if better != data:
                self.path.write_bytes(better)
        except (OSError, ValueError, snapshots.BadSnapshot):
            pass  # who keeps it says what is wrong with it


@frozen
class Level:
    """What is decided for one source of one run. ``note``: why it is a full, where that was not to be expected, or what
    is not mounted that was; ``mounts``: the folders where something is to be mounted, for the next run to look at.
    """

    source: Source
    level: Literal["full", "incremental"]
    parent: str | None
    note: str | None
    listing: Listing | None
    settings: str
    lock: int = -1
    mounts: tuple[str, ...] = ()

    def made_full(self, why: str) -> Level:
        """The same for a full after all, before tar has begun."""
        if self.listing is not None:
            self.listing.before, self.listing.check_device = None, True
        return replace(self, level="full", parent=None, note=f"a full: {why}")

    def drop(self) -> None:
        """Remove the work file; once more does nothing."""
        try:
            if self.listing is not None and self.listing.path.exists():
                self.listing.path.unlink(missing_ok=True)
                os.close(self.lock)
        except OSError:
            pass  # the next run sweeps it away


class Levels:
    """The snapshots of one plan in one state folder."""

    def __init__(self, state: Path, plan: str, *, base: Path, own: Sequence[OwnPath], full: bool) -> None:
        self._folder = state / _FOLDER / encode_name(plan)
        self._plan = plan
        self._base = str(base)
        self._own = own
        self._full = full

    # ---------------------------------------------------------------- before the source is read

    def parent(self, source: Source, drives: Sequence[str]) -> tuple[str] | str:
        """The object that the next run builds on, as far as it stands in the catalog; or why that is a full."""
        found = self._usable(source, self._settings(source, drives), lambda _: None)
        return found if isinstance(found, str) else (found[0]["object"],)

    def decide(self, source: Source, drives: Sequence[str], session: Session, stands: Standing) -> Level:
        """The level of *source*, which asks for incrementals. Never fails: in doubt it is a full, with a note.

        *drives*: those that are to store it.
        """
        settings = self._settings(source, drives)
        work = self._folder / f"{encode_name(source.name)}.{session.id}.work"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep(source)
            lock = os.open(work, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            note = f"a full, and the next one, too: no snapshot can be kept in {self._folder} ({error.strerror})"
            return Level(source, "full", None, note, None, settings)
        found = self._usable(source, settings, stands)
        paths = [absolute(path, self._base) for path in source.files]
        held = mounts.points(mounts.held_by(paths, one_file_system=source.one_file_system))
        if isinstance(found, str):
            return Level(source, "full", None, found or None, Listing(work, None, True), settings, lock, held)
        head, data = found
        slip = clocks.set_back_ns(clocks.noted(head), clocks.now())
        if slip:
            data = snapshots.set_back(data, seconds=-(-slip // 10**9))
        check_device = head["devices"] == _devices(source, self._base) or not source.one_file_system
        listing = Listing(work, data, check_device)
        gone = mounts.missing(_mounted(head))
        note = f"nothing is mounted on {', '.join(gone)}, where something was: what lay there counts as deleted"
        held = tuple(sorted({*held, *gone}))  # so that the next run says it again
        return Level(source, "incremental", head["object"], note if gone else None, listing, settings, lock, held)

    def _usable(self, source: Source, settings: str, stands: Standing) -> tuple[dict[str, Any], bytes] | str:
        """The snapshot to build on; or why it is a full, empty where nothing is to be said."""
        if self._full:
            return "a full, as asked for"
        try:
            head, data = _read(self._place(source))
            taken = snapshots.time_of(data)
        except FileNotFoundError:
            return "a full: there is no snapshot of an earlier one"
        except (OSError, ValueError, snapshots.BadSnapshot) as error:
            return f"a full: the snapshot {self._place(source)} cannot be used ({error})"
        if head.get("plan") != self._plan or head.get("source") != source.name:
            return f"a full: the snapshot {self._place(source)} belongs to another source"
        if head.get("settings") != settings:
            return "a full: its paths, its exclude, one_file_system, or the drives that store it changed"
        here = clocks.now()
        if taken > here.wall_ns:
            return "a full: the clock stands before the time of the last one"
        if clocks.set_back_ns(clocks.noted(head), here) >= _SLIP_NS:
            return "a full: the clock was set back since the last one"
        if next(snapshots.folders(data), None) is None and self._has_folders(source):
            # Until version 0.1 was out: a source with `exclude`.
            return "a full: the snapshot of the last one knows no folder, so that it holds no deletions"
        if (inner := self._apart_below(source)) is not None:
            return (
                f"a full: {inner} lies below another path of the source, on a file system of its own: lists of folders,"
                " which say what was deleted, would not name it"
            )
        parent = head.get("object")
        if not isinstance(parent, str) or not ids.is_id(parent):
            return f"a full: the snapshot {self._place(source)} names no object"
        why = stands(parent)
        return (head, data) if why is None else f"a full: {why}"

    def _place(self, source: Source) -> Path:
        return self._folder / f"{encode_name(source.name)}.snapshot"

    def _apart_below(self, source: Source) -> str | None:
        """A path that tar reads by itself although it lies below another one: another file system begins in between.

        tar's list of the folder that this one is mounted on is empty, so that a restore takes all in it for deleted.
        """
        paths = ["/" if name == "." else "/" + name.removesuffix("/.") for name in self._names(source)]
        return next((path for path in paths for outer in paths if path != outer and is_below(path, outer)), None)

    def _names(self, source: Source) -> tuple[str, ...]:
        if not source.one_file_system or len(source.files) < 2:
            return ()
        return choose(source.files, self._base, one_file_system=True).names

    def _has_folders(self, source: Source) -> bool:
        # (Path.is_dir raises where a name is too long, or a folder may not be searched)
        return any(os.path.isdir(absolute(path, self._base)) for path in source.files)  # noqa: PTH112

    def _settings(self, source: Source, drives: Sequence[str]) -> str:
        """A digest of what decides which files a run sees, and of where they go."""
        seen: dict[str, Any] = {
            "files": [absolute(path, self._base) + "/" * path.endswith(("/", "/.")) for path in source.files],
            "exclude": source.exclude,
            "one_file_system": source.one_file_system,
            "drives": sorted(drives),
            "own": [(own.folder, own.names) for own in self._own],
        }
        # What a path itself is stands in no folder's list: a folder where a file or link was begins a new chain.
        plain = [path for path in seen["files"] if _is_plain(path)]
        seen |= {"plain": plain} if plain else {}
        if any(os.path.realpath(absolute(path, self._base)) != absolute(path, self._base) for path in source.files):
            # Where a link leads to decides by which names its folders are known.
            chosen = choose(source.files, self._base, one_file_system=source.one_file_system)
            seen |= {"moved": chosen.moved} if chosen.moved else {}
        return xxh3_128_hexdigest(json.dumps(seen, sort_keys=True).encode())

    def _sweep(self, source: Source) -> None:
        """Remove work files that a run which crashed left behind: nobody holds their locks."""
        for path in self._folder.glob(f"{_literal(encode_name(source.name))}.*.work"):
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            except BlockingIOError:
                pass
            finally:
                os.close(fd)

    # ---------------------------------------------------------------- after the run

    def settle(self, level: Level, session: Session, report: ObjectReport | None) -> str | None:
        """Keep the new snapshot if *report* allows it, else the old one; what is worth saying. Never fails."""
        if level.listing is None:
            return None
        try:
            if report is None or report.status != "whole":
                return None
            lack = _lack(report)
            if lack is not None:
                return f"{lack}: the snapshot stays as it was, the next run stores again what changed since"
            data = snapshots.checked(level.listing.path.read_bytes())
            self._write(level, session, report.object, data)
        except (OSError, snapshots.BadSnapshot) as error:
            return (
                f"its new snapshot cannot be kept ({error}); the next run stores again what changed since the last one"
            )
        finally:
            level.drop()
        return None

    def _write(self, level: Level, session: Session, object_id: str, data: bytes) -> None:
        head = {
            "tapechain_snapshot": 1,
            "plan": self._plan,
            "source": level.source.name,
            "object": object_id,
            "session": session.id,
            "settings": level.settings,
            "devices": _devices(level.source, self._base),
            "mounts": level.mounts,
            **_moment(level.listing).words(),
            "size": len(data),
            "xxh3": xxh3_128_hexdigest(data),
        }
        place = self._place(level.source)
        new = place.with_suffix(f".{session.id}.new")
        try:
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(fd, "wb") as stream:
                stream.write(json.dumps(head).encode() + b"\n" + data)
                stream.flush()
                os.fsync(stream.fileno())
            new.rename(place)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _is_plain(path: str) -> bool:
    try:
        return not stat.S_ISDIR((os.stat if path.endswith("/") else os.lstat)(path).st_mode)
    except OSError:
        return False


def _moment(listing: Listing | None) -> clocks.Moment:
    """The moment of a run that the next one compares its clocks with: of its beginning and its end the one at which the
    clock stood higher, so that it does not matter when in between it was set back, or whether tar began before that.
    """
    ended = clocks.now()
    begun = None if listing is None else listing.begun
    return ended if begun is None or begun.ahead_ns <= ended.ahead_ns else begun


def _lack(report: ObjectReport) -> str | None:
    """Why an object that is whole is no ground to build on."""
    kept = [copy for copy in report.copies if copy.status != "discarded"]
    if not kept:
        return "nothing of it is stored"
    if any(copy.status != "stored" for copy in kept):
        return "not all of its copies are stored"
    if not report.unread:
        return None
    return "one file could not be read" if report.unread == 1 else f"{report.unread} files could not be read"


def _read(path: Path) -> tuple[dict[str, Any], bytes]:
    """The head and tar's snapshot. Raises OSError, and ValueError when it is not what was written."""
    with open_plain(path) as stream:
        line = stream.readline(_HEAD_BYTES_MAX)
        head = json.loads(line)
        if not isinstance(head, dict) or head.get("tapechain_snapshot") != 1 or type(head.get("size")) is not int:
            raise ValueError("it is no snapshot of this version")
        data = stream.read()
    if len(data) != head["size"] or xxh3_128_hexdigest(data) != head.get("xxh3"):
        raise ValueError("it is damaged")
    return head, data


def _devices(source: Source, base: str) -> list[int | None]:
    """The device number of each of the source's paths; None where it is not there."""
    found: list[int | None] = []
    for path in source.files:
        try:
            found.append(Path(absolute(path, base)).stat().st_dev)
        except (OSError, ValueError):
            found.append(None)
    return found


def _mounted(head: dict[str, Any]) -> list[str]:
    """The folders where something was mounted, as a snapshot's head says; none of one that was made before it did."""
    known = head.get("mounts")
    return [point for point in known if isinstance(point, str)] if isinstance(known, list) else []


def _literal(name: str) -> str:
    """*name* (encoded: it holds no wildcard but what ``[`` would be) for a glob pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
