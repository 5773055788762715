"""The end of a run in words that somebody reads at three in the morning: what is stored, what lacks, what to do."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..runtime.model import CopyReport, ObjectReport, RunReport

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_WARNINGS_SHOWN = 10


def size(count: float) -> str:
    """Bytes for people: ``1.2 GiB``."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count /= 1024
        unit += 1
    return f"{count:.0f} {_UNITS[unit]}" if unit == 0 or count >= 100 else f"{count:.1f} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """Seconds for people: ``0.8 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def plural(count: int, what: str) -> str:
    """``1 copy``, ``2 copies``."""
    if count == 1:
        return f"1 {what}"
    return f"{count} {what[:-1]}ies" if what.endswith("y") else f"{count} {what}s"


def lines(report: RunReport) -> Iterator[str]:
    """The summary. The first line says it all; the others only where something lacks."""
    yield headline(report)
    if report.status == "ok" and report.signal is None:
        yield from _warned(report)
        return
    faulty = {fault.drive for fault in report.faults}
    for entry in report.objects:
        yield from _object(entry, faulty)
    for fault in report.faults:
        yield f"  drive {fault.drive} failed: {fault.error}"
        yield from (f"    {word}: {text}" for word, text in (("safe", fault.safe), ("do", fault.todo)) if text)
    yield from _todo(report, faulty)
    yield f"  session {report.session}"


def headline(report: RunReport) -> str:
    """``ok: plan figure2: 6 sources, 1.2 GiB, 14 copies stored in 12.3 s``."""
    copies = [c for o in report.objects for c in o.copies if c.status == "stored" and c.drive not in o.already]
    total = size(sum(o.bytes for o in report.objects if not _left_alone(o)))
    whole = sum(o.status == "whole" for o in report.objects)
    sources = plural(len(report.objects), "object" if any(o.copied for o in report.objects) else "source")
    restored = [t for o in report.objects for t in o.targets if t.status == "restored"]
    already = sum(len(o.already) for o in report.objects)
    more = f", {already} there already" if already else ""
    more += f", {len(restored)} restored" if restored else ""
    read = sources if whole == len(report.objects) else f"{whole} of {sources} whole"
    stopped = f" (stopped by {_signal(report.signal)})" if report.signal is not None else ""
    return (
        f"{report.status}{stopped}: plan {report.plan}: {read}, {total} read, "
        f"{plural(len(copies), 'copy')} stored{more} in {duration(report.seconds)}"
    )


def _left_alone(entry: ObjectReport) -> bool:
    """Whether nothing of it had to be read: every drive holds it, and no target wants it."""
    return bool(entry.already) and not entry.targets and len(entry.already) == len(entry.copies)


def _name(entry: ObjectReport) -> str:
    """Of one source there may be several objects in a run that copies."""
    return f"{entry.source} ({entry.object})" if entry.copied else entry.source


def _signal(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _object(entry: ObjectReport, faulty: Collection[str]) -> Iterator[str]:
    stored = [c.drive for c in entry.copies if c.status == "stored"]
    missing = [c for c in entry.copies if c.status not in ("stored", "discarded")]
    where = f"stored on {', '.join(stored)}" if stored else "stored nowhere" if entry.copies else "restored only"
    match entry.status:
        case "whole":
            yield f"  {_name(entry)}: whole, {size(entry.bytes)}, {where}"
        case "cut-off":
            what = (
                "not copied as a whole; what it was read from is untouched"
                if entry.copied
                else "it cannot be restored as a whole"
            )
            yield f"  {_name(entry)}: cut off after {size(entry.bytes)}: {what}"
        case "failed":
            yield f"  {_name(entry)}: failed: {entry.error or 'it could not be read'}"
    if entry.status == "whole":
        for copy in missing:
            yield f"    lacks its copy on {_why(copy, faulty)}"
    elif entry.status == "cut-off" and entry.error:
        yield f"    because {entry.error}"
    elif entry.status == "failed":
        for copy in missing:
            if copy.error and copy.error != entry.error and copy.drive not in faulty:
                yield f"    drive {_why(copy, faulty)}"
    for target in entry.targets:
        if target.status != "restored":
            yield f"    target {target.target}: {target.status}: {target.error or 'it did not end well'}"
            yield from (f"      {note}" for note in target.notes[:_WARNINGS_SHOWN])
    if entry.unread:
        lacking = f"{plural(entry.unread, 'file')} could not be read and {_lack(entry.unread)} in every copy"
        yield f"    {lacking}; what was said meanwhile:"
    yield from _warnings(entry)


def _why(copy: CopyReport, faulty: Collection[str]) -> str:
    """The copy and its error; a drive that failed is told of once, further below."""
    what = {"cut-off": "cut off", "failed": "nothing usable"}.get(copy.status, copy.status)
    why = "" if copy.drive in faulty else f": {copy.error or 'it did not end well'}"
    return f"{copy.drive} (agent {copy.agent}, {what}){why}"


def _warned(report: RunReport) -> Iterator[str]:
    for entry in report.objects:
        if entry.warnings and not entry.copied:
            yield f"  {entry.source}: whole; its files changed while they were read:"
            yield from _warnings(entry)


def _warnings(entry: ObjectReport) -> Iterator[str]:
    for warning in entry.warnings[:_WARNINGS_SHOWN]:
        yield "      " + warning.replace("\n", "\\n")
    if len(entry.warnings) > _WARNINGS_SHOWN:
        yield f"      and {len(entry.warnings) - _WARNINGS_SHOWN} more, see --report"


def _todo(report: RunReport, faulty: Collection[str]) -> Iterator[str]:
    missing = {c.drive for o in report.objects if o.status == "whole" for c in o.copies if _lacks(c)}
    missing -= set(faulty)  # what is to be done about these is said with the fault
    failed = sorted(
        o.source for o in report.objects if o.status == "failed" and not all(c.drive in faulty for c in o.copies)
    )
    unread = sorted(o.source for o in report.objects if o.unread and not o.copied)
    cut = sorted(o.source for o in report.objects if o.status == "cut-off")
    if missing:
        which = ", ".join(sorted(missing))
        yield f"  do: mend {which}, then `tcc draft catch-up` brings what it lacks from the other copies"
    if failed:
        yield f"  do: see why {', '.join(failed)} failed; what earlier sessions stored is untouched"
    if unread:
        yield f"  do: let the run read all files of {', '.join(unread)}, or exclude them"
    lost = sorted(o.source for o in report.objects if o.status == "cut-off" and o.copied)
    if lost and report.signal is None and not faulty:
        yield f"  do: bring back a volume that holds a sound copy of {', '.join(lost)}, then run the plan again"
    if cut and report.signal is not None:
        yield f"  do: run the plan again for {', '.join(cut)}"
    for note in report.notes:
        if "tcc catalog rebuild" in note:
            yield f"  do: {note}"
    if not report.objects:
        yield "  do: couple the plan's sources to drives: a backup group is wanted"


def _lack(count: int) -> str:
    return "lacks" if count == 1 else "lack"


def _lacks(copy: CopyReport) -> bool:
    return copy.status not in ("stored", "discarded")
