"""What a process is started into: its signals, umask, encoding, folder. Set right once, before anything else."""

from __future__ import annotations

import os
import sys
import time
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from ..runtime.faults import UsageFault
from .console import is_utf8

if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # what `signal` is made of: that one makes enums first, which each start would pay for

#: Asked to end: by a user, by a terminal that is gone, by an administrator, by a limit of processor time.
ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGXCPU)
#: By default these end a process at once; some send them to ask how far it is.
HARMLESS = (signal.SIGUSR1, signal.SIGUSR2)


class Ended(KeyboardInterrupt):
    """A signal of :data:`ENDING` came to a command that does not handle it itself; ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class _Echoes:
    """Of a signal that was sent to a whole group of processes the parent passes on what we have had."""

    expected = False
    last = (0, 0.0)


#: The same signal again within so many seconds is the one that came before. Nobody presses a key so fast.
_ECHO_SECONDS = 0.15


def expect_echoes() -> None:
    """Say that a parent passes signals on (``aside``)."""
    _Echoes.expected = True
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)


def is_echo(number: int) -> bool:
    """From a signal's handler, once each time that it is called: whether this one has come before."""
    now = time.monotonic()
    (before, then), _Echoes.last = _Echoes.last, (number, now)
    return _Echoes.expected and before == number and now - then < _ECHO_SECONDS


def settle() -> None:
    """Make the process's surroundings what the commands expect. Only for a process that was started as ``tcc``."""
    _speak_utf8()
    # Without its owner's own rights no volume and no catalog could be opened again.
    os.umask(os.umask(0o077) & 0o077)
    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup means it
            signal.signal(number, _end)
    for harmless in HARMLESS:
        # A handler, not SIG_IGN: programs that we start get the default back.
        signal.signal(harmless, _pass_over)


def _end(number: int, _: object) -> None:
    if not is_echo(number):
        raise Ended(number)


def _pass_over(number: int, _: object) -> None:
    pass


def _speak_utf8() -> None:
    """Plans are UTF-8, names of files any bytes: an older locale would make other names of them.

    Only an interpreter that is started so has another encoding for names of files, so it is started once more. What
    PYTHONIOENCODING says of the standard streams alone stays: what it cannot show is escaped.
    """
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        try:
            os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - ourselves
        except OSError:
            pass  # then as far as it goes
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and not is_utf8(stream):
            stream.reconfigure(errors="backslashreplace")


def check_folder() -> None:
    """Raises UsageFault where the current folder was removed: no relative name means anything there."""
    try:
        Path.cwd()
    except OSError:
        raise UsageFault(
            "the current folder is not there any more",
            safe="nothing was opened, read or written",
            todo="change to a folder that is there (`cd /`), and say it again",
        ) from None


def code_of(error: BaseException | None) -> int | None:
    """The exit code of a command that *error* (or what it comes from) ended by a signal of :data:`ENDING`."""
    while error is not None:
        if isinstance(error, Ended):
            return 128 + error.number
        error = error.__cause__ or error.__context__
    return None
