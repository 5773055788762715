"""What a run itself writes: left out of its own ``files`` sources (system.md)."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .hang import HANG_SECONDS, answers
from .kinds import DATABASE_FILES, LISTS_FOLDER, encode_name
from .plan import CompiledPlan
from .sources.base import place_of
from .sources.patterns import literal
from .sources.roots import OwnPath


def own_paths(plan: CompiledPlan, base: Path, state: Path) -> tuple[OwnPath, ...]:
    """Volumes, state, spool and targets of *plan*."""
    return tuple(_own(plan, base, state))


def settled(own: Sequence[OwnPath], *, hang_seconds: float = HANG_SECONDS) -> tuple[OwnPath, ...]:
    """*own* with symbolic links resolved, so that no source has to wait for the drive of another.

    What does not answer for *hang_seconds* stays as it is written.
    """

    def look(number: int, path: OwnPath) -> Callable[[], tuple[int, str]]:
        return lambda: (number, os.path.realpath(path.folder))

    found = dict(answers([look(number, path) for number, path in enumerate(own)], hang_seconds))
    return tuple(
        dataclasses.replace(path, folder=found.get(number, path.folder), settled=True)
        for number, path in enumerate(own)
    )


def _own(plan: CompiledPlan, base: Path, state: Path) -> Iterator[OwnPath]:
    for drive in plan.drives:
        if drive.volumes is not None:
            name = literal(encode_name(drive.name))
            yield OwnPath(place_of(drive.volumes, base), (f"{name}-[0-9]*.tar*", f".{name}-[0-9]*.tar*"))
    for agent in plan.agents:
        if agent.spool is not None:
            yield OwnPath(place_of(agent.spool, base))
    for target in plan.targets:
        written = target.files if target.files is not None else target.stream
        if written is not None and written != "-":
            yield OwnPath(place_of(written, base))
    yield OwnPath(str(state), ("catalog.sqlite*", LISTS_FOLDER))
    if plan.catalog is not None and plan.catalog.startswith("sqlite:///"):
        yield from own_file(place_of(plan.catalog.removeprefix("sqlite:///"), base))


def own_file(path: str) -> Iterator[OwnPath]:
    """One file that the run writes (a catalog, a report), with what a database, and we, keep beside it."""
    for suffix in DATABASE_FILES:
        yield OwnPath(path + suffix)
    yield OwnPath(str(Path(path).parent / LISTS_FOLDER))
