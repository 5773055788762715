"""``tcc run --dry-run`` of restore and copy groups: which objects are meant, and which volumes are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..runtime.copying.work import DriveWork, Work
from ..runtime.plan import CompiledPlan, Target
from ..runtime.sources.base import place_of
from .summary import plural, size

#: Objects of one buffer that are shown one by one.
_SHOWN = 20


def lines(work: Work, plan: CompiledPlan, base: Path) -> Iterator[str]:
    """What would be read, in its order, and what is there already."""
    for drive in work.drives:
        yield from _drive(drive, work)
    for target in plan.targets:
        yield f"target {target.name} <- {target.feed}: {_target(target, base)}"
    yield from work.notes


def _drive(drive: DriveWork, work: Work) -> Iterator[str]:
    agents = ", ".join(dict.fromkeys(buffer.agent.name for buffer in drive.buffers))
    yield f"drive {drive.drive} -> agent {agents} (reads {drive.folder})"
    for buffer in drive.buffers:
        count = plural(len(buffer.objects), "object")
        yield f"  {buffer.name} <- {buffer.buffer.feed}: {count}, {size(buffer.bytes)}"
        for held in buffer.objects[:_SHOWN]:
            item = held.item
            there = sorted(name for name, object_id in work.present if object_id == item.id)
            already = f", already whole on {', '.join(there)}" if there else ""
            yield f"    {item.plan}/{item.source} of {item.started}, {size(item.bytes)}, {item.id}{already}"
        if len(buffer.objects) > _SHOWN:
            yield f"    and {len(buffer.objects) - _SHOWN} more"
    for number, legs in enumerate(drive.passes, 1):
        yield f"  pass {number} over the drive: {', '.join(leg.volume.name for leg in legs)}"
    if not drive.passes:
        yield "  nothing of it has to be read"


def _target(target: Target, base: Path) -> str:
    if target.files is not None:
        return f"files below {place_of(target.files, base)}"
    if target.stream is not None:
        return f"the file {place_of(target.stream, base)}"
    return f"runs {' '.join(target.command)} in {base}"
