"""What a draft comes to: its plan, what had to be left out and why, and which copies can be read at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from .holdings import Held, HeldCopy, HeldDrive
from .text import Draft, Output

#: Objects with the reason why each is left out.
Left = tuple[tuple[Held, str], ...]


class NothingToDraft(Exception):
    """There is nothing to do; the message says why. ``left``: what was wanted and cannot be read now."""

    def __init__(self, message: str, left: Left = ()) -> None:
        super().__init__(message)
        self.left = left


@dataclass(frozen=True, slots=True)
class Unknown:
    """A volume in a drive's folder that is not as the catalog has it: what lies on it beyond that is in no draft."""

    drive: str
    volume: str
    why: str


@dataclass(frozen=True, slots=True)
class Holdings:
    """All whole objects, newest last, and the drives that hold copies (those whose folder is known), by name."""

    objects: tuple[Held, ...]
    drives: dict[str, HeldDrive]
    unknown: tuple[Unknown, ...] = ()

    def behind(self, meant: Callable[[Unknown], bool]) -> tuple[str, ...]:
        """What the catalog lacks of the volumes that are *meant*, in words."""
        return tuple(
            f"what else volume {u.volume} of drive {u.drive} may hold: {u.why}" for u in self.unknown if meant(u)
        )

    def on(self, drives: Sequence[str]) -> tuple[Held, ...]:
        """The objects of which one of *drives* has a stored copy."""
        return tuple(h for h in self.objects if any(h.on(drive) is not None for drive in drives))


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft, and what it had to leave out: objects, each with the reason, and ``missing``, what else was asked for.

    ``notes``: what is worth saying, though nothing lacks.
    """

    draft: Draft
    left: Left = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether all that was asked for is drafted."""
        return not self.left and not self.missing


@dataclass(frozen=True, slots=True)
class Gathered:
    """Objects that a draft is to copy, each with the copies that may be read; and those that none can be read of.

    ``already``: all outputs hold so many of what is meant; ``instead``: so many come from other copies than meant.
    """

    wanted: tuple[Held, ...]
    left: Left
    already: int
    instead: int


def gather(
    holdings: Holdings,
    meant: Callable[[HeldCopy], bool],
    outputs: Sequence[Output],
    *,
    others: bool = True,
    strays: bool = False,
) -> Gathered:
    """The objects with a copy that is *meant*, at hand or not, which one of *outputs* lacks.

    The meant copies are read where they can be, else (with *others*) whatever other copy is at hand. *strays*: copies
    that lie elsewhere than their drive's others may be meant, too.
    """
    written = frozenset(output.drive.name for output in outputs)
    wanted: list[Held] = []
    left: list[tuple[Held, str]] = []
    already = instead = 0
    for held in holdings.objects:
        if not any(meant(copy) for copy in (*held.copies, *held.away, *(held.stray if strays else ()))):
            continue
        if outputs and all(held.on(name) is not None for name in written):
            already += 1
            continue
        readable = [copy for copy in held.copies if copy.drive not in written]
        chosen = [copy for copy in readable if meant(copy)]
        if not chosen and others:
            chosen = readable
            instead += bool(chosen)
        if chosen:
            wanted.append(dataclasses.replace(held, copies=tuple(chosen)))
        else:
            left.append((held, why_unread(held, written, meant if not others else None)))
    return Gathered(tuple(wanted), tuple(left), already, instead)


def why_unread(held: Held, written: Collection[str], meant: Callable[[HeldCopy], bool] | None = None) -> str:
    """Why a plan that writes the drives *written* can read no copy of *held* (none of those that are *meant*)."""
    copies, away = (tuple(c for c in cs if meant is None or meant(c)) for cs in (held.copies, held.away))
    reasons = []
    for copy in away:
        volumes = f" ({', '.join(copy.absent)})" if copy.absent else ""
        reasons.append(f"not all volumes of its copy on drive {copy.drive} are at hand{volumes}")
    reasons += [
        f"its copy on drive {copy.drive} cannot be read by a plan that writes this drive"
        for copy in copies
        if copy.drive in written
    ]
    reasons += [
        f"its copy on drive {c.drive} lies elsewhere: {', '.join(c.absent)} (a --plan whose drive lies there reads it)"
        for c in held.stray
    ]
    return "; ".join(reasons) or "no drive that can be read holds it whole"
