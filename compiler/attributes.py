"""Which attributes each statement has, and how each is read: type, unit and range (language.md, "Statements")."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..dsl.ast import Attribute, Value
from ..dsl.spans import Span
from ..runtime import kinds
from . import readers as r
from .model import Duplicate, Problem, Setting, SettingValue, StatementKind
from .tree import is_broken

Reader = Callable[[str, Value], SettingValue | Problem]

_HOST: Mapping[str, Reader] = {"host": r.name}
_DEPTH = r.CountReader(kinds.DEPTH_MIN, kinds.DEPTH_MAX)
_ON_FAILURE = r.WordReader(("continue", "abort"))

ATTRIBUTES: Mapping[StatementKind, Mapping[str, Reader]] = {
    "plan": {
        "record": r.SizeReader(kinds.RECORD_BYTES_MIN, kinds.RECORD_BYTES_MAX, multiple=kinds.RECORD_BYTES_MULTIPLE),
        "depth": _DEPTH,
        "memory": r.SizeReader(1),
        "window": r.duration,
        "schedule": r.calendar,
        "state": r.path,
        "catalog": r.database_url,
        "on_failure": _ON_FAILURE,
    },
    "source": {
        "files": r.paths,
        "stream": r.path,
        "command": r.command,
        "chain": r.text,
        "object": r.text,
        "exclude": r.texts,
        **_HOST,
        "one_file_system": r.boolean,
        "compress": r.compression,
        "encrypt": r.recipients,
        "level": r.WordReader(("full", "incremental")),
        "rate": r.rate,
        "size": r.SizeReader(0),
        "tags": r.texts,
    },
    "drive": {
        "volumes": r.path,
        "tape": r.path,
        "bucket": r.bucket_url,
        "discard": r.must_be_true,
        **_HOST,
        "site": r.text,
        "media": r.text,
        "pool": r.name,
        "capacity": r.SizeReader(1),
        "rate": r.rate_or_range,
        "changer": r.path,
        "slot": r.CountReader(0, 1_000_000),
    },
    "pool": {"retention": r.duration, "sessions": r.CountReader(1, 1_000_000), "capacity": r.SizeReader(1)},
    "target": {"files": r.path, "stream": r.path, "command": r.command},
    "host": {"address": r.text},
    "group": {},
    "agent": {
        **_HOST,
        "order": r.WordReader(("interleave", "object")),
        "depth": _DEPTH,
        "spool": r.path,
        "spool_size": r.SizeReader(1),
        "on_failure": _ON_FAILURE,
    },
    "coupling": {"depth": _DEPTH, "as_of": r.instant},
}

#: The attributes that say what a source, drive or target is: exactly one of them (TC205).
WHAT_IT_IS: Mapping[StatementKind, tuple[str, ...]] = {
    "source": kinds.PLAN_SOURCE_KINDS,
    "drive": kinds.DRIVE_KINDS,
    "target": kinds.TARGET_KINDS,
}


def attributes_of(kind: StatementKind, *, restore: bool = False) -> Mapping[str, Reader]:
    """The attributes of a statement; ``as_of`` belongs to the couplings of *restore* agents only."""
    known = ATTRIBUTES[kind]
    if kind == "coupling" and not restore:
        return {name: reader for name, reader in known.items() if name != "as_of"}
    return known


def read(kind: StatementKind, attributes: tuple[Attribute, ...]) -> tuple[dict[str, Setting], tuple[Problem, ...]]:
    """The settings of a statement by name, and what could not be read. Of an attribute given twice the first counts."""
    settings: dict[str, Setting] = {}
    problems: list[Problem] = []
    known = ATTRIBUTES[kind]
    for attribute in attributes:
        name, value = attribute.name.text, attribute.value
        reader = known.get(name)
        if reader is None or (is_broken(value) and reader is not r.name):
            continue
        result = reader(name, value)
        if isinstance(result, Problem):
            problems.append(result)
        elif name not in settings:
            settings[name] = Setting(name, result, value.span, attribute.name.span, r.item_spans(value))
    return settings, tuple(problems)


def repeated(written: Iterable[Attribute]) -> list[Duplicate]:
    """The attributes that a statement gives twice."""
    first: dict[str, Span] = {}
    found = []
    for attribute in written:
        name = attribute.name.text
        if name in first:
            found.append(
                Duplicate(
                    attribute.name.span, f"the attribute `{name}` is given twice", first[name], "take one of them out"
                )
            )
        first.setdefault(name, attribute.name.span)
    return found
