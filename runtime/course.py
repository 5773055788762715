"""The course of a run: drives are mounted, gates open, events are heard, failures judged, and all threads joined.

This is what the control thread does between the first thread's start and the last one's end; ``engine`` says in which
order.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty

from . import events as ev
from .account import Account
from .control import Stop
from .faults import Fault
from .hang import Presence
from .model import Ending, RunReport
from .parts import Parts
from .plan import CompiledPlan
from .silent import Silence

#: The control never sleeps longer at a stretch. The kernel may hand a signal to any thread; its handler runs on this
#: one, and only once it is awake.
_SLEEP_SECONDS = 0.2
#: So long a source that is called off may take to end; then it hangs, and is left.
_CALLED_SECONDS = 10.0
#: Without a look for so long this process was stopped, or as good as.
_AWAY_SECONDS = 1.0


class Course:
    """One run. Everything here belongs to the control thread."""

    def __init__(self, plan: CompiledPlan, parts: Parts, account: Account, *, stop: Stop, hang_seconds: float) -> None:
        self._plan = plan
        self._parts = parts
        self._account = account
        self._stop = stop
        self._hang_seconds = hang_seconds
        self._events = parts.events
        self._mounted: set[str] = set()  # drives that are mounted or have failed
        self._done: set[str] = set()  # drives whose writers are at their end
        self._restored: set[str] = set()  # targets that are at their end
        self._spooled: set[str] = set()  # drives whose spools are at their end
        self._ending_early = False
        self._why_early = ""
        self._drives = {drive.name: drive for drive in plan.drives}
        self._presence = Presence(_AWAY_SECONDS)
        self._silence = Silence(plan.sources, hang_seconds)
        self._called: dict[str, float] = {}  # when feeders were called off

    def _stores(self, drive: str) -> bool:
        return self._drives[drive].kind != "discard"

    def run(self) -> RunReport:
        """All of it; see ``engine``."""
        self._stop.tell(self._events)
        self._account.begin()
        try:
            self._mount()
            self._begin()
            self._attend(self._all_done)
        except BaseException:
            self._end_early("the control of the run failed")
            raise
        finally:
            self._join()
        self._drain_events()
        return self._account.finish(self._stop.signal)

    def _all_done(self) -> bool:
        """A spool's end counts, too: only when it has left its rings is it known that nobody takes from them."""
        parts = self._parts
        spools = {drive for drive, spool in parts.spools.items() if spool.thread.ident is not None}
        return self._done >= parts.writers.keys() and self._restored >= parts.targets.keys() and self._spooled >= spools

    def _mount(self) -> None:
        for writer in self._parts.writers.values():
            writer.thread.start()
        self._attend(lambda: self._mounted >= self._parts.writers.keys())

    def _begin(self) -> None:
        """Open the gates: what no drive and no target would take is skipped, the rest is read."""
        self._account.reconsider()
        for drive, spool in self._parts.spools.items():
            if self._parts.writers[drive].fault is not None:
                spool.leave()
        for feeder in self._parts.feeders:
            if self._ending_early or self._stop.signal is not None:
                feeder.skip(self._not_read())
            elif feeder.abandoned:
                feeder.skip(Ending("failed", error="not read: none of its drives can be written"))
            else:
                self._prepare(feeder)
        for writer in self._parts.writers.values():
            writer.go()
        for target in self._parts.targets.values():
            target.thread.start()
        for spool in self._parts.spools.values():
            if not spool.ring.ended:
                spool.thread.start()
        for feeder in self._parts.feeders:
            if feeder.ending is None:
                feeder.thread.start()

    def _prepare(self, feeder: ev.Feeder) -> None:
        try:
            feeder.prepare()
        except Fault as fault:
            feeder.skip(Ending("failed", error=str(fault)))
            self._account.note(
                f"{feeder.name} cannot be read: {fault.message}" + (f"; {fault.todo}" if fault.todo else "")
            )
            if self._plan.on_failure == "abort":
                self._abort(f"{feeder.name} cannot be read")

    def _attend(self, done: Callable[[], bool]) -> None:
        """Hear events and feed the display until *done*."""
        interval = self._account.interval_seconds
        sampled = time.monotonic()
        while not done():
            left = sampled + interval - time.monotonic()
            if left <= 0:
                sampled = time.monotonic()
                self._forsake_what_hangs()
                self._account.sample()
                continue
            self._presence.look()
            try:
                self._hear(self._events.get(timeout=min(left, _SLEEP_SECONDS)))
            except Empty:
                self._forsake_what_hangs()

    def _call_off(self, feeder: ev.Feeder, reason: str) -> None:
        feeder.cancel(reason)
        self._called.setdefault(feeder.name, time.monotonic())

    def _forsake_called(self, there_seconds: float) -> None:
        """Leave the sources that do not end although they were called off: their file systems do not answer."""
        patience = min(_CALLED_SECONDS, self._hang_seconds)
        for source in self._parts.sources.values():
            since = self._called.get(source.name)
            if since is None or source.ending is not None:
                continue
            if min(there_seconds, time.monotonic() - since) > patience:
                source.forsake()
                if source.forsaken:
                    self._account.note(f"{source.name} hangs: what it is read from does not answer")

    def _forsake_what_hangs(self) -> None:
        there = self._presence.look()
        self._forsake_called(there)
        read = [(s.facts.source, s) for s in self._parts.sources.values() if s.name not in self._called]
        for words in self._silence.look(read, there):
            self._account.held(words)
        if there < self._hang_seconds:
            return  # nobody had so much time to answer since we were stopped ourselves
        for name, writer in self._parts.writers.items():
            stuck = writer.drive.stuck_seconds()
            if stuck > self._hang_seconds and name not in self._done:
                self._done.add(name)
                self._drive_failed(name, writer.forsake(stuck))
        for name, spool in self._parts.spools.items():
            if (lasted := spool.watch.give_up(self._hang_seconds)) is not None:
                spool.forsake(lasted)  # its drive tells of it
                self._spooled.add(name)
        for medium in self._parts.mediums:
            if (lasted := medium.watch.give_up(self._hang_seconds)) is not None:
                gone = medium.leave(lasted)
                if medium.ending is not None:
                    on = ""
                    self._medium_done(medium.work.drive, medium.ending)
                else:
                    on = f"; its records are taken from other copies, where these have them; {gone.todo}"
                self._account.note(f"drive {gone.place.drive} failed: {gone.message}{on}")

    def _drain_events(self) -> None:
        while True:
            try:
                self._hear(self._events.get_nowait())
            except Empty:
                return

    def _hear(self, event: ev.Event) -> None:
        match event:
            case ev.Mounted(drive, notes):
                self._mounted.add(drive)
                for note in (*notes, *self._account.catch_up(drive)):
                    self._account.note(f"drive {drive}: {note}")
            case ev.DriveFailed(drive, fault):
                self._drive_failed(drive, fault)
            case ev.VolumeIndexed(_, index):
                self._account.record(index)
            case ev.WriterDone(drive, results):
                self._done.add(drive)
                self._account.results.update({(drive, result.object_id): result for result in results})
            case ev.SourceDone(source, ending):
                self._source_done(source, ending)
            case ev.MediumDone(drive, ending):
                self._medium_done(drive, ending)
            case ev.Noted(text):
                self._account.note(text)
            case ev.TargetFailed(target, fault):
                todo = f"; {fault.todo}" if fault.todo else ""
                self._account.note(f"target {target} failed: {fault.message}{todo}")
                self._leave_alone("every copy of it failed")
                if self._plan.on_failure == "abort":
                    self._abort(f"target {target} failed")
            case ev.SpoolDone(drive):
                self._spooled.add(drive)
                self._leave_alone("every copy of it failed")
            case ev.TargetDone(target):
                self._restored.add(target)
                self._tell_lacks(target)
            case ev.StopRequested():
                self._account.note("stopping: reading ends, what is buffered is written (once more ends at once)")
                self._end_early("the run was stopped")

    def _tell_lacks(self, target: str) -> None:
        """What a target lacks of its objects, where that was not its own failure."""
        writer = self._parts.targets[target]
        for object_id, result in writer.results.items() if writer.fault is None else ():
            if result.error is not None:
                self._account.note(f"target {target}: object {object_id}: {result.error}")

    def _drive_failed(self, name: str, fault: Fault) -> None:
        self._mounted.add(name)
        rings = {buffer.ring for buffer in self._parts.writers[name].agent.buffers}
        others = any(
            other.fault is None
            and self._stores(other.agent.drive)
            and not rings.isdisjoint(buffer.ring for buffer in other.agent.buffers)
            for other in self._parts.writers.values()
        )
        self._account.note(f"drive {name} failed: {fault.message}" + ("; the other copies go on" if others else ""))
        self._leave_alone("every copy of it failed")
        agent = self._parts.writers[name].agent
        if "abort" in (agent.on_failure, self._plan.on_failure):
            self._abort(f"drive {name} failed")

    def _leave_alone(self, reason: str) -> None:
        """What nobody takes any more is not read any further."""
        for feeder in self._parts.feeders:
            if feeder.abandoned and feeder.thread.ident is not None and feeder.ending is None:
                self._call_off(feeder, reason)

    def _medium_done(self, drive: str, ending: Ending) -> None:
        agents = [agent for agent in self._plan.agents if agent.role == "read" and agent.drive == drive]
        if ending.status != "whole" and "abort" in {self._plan.on_failure, *(agent.on_failure for agent in agents)}:
            self._abort(f"drive {drive} could not be read whole")

    def _source_done(self, source: str, ending: Ending) -> None:
        if ending.status == "failed":
            self._account.note(f"source {source} failed: {ending.error}")
            if self._plan.on_failure == "abort":
                self._abort(f"source {source} failed")

    def _abort(self, why: str) -> None:
        if not self._ending_early:
            self._account.note(f'the run ends because {why} (on_failure = "abort")')
            self._end_early(f'the run ended because {why} (on_failure = "abort")')

    def _end_early(self, reason: str) -> None:
        """Sources stop; rings drain; writers close as they always do."""
        self._ending_early = True
        self._why_early = self._why_early or reason
        for feeder in self._parts.feeders:
            if feeder.ending is None:
                self._call_off(feeder, reason)
        for spool in self._parts.spools.values():
            spool.cut(reason)
        for target in self._parts.targets.values():
            target.interrupt()

    def _not_read(self) -> Ending:
        return Ending("cut-off", error=f"not read: {self._why_early or 'the run was stopped'}")

    def _join(self) -> None:
        """Wait for every thread. Gates that were never opened are opened onto rings that have ended."""
        parts = self._parts
        for feeder in parts.feeders:
            if feeder.thread.ident is None and feeder.ending is None:
                feeder.skip(self._not_read())
        for writer in parts.writers.values():
            writer.go()
        for spool in parts.spools.values():
            if spool.thread.ident is None and not spool.ring.ended:
                spool.leave()
        for takers in (parts.feeders, parts.spools.values(), parts.writers.values(), parts.targets.values()):
            for one in takers:
                while one.thread.ident is not None and one.thread.is_alive() and not self._hangs(one):
                    one.thread.join(_SLEEP_SECONDS)
                    self._forsake_what_hangs()

    def _hangs(self, one: object) -> bool:
        mediums = [medium for medium in self._parts.mediums if medium.watch.forsaken]
        sources = [source for source in self._parts.sources.values() if source.forsaken]
        spools = [spool for spool in self._parts.spools.values() if spool.watch.forsaken]
        return any(one is other for other in (*self._parts.forsaken, *mediums, *sources, *spools))
