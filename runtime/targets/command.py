"""The sink of a ``command`` target: one process an object, which gets the object's bytes as its standard input."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..faults import Place, RestoreFault
from ..model import ObjectFacts
from ..restore.sinks import Outcome
from ..sources.base import Cancel
from ..sources.children import Child, Children, Tail, make_pipe, signal_name


class CommandSink:
    """A running command; restored well with exit status 0 only. See ``restore.sinks.Sink``.

    It runs in the plan's folder, without a shell, with the names of what it gets in its environment: ``TCC_SOURCE``,
    ``TCC_OBJECT``, ``TCC_LEVEL``. Of a cut-off object it gets what there is, and is then killed, so that it cannot take
    the end of its input for the end of the data.
    """

    def __init__(self, argv: Sequence[str], *, base: Path, children: Children, facts: ObjectFacts) -> None:
        self._program = argv[0]
        self._messages = Tail()
        self._cancel = Cancel()
        self._gone = False
        self._written = 0
        self._child: Child | None = None
        read_end, self._pipe, _ = make_pipe()
        environment = {
            **os.environ,
            "TCC_SOURCE": facts.source,
            "TCC_OBJECT": facts.id,
            "TCC_LEVEL": facts.level,
        }
        try:
            null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            self._child = children.start(
                argv, cwd=str(base), sink=self._messages, pipe=null, env=environment, stdin=read_end
            )
        except (OSError, ValueError) as error:
            self._close()
            raise RestoreFault(
                f"the command {argv[0]!r} cannot be started: {getattr(error, 'strerror', None) or error}",
                place=Place(source=facts.source),
                todo="name a program that exists, with its path or on PATH",
            ) from None
        finally:
            os.close(read_end)

    def write(self, payload: memoryview) -> bool:
        """Pass the payload on; False once the command has closed its standard input."""
        try:
            while payload and not self._gone:
                done = os.write(self._pipe, payload)
                self._written += done
                payload = payload[done:]
        except BrokenPipeError:
            self._gone = True
        return not self._gone

    def finish(self) -> Outcome:
        """End its input, wait for it, and judge by its exit status."""
        assert self._child is not None
        os.close(self._pipe)
        self._pipe = -1
        status = self._child.wait(self._cancel)
        self._close()
        if status == 0:
            return Outcome(True)
        how = f"ended with exit status {status}" if status > 0 else f"was killed by {signal_name(-status)}"
        said = f": {self._messages.text}" if self._messages.text else ""
        return Outcome(False, (f"the command {self._program!r} {how}{said}",))

    def cut(self, why: str) -> Outcome:
        """Kill it: what it got is not the whole."""
        self._close()
        return Outcome(False, (why, f"the command {self._program!r} was killed after {self._written} bytes"))

    def interrupt(self) -> None:
        """From any thread: kill it, also where it takes nothing any more; the target's thread goes on at once."""
        child = self._child
        if child is not None:
            child.kill()

    def abandon(self) -> None:
        """Kill it."""
        self._close()

    def _close(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        self._cancel.close()
