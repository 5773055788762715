"""The text of a drafted plan: a restore group that reads, copy groups or targets behind it, comments that say why.

Where chains are merged it is a backup group, with mirror groups behind it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...dsl.expected import RESERVED
from ...dsl.strings import quote
from ...dsl.units import print_rate, print_size
from ...runtime import kinds
from .holdings import Held, HeldDrive, Merged, Read

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED_WORDS = frozenset(word.lower() for word in RESERVED)


@dataclass(frozen=True, slots=True)
class Output:
    """A drive that is written. With ``spool``, a folder: one whole object after another, waiting there.

    ``only``: the identifiers of the objects that it gets, where that is not all that is read; such outputs stand side
    by side in one group, others each behind the one before.
    """

    drive: HeldDrive
    spool: str | None = None
    only: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A whole plan. ``outputs``: the drives that are written; ``folder``: targets below it instead.

    ``remarks`` are the comment at its head; ``settings`` attributes of the plan (name, value as written); ``pools``:
    statements that the written drives' attributes name.
    """

    name: str
    remarks: tuple[str, ...]
    reads: tuple[Read, ...]
    outputs: tuple[Output, ...] = ()
    folder: str | None = None
    settings: tuple[tuple[str, str], ...] = ()
    pools: tuple[str, ...] = ()
    merges: tuple[Merged, ...] = ()

    @property
    def rings(self) -> int:
        """How many buffers' worth of memory it needs: one a selector, or a chain that is merged."""
        return len(self.merges) + sum(
            len(read.chains) + (1 if read.everything else len(read.objects)) for read in self.reads
        )

    @property
    def record_bytes(self) -> int:
        """The largest record that its objects may hold, rounded up (media.md: what a copy plan's ``record`` means)."""
        read = [held for read in self.reads for held in read.all]
        merged = [held for merge in self.merges for held in merge.links]
        return max((record_bytes(held) for held in (*read, *merged)), default=kinds.RECORD_BYTES_MIN)


def record_bytes(held: Held) -> int:
    """An upper bound for the object's records: all but its last are full. A power of two."""
    full = held.bytes // (held.records - 1) if held.records > 1 else held.bytes
    size = kinds.RECORD_BYTES_MIN
    while size < min(full + 1536, kinds.RECORD_BYTES_MAX):
        size *= 2
    return size


def write(draft: Draft) -> str:
    """The plan's text; ``tcc fmt`` makes it canonical."""
    names = _Names()
    lines = [f"# {_comment(line)}" for line in draft.remarks]
    lines += ["", f"plan {name_text(draft.name)} {{"]
    depth = 8 if draft.rings <= 8 else 4 if draft.rings <= 32 else 2
    size = draft.record_bytes
    lines.append(f"  record = {size // kinds.MIB}MiB" if size >= kinds.MIB else f"  record = {size // kinds.KIB}KiB")
    lines.append(f"  depth = {depth}")
    lines += [f"  {name} = {value}" for name, value in draft.settings]
    lines += ["}", "", *draft.pools]
    for read in draft.reads:
        volumes = read.volumes
        named = ", ".join(volumes[:6]) + (f" and {len(volumes) - 6} more" if len(volumes) > 6 else "")
        lines += [f"# read: {_comment(named)}", _drive(read.drive)]
    for output in draft.outputs:
        lines += ["# written", _drive(output.drive)]
    if draft.merges:
        _merge_groups(draft, names, lines)
        return "\n".join(lines) + "\n"
    names.take(*(read.drive.name for read in draft.reads), *(output.drive.name for output in draft.outputs))
    lines.append("")
    fed = _restore_group(draft.reads, names, lines)
    if draft.folder is not None:
        _targets(draft.folder, fed, names, lines)
    _copy_groups(draft.outputs, fed, names, lines)
    return "\n".join(lines) + "\n"


def name_text(name: str) -> str:
    """A name as the language takes it: bare where it may be, else quoted."""
    return name if _PLAIN.fullmatch(name) and name not in _RESERVED_WORDS else string_text(name)


def string_text(text: str) -> str:
    """A string literal. Raises ValueError for what no literal of the language can hold."""
    if any(c < " " and c not in "\n\t" for c in text):
        raise ValueError(f"{text!r} holds a control character, which no plan can name")
    if "${" in text:
        raise ValueError(f"{text!r} holds ${{, which means a variable in a plan")
    return quote(text)


def size_text(size: int) -> str:
    """Bytes for a reader: ``3.4 GiB``."""
    value, unit = float(size), "bytes"
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{size} bytes" if unit == "bytes" else f"{value:.1f} {unit}"


#: An agent that reads, and its buffers, each with the (first) object that it holds.
Fed = tuple[str, list[tuple[str, Held]]]


class _Names:
    """One namespace for drives, agents, groups and targets (language.md)."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, *names: str) -> None:
        self._taken.update(names)

    def fresh(self, wanted: str) -> str:
        name, count = wanted, 1
        while name in self._taken:
            count += 1
            name = f"{wanted}_{count}"
        self._taken.add(name)
        return name


def _drive(drive: HeldDrive) -> str:
    more = "".join(f"  {name} = {value}" for name, value in drive.attributes)
    if drive.rate is not None:
        slow, fast = (print_rate(rate) for rate in drive.rate)
        more += f"  rate = {slow}" if slow == fast else f"  rate = {slow}..{fast}"
    return f"drive {name_text(drive.name)} {{ volumes = {string_text(drive.folder)}{more} }}"


def _restore_group(reads: Sequence[Read], names: _Names, lines: list[str]) -> list[Fed]:
    """The group ``old``; its agents with their buffers, each of which holds one object (or all of the drive)."""
    fed: list[Fed] = []
    count = 0
    lines.append(f"restore group {names.fresh('old')} {{")
    for read in reads:
        agent = names.fresh(_after("read", read.drive.name))
        buffers: list[tuple[str, Held]] = []
        lines.append(f"  agent {name_text(agent)} <- {name_text(read.drive.name)} {{")
        if read.everything:
            count += 1
            total = sum(held.bytes for held in read.objects)
            lines.append(f"    B{count} <- all  # {len(read.objects)} object(s), {size_text(total)}")
            buffers.append((f"B{count}", read.objects[0]))
        else:
            for held in read.objects:
                count += 1
                lines.append(f"    B{count} <- object({string_text(held.id)})  # {_comment(_about(held))}")
                buffers.append((f"B{count}", held))
        for chain in read.chains:
            count += 1
            links = f"{len(chain)} objects up to {_about(chain[-1])}"
            lines.append(f"    B{count} <- chain({string_text(chain[-1].name)})  # {_comment(links)}")
            buffers.append((f"B{count}", chain[-1]))
        lines.append("  }")
        fed.append((agent, buffers))
    lines += ["}", ""]
    return fed


def _after(word: str, name: str) -> str:
    """``read_R1``, or ``read odd name`` where a name must be quoted anyway."""
    return f"{word}_{name}" if _PLAIN.fullmatch(name) else f"{word} {name}"


def _copy_groups(outputs: Sequence[Output], fed: Sequence[Fed], names: _Names, lines: list[str]) -> None:
    feeds = [agent for agent, _ in fed]
    before, group = "old", ""
    for number, output in enumerate(outputs, 1):
        if output.only is None or number == 1:
            group = names.fresh(f"copy{number}")
            lines.append(f"copy group {group} of {before} {{")
        agent = names.fresh(_after("write", output.drive.name))
        lines.append(f"  agent {name_text(agent)} -> {name_text(output.drive.name)} {{")
        if output.spool is not None:
            lines.append('    order = "object"  # each object in one piece; what comes early waits in the spool')
            lines.append(f"    spool = {string_text(output.spool)}")
        if output.only is None:
            lines += [f"    * <- {name_text(feed)}" for feed in feeds]
            before, feeds = group, [agent]
        else:
            lines += [
                f"    {buffer} <- {name_text(feed)}.{buffer}  # {_comment(_about(held))}"
                for feed, buffers in fed
                for buffer, held in buffers
                if held.id in output.only
            ]
        lines.append("  }")
        if output.only is None or number == len(outputs):
            lines += ["}", ""]


def _merge_groups(draft: Draft, names: _Names, lines: list[str]) -> None:
    """Sources that are chains, a backup group that stores the fulls, and a mirror group for each further drive."""
    names.take(*(output.drive.name for output in draft.outputs))
    sources = []
    alone = "  # tcc: ignore TC903" if len(draft.outputs) == 1 else ""
    lines.append("")
    for merge in draft.merges:
        newest = merge.newest
        sources.append(names.fresh(newest.source))
        said = [("chain", string_text(newest.name)), ("object", string_text(newest.id)), *merge.attributes]
        lines.append(f"# {len(merge.links)} objects up to {_comment(_about(newest))}")
        lines.append(f"source {name_text(sources[-1])} {{{alone}")
        lines += [f"  {name} = {value}" for name, value in said]
        lines.append(f"  size = {print_size(merge.bytes_max)}  # at most: its objects together, as they are stored")
        if merge.rate is not None:
            lines.append(f"  rate = {print_rate(merge.rate)}  # at least: that of the drives that are read")
        lines.append("}")
    first, *others = draft.outputs
    group, agent = names.fresh("merged"), names.fresh(_after("write", first.drive.name))
    lines += [
        "",
        f"backup group {group} {{",
        f"  agent {name_text(agent)} -> {name_text(first.drive.name)} {{",
        *(f"    B{number} <- {name_text(source)}" for number, source in enumerate(sources, 1)),
        "  }",
        "}",
    ]
    for number, output in enumerate(others, 1):
        behind, before = names.fresh(_after("write", output.drive.name)), agent
        mirror = names.fresh(f"mirror{number}")
        lines += [
            "",
            f"mirror group {mirror} of {group} {{",
            f"  agent {name_text(behind)} -> {name_text(output.drive.name)} {{ * <- {name_text(before)} }}",
            "}",
        ]
        group, agent = mirror, behind


def _targets(folder: str, fed: Sequence[Fed], names: _Names, lines: list[str]) -> None:
    """One target an object: a files object below *folder*, a stream's or command's bytes in a file of their own."""
    chains = []
    for agent, buffers in fed:
        for buffer, held in buffers:
            target = names.fresh(_after("to", held.source))
            place = f"files = {string_text(folder)}"
            if held.kind != "files":
                place = f"stream = {string_text(f'{folder}/{kinds.encode_name(held.source)}')}"
            lines.append(f"target {name_text(target)} {{ {place} }}")
            chains.append(f"chain {name_text(agent)}.{buffer} -> {name_text(target)}")
    lines += ["", *chains, ""]


def _about(held: Held) -> str:
    """One object in a comment: what, when, how much."""
    level = "" if held.level == "full" else f", {held.level}"
    return f"{held.name} of {held.started[:16].replace('T', ' ')}{level}, {size_text(held.bytes)}"


def _comment(text: str) -> str:
    """Text that cannot end a comment or do anything to a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
