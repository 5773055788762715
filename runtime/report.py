"""What a run reports: what became of each object and copy, and whether that is ok, degraded or failed (cli.md)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from .faults import EXIT_DEGRADED, EXIT_FAILED, EXIT_OK, EXIT_SIGINT, EXIT_SIGTERM, Fault
from .model import (
    CopyReport,
    CopyResult,
    CopyStatus,
    DriveReport,
    Ending,
    ObjectFacts,
    ObjectReport,
    RunReport,
    RunStatus,
    TargetReport,
)

_EXIT = {"ok": EXIT_OK, "degraded": EXIT_DEGRADED, "failed": EXIT_FAILED}


def copy_report(
    drive: str, agent: str, *, discards: bool, ending: Ending, result: CopyResult | None, error: str | None
) -> CopyReport:
    """What is reported of one copy. *result* is the drive's word (None: it never began the object), *error* its fault.

    A copy is never better than its object: of a failed source nothing is ``stored``.
    """
    volumes = tuple(dict.fromkeys(s.volume_id for s in result.segments)) if result is not None else ()
    why = (result.error if result is not None else None) or error
    status: CopyStatus
    if ending.status == "failed":
        status = "failed"
    elif ending.status == "cut-off" and error is None:
        status = "cut-off"
    elif result is None:
        status = "failed" if error is not None or not discards else "discarded"
    elif ending.status == "cut-off" and result.status in ("stored", "discarded"):
        status = "cut-off"
    else:
        status = result.status
    if status in ("stored", "discarded"):
        why = None
    elif why is None:
        why = ending.error or "what waited for its drive was dropped when the run was stopped"
    return CopyReport(drive=drive, agent=agent, status=status, volumes=volumes, error=why)


def drive_report(drive: str, fault: Fault) -> DriveReport:
    """What is reported of a drive that failed, its name aside: where, what, what is safe, what to do."""
    where = str(dataclasses.replace(fault.place, drive=None))
    return DriveReport(drive, f"{where}: {fault.message}" if where else fault.message, fault.safe, fault.todo)


def object_report(
    facts: ObjectFacts,
    ending: Ending,
    *,
    payload_bytes: int,
    records: int,
    copies: Iterable[CopyReport],
    copied: bool = False,
    already: Iterable[str] = (),
    targets: Iterable[TargetReport] = (),
) -> ObjectReport:
    """What is reported of one object."""
    return ObjectReport(
        source=facts.source,
        object=facts.id,
        bytes=payload_bytes,
        records=records,
        status=ending.status,
        warnings=ending.warnings,
        copies=tuple(copies),
        unread=ending.unread,
        error=ending.error,
        copied=copied,
        already=tuple(already),
        targets=tuple(targets),
    )


def status_of(objects: Sequence[ObjectReport], *, flawed: bool) -> RunStatus:
    """``failed``: no object is whole and stored or restored; ``ok``: everything asked for is; else ``degraded``.

    Copies on drives that discard never count. What the source could not read once does not degrade a later copy.
    *flawed*: something else went wrong (the catalog could not be written).
    """
    if not any(o.status == "whole" and _kept(o) for o in objects):
        return "failed"
    if flawed or not all(
        o.status == "whole"
        and (o.copied or not o.unread)
        and all(c.status in ("stored", "discarded") for c in o.copies)
        and all(t.status == "restored" for t in o.targets)
        for o in objects
    ):
        return "degraded"
    return "ok"


def _kept(entry: ObjectReport) -> bool:
    stored = any(copy.status == "stored" for copy in entry.copies)
    return stored or any(target.status in ("restored", "degraded") for target in entry.targets)


def exit_code(report: RunReport) -> int:
    """The exit code of ``tcc run`` for this report."""
    if report.signal is not None:
        return {2: EXIT_SIGINT, 15: EXIT_SIGTERM}.get(report.signal, 128 + report.signal)
    return _EXIT[report.status]


def to_json(report: RunReport) -> dict[str, Any]:
    """The report as JSON values (cli.md, "tcc run --report").

    Beyond the contract's keys: ``unread`` and ``error`` of an object, and of one that was copied ``copied``,
    ``already`` and ``targets``; ``signal``, ``notes`` and ``faults`` of the run.
    """
    document: dict[str, Any] = dataclasses.asdict(report)
    first = ("version", "session", "plan", "status", "objects", "seconds")
    document["seconds"] = round(report.seconds, 3)
    for entry in document["objects"]:
        if not entry["copied"]:
            for key in ("copied", "already", "targets"):
                del entry[key]
    return {key: document[key] for key in (*first, *(k for k in document if k not in first))}
