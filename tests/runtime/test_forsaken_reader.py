"""A source's reader that hangs in the kernel: left by the control, it touches nothing when it comes back."""

import threading
from queue import SimpleQueue
from typing import Any

import pytest
from tapechain.runtime.events import SourceDone
from tapechain.runtime.model import Ending, ObjectFacts, Session
from tapechain.runtime.reader import SourceReader
from tapechain.runtime.ring import Doorbell, Ring

pytestmark = pytest.mark.timeout(60)
SECONDS = 30.0
SESSION = Session("0190b5a0-0000-7000-8000-000000000000", 1, "p", "f", "2026-01-01T00:00:00.000Z")
FACTS = ObjectFacts("0190b5a0-0000-7000-8000-000000000001", "s", "stream", SESSION)


class Hanging:
    """Two full records, then a read that lasts until it is let go; ``gives``: it brings something then."""

    size = None

    def __init__(self, gives: bool) -> None:
        self.gives = gives
        self.hangs, self.goes_on, self.closed = threading.Event(), threading.Event(), False
        self._reads = 0

    def read(self, view: memoryview) -> int:
        self._reads += 1
        if self._reads == 3:
            self.hangs.set()
            assert self.goes_on.wait(SECONDS)
            if not self.gives:
                raise OSError(5, "Input/output error")
        view[:] = bytes([self._reads]) * len(view)
        return len(view)

    def finish(self) -> Ending:
        return Ending("whole")

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("gives", [False, True])
def test_a_reader_that_was_left_touches_nothing_when_it_comes_back(gives: bool) -> None:
    ring, events, source = Ring(4, 2048), SimpleQueue[Any](), Hanging(gives)
    taker = ring.attach(Doorbell(), essential=True)
    reader = SourceReader(FACTS, ring, lambda cancel: source, events)
    reader.thread.start()
    assert source.hangs.wait(SECONDS)
    reader.forsake()
    assert not reader.forsaken, "nobody called it off"
    reader.cancel("the run was stopped")
    reader.forsake()
    assert reader.forsaken and reader.ending is not None and reader.ending.status == "cut-off"
    assert "the run was stopped" in (reader.ending.error or "") and "hangs" in (reader.ending.error or "")
    event = events.get(timeout=SECONDS)
    assert isinstance(event, SourceDone) and event.ending == reader.ending
    published = ring.published
    assert published == 1 and ring.ended, "the record that was held back is not there"
    source.goes_on.set()
    reader.thread.join(SECONDS)
    assert not reader.thread.is_alive() and source.closed
    assert (ring.published, len(ring.endings), events.empty()) == (published, 1, True)
    reader.forsake()
    assert len(ring.endings) == 1
    taker.leave()
    ring.close()
    reader.close()


def test_a_reader_that_ends_by_itself_is_not_left() -> None:
    ring, events, source = Ring(4, 2048), SimpleQueue[Any](), Hanging(True)
    ring.attach(Doorbell(), essential=True)
    reader = SourceReader(FACTS, ring, lambda cancel: source, events)
    reader.thread.start()
    assert source.hangs.wait(SECONDS)
    reader.cancel("the run was stopped")
    source.goes_on.set()
    reader.thread.join(SECONDS)
    reader.forsake()
    assert not reader.forsaken and reader.ending is not None and reader.ending.status == "cut-off"
    assert ring.ended and len(ring.endings) == 1 and ring.published == 3
    ring.close()
    reader.close()
