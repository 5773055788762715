"""Reports that commands write as JSON at ``--report``: refused before the work, written after it, never half."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..runtime.faults import UsageFault
from ..runtime.plain_files import open_plain
from .console import print_json, say, shown
from .kept import why_not
from .standard import abandon_stdout
from .writing import descriptor_of, try_place, why_not_poured, write_whole

#: What a report would destroy, and why in words: a file, or (ending with a slash) a folder with all below it. Of what
#: ends with ``/*`` only files that are there already are meant, and that are no report.
Claim = tuple[str, str]


def check_report(path: str, claims: Iterable[Claim] = ()) -> None:
    """Find out before the work, not after it, that the report cannot be written, or would harm what *claims* names.

    Raises UsageFault.
    """
    if path == "-":
        return
    try:
        why = _why_not(path, claims)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
    if why is not None:
        raise UsageFault(
            f"the report {shown(path)} cannot be written: {why}",
            safe="nothing was opened, read or written",
            todo="name a file in a folder that may be written",
        )


def _why_not(path: str, claims: Iterable[Claim]) -> str | None:
    if (named := descriptor_of(path)) is not None:
        os.fstat(named)
        return None
    place = Path(path)
    real = Path(os.path.realpath(place))
    foreign = place.is_file() and _is_foreign(place)
    for own in {os.path.abspath(path), str(real)}:  # noqa: PTH100 - `..` is followed by the system
        for claimed, what in claims:
            folder = claimed.removesuffix("*")
            if own == claimed or (folder.endswith("/") and own.startswith(folder) and (foreign or folder == claimed)):
                return what
    if not place.exists():
        with suppress(FileNotFoundError):
            place.stat()  # a circle of links is none that leads to a new file
        if path.endswith("/"):
            return "it is a folder"
    elif not place.is_file():
        why = why_not_poured(place)
        return why if why is not None or os.access(place, os.W_OK) else "it may not be written"
    elif (why := why_not(path)) is not None:
        return why
    try_place(real)
    return None


def _is_foreign(place: Path) -> bool:
    """Whether the file holds something, and no JSON. Raises OSError."""
    with open_plain(place) as file:
        head = file.read(64).lstrip()
    return bool(head) and not head.startswith(b"{")


def forget_report(path: str, head: bytes) -> None:
    """Remove an earlier report, which begins with *head*: should this work not begin, nobody takes it for its own."""
    if path == "-":
        return
    place = Path(path)
    try:
        if not place.is_file() or descriptor_of(path) is not None:
            return
        with place.open("rb") as report:
            ours = report.read(len(head)) == head
        if ours:
            Path(os.path.realpath(place)).unlink()
    except (OSError, ValueError):
        pass  # check_report says so


def write_report(document: dict[str, Any], path: str, *, spare: Path | None = None) -> bool:
    """Write the report, all of it or nothing; False where that failed, which is said: the work itself is not harmed.

    What cannot be written goes to the file *spare* instead, if that can be, and is not lost.
    """
    try:
        if path == "-":
            print_json(document)
            sys.stdout.flush()
        else:
            write_whole(Path(path), _text(document))
    except UsageFault as fault:
        say(f"error: the report was not written: {fault.message}", style="1;31")
    except OSError as error:
        abandon_stdout()
        say(f"error: the report was not written: standard output: {error.strerror or error}", style="1;31")
    else:
        return True
    if spare is not None:
        try:
            write_whole(spare, _text(document))
        except UsageFault as fault:
            say(f"error: nor was it kept: {fault.message}", style="1;31")
        else:
            say(f"the report is kept in {shown(spare)}")
    return False


def _text(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode("ascii")
