"""What of a plan a report must not be written over: asked before a run, without touching what may hang."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..runtime.kinds import DATABASE_FILES, LISTS_FOLDER, encode_name
from ..runtime.sources.base import place_of

if TYPE_CHECKING:
    from ..runtime.plan import CompiledPlan
    from .reports import Claim


def claims_of(plan: CompiledPlan, path: str, *, base: Path, state: Path, catalog: str, report: str) -> list[Claim]:
    """What the run of *plan*, read from *path*, reads or keeps: see ``reports.check_report``."""
    found = [*_kept(plan, path, state, catalog), *_volumes(plan, report), *_read_or_restored(plan, base)]
    return [(os.path.normpath(name) + "/" * name.endswith("/"), why) for name, why in found]


def _kept(plan: CompiledPlan, path: str, state: Path, catalog: str) -> Iterator[Claim]:
    if path != "-":
        yield from ((name, "it is the plan itself") for name in (os.path.abspath(path), os.path.realpath(path)))  # noqa: PTH100
    for scheme in ("sqlite:///", "sqlite+pysqlite:///"):
        catalog = catalog.removeprefix(scheme)
    for folder in (str(state), os.path.realpath(state)):
        yield f"{folder}/levels/", "the snapshots of incremental sources lie there"
    if "://" not in catalog:
        for file in (os.path.abspath(catalog), os.path.realpath(catalog)):  # noqa: PTH100
            yield from ((f"{file}{suffix}", "it is the catalog") for suffix in DATABASE_FILES)
            yield f"{os.path.dirname(file)}/{LISTS_FOLDER}/", "lists of members lie there"  # noqa: PTH120


def _volumes(plan: CompiledPlan, report: str) -> Iterator[Claim]:
    """A name is enough: the folder of a drive may hang, and the drive may come to make the file itself."""
    for file in (os.path.abspath(report), os.path.realpath(report)):  # noqa: PTH100
        folder, _, name = file.rpartition("/")
        for drive in plan.drives:
            begins = f"{encode_name(drive.name)}-"
            number = name.removeprefix(begins).removesuffix(".tar")
            if name == f"{begins}{number}.tar" and number.isdecimal():
                yield f"{folder}/{name}", f"it bears the name of a volume of drive {drive.name}"


def _read_or_restored(plan: CompiledPlan, base: Path) -> Iterator[Claim]:
    for source in plan.sources:
        why = f"source {source.name} is read there"
        if source.stream is not None and source.stream != "-":
            yield os.path.abspath(place_of(source.stream, base)), why  # noqa: PTH100
        for file in source.files:
            path = os.path.abspath(place_of(file, base))  # noqa: PTH100
            yield path, why
            yield f"{path.rstrip('/')}/*", f"it holds something else, and {why}"
    for target in plan.targets:
        if target.stream is not None and target.stream != "-":
            yield os.path.abspath(place_of(target.stream, base)), f"target {target.name} is written there"  # noqa: PTH100
        if target.files is not None:
            folder = os.path.abspath(place_of(target.files, base))  # noqa: PTH100
            yield f"{folder}/", f"target {target.name} is written there"
