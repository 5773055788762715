"""What commands say: results on stdout, all else on stderr; harmless text; colours only on a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from ..runtime.faults import AmbiguousFault, Fault

#: A command of an advice, up to the plan that it needs.
_COMMAND = re.compile(r"(tcc [a-z][^;`]*?)--plan FILE")
#: All outside printable ASCII and line ends; what is printable of it stays.
_PERHAPS_NOT_TEXT = re.compile(r"[^\n -~]")


def harmless(text: str) -> str:
    """*text* with control characters (terminal escapes in names, say) shown as ``\\xNN``; line ends and tabs stay.

    So are the bytes of a name that are no UTF-8, as a shell takes them: ``$'b\\xff'``.
    """
    return "".join(c if c in "\n\t" or (c.isprintable() or c == " ") else _code_of(c) for c in text)


def _code_of(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # "surrogateescape" stands for a byte
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode()


def is_text(text: str) -> bool:
    """Whether *text* can be written as UTF-8: a name with other bytes in it cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(path: str | Path) -> str:
    """*path* on one line: a name may hold line ends, which would look like lines of ours."""
    return os.fspath(path).replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def wants_colour(stream: IO[str]) -> bool:
    """Whether *stream* is a terminal that wants colours (``NO_COLOR``, ``CI`` and ``TERM=dumb`` respected)."""
    if os.environ.get("NO_COLOR") or os.environ.get("CI") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def paint(text: str, style: str, *, stream: IO[str]) -> str:
    """*text* in an ANSI style (``1;31``, say) where *stream* wants colours."""
    return f"\x1b[{style}m{text}\x1b[0m" if wants_colour(stream) else text


def say(text: str, *, style: str = "") -> None:
    """A line on stderr, up to its first colon in *style*. A stderr that is gone or full never stops the work.

    What follows a line end in *text*, which a name may hold, is indented: it never looks like a line of ours.
    """
    line = harmless(text).replace("\n", "\n  ")
    if style:
        head, colon, rest = line.partition(":")
        line = paint(head + colon, style, stream=sys.stderr) + rest
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass


def print_fault(fault: Fault, words: Sequence[str] = ()) -> None:
    """A fault on stderr: what and where, what is safe, what to do.

    *words*: the command line; where one of them names several sources it is shown anew for each of these.
    """
    say(f"error: {fault.message}", style="1;31")
    where = str(fault.place)
    if where:
        say(f"  where: {where}")
    if fault.safe:
        say(f"  safe:  {fault.safe}")
    if isinstance(fault, AmbiguousFault) and fault.text in words:
        import shlex

        for what, only in fault.readings:
            command = shlex.join(["tcc", *(only if word == fault.text else word for word in words)])
            say(f"  do:    {command}   # {what}")
    elif fault.todo:
        say(f"  do:    {_typed(fault.todo, words)}")


def _typed(todo: str, words: Sequence[str]) -> str:
    """*todo* with the plan that the command line *words* names, where it advises a command with ``--plan FILE``."""
    plans = [word.removeprefix("--plan=") for word in words if word.startswith("--plan=")]
    plans += [plan for option, plan in pairwise(words) if option == "--plan"]
    if len(plans) != 1:
        return todo
    import shlex

    # In a command alone: what it says of options is meant for another plan.
    return _COMMAND.sub(lambda found: f"{found[1]}--plan {shlex.quote(plans[0])}", todo)


def print_result(text: str) -> None:
    """A line of the command's result on stdout, made harmless: what it says may come from plans, media and catalogs."""
    sys.stdout.write(harmless(text) + "\n")


def print_json(value: Any) -> None:
    """A JSON result on stdout; what is no text (names of files that are not UTF-8) or steers terminals is escaped."""
    speak_json()
    sys.stdout.write(json_text(value) + "\n")


def speak_json() -> None:
    """What follows on stdout is JSON, which is UTF-8 by its definition, whatever the locale."""
    if isinstance(sys.stdout, TextIOWrapper) and not is_utf8(sys.stdout):
        sys.stdout.reconfigure(encoding="utf-8", errors="strict")


def is_utf8(stream: TextIOWrapper) -> bool:
    """Whether any text can be written to *stream* as it is."""
    return stream.encoding.lower().replace("-", "") == "utf8"


def json_text(value: Any, *, indent: int | None = 1) -> str:
    """*value* as JSON; what is no text, or steers terminals, is escaped."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return _PERHAPS_NOT_TEXT.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable():
        return character
    return json.dumps(character)[1:-1] if ord(character) > 0x7F else f"\\u{ord(character):04x}"
