"""From a drive of the compiled plan to the drive that writes it."""

from __future__ import annotations

from pathlib import Path

from .. import plan
from ..faults import UsageFault
from .base import Drive, OnIndex
from .discard import DiscardDrive
from .volumes import VolumesDrive


def open_drive(plan_drive: plan.Drive, *, base: Path, on_index: OnIndex) -> Drive:
    """The drive that *plan_drive* describes; nothing is touched before ``mount``.

    Paths are taken from *base*, the plan's folder. *on_index* is called on the writer's thread for each index that the
    medium has confirmed. Raises UsageFault for a kind that this version cannot drive.
    """
    if plan_drive.kind == "discard":
        return DiscardDrive(plan_drive.name)
    if plan_drive.kind == "volumes" and plan_drive.volumes is not None:
        return VolumesDrive(
            plan_drive.name,
            base / plan_drive.volumes,
            capacity=plan_drive.capacity,
            pool=plan_drive.pool,
            on_index=on_index,
        )
    raise UsageFault(
        f'drive "{plan_drive.name}" is of kind {plan_drive.kind}, which this version cannot write',
        todo="use a drive with volumes = … for now",
    )
