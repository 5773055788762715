"""``command`` sources: the standard output of a process, started without a shell in the plan's folder."""

from __future__ import annotations

from pathlib import Path

from ..model import Ending
from ..plan import Source
from . import base as sources
from .children import Child, Children, Tail, make_pipe, signal_name


class CommandSource:
    """A running command. It ends well with exit status 0 only; otherwise its object is failed."""

    waits = True

    def __init__(self, source: Source, *, base: Path, children: Children, cancel: sources.Cancel) -> None:
        self._source = source
        self._cancel = cancel
        self._messages = Tail()
        self.size = source.size
        read_end, write_end, _ = make_pipe()
        try:
            self._child: Child = children.start(
                source.command, cwd=str(base), sink=self._messages, pipe=(read_end, write_end)
            )
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
