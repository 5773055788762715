"""``tcc compile --emit systemd``: what the compiler cannot know of a service: where tcc and the plan lie."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..runtime.faults import UsageFault
from .console import harmless

if TYPE_CHECKING:
    from ..runtime.plan import CompiledPlan

#: ``systemd-analyze calendar`` reads one line and prints a few.
_SECONDS_MAX: Final = 10.0


def units(file: str, plan: CompiledPlan, defines: Mapping[str, str]) -> dict[str, bytes]:
    """The unit files of the plan at *file*, by name. Raises :class:`UsageFault` where it cannot be a service."""
    from ..compiler.emit.systemd import Invocation, NoUnits, to_units

    if file == "-":
        raise UsageFault("a plan from standard input has no place that a service could name", todo="give it a file")
    # Not resolved: what a name leads to may change, and the service is to follow it. `..` in it is gone, though.
    path = os.path.abspath(file)  # noqa: PTH100 - Path.absolute keeps `..`
    environment = {"TCC_STATE": str(Path(state).absolute())} if (state := os.environ.get("TCC_STATE")) else {}
    try:
        made = to_units(plan, Invocation(_program(), path, str(Path(path).parent), defines, environment))
    except NoUnits as wrong:
        raise UsageFault(f"{file}: {wrong}", safe="nothing was written", todo=wrong.todo) from None
    _check_calendar(file, plan.schedule or "")
    return {name: text.encode("utf-8") for name, text in made.items()}


def _program() -> tuple[str, ...]:
    """How this very tcc is called, absolutely. Never by looking for `tcc`: that may be a C compiler."""
    script = Path(sysconfig.get_path("scripts")) / "tapechain"
    return (str(script),) if script.is_file() else (sys.executable, "-m", __package__.partition(".")[0])


def _check_calendar(file: str, schedule: str) -> None:
    """Ask systemd, where it is there, whether it understands *schedule*; raises :class:`UsageFault` where not."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return
    try:
        done = subprocess.run(
            [analyze, "calendar", "--", schedule],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS_MAX,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return  # what cannot be asked must not keep the units from being made: `systemctl` says it again
    if done.returncode:
        said = harmless(" ".join(done.stderr.split())[:200])
        raise UsageFault(
            f"{file}: systemd does not understand the schedule {harmless(schedule)!r}: {said}",
            safe="nothing was written",
            todo="`man systemd.time` says how calendar expressions are written",
        )
