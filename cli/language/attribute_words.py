"""What each attribute is for, and what it takes: for hover and completion. Types and ranges come from its reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...compiler import readers
from ...compiler.attributes import ATTRIBUTES, attributes_of
from ...compiler.metrics import PLAN_METRICS, SOURCE_METRICS
from ...compiler.model import StatementKind
from ...compiler.names import listed, quoted
from ...compiler.tree import in_bytes

#: language.md, "Statements" and "Agents", in a sentence each; `*` where it is the same in all statements.
PURPOSE: Mapping[tuple[str, str], str] = {
    ("plan", "record"): "Size of one record on every volume of this plan. Default: 1MiB.",
    ("plan", "depth"): "Records that one buffer memory holds. Default: 8.",
    ("plan", "memory"): "The most that all buffers together may take (TC501).",
    ("plan", "window"): "The run must fit in this time (TC502).",
    ("plan", "schedule"): 'When it runs: a systemd OnCalendar expression, such as `"Mon..Fri 22:00"`.',
    ("plan", "state"): "Folder of catalog, incremental snapshots and locks.",
    ("plan", "catalog"): "Database that knows what is stored where.",
    ("*", "on_failure"): "Whether a failure here ends the whole run (`abort`) or not (`continue`, the default).",
    ("source", "files"): "Folders and files to back up.",
    ("source", "stream"): 'File or FIFO that is read as one stream; `"-"` is standard input.',
    ("source", "command"): "Program and arguments whose output is backed up. No shell reads it.",
    (
        "source",
        "chain",
    ): "PLAN/SOURCE of the catalog: its newest incremental and what that builds on, merged into a full.",
    ("source", "object"): "Identifier of the object of `chain` that is newest in the full; else the newest there is.",
    ("source", "exclude"): "Names and patterns that are left out.",
    ("*", "host"): "The machine that it is on (default: this one).",
    ("source", "one_file_system"): "Stay on the file system of each path.",
    ("source", "compress"): 'Compress its objects: `"zstd"`, or `"zstd:19"` with a level.',
    ("source", "encrypt"): "Encrypt its objects for these age recipients.",
    ("source", "level"): "Whole each time, or what has changed since the last time.",
    ("source", "rate"): "How fast it can be read: for estimates.",
    ("source", "size"): "How much there is to read: for estimates.",
    ("source", "tags"): "Words that go with its objects.",
    ("drive", "volumes"): "Folder of a virtual tape magazine.",
    ("drive", "tape"): "Device node of a tape drive.",
    ("drive", "bucket"): "Object store.",
    ("drive", "discard"): "Throw everything away: for trials. It counts as no copy.",
    ("drive", "site"): "Where the drive stands: `require sites`, TC904.",
    ("drive", "media"): "What kind of media it writes: `require media`.",
    ("drive", "pool"): "How long its volumes are kept (default: for ever).",
    ("drive", "capacity"): "What one volume holds.",
    ("drive", "rate"): "Its slowest and fastest streaming rate, or one for both.",
    ("drive", "changer"): "Device node of its media changer.",
    ("drive", "slot"): "The changer's slot.",
    ("pool", "retention"): "How long a session is kept.",
    ("pool", "sessions"): "So many of the newest sessions are kept, whatever their age.",
    ("pool", "capacity"): "What the pool's volumes hold together.",
    ("target", "files"): "Folder that restored files go to.",
    ("target", "stream"): "File that a restored stream goes to.",
    ("target", "command"): "Program that restored data is piped into. No shell reads it.",
    ("host", "address"): "Where the machine is reached.",
    ("agent", "order"): "Records as they come, or one whole object after another.",
    ("agent", "depth"): "Records that each of its buffers holds, where a coupling says nothing else.",
    ("agent", "spool"): "Folder for a consumer that falls behind.",
    ("agent", "spool_size"): "The most that the spool may take.",
    ("coupling", "depth"): "Records that this buffer holds.",
    ("coupling", "as_of"): "What was newest at that time, instead of what is newest now.",
}

_TAKES = {
    readers.boolean: "`true` or `false`",
    readers.must_be_true: "`true`",
    readers.duration: "a duration, such as `90s`, `30m`, `6h` or `2d`; longer than nothing",
    readers.rate: "a rate, such as `30MB/s`; above 0",
    readers.rate_or_range: "a rate, such as `30MB/s`, or a range, `30MB/s..160MB/s`; above 0",
    readers.text: "a text in quotes",
    readers.calendar: 'an OnCalendar expression in quotes, such as `"*-*-* 02:00"` or `"daily"`',
    readers.path: "a path in quotes, relative to the plan's folder; it need not exist",
    readers.paths: "a path in quotes or a list of them, relative to the plan's folder; they need not exist",
    readers.texts: "a text in quotes or a list of them",
    readers.command: "a list of arguments, the program first",
    readers.name: "the name of a declared host or pool",
    readers.compression: f'`"zstd"` or `"zstd:LEVEL"`, level 1..{readers.ZSTD_LEVEL_MAX}',
    readers.recipients: "a list of age recipients: `age1…`, or ssh public keys",
    readers.bucket_url: 'a URL in quotes, such as `"s3://bucket/prefix"`',
    readers.database_url: 'a database URL in quotes, such as `"sqlite:///catalog.db"`',
    readers.instant: 'a date and time in quotes, such as `"2026-11-20T02:00"`',
}

#: What each kind of statement is, for hover over its name.
STATEMENT = {
    "plan": "the plan",
    "source": "a source: what is backed up",
    "drive": "a drive: where data is stored",
    "pool": "a pool: volumes that are kept alike",
    "target": "a target: where restored data goes",
    "host": "a machine",
    "group": "a group of media agents",
    "agent": "a media agent: one thread for one drive",
    "let": "a constant",
    "param": "a value that `-D NAME=value` replaces",
    "for": "the variable of a loop",
}


def takes(kind: StatementKind, name: str) -> str:
    """What the attribute takes, with unit and range."""
    reader = ATTRIBUTES[kind][name]
    if isinstance(reader, readers.SizeReader):
        said = "a size, such as `1MiB`"
        if reader.high is not None:
            said += f"; {in_bytes(reader.low)}..{in_bytes(reader.high)}"
        elif reader.low:
            said += f"; at least {in_bytes(reader.low)}"
        return said + (f", a multiple of {reader.multiple} bytes" if reader.multiple > 1 else "")
    if isinstance(reader, readers.CountReader):
        return f"a whole number, {reader.low}..{reader.high}"
    if isinstance(reader, readers.WordReader):
        return listed((f"`{quoted(word)}`" for word in reader.words), "or")
    return _TAKES[reader]  # type: ignore[index]


def purpose(kind: str, name: str) -> str:
    """What the attribute is for, in a sentence."""
    return PURPOSE.get((kind, name)) or PURPOSE.get(("*", name), "")


def values(kind: StatementKind, name: str) -> Sequence[str]:
    """The values of an attribute that has a list of them, as a plan writes them."""
    reader = ATTRIBUTES[kind].get(name)
    if isinstance(reader, readers.WordReader):
        return [quoted(word) for word in reader.words]
    if reader is readers.boolean:
        return ["true", "false"]
    if reader is readers.must_be_true:
        return ["true"]
    if reader is readers.compression:
        return ['"zstd"', '"zstd:19"']
    return []


def units(kind: StatementKind, name: str) -> Sequence[str]:
    """The units that a number gets as a value of the attribute."""
    reader = ATTRIBUTES[kind].get(name)
    if isinstance(reader, readers.SizeReader):
        return SIZES
    if reader is readers.duration:
        return DURATIONS
    return [f"{size}/s" for size in SIZES] if reader in {readers.rate, readers.rate_or_range} else []


SIZES = ("KiB", "MiB", "GiB", "TiB", "kB", "MB", "GB", "TB")
DURATIONS = ("s", "m", "h", "d")

#: What can be required, and what each means.
METRICS: Mapping[str, str] = {
    "copies": "Drives that each source's objects reach.",
    "sites": "Distinct sites of those drives.",
    "media": "Distinct kinds of media of those drives.",
    "hosts": "Distinct hosts of those drives.",
    "encrypted": "Whether each source is encrypted: `== true`.",
    "memory": "What all buffers together take.",
    "duration": "The estimated time of a run.",
    "drives": "The drives that the plan uses.",
}
assert METRICS.keys() == SOURCE_METRICS.keys() | PLAN_METRICS.keys()


def described(kind: StatementKind, name: str) -> str:
    """Purpose and value of an attribute as Markdown; empty for one that the statement has not."""
    if name not in attributes_of(kind, restore=True):
        return ""
    return f"{purpose(kind, name)}\n\nTakes {takes(kind, name)}."
