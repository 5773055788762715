"""The compiled plan: one JSON document that names every source, ring, agent, drive and thread of a run.

The runtime owns this format (cli.md, "The compiled plan"): a host that runs or restores after a disaster needs no
parser.
``dumps`` is deterministic to the byte; ``loads`` trusts nothing. Sizes are bytes, durations seconds, rates bytes per
second. Paths stay as written in the plan; ``base`` is the plan's folder relative to the folder of the JSON file.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import types
import typing
from typing import Any, Literal

from . import kinds
from .faults import UsageFault
from .frozen import frozen
from .kinds import DriveKind, GroupKind, OnFailure, Order, PlanSourceKind, Role, TargetKind

VERSION = 1


@frozen
class Source:
    """A source: ``files`` (paths as written), ``stream`` (a path, or ``-``), ``command`` (arguments, no shell), or
    ``chain`` (``PLAN/SOURCE`` as the catalog knows it, up to its newest object or to ``object``).
    """

    name: str
    kind: PlanSourceKind
    files: tuple[str, ...] = ()
    stream: str | None = None
    command: tuple[str, ...] = ()
    chain: str | None = None
    object: str | None = None
    exclude: tuple[str, ...] = ()
    one_file_system: bool = False
    compress: str | None = None
    encrypt: tuple[str, ...] = ()
    level: Literal["full", "incremental"] = "full"
    host: str | None = None
    rate: int | None = None
    size: int | None = None
    tags: tuple[str, ...] = ()


@frozen
class Drive:
    """A drive. Exactly one of ``volumes``, ``tape``, ``bucket`` is set, or ``kind`` is ``discard``.

    ``capacity`` is of one volume; ``rate`` is (slowest, fastest) streaming rate in bytes per second.
    """

    name: str
    kind: DriveKind
    volumes: str | None = None
    tape: str | None = None
    bucket: str | None = None
    host: str | None = None
    site: str | None = None
    media: str | None = None
    pool: str | None = None
    capacity: int | None = None
    rate: tuple[int, int] | None = None
    changer: str | None = None
    slot: int | None = None


@frozen
class Pool:
    """Volumes that are kept alike. ``retention`` in seconds; None keeps for ever."""

    name: str
    retention: float | None = None
    sessions: int | None = None
    capacity: int | None = None


@frozen
class Target:
    """Where restored data goes; ``feed`` is the buffer that it hangs on (``A150.B2``)."""

    name: str
    kind: TargetKind
    files: str | None = None
    stream: str | None = None
    command: tuple[str, ...] = ()
    host: str | None = None
    feed: str | None = None


@frozen
class Ring:
    """One ring: all buffers on one host that descend from one feed. ``buffers`` are ``AGENT.BUFFER`` by stage."""

    id: int
    depth: int
    feed: str
    buffers: tuple[str, ...]
    host: str | None = None


@frozen
class Buffer:
    """One buffer memory of an agent: the ring that it is a view of, and its feed as the plan says it.

    ``feed`` is a source's name, ``AGENT.BUFFER`` or a selector's text; ``as_of`` belongs to a selector.
    """

    name: str
    ring: int
    feed: str
    as_of: str | None = None


@frozen
class Agent:
    """A media agent: its drive, and its buffers in the order of their declaration."""

    name: str
    group: str
    role: Role
    drive: str
    order: Order
    buffers: tuple[Buffer, ...]
    host: str | None = None
    spool: str | None = None
    spool_size: int | None = None
    on_failure: OnFailure = "continue"


@frozen
class Group:
    """A group; ``of`` names the group that feeds a mirror or copy group."""

    name: str
    kind: GroupKind
    of: str | None = None


@frozen
class Host:
    """A machine."""

    name: str
    address: str | None = None


@frozen
class Requirement:
    """A promise that the compiler found kept: ``copies >= 2 of D2, D6``; ``of`` empty means all backed-up sources."""

    metric: str
    operator: str
    value: int | float | bool
    of: tuple[str, ...] = ()


@frozen
class CompiledPlan:
    """All of it. ``memory`` = Σ rings depth × record (bytes); ``fingerprint`` does not depend on ``base``."""

    version: int
    plan: str
    fingerprint: str
    base: str
    record: int
    memory: int
    sources: tuple[Source, ...]
    rings: tuple[Ring, ...]
    agents: tuple[Agent, ...]
    drives: tuple[Drive, ...]
    targets: tuple[Target, ...] = ()
    groups: tuple[Group, ...] = ()
    pools: tuple[Pool, ...] = ()
    hosts: tuple[Host, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    on_failure: OnFailure = "continue"
    memory_limit: int | None = None
    window: float | None = None
    schedule: str | None = None
    state: str | None = None
    catalog: str | None = None


# ---------------------------------------------------------------- writing


def to_json(plan: CompiledPlan) -> dict[str, Any]:
    """The plan as JSON values. What may be left out and says nothing (None, empty, false) is left out of the parts."""
    out: dict[str, Any] = {}
    for f in dataclasses.fields(plan):
        value = getattr(plan, f.name)
        if f.name in _ALWAYS or value not in (None, ()):
            out[f.name] = [_part(v) for v in value] if isinstance(value, tuple) else value
    return out


_ALWAYS = frozenset(
    {"version", "plan", "fingerprint", "base", "record", "memory", "sources", "rings", "agents", "drives", "targets"}
)


def _part(part: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for f in dataclasses.fields(part):
        value = getattr(part, f.name)
        if f.default is not dataclasses.MISSING and (value is None or value is False or value == ()):
            continue
        if isinstance(value, tuple):
            value = [_part(v) if dataclasses.is_dataclass(v) else v for v in value]
        out[f.name] = value
    return out


def dumps(plan: CompiledPlan) -> str:
    """The document as text, the same bytes for the same plan on any machine; always UTF-8.

    Bytes of paths and names that are no UTF-8 stand in it as JSON escapes them.
    """
    text = json.dumps(to_json(plan), indent=1, ensure_ascii=False) + "\n"
    return text if text.isascii() else _HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


#: Half of a surrogate pair, alone: no text that UTF-8 can hold.
_HALF = re.compile("[\ud800-\udfff]")


def fingerprint_of(plan: CompiledPlan) -> str:
    """SHA-256 (hex) over the document without ``fingerprint`` and ``base``: two plans that run alike share it."""
    document = {k: v for k, v in to_json(plan).items() if k not in {"fingerprint", "base"}}
    import hashlib  # loads a library of its own, which a run of a compiled plan does not need

    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# ---------------------------------------------------------------- reading

_SIZE_MAX = 64 * kinds.MIB


def loads(text: str | bytes, *, name: str = "the compiled plan") -> CompiledPlan:
    """Read a compiled plan, trusting nothing. Raises :class:`UsageFault` that names the key at fault."""
    if len(text) > _SIZE_MAX:
        raise UsageFault(f"{name} is larger than {_SIZE_MAX} bytes: it is not a compiled plan")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageFault(f"{name} is not JSON: {error}", todo="compile the plan again with `tcc compile`") from None
    if not isinstance(document, dict):
        raise UsageFault(f"{name} is not a compiled plan: a JSON object is expected")
    if document.get("version") != VERSION:
        raise UsageFault(
            f"{name} has version {document.get('version')!r}; this tcc reads version {VERSION}",
            todo="compile the plan again with this tcc",
        )
    try:
        plan = _build(CompiledPlan, document, "plan")
        _check(plan)
    except _Wrong as wrong:
        raise UsageFault(f"{name}: {wrong}", todo="compile the plan again with `tcc compile`") from None
    assert isinstance(plan, CompiledPlan)
    return plan


class _Wrong(Exception):
    pass


#: Evaluating a class's annotations costs far more than reading a part of it.
_hints = functools.cache(typing.get_type_hints)


def _build(cls: Any, value: Any, path: str) -> Any:
    """*value* as an instance of the dataclass *cls*. Unknown keys are ignored: others may be added (cli.md)."""
    if not isinstance(value, dict):
        raise _Wrong(f"{path} must be an object")
    hints = _hints(cls)
    arguments = {}
    for f in dataclasses.fields(cls):
        if f.name in value:
            arguments[f.name] = _read(hints[f.name], value[f.name], f"{path}.{f.name}")
        elif f.default is dataclasses.MISSING:
            raise _Wrong(f"{path}.{f.name} is missing")
    return cls(**arguments)


def _read(hint: Any, value: Any, path: str) -> Any:
    origin = typing.get_origin(hint)
    if origin is typing.Union or origin is types.UnionType:
        if value is None and type(None) in typing.get_args(hint):
            return None
        members = [h for h in typing.get_args(hint) if h is not type(None)]
        if len(members) == 1:
            return _read(members[0], value, path)
        if type(value) in members:
            return value
        raise _Wrong(f"{path} has the wrong type")
    if origin is Literal:
        if value not in typing.get_args(hint):
            raise _Wrong(f"{path} is {value!r}; one of {', '.join(map(str, typing.get_args(hint)))} is expected")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise _Wrong(f"{path} must be a list")
        args = typing.get_args(hint)
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_read(args[0], v, f"{path}[{i}]") for i, v in enumerate(value))
        if len(args) != len(value):
            raise _Wrong(f"{path} must have {len(args)} items")
        return tuple(_read(h, v, path) for h, v in zip(args, value, strict=True))
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, path)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise _Wrong(f"{path} must be {hint.__name__}")
    if hint is str:
        _check_text(value, path)
    return value


def _check_text(text: str, path: str) -> None:
    """Refuse what no name, path or argument of a process can hold: NUL, and halves of pairs that stand for no byte."""
    try:
        sound = b"\0" not in text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        sound = False
    if not sound:
        raise _Wrong(f"{path} holds what no text of this machine can: {text!r:.60}")


def _check(plan: CompiledPlan) -> None:
    """What the runtime relies on: ranges, and that every name and ring that is used exists."""
    if not kinds.RECORD_BYTES_MIN <= plan.record <= kinds.RECORD_BYTES_MAX or plan.record % kinds.RECORD_BYTES_MULTIPLE:
        raise _Wrong(f"plan.record is {plan.record}: 64KiB..16MiB in steps of 512 bytes is expected")
    sources = _unique([s.name for s in plan.sources], "sources")
    drives = _unique([d.name for d in plan.drives], "drives")
    _unique([a.name for a in plan.agents], "agents")
    rings = {r.id: r for r in plan.rings}
    if len(rings) != len(plan.rings):
        raise _Wrong("plan.rings: an id occurs twice")
    for ring in plan.rings:
        if not kinds.DEPTH_MIN <= ring.depth <= kinds.DEPTH_MAX:
            raise _Wrong(f"plan.rings: the depth {ring.depth} of ring {ring.id} is not in 2..1024")
    if plan.memory != sum(r.depth for r in plan.rings) * plan.record:
        raise _Wrong("plan.memory is not the sum of depth × record over the rings")
    writers = _unique([a.drive for a in plan.agents if a.role == "write"], "drives with a writer")
    for agent in plan.agents:
        if agent.drive not in drives:
            raise _Wrong(f"plan.agents: {agent.name} names the drive {agent.drive!r}, which is not there")
        if agent.role == "read" and agent.drive in writers:
            raise _Wrong(f"plan.agents: the drive {agent.drive!r} is both read and written")
        _unique([b.name for b in agent.buffers], f"buffers of {agent.name}")
        for buffer in agent.buffers:
            if buffer.ring not in rings or f"{agent.name}.{buffer.name}" not in rings[buffer.ring].buffers:
                raise _Wrong(
                    f"plan.agents: {agent.name}.{buffer.name} is not among the buffers of a ring {buffer.ring}"
                )
    restores = any(a.role == "read" for a in plan.agents)
    for ring in plan.rings:
        if not restores and ring.feed not in sources:
            raise _Wrong(f"plan.rings: ring {ring.id} is fed by {ring.feed!r}, which is no source")
    for drive in plan.drives:
        given = {k for k in ("volumes", "tape", "bucket") if getattr(drive, k) is not None}
        if given != ({drive.kind} - {"discard"}):
            raise _Wrong(
                f"plan.drives: {drive.name} is of kind {drive.kind} but gives {', '.join(sorted(given)) or 'nothing'}"
            )
    for source in plan.sources:
        given = {k for k in kinds.PLAN_SOURCE_KINDS if getattr(source, k)}
        if given != {source.kind}:
            gives = ", ".join(sorted(given)) or "nothing"
            raise _Wrong(f"plan.sources: {source.name} is of kind {source.kind} but gives {gives}")
        if len(kinds.encode_name(source.name)) > kinds.SOURCE_NAME_BYTES_MAX:
            raise _Wrong(f"plan.sources: {source.name!r} is over {kinds.SOURCE_NAME_BYTES_MAX} bytes encoded")


def _unique(names: list[str], what: str) -> set[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise _Wrong(f"plan.{what}: {name!r} occurs twice")
        seen.add(name)
    return seen
