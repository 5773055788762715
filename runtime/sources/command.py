"""``command`` sources: the standard output of a process, started without a shell in the plan's folder."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from ..model import Ending
from ..plan import Source
from . import base as sources
from .children import Child, Children, Tail, make_pipe, signal_name


@cache
def _guard() -> tuple[str, ...]:
    """What starts a program that the kernel kills when the thread that started it dies (``PR_SET_PDEATHSIG``).

    util-linux's setpriv does, where there is one: a run that is killed (kill -9) then leaves no command behind that
    goes on for ever without a reader. Without it such a command lives until it next writes.
    """
    guard = ("setpriv", "--pdeathsig", "KILL")
    try:
        tried = subprocess.run((*guard, "true"), capture_output=True, stdin=subprocess.DEVNULL, check=False)
    except OSError:
        return ()
    return guard if tried.returncode == 0 else ()


def _look_up(program: str, folder: Path) -> None:
    """Raise the OSError that starting *program* in *folder* would: behind a guard nobody else tells."""
    if "/" in program:
        path = folder / program
        if not path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if path.is_dir() or not os.access(path, os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    elif shutil.which(program) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


class CommandSource:
    """A running command. It ends well with exit status 0 only; otherwise its object is failed."""

    waits = True
    title = "its output"

    def __init__(self, source: Source, *, base: Path, children: Children, cancel: sources.Cancel) -> None:
        self._source = source
        self._cancel = cancel
        self._messages = Tail()
        self.size = source.size
        try:
            _look_up(source.command[0], base)
            read_end, write_end, _ = make_pipe()
            argv = (*_guard(), "--", *source.command) if _guard() else source.command
            self._child: Child = children.start(argv, cwd=str(base), sink=self._messages, pipe=(read_end, write_end))
        except (OSError, ValueError) as error:
            raise sources.fault(
                source,
                f"the command {source.command[0]!r} cannot be started: {getattr(error, 'strerror', None) or error}",
                todo="name a program that exists, with its path or on PATH",
            ) from None

    @property
    def fd(self) -> int:
        """Its standard output."""
        return self._child.fd

    def finish(self) -> Ending:
        """Wait for the exit status; see :class:`~.base.OpenSource`."""
        status = self._child.wait(self._cancel)
        if status == 0:
            return Ending("whole")
        how = f"ended with exit status {status}" if status > 0 else f"was killed by {signal_name(-status)}"
        said = f": {self._messages.text}" if self._messages.text else ""
        return Ending("failed", error=f"the command {self._source.command[0]!r} {how}{said}")

    def close(self) -> None:
        """Kill, reap, close."""
        self._child.close()
