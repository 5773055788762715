"""What is safe and what to do about each thing that a verification found: pure functions of what it says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..frozen import frozen
from .verdicts import ObjectVerdict, Verified, VolumeVerdict


@frozen
class Advice:
    """``safe``: what is not lost; ``todo``: what an administrator does."""

    safe: str
    todo: str


@frozen
class Advised:
    """By a volume's or object's identifier; what is sound, healed or known has none."""

    volumes: dict[str, Advice]
    objects: dict[str, Advice]


def advise(found: Verified, *, repair: str) -> Advised:
    """The advice of all findings. *repair*: the command that drafts what heals, and the one that runs it."""
    by_id = {item.object: item for item in found.objects}
    missing: dict[str, list[str]] = {}
    for volume in found.volumes:
        if volume.status == "missing":
            for object_id in volume.objects:
                missing.setdefault(object_id, []).append(volume.name)
    return Advised(
        {
            v.id: _of_volume(v, [by_id[o] for o in v.objects if o in by_id], repair)
            for v in found.volumes
            if v.status in {"damaged", "missing", "hanging"}
        },
        {
            o.object: _of_object(o, missing.get(o.object, ()), repair)
            for o in found.objects
            if o.status in {"damaged", "lost", "hanging"}
        },
    )


def _of_volume(volume: VolumeVerdict, held: Sequence[ObjectVerdict], repair: str) -> Advice:
    lost = sum(item.status == "lost" for item in held)
    hurt = sum(item.status == "damaged" for item in held)
    whole = [item for item in held if item.status != "known"]
    unread = any(copy.status == "unread" for item in held for copy in item.copies)
    word = ", as far as the catalog knows the volumes that were not read" if unread else ""
    if volume.status == "hanging":
        alone = sum(item.status == "hanging" and not _elsewhere(item) for item in whole)
        known = (
            f"of {alone} no copy that answers was found sound" if alone else "all of them have a sound copy elsewhere"
        )
        return Advice(
            f"nothing is known to be lost: it was only read, and not to its end; {len(whole)} whole object(s) on it:"
            f" {known}",
            _LOOK,
        )
    if not whole:
        safe = "no whole object lies on it"
    elif lost:
        safe = (
            f"{len(whole) - lost} of the {len(whole)} whole object(s) on it: of {lost}, records are nowhere else{word}"
        )
    elif hurt:
        safe = f"all {len(whole)} whole object(s) on it: what lacks here other copies have{word}"
    else:
        safe = f"all {len(whole)} whole object(s) on it: they are sound"
    steps = []
    if volume.status == "missing":
        steps.append("bring it back to its place, or say where it lies now (`tcc catalog add FOLDER`)")
        if hurt:
            steps.append(f"where it is gone for good: {repair}")
        elif not whole:
            steps.append(f"where it is gone for good, and has expired: `tcc volume recycle {volume.name}`")
    elif hurt or lost:
        steps.append(f"{repair}; then replace its medium, if that is failing")
    if "unknown" in volume.ailments:
        path = f" {volume.location}" if volume.location is not None else " FOLDER"
        steps.append(f"tell the catalog what it lacks: `tcc catalog add{path}`")
    if "lies" in volume.ailments:
        name = f"`tcc draft refresh {volume.name} --to NEW=FOLDER`"
        steps.append(f"copy what it holds to a volume that is sound ({name}), and set this one aside")
    if "differs" in volume.ailments:
        steps.append(
            "one of catalog and volume is not what it says: rebuild the catalog from the volumes that you trust"
        )
    return Advice(safe, "; ".join(steps) or f"look at it with `tcc volume show`; then {repair}")


_LOOK = "look at the device, its cable and the kernel's log, and verify again when it answers"


def _elsewhere(item: ObjectVerdict) -> list[str]:
    """The drives on which a copy of it is sound."""
    return [copy.drive for copy in item.copies if copy.status == "sound"]


def _of_object(item: ObjectVerdict, missing: Sequence[str], repair: str) -> Advice:
    sound = _elsewhere(item)
    if item.status == "hanging":
        safe = f"its copy on {', '.join(sound)} is sound" if sound else "nothing of it is known to be lost"
        return Advice(safe, _LOOK)
    if item.status == "damaged":
        unread = [copy.drive for copy in item.copies if copy.status == "unread"]
        if sound:
            safe = f"all of it: its copy on {', '.join(sound)} is sound, and a restore takes from there what lacks"
        elif unread:
            safe = f"all of it, as far as the catalog knows: its copy on {', '.join(unread)} was not read"
        else:
            safe = "all of it: a restore takes each record from the copy that has it sound"
        return Advice(safe, repair)
    steps = []
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        steps.append(f"bring back what is missing ({', '.join(missing[:5])}{more}): it may hold those records")
    steps.append(
        "run its plan again (with --full, where incrementals build on it): a new session does not need this object"
    )
    return Advice(
        "its other records, and all other objects: `tcc restore --keep-damaged` keeps what is left of it, and its older"
        " and newer sessions come back by `tcc restore --as-of`",
        "; ".join(steps),
    )


def of_stranger(path: Path) -> Advice:
    """A volume that the catalog, which was named, does not know."""
    return Advice(
        "what it holds: it was read, and nothing was changed", f"tell the catalog of it: tcc catalog add {path}"
    )
