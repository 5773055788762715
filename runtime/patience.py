"""Asking folders that may never answer: each call on a thread that can be left, with the folder that held it.

Who reads volumes waits for each answer. So the calls onto volumes are made by another thread; where the device has not
answered one for too long, that thread is left in it, its folder counts as gone from then on, and what it should have
given is taken from other copies, or named.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from .faults import DriveFault, Fault, MediaFault
from .hang import Forsaken, Presence, Watch, hanging_medium, unanswered

T = TypeVar("T")

#: Whoever waits looks so often whether it hangs, and whether it was called off.
_LOOK_SECONDS = 0.2
#: Without a look for so long this process was stopped, or as good as.
_AWAY_SECONDS = 1.0


class HangingFault(MediaFault):
    """A folder that volumes lie in does not answer any more."""


class CalledOff(Exception):
    """Nobody waits for the answer any more. ``fault``: what had not answered until then."""

    def __init__(self, fault: DriveFault | None = None) -> None:
        super().__init__("called off")
        self.fault = fault


class _Asked:
    """A thread that makes the calls, one at a time, until it is left or has nothing more to do."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.watch = Watch()
        #: the drive and the folder that the present call touches
        self.where = "", Path()
        self.calls: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self.answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        # One that hangs in the kernel must not hold the end of the process, too.
        self.thread = threading.Thread(target=self._run, name="asking volumes", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        _serving.asked, _serving.patience = self, self._patience
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


class _Serving(threading.local):
    """Whose calls a thread makes."""

    asked: _Asked | None = None
    patience: Patience | None = None


_serving = _Serving()


class Patience:
    """How long folders are waited for, and which of them hang. Several threads may ask; :meth:`close` it when done."""

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
        self.called_off = called_off
        self._hang_seconds = hang_seconds
        self._tell = tell
        self._telling = threading.Lock()
        self._own = threading.local()  # ``asked``: the thread that makes the calls of one that asks
        self._all: list[_Asked] = []
        #: what had not answered when a signal ended the waiting: nothing is waited for any more
        self.left: DriveFault | None = None
        self._interrupted: BaseException | None = None

    def beat(self) -> None:
        """From within a call: a part of it has been answered, and time counts from here."""
        if _serving.patience is self and _serving.asked is not None:
            _serving.asked.watch.beat()

    def check(self, folder: Path) -> None:
        """Raise HangingFault where *folder* hangs."""
        fault = self.hanging.get(folder)
        if fault is not None:
            raise HangingFault(fault.message, place=fault.place, safe=fault.safe, todo=fault.todo)

    def go_on(self) -> None:
        """From within a call: raise Forsaken where it was left; else nobody leaves it for as long as from the start.

        To be asked before anything is changed: what was told of a call that was left must stay true.
        """
        if _serving.patience is self and _serving.asked is not None:
            _serving.asked.watch.beat()
            if _serving.asked.watch.forsaken:
                raise Forsaken

    def unanswered(self) -> DriveFault | None:
        """Whom somebody waits for, if only for a moment by now: one who waits longest; None where nobody does."""
        lasting = [(asked.watch.lasts(), asked) for asked in self._all if not asked.watch.forsaken]
        seconds, asked = max(lasting, key=lambda one: one[0], default=(0.0, None))
        if asked is None or seconds < _LOOK_SECONDS:
            return None
        return unanswered(asked.where[0], seconds, asked.watch.at, asked.where[1])

    def check_wanted(self) -> None:
        """Raise :class:`CalledOff` where nothing is wanted any more."""
        if self._is_off():
            raise CalledOff

    def ask(self, folder: Path, drive: str, call: Callable[[], T]) -> T:
        """What *call*, which touches *folder* alone, returns or raises; HangingFault where it hangs, or did before.

        Whatever *call* has in hand when it is left may change under it for ever. Raises :class:`CalledOff`. *drive*: as
        it is told, empty where nobody knows.
        """
        if _serving.patience is self:
            return call()  # from within another call, which is waited for
        self.check(folder)
        asked = self._asked()
        asked.where = drive, folder
        asked.calls.put(call)
        presence = Presence(_AWAY_SECONDS)
        while True:
            try:
                result, error = asked.answers.get(timeout=_LOOK_SECONDS)
            except Empty:
                pass
            except BaseException as interruption:
                self._interrupted, self._own.asked = interruption, None
                lasted = asked.watch.give_up(0.0)
                if lasted is not None:
                    self.left = unanswered(drive, lasted, asked.watch.at, folder)
                raise
            else:
                if error is not None:
                    raise error
                return result  # type: ignore[no-any-return]
            off = self._is_off()
            if not off and presence.look() < self._hang_seconds:
                continue
            lasted = asked.watch.give_up(0.0 if off else self._hang_seconds)
            if lasted is None:
                continue  # it has answered meanwhile, or will
            self._own.asked = None
            if self._interrupted is not None:
                raise self._interrupted
            if off:
                raise CalledOff(unanswered(drive, lasted, asked.watch.at, folder))
            fault = hanging_medium(drive, lasted, asked.watch.at, folder=folder)
            with self._telling:
                known = self.hanging.setdefault(folder, fault) is not fault
                if self._tell is not None and not known:
                    self._tell(fault)
            self.check(folder)

    def ask_at_once(self, calls: Iterable[tuple[Path, str, Callable[[], object]]]) -> None:
        """Several calls as :meth:`ask` makes them, at the same time: folders that hang are waited for together.

        Of each folder's calls those behind one that hangs are not made. What the world does to them is nobody's.
        """
        by_folder: dict[Path, list[tuple[str, Callable[[], object]]]] = {}
        for folder, drive, call in calls:
            by_folder.setdefault(folder, []).append((drive, call))

        def ask(folder: Path, own: list[tuple[str, Callable[[], object]]]) -> None:
            for drive, call in own:
                try:
                    with suppress(OSError, Fault):  # who needs the answer asks again, and hears of it
                        self.ask(folder, drive, call)
                except CalledOff:
                    return

        if len(by_folder) < 2:
            for folder, own in by_folder.items():
                ask(folder, own)
            return
        threads = [threading.Thread(target=partial(ask, *one), daemon=True) for one in by_folder.items()]
        for thread in threads:
            try:
                thread.start()
            except RuntimeError:  # the system gives no more threads: who needs the answer asks for itself
                continue
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(_LOOK_SECONDS)
        except BaseException as interruption:
            self.left, self._interrupted = self.unanswered(), interruption
            raise

    def close(self) -> None:
        """End the threads. A call that is on, since its asker was interrupted, is not waited for."""
        every, self._all = self._all, []
        self._own = threading.local()
        for asked in every:
            asked.calls.put(None)
        for asked in every:
            if asked.watch.give_up(0.0) is None and not asked.watch.forsaken:
                asked.thread.join(_AWAY_SECONDS)

    def _is_off(self) -> bool:
        return self._interrupted is not None or (self.called_off is not None and self.called_off())

    def _asked(self) -> _Asked:
        asked: _Asked | None = getattr(self._own, "asked", None)
        if asked is None:
            asked = self._own.asked = _Asked(self)
            self._all.append(asked)
        return asked
