"""How a run is asked to end: by a signal, orderly at first, at once when asked again."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue

from .events import Event, StopRequested


class Stop:
    """A request to end, made by a signal handler: nothing here takes a lock that the interrupted thread may hold."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._count = 0
        self._events: SimpleQueue[Event] | None = None
        self._at_once: tuple[Callable[[], None], ...] = ()

    def request(self, signal: int) -> bool:
        """Ask for an orderly end; False when that had been asked before, and the caller should end at once."""
        self._count += 1
        if self._count > 1:
            return False
        self.signal = signal
        if self._events is not None:
            self._events.put(StopRequested())  # re-entrant, as queue.SimpleQueue promises
        return True

    def tell(self, events: SimpleQueue[Event]) -> None:
        """From now on *events* hears of a request; of an earlier one at once."""
        self._events = events
        if self.signal is not None:
            events.put(StopRequested())

    def on_end_at_once(self, action: Callable[[], None]) -> None:
        """*action* is called before the process ends at once: it kills child processes."""
        self._at_once = (*self._at_once, action)

    def end_at_once(self) -> None:
        """Call what :meth:`on_end_at_once` was given. The caller ends the process then."""
        for action in self._at_once:
            action()
