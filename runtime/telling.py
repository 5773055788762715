"""What a run tells of itself: a snapshot for the display, and what became of each object for the report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from . import events as ev
from .model import CopyReport, CopyResult, Ending, ObjectFacts, ObjectReport, TargetReport
from .parts import Parts
from .plan import CompiledPlan
from .report import copy_report, object_report

if TYPE_CHECKING:
    from .copying.progress import Progress
    from .copying.work import Work

#: (drive, object) → the drive's word
Results = Mapping[tuple[str, str], CopyResult]


def snapshot(parts: Parts, plan: CompiledPlan, started: float) -> ev.Snapshot:
    """The run at this moment; only plain counters are read."""
    feeds = {ring.id: ring.feed for ring in plan.rings}
    if parts.work is not None:
        feeds |= {b.buffer.ring: b.name for drive in parts.work.drives for b in drive.buffers}
    return ev.Snapshot(
        seconds=time.monotonic() - started,
        sources=tuple(sample for feeder in parts.feeders for sample in feeder.samples()),
        rings=tuple(ev.RingSample(i, feeds[i], ring.fill, ring.depth) for i, ring in parts.rings.items()),
        drives=tuple(
            ev.DriveSample(drive, w.agent.name, w.drive.written_bytes, w.state, _spooled(parts, drive))
            for drive, w in parts.writers.items()
        ),
        targets=tuple(ev.TargetSample(t.name, t.bytes, t.state) for t in parts.targets.values()),
    )


def _spooled(parts: Parts, drive: str) -> int:
    spool = parts.spools.get(drive)
    return spool.file.used_bytes if spool is not None else 0


def object_reports(parts: Parts, plan: CompiledPlan, results: Results) -> tuple[ObjectReport, ...]:
    """All objects that the run read, or had to: those of sources, then those of drives that were read."""
    reports = [_of_source(parts, plan, results, ring) for ring in parts.sources]
    if parts.work is not None:
        reports += _of_drives(parts, parts.work, plan, results)
    return tuple(reports)


def _of_source(parts: Parts, plan: CompiledPlan, results: Results, ring: int) -> ObjectReport:
    reader = parts.sources[ring]
    ending = reader.ending or Ending("cut-off")
    copies = _copies(parts, plan, results, reader.facts, ending, frozenset({ring}))
    return object_report(
        reader.facts,
        ending,
        payload_bytes=reader.bytes,
        records=reader.records,
        copies=copies,
        copied=reader.facts.level == "full" and reader.facts.parent is not None,
    )


def _of_drives(parts: Parts, work: Work, plan: CompiledPlan, results: Results) -> Iterator[ObjectReport]:
    progress: dict[str, list[Progress]] = {}
    for medium in parts.mediums:
        for one in medium.progress():
            progress.setdefault(one.facts.id, []).append(one)
    rings: dict[str, set[int]] = {}
    for drive in work.drives:
        for buffer in drive.buffers:
            for held in buffer.objects:
                rings.setdefault(held.item.id, set()).add(buffer.buffer.ring)
    already: dict[str, list[str]] = {}
    for drive_name, object_id in work.present:
        already.setdefault(object_id, []).append(drive_name)
    for object_id, held in work.held.items():
        item, ways = held.item, progress.get(object_id, [])
        ending = Ending("whole", item.warnings, item.unread)
        ending = next((e for e in (one.ending for one in ways) if e is not None and e.status != "whole"), ending)
        facts = work.facts[object_id]
        yield object_report(
            facts,
            ending,
            payload_bytes=max((one.bytes for one in ways), default=item.bytes),
            records=max((one.next_sequence for one in ways), default=item.records),
            copies=_copies(parts, plan, results, facts, ending, frozenset(rings[object_id])),
            copied=True,
            already=already.get(object_id, ()),
            targets=_targets(parts, plan, object_id, ending, rings[object_id]),
        )


def _copies(  # noqa: PLR0917 - one object's all
    parts: Parts, plan: CompiledPlan, results: Results, facts: ObjectFacts, ending: Ending, rings: frozenset[int]
) -> Iterator[CopyReport]:
    present = parts.work.present if parts.work is not None else {}
    discards = {drive.name for drive in plan.drives if drive.kind == "discard"}
    for agent in plan.agents:
        if agent.role != "write" or not any(buffer.ring in rings for buffer in agent.buffers):
            continue
        if (agent.drive, facts.id) in present:
            volumes = present[agent.drive, facts.id]
            yield CopyReport(agent.drive, agent.name, "stored", volumes)
            continue
        fault = parts.writers[agent.drive].fault
        yield copy_report(
            agent.drive,
            agent.name,
            discards=agent.drive in discards,
            ending=ending,
            result=results.get((agent.drive, facts.id)),
            error=None if fault is None else str(fault),
        )


def _targets(
    parts: Parts, plan: CompiledPlan, object_id: str, ending: Ending, rings: set[int]
) -> Iterator[TargetReport]:
    of_buffer = {name: ring.id for ring in plan.rings for name in ring.buffers}
    for target in plan.targets:
        if target.feed is None or of_buffer.get(target.feed) not in rings:
            continue
        writer = parts.targets[target.name]
        if object_id in writer.results:
            yield writer.results[object_id]
        elif writer.fault is not None:
            yield TargetReport(target.name, "failed", error=f"it had failed before: {writer.fault}")
        else:
            failed = ending.status == "failed"
            yield TargetReport(target.name, "failed" if failed else "cut-off", error=ending.error or "nothing came")
