"""A catalog that is written on a thread of its own, so that a run never waits for it while it stores.

Another command may hold the catalog, or its server be slow: a run that records a confirmed volume only leaves word of
it. What went wrong is told with the next call, and nothing more is written then: the run goes on without its catalog,
and the next one brings it up to date. The calls that need an answer wait for it in short stretches, so that signals
are heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, TypeVar

from ..hang import HANG_SECONDS
from .facts import ContradictionFault
from .store import Catalog

if TYPE_CHECKING:
    from ..drives.base import IndexedVolume
    from ..kinds import SourceKind
    from ..model import LastFull, RunReport, Session

T = TypeVar("T")

#: The kernel may hand a signal to any thread; its handler runs on the main one, and only once that is awake.
_SLEEP_SECONDS = 0.2


class Scribe(Catalog):
    """*catalog*, written in the order of the calls by a thread that starts with the first of them.

    For one thread's use. Closing it waits for what was begun, and leaves *catalog* open.
    """

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(catalog._links)
        self._catalog = catalog
        self._work: SimpleQueue[tuple[Callable[[], object], Event | None] | None] = SimpleQueue()
        self._failure: Exception | None = None
        self._refused: list[ContradictionFault] = []
        self._thread = Thread(target=self._write, name="catalog", daemon=True)

    def begin_session(self, plan: str, fingerprint: str, started: str, at_least: int = 0) -> Session:
        """As :meth:`Catalog.begin_session`."""
        return self._answer(lambda: self._catalog.begin_session(plan, fingerprint, started, at_least))

    def record_volume(self, indexed: IndexedVolume) -> None:
        """Leave word of a confirmed index. Raises what went wrong with the work before it."""
        self._tell_failure()
        self._put(lambda: self._catalog.record_volume(indexed))

    def catch_up(self, drive: str, folder: Path, hang_seconds: float = HANG_SECONDS) -> tuple[str, ...]:
        """As :meth:`Catalog.catch_up`."""
        return self._answer(lambda: self._catalog.catch_up(drive, folder, hang_seconds))

    def last_fulls(self, plan: str, sources: Sequence[str], *, but: str) -> dict[str, LastFull]:
        """As :meth:`Catalog.last_fulls`."""
        return self._answer(lambda: self._catalog.last_fulls(plan, sources, but=but))

    def finish_session(
        self, report: RunReport, session: Session, kinds: Mapping[str, SourceKind] | None = None
    ) -> None:
        """As :meth:`Catalog.finish_session`, behind all that was left to be written.

        Raises ContradictionFault, when the session's end is written, where a volume was not believed.
        """
        self._answer(lambda: self._catalog.finish_session(report, session, kinds))
        if self._refused:
            raise self._refused[0]

    def close(self) -> None:
        """Wait until what was left is written, or has failed."""
        if self._thread.ident is not None:
            self._work.put(None)
            while self._thread.is_alive():
                self._thread.join(_SLEEP_SECONDS)

    def _put(self, job: Callable[[], object], done: Event | None = None) -> None:
        self._work.put((job, done))
        if self._thread.ident is None:
            self._thread.start()

    def _answer(self, job: Callable[[], T]) -> T:
        self._tell_failure()
        done = Event()
        answers: list[T] = []
        self._put(lambda: answers.append(job()), done)
        while not done.wait(_SLEEP_SECONDS):
            pass
        self._tell_failure()
        return answers[0]

    def _tell_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _write(self) -> None:
        while (work := self._work.get()) is not None:
            job, done = work
            try:
                if self._failure is None:
                    job()
            except ContradictionFault as fault:  # that volume's fault alone
                self._refused.append(fault)
            except Exception as error:  # noqa: BLE001 - handed to the run with its next call
                self._failure = error
            finally:
                if done is not None:
                    done.set()
