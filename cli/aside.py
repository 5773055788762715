"""Commands that read media do it in a process of their own, so that the one that was started ends in any case.

A call that the kernel holds uninterruptibly (a disk that dies, a FUSE file system whose server is gone) keeps its
whole process from ending: no signal helps, and whoever waits for it (a shell, cron, a timer of systemd) waits on. So
the command forks before it has read anything. The child does the work; when it is done it says its exit code, and ends.
The parent only waits: it passes signals on, and ends with that code although the child may still be held.
"""

from __future__ import annotations

import fcntl
import os
import select
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # see surroundings

from .surroundings import ENDING, expect_echoes

#: So long the parent waits for the end of a child that has said its code.
GRACE_SECONDS = 0.4
_LOOK_SECONDS = 0.2
#: A signal that comes right before a call which then waits is heard only when that call is interrupted once more: so
#: often, and so many seconds apart, a signal that does nothing else follows each one that was passed on.
_NUDGES = 20
_NUDGE_SECONDS = 0.1
#: From the kernel: a terminal's key, which the child has got, too.
_SI_KERNEL = 0x80


class _Child:
    #: where the child says its exit code; -1 where there is no parent that waits for it
    told = -1


def step_aside(words: list[str]) -> None:
    """Return in the child; in this process where only help is asked for, or the system gives no child.

    *words*: those behind the command's name.
    """
    if {"--help", "-h"} & set(words):
        return
    passed_on: set[int] = {signal.SIGINT, *ENDING}
    reads = writes = held = holds = -1
    try:
        reads, writes = os.pipe()
        held, holds = os.pipe()
        signal.pthread_sigmask(signal.SIG_BLOCK, {*passed_on, signal.SIGCHLD})
        child = os.fork()
    except OSError:  # the system gives no more: then without
        for fd in (reads, writes, held, holds):
            if fd >= 0:
                os.close(fd)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*passed_on, signal.SIGCHLD})
        return
    if child:
        os.close(writes)
        os.close(held)
        _wait(child, reads, passed_on)
    os.close(reads)
    os.close(holds)
    _die_with_the_parent(held)
    expect_echoes()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*passed_on, signal.SIGCHLD})
    _Child.told = writes


def say_code(code: int) -> None:
    """In the child, last of all: the parent may end with *code*, and no reader waits for more output."""
    if _Child.told < 0:
        return
    # What is left of a process that the kernel holds keeps its descriptors: a pipe's reader would wait for them.
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.write(_Child.told, bytes([code & 0xFF]))


def _die_with_the_parent(held: int) -> None:
    """Have the kernel kill this process when the other end of the pipe, which the parent holds, is closed."""
    fcntl.fcntl(held, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(held, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(held, fcntl.F_SETFL, fcntl.fcntl(held, fcntl.F_GETFL) | os.O_ASYNC)
    ended = select.poll()
    ended.register(held, 0)
    if ended.poll(0):
        os._exit(EXIT_KILLED)


#: From ``fcntl.h``; Python has no name for it.
_F_SETSIG = 10
EXIT_KILLED = 128 + signal.SIGKILL


def _wait(child: int, reads: int, passed_on: set[int]) -> NoReturn:
    """The parent's life."""
    code: int | None = None
    looks = GRACE_SECONDS
    nudges = 0
    while True:
        nudges = nudges if code is None else 0
        came = signal.sigtimedwait({*passed_on, signal.SIGCHLD}, _NUDGE_SECONDS if nudges else _LOOK_SECONDS)
        if came is not None and came.si_signo != signal.SIGCHLD:
            if came.si_code != _SI_KERNEL:
                os.kill(child, came.si_signo)
            nudges = _NUDGES
            continue
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            _end_as(status)
        if nudges:
            nudges -= 1
            os.kill(child, signal.SIGUSR2)
        if code is not None:
            looks -= _LOOK_SECONDS
            if looks <= 0:
                os._exit(code)
        elif select.select([reads], [], [], 0)[0]:
            said = os.read(reads, 1)
            code = said[0] if said else None


def _end_as(status: int) -> NoReturn:
    """End as the child did, by whatever ended it."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    sys.stderr.flush()
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
