"""Asking folders that may never answer: each call on a thread that can be left, with the folder that held it.

Who restores or merges reads one record after another and waits for each. So the calls onto volumes are made by another
thread; where the device has not answered one for too long, that thread is left in it, its folder counts as gone from
then on, and what it should have given is taken from other copies.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from ..faults import DriveFault, MediaFault
from ..hang import Forsaken, Presence, Watch, hanging_medium

T = TypeVar("T")

#: Whoever waits looks so often whether it hangs, and whether it was called off.
_LOOK_SECONDS = 0.2
#: Without a look for so long this process was stopped, or as good as.
_AWAY_SECONDS = 1.0


class HangingFault(MediaFault):
    """A folder that volumes lie in does not answer any more."""


class CalledOff(Exception):
    """Nobody waits for the answer any more."""


class _Asked:
    """A thread that makes the calls, one at a time, until it is left or has nothing more to do."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.calls: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self.answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        # One that hangs in the kernel must not hold the end of the process, too.
        self.thread = threading.Thread(target=self._run, name="asking volumes", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while (call := self.calls.get()) is not None:
            answer: tuple[Any, BaseException | None]
            try:
                with self.watch:
                    answer = call(), None
            except Forsaken:
                return
            except BaseException as error:  # noqa: BLE001 - raised again by whoever asked
                answer = None, error
            self.answers.put(answer)
            del call, answer


class Patience:
    """How long folders are waited for, and which of them hang. For one thread that asks; :meth:`close` it when done."""

    def __init__(
        self,
        hang_seconds: float,
        *,
        tell: Callable[[DriveFault], None] | None = None,
        called_off: Callable[[], bool] | None = None,
    ) -> None:
        """*tell* hears of each folder that hangs, once; while *called_off* says so nothing is waited for."""
        #: folder → what is told of it
        self.hanging: dict[Path, DriveFault] = {}
        self._hang_seconds = hang_seconds
        self._tell = tell
        self._called_off = called_off
        self._asked: _Asked | None = None

    def beat(self) -> None:
        """From within a call: a part of it has been answered, and time counts from here."""
        if self._asked is not None and threading.current_thread() is self._asked.thread:
            self._asked.watch.beat()

    def check(self, folder: Path) -> None:
        """Raise HangingFault where *folder* hangs."""
        fault = self.hanging.get(folder)
        if fault is not None:
            raise HangingFault(fault.message, place=fault.place, safe=fault.safe, todo=fault.todo)

    def ask(self, folder: Path, drive: str, call: Callable[[], T]) -> T:
        """What *call*, which touches *folder* alone, returns or raises; HangingFault where it hangs, or did before.

        Whatever *call* has in hand when it is left may change under it for ever. Raises :class:`CalledOff`.
        """
        if self._asked is not None and threading.current_thread() is self._asked.thread:
            return call()  # from within another call, which is waited for
        self.check(folder)
        asked = self._asked = self._asked or _Asked()
        asked.calls.put(call)
        presence = Presence(_AWAY_SECONDS)
        while True:
            try:
                result, error = asked.answers.get(timeout=_LOOK_SECONDS)
            except Empty:
                pass
            else:
                if error is not None:
                    raise error
                return result  # type: ignore[no-any-return]
            off = self._called_off is not None and self._called_off()
            if not off and presence.look() < self._hang_seconds:
                continue
            lasted = asked.watch.give_up(0.0 if off else self._hang_seconds)
            if lasted is None:
                continue  # it has answered meanwhile, or will
            self._asked = None
            if off:
                raise CalledOff
            self.hanging[folder] = fault = hanging_medium(drive, lasted)
            if self._tell is not None:
                self._tell(fault)
            self.check(folder)

    def close(self) -> None:
        """End the thread. A call that is on, since its asker was interrupted, is not waited for."""
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.calls.put(None)
            if asked.watch.give_up(0.0) is None:
                asked.thread.join(_AWAY_SECONDS)
