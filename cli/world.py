"""The real world, as the compiler sees it."""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..compiler.world import tape_identity

if TYPE_CHECKING:
    from ..compiler.recorded import Recorded

#: A plan file larger than this is not read: no plan is that long, and a device would never end.
PLAN_BYTES_MAX = 64 * 1024 * 1024

#: Linux' major number of SCSI tapes (Documentation/admin-guide/devices.txt).
_SCSI_TAPE_MAJOR = 9


#: Folders, as on a PATH, that plans of any project may include files from.
INCLUDE_VARIABLE = "TCC_INCLUDE"

#: What lies at the top of a project.
_PROJECT_MARKS = (".git", ".hg", ".svn")


#: A path that has not answered for so long is taken as it is written: its disk or server hangs, which a run then names.
_ANSWER_SECONDS = 5.0
#: So many paths are asked with patience; a plan that has more lies in folders that have answered by then.
_ASKED_MAX = 500

#: ``/mnt/nas`` may be mounted by itself; ``/mnt/nas/R1`` hangs with all that lies beside it.
_DEEP = 3

T = TypeVar("T")


def project_folders(path: str) -> tuple[str, ...]:
    """The folders (real paths) that the program *path* may include files from, its project's first.

    The project is the innermost folder around the plan that is under version control; without one the working folder,
    where the plan lies in it, else the plan's own folder.
    """
    working = os.path.realpath(".")
    own = working if path == "-" else str(Path(os.path.realpath(path)).parent)
    around = (own, *map(str, Path(own).parents))
    project = next((f for f in around if any(Path(f, mark).exists() for mark in _PROJECT_MARKS)), None)
    if project is None:
        project = working if working in around and working != "/" else own
    allowed = [os.path.realpath(f) for f in os.environ.get(INCLUDE_VARIABLE, "").split(os.pathsep) if f]
    return tuple(dict.fromkeys((project, *allowed)))


class RealWorld:
    """Files, symbolic links and device numbers of this machine; a catalog only where one was given.

    Folders are as they were when a path in them was first asked for.
    """

    def __init__(self, catalog: Recorded | None = None) -> None:
        self._catalog = catalog
        self._folders: dict[str, str] = {}
        self._project: tuple[str, ...] | None = None
        self._silent: set[str] = set()
        self._asked = 0

    def recorded(self) -> Recorded | None:
        """What the catalog knows."""
        return self._catalog

    def read(self, path: str) -> bytes:
        """The bytes of *path*, or of standard input for ``-``. Raises OSError, also when it is larger than 64 MiB.

        The first file is the program's; all others are included, and must be regular files of its project.
        """
        if self._project is None:
            self._project = project_folders(path)
        else:
            self._must_be_ours(path)
        if path == "-":
            content = sys.stdin.buffer.read(PLAN_BYTES_MAX + 1)
        else:
            with open(path, "rb") as file:
                content = file.read(PLAN_BYTES_MAX + 1)
        if len(content) > PLAN_BYTES_MAX:
            raise OSError(27, f"larger than {PLAN_BYTES_MAX} bytes, which no plan is", path)
        return content

    def resolve(self, path: str) -> str:
        """The real path; what does not exist is resolved as far as it goes, and what does not answer not at all."""
        return self._answer(path, self._resolve, _as_written)

    def _answer(self, path: str, ask: Callable[[str], T], otherwise: Callable[[str], T]) -> T:
        """What *ask* says of *path*, which its file system may never answer: *otherwise* then, and for its folder."""
        whole = _as_written(path)
        if any(whole == folder or whole.startswith(folder + "/") for folder in self._silent):
            return otherwise(path)
        self._asked += 1
        if self._asked > _ASKED_MAX:
            return ask(path)
        found: list[T] = []
        failed: list[Exception] = []

        def look() -> None:
            try:
                found.append(ask(path))
            except Exception as error:  # noqa: BLE001 - raised again by whoever asked
                failed.append(error)

        thread = threading.Thread(target=look, daemon=True)  # one that hangs must not hold the end of the process
        thread.start()
        thread.join(_ANSWER_SECONDS)
        if failed:
            raise failed[0]
        if found:
            return found[0]
        # What else lies in its folder is not asked; what is mounted beside it is.
        self._silent.add(whole if whole.count("/") < _DEEP else whole.rpartition("/")[0])
        return otherwise(path)

    def _resolve(self, path: str) -> str:
        head, name = os.path.split(path)
        if name in {"", ".", ".."}:
            return os.path.realpath(path)
        # A plan's paths lie in few folders: what these really are is looked up once.
        if head not in self._folders:
            self._folders[head] = os.path.realpath(head)
        whole = f"{self._folders[head].rstrip('/')}/{name}"
        return os.path.realpath(whole) if os.path.islink(whole) else whole  # noqa: PTH114 - called for every path

    def _must_be_ours(self, path: str) -> None:
        """Raises OSError for an include that leaves the project, or that one would wait for."""
        real = os.path.realpath(path)
        assert self._project is not None
        if not any(real.startswith(folder.rstrip("/") + "/") for folder in self._project):
            where = f"it lies outside of the project's folder {self._project[0]} ({INCLUDE_VARIABLE} can allow it)"
            raise PermissionError(errno.EACCES, where, path)
        if not stat.S_ISREG(Path(real).stat().st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", path)

    def identity(self, path: str) -> str:
        """Device numbers for device nodes (a tape's nodes are one), device and inode for what exists, else the path."""
        return self._answer(path, self._identity, lambda given: tape_identity(given) or _as_written(given))

    def _identity(self, path: str) -> str:
        real = os.path.realpath(path)
        try:
            status = Path(real).stat()
        except OSError:
            return tape_identity(real) or real
        if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
            if stat.S_ISCHR(status.st_mode) and major == _SCSI_TAPE_MAJOR:
                # The kernel's TAPE_NR (drivers/scsi/st.h): bits 5 and 6 are the mode, bit 7 says "does not rewind".
                return f"tape {((minor & ~255) >> 3) | (minor & 31)}"
            return f"{'character' if stat.S_ISCHR(status.st_mode) else 'block'} device {major}:{minor}"
        return f"inode {status.st_dev}:{status.st_ino}"


def _as_written(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - text: no file system is asked


class KnownWorld(RealWorld):
    """The real world, but that the file *path* has been read already: a pipe gives its content once."""

    def __init__(self, path: str, content: bytes) -> None:
        super().__init__()
        self._path, self._content = path, content
        self._project = project_folders(path)

    def read(self, path: str) -> bytes:
        """The content of the file that is known, or as the real world has it."""
        return self._content if path == self._path else super().read(path)
