"""``files`` sources: trees of files as a pax archive, made by GNU tar (tar.md says what each option is for)."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..model import Ending
from ..plan import Source
from . import base as sources
from . import mounts, patterns, roots
from .children import Child, Children, make_stream
from .snapshots import BadSnapshot
from .tar_messages import TarMessages, readable

if TYPE_CHECKING:
    from .levels import Listing

#: More bytes of names than this go to tar through a file instead of its argument list.
_ARGUMENTS_MAX = 64 * 1024
#: Extended features that a tar may have been built without: option → the word in its complaint.
EXTENDED = {"--xattrs": "XATTR", "--acls": "ACL", "--selinux": "SELinux"}

#: Where the kernel shows SELinux if it has it. Asking each file for its label costs a tenth of tar's time.
_SELINUX = Path("/sys/fs/selinux")

_features_lock = threading.Lock()
_features: tuple[str, tuple[str, ...]] | None = None


class TarMissing(Exception):
    """There is no GNU tar that can do the work; the text says what there is."""


def features() -> tuple[str, tuple[str, ...]]:
    """The program that is GNU tar here, and which of ``--xattrs --acls --selinux`` it was built with; found out once.

    Raises :class:`TarMissing`.
    """
    global _features  # noqa: PLW0603 - a fact about the machine, found out once
    with _features_lock:
        if _features is None:
            _features = _find()
        return _features


def look_ahead() -> threading.Thread:
    """Begin to find out what :func:`features` says, on the thread that is returned; nobody waits for it later."""

    def look() -> None:
        try:
            features()
        except TarMissing:
            pass  # it is told where a source needs it

    thread = threading.Thread(target=look, name="looking for tar")
    thread.start()
    return thread


def _find() -> tuple[str, tuple[str, ...]]:
    said = []
    for program in ("tar", "gtar"):
        nothing = ["--create", "--format=posix", "--sort=name", "--file=/dev/null", "--files-from=/dev/null"]
        try:
            asked, trying = _ask([program, "--version"]), _ask([program, *nothing, *EXTENDED])
        except OSError as error:
            said.append(f"{program}: {error.strerror}")
            continue
        version = asked.communicate()[0].decode("utf-8", "replace").partition("\n")[0]
        complaint = trying.communicate()[1].decode("utf-8", "replace").strip()
        if "GNU tar" not in version:
            said.append(f"{program} is {version.strip() or 'something unknown'}")
            continue
        if trying.returncode:
            said.append(f"{version} is too old or too small: {complaint}")
            continue
        return program, tuple(option for option, word in EXTENDED.items() if word.lower() not in complaint.lower())
    raise TarMissing("; ".join(said))


def _ask(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    pipe, none = subprocess.PIPE, subprocess.DEVNULL
    return subprocess.Popen(argv, stdin=none, stdout=pipe, stderr=pipe, env=_environment())


def _environment() -> dict[str, str]:
    """The environment of tar: messages that we can read, no options from elsewhere."""
    environment = {k: v for k, v in os.environ.items() if k not in {"TAR_OPTIONS", "LANGUAGE", "LANG"}}
    return {**environment, "LC_ALL": "C"}


def command_line(
    source: Source,
    names: Sequence[str],
    own: Sequence[roots.OwnPath],
    *,
    tar: tuple[str, Iterable[str]],
    listing: Listing | None = None,
) -> tuple[list[str], bytes | None]:
    """tar's argument list, and what it reads on standard input (NUL-terminated names, when there are many).

    *tar* is the program and the extended features that it has, as :func:`features` says; *listing* makes an
    incremental of it, or a full that one can build on.
    """
    program, extended = tar
    if not _SELINUX.exists():
        # A label that a file bears all the same is one of its extended attributes.
        extended = [option for option in extended if option != "--selinux" or "--xattrs" not in extended]
    argv = [program, "--create", "--format=posix", "--sparse", *extended, "--numeric-owner", "--sort=name"]
    argv += ["--no-unquote", "--warning=no-file-ignored", "--pax-option=delete=atime,delete=ctime"]
    argv += ["-b", "256"]
    if source.one_file_system:
        argv.append("--one-file-system")
    if listing is not None:
        argv += [f"--listed-incremental={listing.path}", f"--{'' if listing.check_device else 'no-'}check-device"]
    argv += roots.own_excludes(own, names)
    argv += patterns.excludes(source.exclude, names)
    # Options count for what follows them: with wildcards GNU tar 1.34 takes the names below for patterns, and an
    # incremental then knows no folder: none is stored, no deletion is, and the next one holds everything again.
    argv.append("--no-wildcards")
    argv += ["-f", "-", "-C", "/"]
    if sum(len(os.fsencode(name)) + 1 for name in names) > _ARGUMENTS_MAX:
        return [*argv, "--null", "-T", "-"], b"".join(os.fsencode(name) + b"\0" for name in names)
    return [*argv, "--", *names], None


def _in_memory(data: bytes) -> int:
    """A descriptor that *data* can be read from, from its beginning."""
    fd = os.memfd_create("names")
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(data)
        os.lseek(fd, 0, os.SEEK_SET)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _not_given(name: bytes, missing: int, began_ns: int) -> bool:
    """Whether a file that is said to have shrunk by *missing* bytes did not, or cannot be read there."""
    try:
        fd = os.open(b"/" + name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        return error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
    try:
        facts = os.fstat(fd)
        if facts.st_ctime_ns < began_ns:
            return True
        if stat.S_ISREG(facts.st_mode) and facts.st_size >= missing:
            os.pread(fd, 1, facts.st_size - missing)
        return False
    except OSError:
        return True
    finally:
        os.close(fd)


class FilesSource:
    """A running tar."""

    waits = True
    title = "tar's archive"

    def __init__(
        self,
        source: Source,
        *,
        base: Path,
        children: Children,
        cancel: sources.Cancel,
        own: Sequence[roots.OwnPath],
        listing: Listing | None = None,
    ) -> None:
        self._cancel = cancel
        self.size = source.size
        chosen = roots.choose(source.files, str(base), one_file_system=source.one_file_system)
        if not chosen.names:
            path, why = chosen.missing[0]
            more = f" (and {len(chosen.missing) - 1} more)" if len(chosen.missing) > 1 else ""
            raise sources.fault(
                source, f"{path}{more}: {why}", todo="see that the source's paths exist and may be read"
            )
        lacking = (*chosen.missing, *roots.left_out(chosen, source.exclude, own))
        self._messages = TarMessages(
            [*chosen.warnings, *(f"{path}: {why}" for path, why in lacking)], unread=len(lacking)
        )
        self._source = source
        self._paths = [f"/{name}" for name in chosen.names]
        self._mounts = mounts.held_by(self._paths, one_file_system=source.one_file_system)
        self._listing = listing
        if listing is not None:
            try:
                listing.prepare()
            except (OSError, BadSnapshot) as error:
                raise sources.fault(source, f"the snapshot {listing.path} cannot be made: {error}") from None
            if listing.unseen is not None:
                self._messages.warnings.append(listing.unseen)
        # The clock of files runs a little behind (one tick of the kernel's).
        self._began_ns = time.time_ns() - 20_000_000
        read_end, write_end = make_stream()
        try:
            argv, names = command_line(source, chosen.names, own, tar=features(), listing=listing)
        except TarMissing as error:
            os.close(read_end)
            os.close(write_end)
            raise sources.fault(source, f"there is no GNU tar here ({error})", todo="install GNU tar") from None
        stdin = subprocess.DEVNULL
        try:
            if names is not None:
                stdin = _in_memory(names)
        except OSError as error:
            os.close(read_end)
            os.close(write_end)
            raise sources.fault(source, f"there is no room for the list of its paths: {error.strerror}") from None
        try:
            self._child: Child = children.start(
                argv, cwd="/", sink=self._messages, pipe=(read_end, write_end), env=_environment(), stdin=stdin
            )
        except (OSError, ValueError) as error:
            what = getattr(error, "strerror", None) or str(error)
            raise sources.fault(source, f"tar cannot be started: {what}") from None
        finally:
            if stdin >= 0:
                os.close(stdin)

    @property
    def fd(self) -> int:
        """tar's standard output."""
        return self._child.fd

    def finish(self) -> Ending:
        """Wait for tar's exit status and sort its messages; see :class:`~.base.OpenSource`."""
        status = self._child.wait(self._cancel)
        if self._listing is not None:
            self._listing.ended()
        self._look_at_shrunk()
        lost = mounts.lost(self._mounts, self._paths)
        for point in lost.below:
            self._messages.lacks(f"{point}: its file system was unmounted while it was read: files of it lack")
        ending = self._messages.ending(status)
        if not lost.own or ending.status != "whole":
            return ending
        error = f"{', '.join(lost.own)}: its file system was unmounted while it was read"
        return Ending("failed", warnings=ending.warnings, unread=ending.unread, error=error)

    def _look_at_shrunk(self) -> None:
        """Tell files that shrank while they were read from those whose disk did not give all of them.

        tar takes each short read for the end of a file that shrank. Who changes a file changes its ctime.
        """
        messages = self._messages
        unread = [name for name, missing in messages.shrunk if _not_given(name, missing, self._began_ns)]
        for name in unread:
            messages.lacks(f"{readable(name)}: not all of it could be read: what lacks is stored as zeros")
        if unread:
            messages.unread += messages.shrunk_beyond

    def close(self) -> None:
        """Kill, reap, close."""
        self._child.close()
