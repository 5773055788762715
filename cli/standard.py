"""The three standard descriptors, whatever the caller left of them."""

from __future__ import annotations

import os
import sys


def secure_standard_descriptors() -> None:
    """Open those of 0, 1 and 2 that the caller closed, before anything else is opened.

    Else a volume's file might get such a number, and whatever is said on it would be written into the volume; or a
    source ``-`` would read some other file. The null device stands in; for input and results it is opened the wrong way
    round: to read nothing, or to lose a result, is an error that the command tells.
    """
    for fd, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            opened = os.open(os.devnull, flags)  # the lowest free number: fd
            os.set_inheritable(opened, True)  # our children need theirs as much
            if fd == 0:
                sys.stdin = os.fdopen(fd, closefd=False)
            elif fd == 1:
                sys.stdout = os.fdopen(fd, "w", closefd=False)
            else:
                sys.stderr = os.fdopen(fd, "w", closefd=False)


def stdout_is_lost() -> bool:
    """Whether standard output cannot be written (a full disk), tried with a line end: the command fails anyway."""
    try:
        sys.stdout.flush()
        os.write(1, b"\n")
    except OSError:
        return True
    return False


def abandon_stdout() -> None:
    """Nobody takes the results any more: let the interpreter's end flush what is left into the null device."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
