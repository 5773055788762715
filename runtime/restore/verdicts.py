"""What a verification found: of each volume, each object and each of its copies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ..faults import EXIT_FAILED, EXIT_OK
from ..frozen import frozen
from ..media.record import RecordHeader

Verdict = Literal["sound", "healed", "damaged", "missing", "hanging", "lost", "known", "unread"]
Ailment = Literal["lies", "unknown", "differs"]

#: Damages of one volume that are told one by one.
NAMED_MAX = 100


@dataclass(slots=True)
class Seen:
    """What was found sound of one object on one volume: stretches [first, behind the last) of sequences.

    ``newest``: the sequence found last; ``disorder``: one came behind a newer one. ``met``: places that are known of
    its records, and hold them.
    """

    source: str
    stretches: list[list[int]] = field(default_factory=list)
    bytes: int = 0
    ended: bool = False
    newest: int = -1
    disorder: bool = False
    met: set[int] = field(default_factory=set)

    def copy(self) -> Seen:
        """As it is now, whoever changes it later."""
        return replace(self, stretches=[list(one) for one in list(self.stretches)], met=set(self.met))

    def add(self, header: RecordHeader) -> None:
        """One sound record."""
        if self.stretches and self.stretches[-1][1] == header.sequence:
            self.stretches[-1][1] += 1
        else:
            self.stretches.append([header.sequence, header.sequence + 1])
        self.bytes += header.payload_bytes
        self.ended |= header.last
        self.newest = header.sequence


@dataclass(slots=True)
class VolumeVerdict:
    """One volume: sound, damaged, missing or hanging (its drive), and each thing that is wrong with it.

    ``healed``: damaged or missing, but its drive holds all that it held once more. ``strange``: it and the catalog
    differ in more than what is lost. ``objects``: those of which the catalog has something here. ``ailments``: what
    kinds of things are wrong beyond lost records: it ``lies`` of itself, holds what is ``unknown`` to the catalog, or
    ``differs`` from it.
    """

    id: str
    name: str
    drive: str
    location: str | None
    status: Verdict = "sound"
    records: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: int = 0
    strange: bool = False
    objects: tuple[str, ...] = ()
    ailments: set[Ailment] = field(default_factory=set)

    def copy(self) -> VolumeVerdict:
        """As it is now, whoever changes it later."""
        return replace(self, problems=list(self.problems), notes=list(self.notes), ailments=set(self.ailments))

    def wrong(self, problem: str, status: Verdict = "damaged", ailment: Ailment | None = None) -> None:
        """Something is wrong with it."""
        self.status = status
        if ailment is not None:
            self.ailments.add(ailment)
        if len(self.problems) < NAMED_MAX:
            self.problems.append(problem)
        else:
            self.left_out += 1


@frozen
class CopyVerdict:
    """One copy: sound, damaged, missing (a volume is nowhere), known (to be incomplete), or unread (not asked for).

    ``hanging``: its drive does not answer, and so nobody knows.
    """

    drive: str
    status: Verdict


@frozen
class ObjectVerdict:
    """One object, by the copies that were read; the catalog is believed of the others.

    ``sound``: every copy is; ``damaged``: all records are still there; ``lost``: some are not; ``hanging``: nothing
    else is wrong than that a drive hangs, or what lacks may lie on such a one.
    """

    source: str
    plan: str
    object: str
    status: Verdict
    copies: tuple[CopyVerdict, ...]


@frozen
class Verified:
    """What a verification found."""

    volumes: tuple[VolumeVerdict, ...]
    objects: tuple[ObjectVerdict, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong beyond what the catalog knew."""
        return all(v.status in {"sound", "healed"} for v in self.volumes) and all(
            o.status in {"sound", "known"} for o in self.objects
        )

    @property
    def exit_code(self) -> int:
        """The exit code of cli.md: 1 for damage or loss."""
        return EXIT_OK if self.sound else EXIT_FAILED
