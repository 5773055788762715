"""Whether the clock was set back since a moment that was noted, as far as one boot of the machine can tell.

Files bear the wall clock's time. It may be set; the kernel's clock of the time since boot (``CLOCK_BOOTTIME``, which
counts the time asleep, too) may not, and what corrects the pace of the one corrects that of the other. So where the
wall clock went less than the other one between two moments, it was set back between them. A clock that was set back and
right again leaves no trace, nor does one that was set while the machine was off.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..frozen import frozen

#: What the kernel draws anew at each boot (random(4)).
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
#: Two readings that lie closer together are of one moment; else they are taken again, so often.
_CLOSE_NS: Final = 1_000_000
_TRIES: Final = 5
#: Clocks that differ by less were not set: so exact are the readings on a busy machine.
_NOISE_NS: Final = 5_000_000


@frozen
class Moment:
    """A moment by both clocks, in nanoseconds. ``boot``: of which boot; empty where the system does not say."""

    boot: str
    wall_ns: int
    boot_clock_ns: int

    @property
    def ahead_ns(self) -> int:
        """How far the wall clock is ahead of the other one: it changes when the clock is set, and only then."""
        return self.wall_ns - self.boot_clock_ns

    def words(self) -> dict[str, object]:
        """As a snapshot's head bears it."""
        return {"boot": self.boot, "wall_ns": self.wall_ns, "boot_clock_ns": self.boot_clock_ns}


def now() -> Moment:
    """This moment. A thread that is put aside between the readings does not count for a clock that was set."""
    best: tuple[int, int, int] | None = None
    for _ in range(_TRIES):
        before, wall, after = _boot_clock(), time.time_ns(), _boot_clock()
        if best is None or after - before < best[0]:
            best = after - before, wall, (before + after) // 2
        if best[0] <= _CLOSE_NS:
            break
    assert best is not None
    return Moment(_boot_id(), best[1], best[2])


def noted(words: Mapping[str, Any]) -> Moment | None:
    """The moment that a snapshot's head bears; None in that of an older version, or where it is none."""
    boot, wall, other = words.get("boot"), words.get("wall_ns"), words.get("boot_clock_ns")
    if isinstance(boot, str) and type(wall) is int and type(other) is int:
        return Moment(boot, wall, other)
    return None


def set_back_ns(then: Moment | None, here: Moment) -> int:
    """By how much the wall clock was set back between *then* and *here*, at least; 0 where nothing shows that it was.

    A clock that was set forward harms no incremental.
    """
    if then is None or not then.boot or then.boot != here.boot:
        return 0
    back = then.ahead_ns - here.ahead_ns
    if here.boot_clock_ns < then.boot_clock_ns:
        # The machine was put back to an earlier moment of this boot: what it has seen since is not known.
        back = max(back, 0) + then.boot_clock_ns - here.boot_clock_ns
    return back if back >= _NOISE_NS else 0


def _boot_clock() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _boot_id() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()[:64]
    except (OSError, ValueError):
        return ""
