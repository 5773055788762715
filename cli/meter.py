"""Progress of one piece of work with a known number of bytes, on stderr: a bar on a terminal, few lines elsewhere."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

from ..runtime.faults import EXIT_SIGINT
from .console import harmless, wants_colour
from .surroundings import ENDING, Ended, code_of, is_echo

if TYPE_CHECKING:
    from rich.progress import Progress

    from ..runtime.patience import CalledOff, Patience

_PLAIN_SECONDS = 10.0


class Stopped(Exception):
    """A signal asked for an orderly end; ``number`` is the signal's, ``silent`` what had not answered until then."""

    def __init__(self, number: int, silent: str = "") -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number
        self.silent = silent


@contextmanager
def stoppable(patience: Patience | None = None) -> Iterator[Callable[[], None]]:
    """Give a function that raises :class:`Stopped` once a signal asked to end: to be called between two steps.

    What *patience* waits for is left then, which raises it, too. A second signal interrupts at once, as
    KeyboardInterrupt.
    """
    came: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        if is_echo(number):
            return
        if came:
            raise Ended(number)
        came.append(number)

    def check() -> None:
        if came:
            silent = patience.unanswered() if patience is not None else None
            raise Stopped(came[0], str(silent or ""))

    asked = [n for n in (signal.SIGINT, *ENDING) if n == signal.SIGINT or signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in asked}
    if patience is not None:
        patience.called_off = lambda: bool(came)
    try:
        yield check
    except _called_off() as off:
        raise Stopped(came[0], str(off.fault or "")) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interruptible(patience: Patience) -> Iterator[None]:
    """Where a signal interrupts at once, say so as :class:`Stopped`, with what *patience* waited for."""
    try:
        yield
    except KeyboardInterrupt as end:
        number = (code_of(end) or EXIT_SIGINT) - 128
        raise Stopped(number, str(patience.left or "")) from None


def _called_off() -> type[CalledOff]:
    from ..runtime.patience import CalledOff

    return CalledOff


@contextmanager
def meter(mode: str, what: str, total_bytes: int) -> Iterator[Callable[[int], None] | None]:
    """Give a function that is told the bytes done so far, or None where nobody wants to see them.

    *mode*: ``auto`` (a bar on a terminal, else nothing for short work and a line now and then for long), ``rich``,
    ``plain``, ``json`` or ``none``.
    """
    if mode == "auto":
        terminal = sys.stderr.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"
        mode = "rich" if terminal else "plain"
    if mode == "none":
        yield None
    elif mode == "rich":
        with _bar(harmless(what), total_bytes) as moved:
            yield moved
    else:
        yield _lines(mode, harmless(what), total_bytes)


@contextmanager
def steps(mode: str, what: str, total_bytes: int, patience: Patience | None = None) -> Iterator[Callable[[int], None]]:
    """:func:`stoppable` and :func:`meter` as one: a function that is told the bytes done so far, between two steps."""
    with stoppable(patience) as check, meter(mode, what, total_bytes) as moved:

        def step(done: int) -> None:
            check()
            if moved is not None:
                moved(done)

        yield step


@contextmanager
def _bar(what: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    progress = Progress(
        *columns,
        console=Console(stderr=True, color_system="auto" if wants_colour(sys.stderr) else None),
        transient=True,
    )
    with _shown(progress):
        task = progress.add_task(what, total=total_bytes)
        due = 0.0

        def moved(done: int) -> None:
            nonlocal due
            now = time.monotonic()
            if now >= due:
                due = now + 0.1
                progress.update(task, completed=done)

        yield moved


@contextmanager
def _shown(progress: Progress) -> Iterator[None]:
    """*progress* on the screen; a terminal that goes away takes nothing with it."""
    progress.start()
    try:
        yield
    finally:
        with suppress(OSError):
            progress.stop()


def _lines(mode: str, what: str, total_bytes: int) -> Callable[[int], None]:
    start = time.monotonic()
    due = start + (_PLAIN_SECONDS if mode == "plain" else 1.0)

    def moved(done: int) -> None:
        nonlocal due
        now = time.monotonic()
        if now < due:
            return
        due = now + (_PLAIN_SECONDS if mode == "plain" else 1.0)
        if mode == "json":
            line = json.dumps({"what": what, "bytes": done, "total": total_bytes, "seconds": round(now - start, 1)})
        else:
            line = f"{what}: {done / 2**20:.0f} of {total_bytes / 2**20:.0f} MiB"
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            pass

    return moved
