"""``tcc drill``: proves that what is stored comes back, by restoring it to a scratch folder and comparing."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..runtime.faults import EXIT_DEGRADED, EXIT_FAILED, EXIT_OK, Fault, UsageFault
from .console import harmless, print_fault, print_result, say
from .options import catalog_option, define_option, hang_option, identity_option, progress_option, state_option
from .table import size_text

if TYPE_CHECKING:
    from ..runtime.catalog.queries import CatalogObject
    from ..runtime.catalog.store import Catalog
    from ..runtime.restore.drill import Drilled

SAMPLE = 25
#: How every report that this command has written begins.
REPORT_HEAD = b'{\n "version": 1,\n "drill": "'
_PROBLEMS_SHOWN = 10
_NOT_DONE = "the drill is not done; the media were only read"

EPILOG = """\b
Examples:
  tcc drill night.tc                                      25 members of each source, chosen anew each time
  tcc drill night.tc --source home --all --keep           all of one source; what was restored stays
  tcc drill night.tc --sample 200 --seed 7 --report drill.json --junit drill.xml"""


@click.command("drill", epilog=EPILOG)
@click.argument("path", metavar="PLAN")
@click.option("--source", "sources", metavar="NAME", multiple=True, help="Only this source of the plan (repeatable).")
@click.option("--all", "whole", is_flag=True, help="Everything, not a sample.")
@click.option(
    "--sample", type=click.IntRange(1), metavar="N", help=f"So many members of each files source (default {SAMPLE})."
)
@click.option("--seed", type=int, metavar="N", help="Choose as a drill before chose (its report names its seed).")
@click.option("--scratch", metavar="DIR", help="Folder to restore below (default: the system's temporary folder).")
@click.option("--keep", is_flag=True, help="Leave what was restored, and say where.")
@click.option("--report", "report_path", metavar="FILE", help="Write a report (JSON) to FILE; - is standard output.")
@click.option("--junit", "junit_path", metavar="FILE", help="Write the result as JUnit XML, for CI.")
@hang_option("Leave a drive that does not answer for so long, and read the other copies.")
@identity_option
@progress_option
@catalog_option
@state_option
@define_option
def drill_command(
    *,
    path: str,
    sources: tuple[str, ...],
    whole: bool,
    sample: int | None,
    seed: int | None,
    scratch: str | None,
    keep: bool,
    report_path: str | None,
    junit_path: str | None,
    hang_after: float,
    identity: tuple[str, ...],
    progress: str,
    catalog: str | None,
    state: str | None,
    defines: dict[str, str],
) -> int:
    """Restore a sample of each source of PLAN to a scratch folder, and compare it with what another copy holds.

    Streams and commands' outputs are restored whole. Exit code 0: all that was chosen came back as it was stored; 3:
    some of it; 1: nothing.
    """
    from ..runtime.codec.identities import load
    from ..runtime.media.times import now_text
    from ..runtime.restore.chain import chain_of
    from ..runtime.restore.shelf import Shelf
    from .meter import Stopped, interruptible, steps
    from .plans import load_plan
    from .reports import check_report, forget_report, write_report
    from .state import catalog_place, lists_of, open_the_catalog, state_folder
    from .waiting import patience_of, say_stopped

    if whole and sample is not None:
        raise UsageFault("--all and --sample exclude each other")
    for report in (report_path, junit_path):
        if report is not None:
            forget_report(report, REPORT_HEAD)
            check_report(report)
    identities = load([Path(file) for file in identity])
    plan, base = load_plan(path, defines, warnings=False)
    names = _chosen_sources([s.name for s in plan.sources], sources)
    folder = state_folder(state, plan, base)
    lists = lists_of(catalog_place(catalog, folder, plan, base), folder)
    seed = secrets.randbelow(1 << 31) if seed is None else seed
    started, clock = now_text(), time.monotonic()
    results: list[dict[str, Any]] = []
    patience = patience_of(hang_after)
    work: list[tuple[str, list[CatalogObject], Fault | None]] = []
    try:
        with interruptible(patience), open_the_catalog(catalog, state, plan, base) as known:
            shelf = Shelf(known.volumes(), patience=patience)
            for name in names:
                try:
                    work.append((name, list(chain_of(known, _newest(known, plan.plan, name, shelf), shelf)), None))
                except Fault as fault:
                    work.append((name, [], fault))
    except Stopped as stop:
        return say_stopped(stop, _NOT_DONE)
    top = _scratch(scratch)
    try:
        total = sum(item.bytes for _, items, _ in work for item in items)
        with steps(progress, "drill", total, patience) as moved:
            before = 0
            for name, items, lack in work:
                if lack is not None:
                    print_fault(lack)
                    results.append(_failed(name, None, str(lack)))
                for item in items:

                    def step(done: int, before: int = before) -> None:
                        moved(before + done)

                    size = None if whole else sample or SAMPLE
                    results.append(_one(name, item, shelf, top, size, seed, lists, identities, step, keep))
                    before += item.bytes
    except Stopped as stop:
        return say_stopped(stop, _NOT_DONE)
    finally:
        _leave(top, keep=keep)
    code = _code(results)
    document = {
        "version": 1,
        "drill": plan.plan,
        "status": {EXIT_OK: "ok", EXIT_DEGRADED: "degraded", EXIT_FAILED: "failed"}[code],
        "started": started,
        "seconds": round(time.monotonic() - clock, 3),
        "seed": seed,
        "sample": None if whole else sample or SAMPLE,
        "kept": str(top) if keep else None,
        "objects": results,
    }
    good = sum(r["status"] == "ok" for r in results)
    say(f"{document['status']}: {good} of {len(results)} objects came back as they were stored (seed {seed})")
    if keep:
        say(f"what was restored is in {top}")
    if report_path is not None and not write_report(document, report_path):
        code = code or EXIT_DEGRADED
    if junit_path is not None and not _write_junit(document, junit_path):
        code = code or EXIT_DEGRADED
    return code


def _chosen_sources(known: list[str], asked: tuple[str, ...]) -> list[str]:
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise UsageFault(f"the plan has no source {', '.join(unknown)}", todo=f"it has {', '.join(known) or 'none'}")
    return [name for name in known if not asked or name in asked]


def _newest(catalog: Catalog, plan: str, source: str, shelf: Any) -> CatalogObject:
    from ..runtime.restore.select import find_object

    return find_object(catalog, source, plan=plan, shelf=shelf)


def _scratch(given: str | None) -> Path:
    from .kept import no_folder_for

    try:
        if given is not None and (why := no_folder_for(os.path.realpath(given))) is not None:
            raise UsageFault(f"no scratch folder can be made: {why}", todo="name another folder (--scratch DIR)")
        if given is not None:
            Path(given).mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="tcc-drill-", dir=given)).absolute()
    except OSError as error:
        raise UsageFault(
            f"no scratch folder can be made{'' if given is None else f' in {given}'}: {error.strerror}",
            todo="name a folder that may be written (--scratch DIR)",
        ) from None


def _one(  # noqa: PLR0917 - one step of one function
    name: str,
    item: CatalogObject,
    shelf: Any,
    top: Path,
    sample: int | None,
    seed: int,
    lists: Any,
    identities: Any,
    step: Any,
    keep: bool,
) -> dict[str, Any]:
    from ..runtime.restore.drill import clear, drill

    place = top / item.id
    try:
        result = drill(item, shelf, place, sample=sample, seed=seed, lists=lists, identities=identities, progress=step)
    except Fault as fault:
        print_fault(fault)
        return _failed(name, item, str(fault))
    finally:
        if not keep and place.exists() and (why := clear(place)) is not None:
            say(f"warning: what was restored could not be removed: {why}", style="1;33")
    _tell(result)
    return _document(name, result)


def _tell(result: Drilled) -> None:
    item = result.object
    words = {"ok": "ok", "degraded": "in part", "failed": "failed"}[result.status]
    what = f"{result.members} of {result.of} members, " if item.kind == "files" else ""
    print_result(
        harmless(
            f"{words:8} {item.plan}/{item.source} of {item.started}: {what}{size_text(result.content_bytes)} compared;"
            f" restored from {result.restored_from}, compared with {result.compared_with}"
        )
    )
    for note in result.notes:
        say(f"note: {note}")
    for problem in result.problems[:_PROBLEMS_SHOWN]:
        say(f"error: {problem}", style="1;31")
    if len(result.problems) > _PROBLEMS_SHOWN:
        say(f"error: and {len(result.problems) - _PROBLEMS_SHOWN} more", style="1;31")


def _document(name: str, result: Drilled) -> dict[str, Any]:
    item = result.object
    return {
        "source": name,
        "object": item.id,
        "session": item.session_id,
        "status": result.status,
        "members": result.members,
        "of": result.of,
        "bytes": result.content_bytes,
        "read": result.read_bytes,
        "restored_from": result.restored_from,
        "compared_with": result.compared_with,
        "problems": list(result.problems),
        "notes": list(result.notes),
    }


def _failed(name: str, item: CatalogObject | None, why: str) -> dict[str, Any]:
    return {
        "source": name,
        "object": item.id if item is not None else None,
        "session": item.session_id if item is not None else None,
        "status": "failed",
        "members": 0,
        "of": 0,
        "bytes": 0,
        "read": 0,
        "restored_from": None,
        "compared_with": None,
        "problems": [why],
        "notes": [],
    }


def _code(results: list[dict[str, Any]]) -> int:
    if results and all(r["status"] == "ok" for r in results):
        return EXIT_OK
    return EXIT_DEGRADED if any(r["status"] != "failed" for r in results) else EXIT_FAILED


def _leave(top: Path, *, keep: bool) -> None:
    from ..runtime.restore.drill import clear

    if not keep and (why := clear(top)) is not None:
        say(f"warning: the scratch folder could not be removed: {why}", style="1;33")


def _write_junit(document: dict[str, Any], path: str) -> bool:
    from xml.etree import ElementTree as ET

    from .writing import write_whole

    objects = document["objects"]
    failures = str(sum(o["status"] != "ok" for o in objects))
    root = ET.Element("testsuites", name="tcc drill", tests=str(len(objects)), failures=failures, errors="0")
    suite = ET.SubElement(
        root, "testsuite", name=harmless(document["drill"]), tests=str(len(objects)), failures=failures, errors="0"
    )
    for one in objects:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=harmless(document["drill"]),
            name=harmless(f"{one['source']} {one['object'] or ''}".strip()),
            time="0",
        )
        if one["status"] != "ok":
            text = harmless("\n".join(one["problems"]))
            ET.SubElement(case, "failure", message=text.partition("\n")[0], type=one["status"]).text = text
    ET.indent(root, " ")
    text = '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
    try:
        write_whole(Path(path), text.encode())
    except UsageFault as fault:
        say(f"error: the JUnit file was not written: {fault.message}", style="1;31")
        return False
    return True
