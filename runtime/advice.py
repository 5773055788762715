"""What to do about a drive that failed: its fault says how it is mended, this what brings the copies that lack.

One advice, and the right one: what other drives hold is copied from there; what none holds needs the plan once more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from .faults import Fault
from .model import CopyReport, DriveReport, ObjectReport
from .report import drive_report

#: A drive's fault of itself has nothing to say of what to do.
_MEND = "see why"


def advised(
    faults: Iterable[tuple[str, Fault]], objects: Sequence[ObjectReport], typed: Sequence[str] = ()
) -> tuple[DriveReport, ...]:
    """The reports of drives that failed, each advice complete: mend it, then bring what it lacks.

    *objects*: all of the run, with their copies. *typed*: the options by which commands find the plan and its
    catalog; without them ``--plan FILE`` stands for them.
    """
    each = tuple(faults)
    failed = frozenset(drive for drive, _ in each)
    return tuple(_named_in(_advised(drive, fault, objects, failed), typed) for drive, fault in each)


def _named_in(told: DriveReport, typed: Sequence[str]) -> DriveReport:
    """With commands that can be typed as they stand."""
    if not typed or told.todo is None:
        return told
    import shlex

    todo = told.todo.replace("--plan FILE", shlex.join(typed))
    return DriveReport(told.drive, told.error, told.safe, todo)


def _advised(drive: str, fault: Fault, objects: Sequence[ObjectReport], failed: Collection[str]) -> DriveReport:
    told = drive_report(drive, fault)
    after = after_mending(drive, objects, failed)
    todo = f"{told.todo or _MEND}; then {after}" if after else told.todo
    return DriveReport(told.drive, told.error, told.safe, todo)


def after_mending(drive: str, objects: Sequence[ObjectReport], failed: Collection[str]) -> str:
    """What brings the copies of *objects* that *drive* lacks; empty where it lacks none that can be had.

    *failed*: all drives that failed. A source that failed itself is not the drive's matter; one that was not read,
    since none of its drives could be written, is.
    """
    lacking = [o for o in objects if any(c.drive == drive and _lacks(c) for c in o.copies)]
    if any(o.copied for o in lacking):
        return "run the plan again: what is stored is not copied again"
    elsewhere = [o.source for o in lacking if o.status == "whole" and any(c.status == "stored" for c in o.copies)]
    own = [o for o in lacking if o.status != "failed" or all(c.drive in failed for c in o.copies)]
    nowhere = [o.source for o in own if o.source not in elsewhere]
    catch_up = (
        f"run what `tcc draft catch-up --plan FILE -o catch-up.tc` drafts: it brings {drive} what it lacks from the"
        " other copies, and reads no source again"
    )
    if elsewhere and nowhere:
        return f"run the plan again, since {_named(nowhere)} is stored nowhere; and {catch_up}"
    if nowhere:
        return f"run the plan again: of this session {_named(nowhere)} is stored nowhere"
    return catch_up if elsewhere else ""


def _named(sources: Sequence[str]) -> str:
    more = f" and {len(sources) - 5} more" if len(sources) > 5 else ""
    return f"{', '.join(sources[:5])}{more}"


def _lacks(copy: CopyReport) -> bool:
    return copy.status not in ("stored", "discarded")
