"""The engine: a compiled plan becomes threads, and a report.

One reader thread a source and a drive that is read, one writer thread a drive that is written and a target, rings
between them; this thread is the *control*: it starts them, hears from them through one queue, writes the catalog, feeds
the display, and joins all of them before it returns. No thread, child process or descriptor outlives :func:`run`.

Order of a run: selectors are resolved → drives that are written are mounted (each on its own thread) → drives that are
read are locked → sources that no storing drive can take are dropped → sources and drives are read → rings drain →
indexes are written and confirmed → the catalog knows the session's end.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import events as ev
from .account import Account
from .control import Stop
from .course import Course
from .drives.factory import open_drive as default_open_drive
from .faults import CatalogFault, UsageFault
from .hang import HANG_SECONDS
from .media.times import now_text
from .model import RunReport
from .numbers import highest_number
from .own import own_paths, settled
from .parts import build, prepare
from .plan import CompiledPlan
from .preflight import refuse_unrunnable, refuse_without_threads
from .sources.roots import OwnPath

if TYPE_CHECKING:
    from .sources.levels import Levels


def run(
    plan: CompiledPlan,
    *,
    base: Path,
    state: Path,
    catalog: ev.CatalogPort,
    observer: ev.Observer | None = None,
    stop: Stop | None = None,
    own: Sequence[OwnPath] = (),
    open_drive: ev.OpenDrive = default_open_drive,
    again: bool = False,
    overwrite: bool = False,
    lists: ev.ListsPort | None = None,
    full: bool = False,
    identities: Sequence[Any] = (),
    hang_seconds: float = HANG_SECONDS,
    typed: Sequence[str] = (),
) -> RunReport:
    """Run *plan* and report; blocks until everything has ended.

    *base*: the plan's folder, which relative paths are relative to and in which commands run. *state*: the state
    folder, made (mode 0700) where there is none. *own*: what else the run writes, beyond what the plan says (a
    report's file). *again*: objects are copied to drives that hold them whole already, too. *overwrite*: targets may
    write over what they hold. *lists*: where the member lists of ``files`` objects are kept. *full*: sources that ask
    for incrementals are read whole. *identities* (``codec.identities``) open encrypted objects for targets.
    *hang_seconds*: a drive that does not answer for so long is given up. *typed*: the options by which other commands
    find this plan and its catalog, for advice. What fails in the world is in the report; raises
    :class:`~.faults.Fault` only when the run cannot begin: the plan needs what this version cannot run, a selector
    selects nothing, a target holds something, no state folder, no catalog, no memory.
    """
    refuse_unrunnable(plan)
    refuse_without_threads(plan)
    make_state_folder(state)
    stop = stop or Stop()
    started = time.monotonic()
    parts = prepare(
        plan,
        base=base,
        catalog=catalog,
        again=again,
        overwrite=overwrite,
        identities=identities,
        hang_seconds=hang_seconds,
    )
    try:
        if any(source.kind == "files" for source in plan.sources):
            from .sources import files

            parts.looking = files.look_ahead()
        stop.on_end_at_once(parts.children.kill_all)
        highest = highest_number(plan, base, hang_seconds=hang_seconds)
        session = catalog.begin_session(plan.plan, plan.fingerprint, now_text(), highest)
        writes = settled((*own_paths(plan, base, state), *own), hang_seconds=hang_seconds)
        try:
            build(
                parts,
                plan,
                base=base,
                session=session,
                started=started,
                own=writes,
                open_drive=open_drive,
                lists=lists,
                levels=_levels(plan, state, base=base, full=full),
                stands=lambda source, drives: lambda known: _standing(catalog, known, plan.plan, source, drives),
                hang_seconds=hang_seconds,
            )
        except OSError as error:
            raise UsageFault(
                f"the run of {len(plan.sources)} sources and {len(plan.drives)} drives cannot begin: {error.strerror}",
                safe="nothing was opened, read or written",
                todo="let the process open more files (`ulimit -n`), or split the plan",
            ) from None
        display = observer or ev.NoObserver()
        account = Account(
            plan, parts, session,
            catalog=catalog, observer=display, base=base, started=started, hang_seconds=hang_seconds, typed=typed,
        )  # fmt: skip
        return Course(plan, parts, account, stop=stop, hang_seconds=hang_seconds).run()
    finally:
        parts.release()


def _levels(plan: CompiledPlan, state: Path, *, base: Path, full: bool) -> Levels | None:
    """The snapshots of incremental sources, where there are such."""
    if all(source.level == "full" for source in plan.sources):
        return None
    from .sources.levels import Levels

    return Levels(state, plan.plan, base=base, own=own_paths(plan, base, state), full=full)


def _standing(catalog: ev.CatalogPort, known: str, plan: str, source: str, drives: Sequence[str]) -> str | None:
    """Why the object *known* cannot be built upon, or None. A full needs no catalog."""
    try:
        return catalog.standing(known, plan=plan, source=source, drives=drives)
    except CatalogFault as fault:
        return f"the catalog cannot be asked ({fault.message})"


def make_state_folder(state: Path) -> None:
    """Make the state folder, mode 0700, where there is none. Raises :class:`UsageFault`."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageFault(f"the state folder {state} cannot be made: {error.strerror or error}") from None
