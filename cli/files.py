"""``tcc files``: the members of a ``files`` object, from its member list."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..runtime.faults import EXIT_DEGRADED, EXIT_FAILED, EXIT_OK
from .console import harmless, json_text, print_result, say, speak_json
from .options import (
    catalog_option,
    define_option,
    hang_option,
    identity_option,
    plan_option,
    progress_option,
    state_option,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..runtime.catalog.queries import CatalogObject
    from ..runtime.members.lists import MemberList
    from ..runtime.members.packing import Member

_KIND_BITS = {
    "file": stat.S_IFREG,
    "hardlink": stat.S_IFREG,
    "symlink": stat.S_IFLNK,
    "folder": stat.S_IFDIR,
    "char": stat.S_IFCHR,
    "block": stat.S_IFBLK,
    "fifo": stat.S_IFIFO,
}

EPILOG = """\b
Examples:
  tcc files home --plan night.tc                  what the source home held when it was backed up last
  tcc files home --as-of 2026-11-20 --plan night.tc '*.conf'    then, and only what fits; * also matches /
  tcc files 0197a2c4 --plan night.tc              the members of one object (--chain: the state that it brings back)
  tcc files home --from /mnt/vault --json         from volumes alone: the objects are read for it"""


@click.command("files", epilog=EPILOG)
@click.argument("name", metavar="OBJECT")
@click.argument("globs", metavar="[GLOB]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
@click.option("--as-of", metavar="TIME", help="OBJECT is a source: its newest session that began by then.")
@click.option("--chain", "whole_chain", is_flag=True, help="Of an incremental object: the state that it brings back.")
@click.option(
    "--from", "volumes", metavar="VOLUME", multiple=True, help="Read this volume, or the volumes in a folder."
)
@click.option("--plan-name", metavar="NAME", help="OBJECT is a source of the plan NAME.")
@hang_option("Leave a drive that does not answer for so long, and read the other copies.")
@identity_option
@progress_option
@plan_option
@catalog_option
@state_option
@define_option
def files_command(
    *,
    name: str,
    globs: tuple[str, ...],
    as_json: bool,
    as_of: str | None,
    whole_chain: bool,
    volumes: tuple[str, ...],
    plan_name: str | None,
    hang_after: float,
    identity: tuple[str, ...],
    progress: str,
    plan_path: str | None,
    catalog: str | None,
    state: str | None,
    defines: dict[str, str],
) -> int:
    """List the members of a files object: OBJECT is its identifier, the beginning of one, or SOURCE or PLAN/SOURCE.

    A source means the state that its newest whole object brings back: of an incremental one, what its whole chain holds
    and was not deleted since. A list that is not there (after a rebuild of the catalog) is made by reading the object,
    and kept.
    """
    from contextlib import ExitStack

    from ..runtime.codec.identities import load
    from ..runtime.restore.chain import chain_of
    from ..runtime.restore.listing import member_list
    from ..runtime.restore.parts import state_of
    from ..runtime.restore.select import find_named, moment
    from ..runtime.restore.shelf import Shelf
    from .meter import Stopped, interruptible, steps
    from .opening import open_for_reading, tell_of_list
    from .waiting import patience_of, say_stopped

    identities = load([Path(file) for file in identity])
    given = [Path(v) for v in volumes]
    patience = patience_of(hang_after)
    when = moment(as_of) if as_of is not None else None
    try:
        with interruptible(patience):
            opened = open_for_reading(given, plan_path, catalog, state, defines, patience)
            with opened.catalog as known:
                shelf = Shelf(known.volumes(), given, patience=patience)
                item, is_source = find_named(known, name, plan=plan_name, as_of=when, shelf=shelf)
                chain = chain_of(known, item, None) if is_source or whole_chain else (item,)
        total = sum(link.bytes for link in chain)
        with steps(progress, f"reading {item.source}", total, patience) as step, ExitStack() as stack:
            lists, holes = [], []
            for link in chain:
                listed = stack.enter_context(
                    member_list(link, shelf, opened.lists, identities, step, folders=len(chain) > 1)
                )
                tell_of_list(listed)
                holes.append(bool(listed.lacks))
                lists.append(listed.members)
            chosen = state_of(chain, lists, globs, holes) if len(chain) > 1 else _of_one(item, lists[0], globs)
            found = _print_json(chosen) if as_json else _print(chosen)
    except Stopped as stop:
        return say_stopped(stop, "the list is not complete; nothing was changed")
    if globs and not found:
        say(f"no member of {item.id} fits {', '.join(globs)}")
        return EXIT_FAILED
    return EXIT_DEGRADED if any(holes) else EXIT_OK


def _of_one(item: CatalogObject, members: MemberList, globs: tuple[str, ...]) -> Iterator[tuple[CatalogObject, Member]]:
    from ..runtime.restore.selection import PathPattern

    patterns = [PathPattern(text) for text in globs]
    for member in members:
        if not patterns or any(pattern.matches(member.name) for pattern in patterns):
            yield item, member


def member_json(item: CatalogObject, member: Member) -> dict[str, Any]:
    """One member of *item* as ``tcc files --json`` shows it; ``offset``: of its first header in the archive."""
    shown: dict[str, Any] = {
        "name": os.fsdecode(member.name),
        "type": member.kind,
        "size": member.size,
        "mode": f"{member.mode:04o}",
        "mtime": member.mtime,
        "offset": member.offset,
        "object": item.id,
    }
    if member.link:
        shown["link"] = os.fsdecode(member.link)
    return shown


def _print_json(members: Iterator[tuple[CatalogObject, Member]]) -> int:
    """A list, a batch at a time: there may be millions."""
    count = 0
    speak_json()
    sys.stdout.write("[")
    for item, member in members:
        sys.stdout.write((",\n " if count else "\n ") + json_text(member_json(item, member), indent=None))
        count += 1
    sys.stdout.write("\n]\n" if count else "]\n")
    return count


def _print(members: Iterator[tuple[CatalogObject, Member]]) -> int:
    from datetime import datetime

    count = 0
    for _, member in members:
        mode = stat.filemode(_KIND_BITS.get(member.kind, 0) | member.mode)
        if member.kind == "hardlink":
            mode = "h" + mode[1:]
        try:
            when = datetime.fromtimestamp(member.mtime).strftime("%Y-%m-%d %H:%M:%S")
        except (OverflowError, ValueError, OSError):
            when = str(member.mtime)
        arrow = {"symlink": " -> ", "hardlink": " link to "}.get(member.kind)
        behind = arrow + os.fsdecode(member.link) if arrow else ""
        line = f"{os.fsdecode(member.name)}{behind}"
        line = harmless(line).replace("\n", "\\n").replace("\t", "\\t")
        print_result(f"{mode} {member.size:>12} {when} {line}")
        count += 1
    return count
