"""``tcc volume label``: label a drive's next volume ahead of use."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..runtime.faults import EXIT_FAILED, EXIT_OK, Fault, UsageFault
from .console import harmless, print_result, say
from .options import define_option, examples, hang_option

if TYPE_CHECKING:
    from ..runtime.media.label import VolumeLabel
    from ..runtime.plan import CompiledPlan, Drive


@click.command(
    "label",
    epilog=examples("tcc volume label R1 --plan night.tc", "tcc volume label disk vault --plan night.tc"),
)
@click.argument("drives", metavar="DRIVE...", nargs=-1, required=True)
@click.option("--plan", "plan_path", metavar="FILE", required=True, help="The plan that the drives are of.")
@hang_option("Leave a drive that does not answer for so long, and label the others' volumes.")
@define_option
def label_command(*, drives: tuple[str, ...], plan_path: str, hang_after: float, defines: dict[str, str]) -> int:
    """Label the next volume of each DRIVE: the next session begins on it, and the volume before it stays as it is.

    Run it each week, say, and a week's sessions share a volume, which can expire, be recycled, or be taken away as a
    whole. Nothing that exists is written; where the next volume is empty already, nothing is done.
    """
    from ..runtime.patience import HangingFault
    from .plans import load_plan
    from .waiting import patience_of

    plan, base = load_plan(plan_path, defines, warnings=False)
    patience = patience_of(hang_after, "its next volume may be labelled, or not: say it again when it answers")
    code = EXIT_OK
    known = {drive.name: drive for drive in plan.drives}
    for name in drives:
        drive = known.get(name)
        if drive is None or drive.volumes is None:
            what = "no drive" if drive is None else "no drive with volumes, but one of kind " + drive.kind
            raise UsageFault(f"{name} is {what} of {plan_path}", todo=f"its drives: {', '.join(known) or 'none'}")
        try:
            path, label, made = patience.ask(base / drive.volumes, name, partial(_label, plan, base, drive))
        except HangingFault:
            code = EXIT_FAILED
            continue
        _tell_catalog(label, path, plan, base)
        if made:
            print_result(harmless(f"{path.stem}  {path}"))
        else:
            say(f"note: {path} is empty already: the next session of drive {name} begins there")
    return code


def _label(plan: CompiledPlan, base: Path, drive: Drive) -> tuple[Path, VolumeLabel, bool]:
    """The drive's next volume, its label, and whether it was made just now. Raises DriveFault, MediaFault."""
    from ..runtime.drives.blank import last_volume, make_blank
    from ..runtime.drives.magazine import Magazine

    pool = next((pool for pool in plan.pools if pool.name == drive.pool), None)
    writers = {agent.drive: agent.name for agent in plan.agents if agent.role == "write"}
    magazine = Magazine(base / (drive.volumes or ""), drive.name)
    magazine.open()
    try:
        last = last_volume(magazine)
        if last is not None and last[3] and last[1].pool == drive.pool:
            return last[0], last[1], False
        path, label = make_blank(
            magazine,
            agent=writers.get(drive.name, ""),
            pool=drive.pool,
            record=plan.record,
            capacity=drive.capacity if drive.capacity is not None or pool is None else pool.capacity,
            plan=plan.plan,
            fingerprint=plan.fingerprint,
            number=last[2] if last is not None else 0,
        )
        return path, label, True
    finally:
        magazine.close()


def _tell_catalog(label: VolumeLabel, path: Path, plan: CompiledPlan, base: Path) -> None:
    """So that ``tcc volumes`` lists it. The volume counts, not the catalog: that one may be away."""
    from ..runtime.drives.blank import BLANK_BYTES
    from ..runtime.engine import make_state_folder
    from .state import open_the_catalog, state_folder

    try:
        make_state_folder(state_folder(None, plan, base))
        with open_the_catalog(None, None, plan, base, create=True) as known:
            known.record_empty(label, path, BLANK_BYTES)
    except Fault as fault:
        say(f"note: the catalog does not list {path.stem} yet: {fault.message}; it will with the next run")
