"""Target writers: one thread a target that takes whole objects from its buffer's ring and restores them.

The objects come one whole object after another (``copying.passes``). A target that fails leaves its ring at once, so
that everything else goes on; what it restored before stays.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

from ..events import Event, TargetDone, TargetFailed, TargetState
from ..faults import Fault, Place, RestoreFault, unforeseen
from ..media.record import HEADER_BYTES
from ..model import Ending, ObjectFacts, TargetReport
from ..restore.sinks import Outcome, Sink
from ..ring import Ring
from ..taking import Taking

#: Makes the sink of one object. Raises RestoreFault.
OpenSink = Callable[[ObjectFacts], Sink]


class TargetWriter:
    """Restores what comes. Life: constructed → attached to its ring → started → its ring ends → ``TargetDone``.

    *release* gives back what *open_sink* uses; it is called once, when the thread has ended or was never started.
    *before_end* hears how an object ended before its sink is completed.
    """

    def __init__(
        self,
        name: str,
        open_sink: OpenSink,
        events: SimpleQueue[Event],
        release: Callable[[], None] = lambda: None,
        before_end: Callable[[Ending], None] = lambda _: None,
    ) -> None:
        self.thread = threading.Thread(target=self._run, name=f"target {name}")
        self.name = name
        self.state: TargetState = "waiting"
        self.fault: Fault | None = None
        self.bytes = 0
        self.results: dict[str, TargetReport] = {}
        self._open_sink = open_sink
        self._release = release
        self._before_end = before_end
        self._events = events
        self._taking = Taking(self)
        self._sink: Sink | None = None
        self._interrupted = False
        self._object = ""
        self._wanted = True
        # The walker of members may change bytes of what it is given; a ring's record is everybody's.
        self._private = os.geteuid() != 0

    def attach(self, ring: Ring) -> None:
        """Its buffer."""
        self._taking.attach(ring, essential=True)

    def interrupt(self) -> None:
        """From any thread, when the run is stopped: what takes nothing any more must not hold the end of the run."""
        self._interrupted = True
        interrupt = getattr(self._sink, "interrupt", None)
        if interrupt is not None:
            interrupt()

    def close(self) -> None:
        """Give everything back; the thread has ended, or was never started."""
        self._release()

    # ---------------------------------------------------------------- the thread

    def _run(self) -> None:
        self.state = "restoring"
        try:
            self._taking.take_all("object")
            self.state = "done"
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it: the run must hear of it and go on
            self._taking.leave()
            self._fail(error)
        if self._sink is not None:
            with contextlib.suppress(Exception):  # its first failure was told; the run waits for what comes now
                self._sink.abandon()
            self._sink = None
        self._events.put(TargetDone(self.name))

    def _fail(self, error: Exception) -> None:
        if isinstance(error, Fault):
            self.fault = error
        elif isinstance(error, OSError):
            self.fault = RestoreFault(error.strerror or str(error), place=Place(object_id=self._object or None))
        else:
            self.fault = RestoreFault(unforeseen(error))
        self.state = "failed"
        if self._object:
            self.results[self._object] = TargetReport(self.name, "failed", error=str(self.fault))
        self._events.put(TargetFailed(self.name, self.fault))

    # ---------------------------------------------------------------- what comes (``taking.Consumer``)

    def begin(self, facts: ObjectFacts) -> None:
        """Open the sink of the next object."""
        self._object = facts.id
        self._wanted = True
        self._sink = self._open_sink(facts)
        if self._interrupted:
            self.interrupt()  # it was not there to hear of it

    def write(self, record: memoryview, object_id: str, sequence: int, payload_bytes: int) -> None:
        """Hand the record's payload to the sink."""
        if self._wanted and self._sink is not None:
            payload = record[HEADER_BYTES : HEADER_BYTES + payload_bytes]
            if self._private:
                shared, payload = payload, memoryview(bytearray(payload))
                shared.release()
            else:
                payload = payload.toreadonly()
            try:
                self._wanted = self._sink.write(payload)
            finally:
                payload.release()
        self.bytes += payload_bytes

    def write_run(self, records: memoryview, object_id: str, sequence: int, payload_bytes: int, count: int) -> None:
        """One record after another: a sink takes payloads, between which there are headers."""
        each = len(records) // count
        for n in range(count):
            with records[n * each : (n + 1) * each] as record:
                self.write(record, object_id, sequence + n, payload_bytes)

    def end(self, object_id: str, ending: Ending) -> None:
        """Complete the object, or keep what is whole of it."""
        sink = self._sink  # it may be interrupted, and is abandoned where it fails, until it has ended
        assert sink is not None
        whole = ending.status == "whole"
        self._before_end(ending)
        outcome = sink.finish() if whole else sink.cut(ending.error or "it was cut off")
        self._sink = None
        self.results[object_id] = _report(self.name, outcome, whole=whole)
        self._object = ""


def _report(target: str, outcome: Outcome, *, whole: bool) -> TargetReport:
    if not outcome.problems:
        return TargetReport(target, "restored", notes=outcome.notes)
    status = ("degraded" if whole else "cut-off") if outcome.usable else "failed"
    return TargetReport(target, status, outcome.problems[0], outcome.problems[1:] + outcome.notes)  # type: ignore[arg-type]
