"""Reports that commands write as JSON at ``--report``: refused before the work, written after it, never half."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from ..runtime.faults import UsageFault
from .console import print_json, say
from .standard import abandon_stdout
from .writing import write_whole


def check_report(path: str) -> None:
    """Find out before the work, not after it, that the report cannot be written. Raises UsageFault."""
    if path == "-":
        return
    place = Path(path)
    folder = place.absolute().parent
    if place.exists() and not place.is_file():
        writable = not place.is_dir() and os.access(place, os.W_OK)
    else:
        writable = folder.is_dir() and os.access(folder, os.W_OK)
    if not writable:
        raise UsageFault(
            f"the report {path} cannot be written",
            safe="nothing was opened, read or written",
            todo="name a file in a folder that may be written",
        )


def forget_report(path: str, head: bytes) -> None:
    """Remove an earlier report, which begins with *head*: should this work not begin, nobody takes it for its own."""
    if path == "-":
        return
    place = Path(path)
    try:
        if not place.is_file():
            return
        with place.open("rb") as report:
            ours = report.read(len(head)) == head
        if ours:
            Path(os.path.realpath(place)).unlink()
    except OSError:
        pass  # check_report says so


def write_report(document: dict[str, Any], path: str) -> bool:
    """Write the report, all of it or nothing; False where that failed, which is said: the work itself is not harmed."""
    try:
        if path == "-":
            print_json(document)
            sys.stdout.flush()
        else:
            write_whole(Path(path), (json.dumps(document, indent=1) + "\n").encode("ascii"))
    except UsageFault as fault:
        say(f"error: the report was not written: {fault.message}", style="1;31")
        return False
    except OSError as error:
        abandon_stdout()
        say(f"error: the report was not written: standard output: {error.strerror or error}", style="1;31")
        return False
    return True
