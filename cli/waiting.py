"""How a command waits for what it reads: a drive that does not answer is named and left."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from .console import say

if TYPE_CHECKING:
    from ..runtime.faults import DriveFault
    from ..runtime.patience import Patience
    from .meter import Stopped


def patience_of(
    hang_after: float, then: str = "what it has is taken from other copies, where these have it"
) -> Patience:
    """Patience of *hang_after* seconds, until the command ends; *then*: what becomes of what a drive that hangs has."""
    from ..runtime.patience import Patience

    patience = Patience(hang_after, tell=_telling(then))
    click.get_current_context().call_on_close(patience.close)
    return patience


def _telling(then: str) -> Callable[[DriveFault], None]:
    def tell(fault: DriveFault) -> None:
        say(f"warning: {fault}; {then}", style="1;33")
        say(f"  do:    {fault.todo}")

    return tell


def say_stopped(stop: Stopped, safe: str) -> int:
    """Say what is *safe*, and what had not answered when the signal came; the exit code."""
    if stop.silent:
        say(f"note: {stop.silent}")
    say(f"stopped: {safe}")
    return 128 + stop.number
