"""What GNU tar says while it creates an archive (``LC_ALL=C``), sorted by what it means for the object (tar.md).

A line is noise, a *change* (the tree lives: exit 1, the object is whole), *unread* (a named file could not be read:
exit 2, the archive is sound but lacks it), or anything else, which with exit 2 makes the object failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..model import Ending

#: Warnings kept with an object; more are counted.
WARNINGS_MAX = 200
_LINE_MAX = 8192

_NOISE = re.compile(
    r": (socket ignored|door ignored|implausibly old time stamp .*|time stamp .* is .* s in the future"
    r"|file is on a different filesystem; not dumped|contents? on a different filesystem.*"
    r"|directory is on a different filesystem; not dumped"
    r"|[Dd]irectory is new|[Dd]irectory has been renamed( from .*)?"
    # of each file of a file system that has no extended attributes: nothing lacks
    r"|Warning: Cannot [fl]?listxattr: Operation not supported)$"
    r"|: Removing leading .* from (member names|hard link targets)$"
    r"|: Exiting with failure status due to previous errors$"
)
_CHANGE = re.compile(
    r": (file changed as we read it|File shrank by [0-9]+ bytes; padding with zeros|File removed before we read it"
    r"|Directory removed before we read it|file removed before we read it|Warning: .*|Unknown file type; file ignored)$"
)
_UNREAD = re.compile(
    r": (Cannot (open|stat|fstat|read|readlink|savedir|opendir|seek|seek to|close)\b.*"
    r"|Read error at byte [0-9]+, while reading [0-9]+ bytes: .*"
    r"|file name is too long \(max [0-9]+\); not dumped|file name is too long \(cannot be split\); not dumped"
    r"|link name is too long; not dumped)$"
)
#: about the archive itself, or about tar: never a matter of one file
_FATAL = re.compile(r"^(-|<stdout>): |Error is not recoverable|memory exhausted|^Child ")
#: What tar says of each short read. A disk that fails in the middle of a file gives one, too, before its error.
_SHRANK = re.compile(rb"^(?:g?tar: )?(.*): File shrank by ([0-9]+) bytes; padding with zeros$", re.DOTALL)
#: So many such files are looked at again.
SHRUNK_MAX = 1000
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}
_ESCAPED = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_OCTAL = re.compile(rb"(?:\\[2-3][0-7]{2})+")


class TarMessages:
    """A sink (see ``children.Sink``) that sorts tar's lines as they come, in bounded memory."""

    def __init__(self, warnings: Iterable[str] = (), unread: int = 0) -> None:
        self._rest = b""
        self._skipping = False
        self.warnings: list[str] = list(warnings)
        self.unread = unread
        self.beyond = 0
        self.other: str | None = None
        #: names (as tar was given them) and how many bytes of each were not read
        self.shrunk: list[tuple[bytes, int]] = []
        self.shrunk_beyond = 0

    def feed(self, data: bytes) -> None:
        """Some more bytes; empty at the end."""
        *lines, self._rest = (self._rest + (data or b"\n")).split(b"\n")
        for line in lines:
            if not self._skipping:
                self._sort(line)
            self._skipping = False
        if len(self._rest) > _LINE_MAX:
            if not self._skipping:
                self._sort(self._rest[:_LINE_MAX])
            self._rest, self._skipping = b"", True

    def lacks(self, line: str) -> None:
        """One more that could not be read, of which tar says nothing."""
        self.unread += 1
        self._keep(line)

    def _sort(self, raw: bytes) -> None:
        line = readable(raw).removeprefix("tar: ").removeprefix("gtar: ")
        if not line or _NOISE.search(f": {line}"):
            return
        if _FATAL.search(line):
            self.other = self.other or line
        elif _UNREAD.search(line):
            self.unread += 1
            self._keep(line)
        elif _CHANGE.search(line):
            self._keep(line)
            if (shrank := _SHRANK.match(raw)) is not None:
                self._keep_shrunk(_plain(shrank[1]), int(shrank[2]))
        else:
            self.other = self.other or line
            self._keep(line)

    def _keep_shrunk(self, name: bytes, missing: int) -> None:
        if len(self.shrunk) < SHRUNK_MAX:
            self.shrunk.append((name, missing))
        else:
            self.shrunk_beyond += 1

    def _keep(self, line: str) -> None:
        if len(self.warnings) < WARNINGS_MAX:
            self.warnings.append(line)
        else:
            self.beyond += 1

    def ending(self, status: int) -> Ending:
        """How the object ended, tar's exit *status* known (negative: a signal), after all lines were fed."""
        warnings = (*self.warnings, *([f"and {self.beyond} more files"] if self.beyond else []))
        error = None
        if status < 0:
            from .children import signal_name

            error = f"tar was killed by {signal_name(-status)}"
        elif status > 2 or (status == 2 and (self.other is not None or not self.unread)):
            error = f"tar failed with exit status {status}" + (f": {self.other}" if self.other else "")
        if error is not None:
            return Ending("failed", warnings=warnings, unread=self.unread, error=error)
        return Ending("whole", warnings=warnings, unread=self.unread)


def _plain(quoted: bytes) -> bytes:
    """A name without tar's escapes ("Quoting Member Names" in its manual)."""

    def decode(match: re.Match[bytes]) -> bytes:
        word = match[1]
        return bytes([int(word, 8) & 0xFF]) if len(word) == 3 else _ESCAPES.get(word, word)

    return _ESCAPED.sub(decode, quoted)


def readable(raw: bytes) -> str:
    """A line of tar with names readable: runs of octal escapes that are UTF-8 become text; other escapes stay."""

    def decode(match: re.Match[bytes]) -> bytes:
        octets = bytes(int(octal, 8) for octal in match.group().split(b"\\")[1:])
        try:
            octets.decode()
        except UnicodeDecodeError:
            return match.group()
        return octets

    return _OCTAL.sub(decode, raw).decode("utf-8", "backslashreplace")
