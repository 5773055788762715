"""Readers of attribute values: from a syntax tree's value to what the compiled plan holds, or a problem with its place.

Every reader takes the attribute's name (for its messages) and an evaluated value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from ..dsl import units
from ..dsl.ast import Boolean, Duration, ListValue, Number, Range, Rate, Reference, Size, String, Value
from ..dsl.spans import Span
from .calendar import may_be_calendar
from .model import Problem, SettingValue
from .names import listed, nearest, quoted
from .tree import in_bytes, shown, what_it_is

_BUCKET = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s?#]+(/[^\s?#]*)?")
_DATABASE = re.compile(r"[A-Za-z][A-Za-z0-9]*(\+[A-Za-z0-9_]+)?://\S*")
_ZSTD = re.compile(r"zstd(:([0-9]{1,3}))?")
_AGE = re.compile(r"age1[0-9a-z]+")
_SSH = re.compile(r"ssh-(ed25519|rsa) \S+( .*)?")

#: zstd(1): levels 1 to 19, and with --ultra up to 22.
ZSTD_LEVEL_MAX = 22


def item_spans(value: Value) -> tuple[Span, ...]:
    """The places of the texts in a value that is a text or a list of them."""
    return tuple(item.span for item in value.items) if isinstance(value, ListValue) else (value.span,)


@dataclass(frozen=True, slots=True)
class SizeReader:
    """Reads a size in bytes from ``low`` to ``high`` (None: no end), a multiple of ``multiple`` bytes."""

    low: int
    high: int | None = None
    multiple: int = 1

    def __call__(self, name: str, value: Value) -> SettingValue | Problem:
        """The size in bytes, or what is wrong with *value*."""
        low, high, multiple = self.low, self.high, self.multiple
        if not isinstance(value, Size):
            return _wrong(name, "a size, such as 1MiB", value)
        found = value.size_bytes
        if found < low or (high is not None and found > high):
            if high is None:
                return _range(
                    value,
                    f"`{name}` must be at least {in_bytes(low)}; {shown(value)} is less",
                    f"write {in_bytes(low)} or more",
                )
            return _range(
                value,
                f"`{name}` must lie in {in_bytes(low)}..{in_bytes(high)}; {shown(value)} does not",
                f"the nearest that is possible is {in_bytes(low if found < low else high)}",
            )
        if found % multiple:
            below = found // multiple * multiple
            return _range(
                value,
                f"`{name}` must be a multiple of {multiple} bytes; {shown(value)} is {found} bytes",
                f"{below} or {below + multiple} bytes are possible; sizes in KiB and MiB always fit",
            )
        return found


@dataclass(frozen=True, slots=True)
class CountReader:
    """Reads a whole number from ``low`` to ``high``, without a unit."""

    low: int
    high: int

    def __call__(self, name: str, value: Value) -> SettingValue | Problem:
        """The number, or what is wrong with *value*."""
        if not isinstance(value, Number) or not isinstance(value.value, int):
            return _wrong(name, f"a whole number, such as {max(self.low, 8)}", value)
        if not self.low <= value.value <= self.high:
            nearest_one = self.low if value.value < self.low else self.high
            return _range(
                value,
                f"`{name}` must lie in {self.low}..{self.high}; {value.value} does not",
                f"the nearest that is possible is {nearest_one}",
            )
        return value.value


@dataclass(frozen=True, slots=True)
class WordReader:
    """Reads one of ``words``, written as a string."""

    words: tuple[str, ...]

    def __call__(self, name: str, value: Value) -> SettingValue | Problem:
        """The word, or what is wrong with *value*."""
        choice = listed((quoted(w) for w in self.words), "or")
        if not isinstance(value, String):
            return _wrong(name, choice, value)
        found = _text_of(value)
        if found not in self.words:
            near = nearest(found, self.words)
            return _range(
                value,
                f"`{name}` is {choice}; {shown(value)} is neither",
                f"did you mean {quoted(near)}?" if near else f"write {choice}",
            )
        return found


def boolean(name: str, value: Value) -> SettingValue | Problem:
    """``true`` or ``false``."""
    return value.value if isinstance(value, Boolean) else _wrong(name, "true or false", value)


def must_be_true(name: str, value: Value) -> SettingValue | Problem:
    """``true``: an attribute that says what its statement is cannot be false."""
    if not isinstance(value, Boolean):
        return _wrong(name, "true", value)
    if not value.value:
        return _range(value, f"`{name}` can only be true", f"leave `{name}` out and say what the drive is instead")
    return True


def duration(name: str, value: Value) -> SettingValue | Problem:
    """A duration in seconds, longer than none."""
    if not isinstance(value, Duration):
        return _wrong(name, "a duration, such as 90s, 30m, 6h or 2d", value)
    if value.seconds <= 0:
        return _range(value, f"`{name}` must be longer than nothing", f"write it like 2h, or leave `{name}` out")
    return value.seconds


def rate(name: str, value: Value) -> SettingValue | Problem:
    """A rate in bytes per second, above none."""
    if isinstance(value, Range):
        return _wrong(name, "one rate, such as 30MB/s (a range is for drives)", value)
    if not isinstance(value, Rate):
        return _wrong(name, "a rate, such as 30MB/s", value)
    if value.bytes_per_second <= 0:
        return _range(value, f"`{name}` must be above 0", f"write it like 30MB/s, or leave `{name}` out")
    return value.bytes_per_second


def rate_or_range(name: str, value: Value) -> SettingValue | Problem:
    """A rate, or the slowest and the fastest one: a pair of bytes per second in any case."""
    if not isinstance(value, Range):
        single = rate(name, value)
        return (single, single) if isinstance(single, int) else single
    low, high = rate(name, value.low), rate(name, value.high)
    for end in (low, high):
        if isinstance(end, Problem):
            return end
    assert isinstance(low, int) and isinstance(high, int)
    if low > high:
        return _range(
            value,
            f"`{name}` runs backwards: {shown(value)}",
            f"the slowest rate comes first: `{shown(value.high)}..{shown(value.low)}`",
        )
    return (low, high)


def text(name: str, value: Value) -> SettingValue | Problem:
    """A text that is not empty."""
    if not isinstance(value, String):
        return _wrong(name, 'a text in quotes, such as "vault"', value)
    return _not_empty(name, value)


def calendar(name: str, value: Value) -> SettingValue | Problem:
    """When a plan runs: a systemd OnCalendar expression."""
    found = text(name, value)
    if isinstance(found, str) and not may_be_calendar(found):
        help = 'write it like "*-*-* 02:00", "Mon..Fri 22:30" or "daily"; `man systemd.time` says more'
        return _range(value, f"{shown(value)} is no OnCalendar expression", help)
    return found


def path(name: str, value: Value) -> SettingValue | Problem:
    """A path as written; it need not exist."""
    if not isinstance(value, String):
        return _wrong(name, "a path in quotes", value)
    return _not_empty(name, value)


def paths(name: str, value: Value) -> SettingValue | Problem:
    """A path or a list of them, at least one."""
    if isinstance(value, ListValue) and not value.items:
        return _range(value, f"`{name}` must name at least one path; the list is empty", "name what is meant")
    return _list(name, value, "a path in quotes, or a list of them")


def texts(name: str, value: Value) -> SettingValue | Problem:
    """A text or a list of them; the list may be empty."""
    return _list(name, value, 'a list of texts, such as ["*.tmp"]')


def command(name: str, value: Value) -> SettingValue | Problem:
    """A list of arguments, the program first. No shell reads it."""
    if not isinstance(value, ListValue):
        return _wrong(
            name,
            'a list of arguments, such as ["pg_dump", "-Fc", "shop"]',
            value,
            'no shell reads a command; for one write ["sh", "-c", "…"]' if isinstance(value, String) else "",
        )
    if not value.items:
        return _range(
            value, f"`{name}` must name a program; the list is empty", 'write it like ["pg_dump", "-Fc", "shop"]'
        )
    arguments = []
    for i, item in enumerate(value.items):
        if not isinstance(item, String):
            return _wrong(name, "texts only", item, "put the argument in quotes")
        checked = _not_empty(name, item) if i == 0 else _clean(name, item)
        if isinstance(checked, Problem):
            return checked
        arguments.append(checked)
    return tuple(arguments)


def name(name: str, value: Value) -> SettingValue | Problem:
    """The name of a host or pool, bare or in quotes."""
    if isinstance(value, Reference):
        return value.name.text
    if not isinstance(value, String) or _has_hole(value):
        return _wrong(name, f"the name of a {name}", value)
    return _not_empty(name, value)


def compression(name: str, value: Value) -> SettingValue | Problem:
    """``zstd``, or ``zstd:LEVEL``."""
    if not isinstance(value, String):
        return _wrong(name, '"zstd" or "zstd:19"', value)
    match = _ZSTD.fullmatch(_text_of(value))
    if match is None:
        return _range(
            value, f'`{name}` is "zstd" or "zstd:LEVEL"; {shown(value)} is neither', 'write "zstd", or "zstd:19" say'
        )
    if match[2] is not None and not 1 <= int(match[2]) <= ZSTD_LEVEL_MAX:
        return _range(
            value,
            f"the level of zstd must lie in 1..{ZSTD_LEVEL_MAX}; {match[2]} does not",
            'write "zstd:19" say, or "zstd" for its own level',
        )
    return _text_of(value)


def recipients(name: str, value: Value) -> SettingValue | Problem:
    """A list of age recipients, at least one: ``age1…`` or an ssh public key (age(1))."""
    if not isinstance(value, ListValue):
        return _wrong(name, 'a list of age recipients, such as ["age1…"]', value)
    if not value.items:
        return _range(
            value,
            f"`{name}` must name at least one recipient; the list is empty",
            f"name one, or leave `{name}` out where nothing is to be encrypted",
        )
    found = []
    for item in value.items:
        if not isinstance(item, String):
            return _wrong(name, "texts only", item, "put the recipient in quotes")
        recipient = _text_of(item)
        if not _AGE.fullmatch(recipient) and not _SSH.fullmatch(recipient):
            secret = recipient.upper().startswith("AGE-SECRET-KEY")
            return _range(
                item,
                "an age recipient begins with age1, ssh-ed25519 or ssh-rsa",
                "this is a secret key: it does not belong in a plan; `age-keygen -y` gives its recipient"
                if secret
                else "give the line that `age-keygen -y` or an ssh key's .pub file has",
            )
        found.append(recipient)
    return tuple(found)


def bucket_url(name: str, value: Value) -> SettingValue | Problem:
    """An object store's URL: ``s3://bucket/prefix``."""
    if not isinstance(value, String):
        return _wrong(name, 'a URL in quotes, such as "s3://bucket/prefix"', value)
    if not _BUCKET.fullmatch(_text_of(value)):
        return _range(value, f"{shown(value)} is no object store's URL", 'write it like "s3://bucket/prefix"')
    return _text_of(value)


def database_url(name: str, value: Value) -> SettingValue | Problem:
    """A database's URL: ``sqlite:///catalog.db``, ``postgresql://host/name``."""
    if not isinstance(value, String):
        return _wrong(name, 'a database URL in quotes, such as "sqlite:///catalog.db"', value)
    if not _DATABASE.fullmatch(_text_of(value)):
        return _range(
            value,
            f"{shown(value)} is no database URL",
            'write it like "sqlite:///catalog.db" or "postgresql://host/name"',
        )
    return _text_of(value)


def instant(name: str, value: Value) -> SettingValue | Problem:
    """A date and time, ISO 8601: ``2026-11-20T02:00``."""
    if not isinstance(value, String):
        return _wrong(name, 'a time in quotes, such as "2026-11-20T02:00"', value)
    try:
        datetime.fromisoformat(_text_of(value))
    except ValueError:
        return _range(value, f"{shown(value)} is no date and time", 'write it like "2026-11-20T02:00"')
    return _text_of(value)


def _list(name: str, value: Value, wanted: str) -> SettingValue | Problem:
    items = value.items if isinstance(value, ListValue) else (value,)
    found = []
    for item in items:
        if not isinstance(item, String):
            return _wrong(name, wanted, item)
        checked = _not_empty(name, item)
        if isinstance(checked, Problem):
            return checked
        found.append(checked)
    return tuple(found)


def _not_empty(name: str, value: String) -> str | Problem:
    text = _text_of(value)
    if not text or text.isspace():
        return _range(value, f"`{name}` must not be empty", f"say what is meant, or leave `{name}` out")
    return text if "\0" not in text else _clean(name, value)


def _clean(name: str, value: String) -> str | Problem:
    found = _text_of(value)
    if "\0" not in found:
        return found
    return _range(value, f"`{name}` holds a NUL byte, which no path or argument can", "take the NUL byte out")


def _text_of(value: String) -> str:
    parts = value.parts
    if len(parts) == 1 and isinstance(parts[0], str):
        return parts[0]
    return "".join(part for part in value.parts if isinstance(part, str))


def _has_hole(value: String) -> bool:
    return any(not isinstance(part, str) for part in value.parts)


def _wrong(name: str, wanted: str, value: Value, help: str = "") -> Problem:
    help = help or likely(wanted, value)
    like = wanted.partition(", such as ")[2]
    if not help and isinstance(value, String) and not like.startswith(('"', "[")) and like:
        help = f"write it without quotes, like {like}"
    if not help and isinstance(value, Number) and "number" not in wanted:
        help = f"write {wanted}"
    if not help:
        help = f"write it like {like}" if like else f"write {wanted}"
    return Problem("TC206", value.span, f"`{name}` takes {wanted}; this is {what_it_is(value)}", help)


def likely(wanted: str, value: Value) -> str:
    """What to write for a *value* where *wanted* belongs: without its quotes or brackets, with its `/s`; or nothing."""
    if isinstance(value, String) and not _has_hole(value):
        bare = _text_of(value)
        quantity = units.read(bare)
        meant = "true or false" if bare in {"true", "false"} else ""
        if isinstance(quantity, units.Quantity):
            whole = quantity.kind == "number" and isinstance(quantity.value, int)
            meant = "whole number" if whole else quantity.kind
        if meant and meant in wanted:
            return f"write `{bare}`, without quotes"
        return f"write `[{shown(value)}]`" if wanted.startswith("a list") and len(bare) <= _SHOWN_MAX else ""
    if isinstance(value, Size) and wanted.startswith(("a rate", "one rate")):
        return f"write `{shown(value)}/s`"
    if isinstance(value, Rate) and wanted.startswith("a size"):
        return f"write `{shown(value).removesuffix('/s')}`"
    if isinstance(value, ListValue) and len(value.items) == 1 and wanted.endswith("in quotes"):
        return f"write `{shown(value.items[0])}`, without brackets" if isinstance(value.items[0], String) else ""
    return ""


#: A text longer than this is not said again in a mend.
_SHOWN_MAX = 60


def _range(value: Value, message: str, help: str) -> Problem:
    return Problem("TC207", value.span, message, help)
