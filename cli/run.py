"""``tcc run``: runs a plan. Progress and the summary go to stderr, the report where ``--report`` says."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from ..runtime.control import Stop
from ..runtime.faults import EXIT_DEGRADED, EXIT_OK, UsageFault
from .console import print_result
from .options import catalog_option, define_option, hang_option, identity_option, progress_option, state_option
from .plans import load_plan
from .progress import Mode, observer_for
from .reports import check_report, forget_report, write_report
from .state import catalog_place, lists_of, open_the_catalog, state_folder
from .surroundings import ENDING
from .unblocked import last_words, unblocked_stderr

if TYPE_CHECKING:
    from ..runtime.copying.work import Work
    from ..runtime.plan import CompiledPlan
    from ..runtime.sources.chain import ChainWork

#: How every report that this command has written begins.
_REPORT_HEAD = b'{\n "version": 1,\n "session": "'

EPILOG = """\b
Examples:
  tcc run night.tc                          read each source once, write all its copies
  tcc run night.tc --dry-run                say what would happen, open nothing
  tcc run night.tc --full                   begin the chains of incremental sources anew
  tcc run night.plan.json --report out.json --progress plain

\b
Exit codes: 0 all is stored; 3 degraded: something is stored, but not all; 1 failed; 2 could not begin;
130 or 143 stopped by SIGINT or SIGTERM after an orderly end (a second signal ends at once);
129, 131 or 152 likewise by SIGHUP, SIGQUIT or SIGXCPU."""


@click.command("run", epilog=EPILOG)
@click.argument("path", metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Open nothing, say what would happen.")
@click.option("--full", is_flag=True, help='Read sources of level "incremental" whole, as for the first time.')
@progress_option
@click.option("--report", "report_path", metavar="FILE", help="Write the report (JSON) to FILE; - is standard output.")
@click.option(
    "--again", is_flag=True, help="Copy objects also to drives that hold them whole already; merge a chain once more."
)
@click.option("--overwrite", is_flag=True, help="Let targets write over what their folders and files hold.")
@identity_option
@hang_option(
    "Give a drive up that does not answer for so long; the other copies go on. Of a source that gives nothing for so"
    " long a note tells; it is waited for."
)
@define_option
@state_option
@catalog_option
def run_command(  # noqa: PLR0917 - click passes each by its name
    path: str,
    dry_run: bool,
    full: bool,
    progress: Mode,
    report_path: str | None,
    again: bool,
    overwrite: bool,
    identity: tuple[str, ...],
    hang_after: float,
    defines: dict[str, str],
    state: str | None,
    catalog: str | None,
) -> int:
    """Run the plan FILE (.tc, or compiled): read each source once and write all its copies."""
    if report_path is not None and not dry_run:
        forget_report(report_path, _REPORT_HEAD)
    plan, base = load_plan(path, defines, warnings=dry_run)
    if path == "-" and (reading := [source.name for source in plan.sources if source.stream == "-"]):
        raise UsageFault(
            f"the plan came from standard input, and so would {', '.join(reading)}: there is nothing left to read",
            safe="nothing was opened, read or written",
            todo="give the plan as a file",
        )
    folder = state_folder(state, plan, base)
    where = catalog_place(catalog, folder, plan, base)
    merges = any(source.chain is not None for source in plan.sources)
    if (overwrite or (again and not merges)) and all(agent.role == "write" for agent in plan.agents):
        raise UsageFault(
            f"{'--overwrite' if overwrite else '--again'} has no effect on {path}: it has no restore group",
            safe="nothing was opened, read or written",
            todo="leave it out: a backup never overwrites, and reads its sources each time",
        )
    if dry_run:
        from .rehearsal import rehearse

        work = _work(plan, base, where, again=again)
        chains = _chains(plan, base, where, identity, again=again) if merges else {}
        for line in rehearse(plan, base=base, state=folder, catalog=_without_password(where), work=work, chains=chains):
            print_result(line)
        return EXIT_OK
    if report_path is not None:
        from .claims import claims_of

        check_report(report_path, claims_of(plan, path, base=base, state=folder, catalog=where, report=report_path))

    from ..runtime import engine
    from ..runtime.catalog.scribe import Scribe
    from ..runtime.own import own_file
    from ..runtime.preflight import refuse_unrunnable
    from ..runtime.report import exit_code, to_json

    refuse_unrunnable(plan)
    identities = _identities(identity) if plan.targets or merges or identity else ()
    own = [*own_file(where)] if "://" not in where else []
    if report_path is not None and report_path != "-":
        own += own_file(str(Path(report_path).absolute()))
    engine.make_state_folder(folder)
    _allow_many_descriptors()
    stop = Stop()
    lists = lists_of(where, folder) if any(s.kind in {"files", "chain"} for s in plan.sources) else None
    if lists is not None:
        lists.clean()
    with (
        unblocked_stderr(),
        _signals(stop),
        open_the_catalog(catalog, state, plan, base, create=True) as opened,
        closing(Scribe(opened)) as scribe,
        closing(observer_for(progress)) as observer,
    ):
        report = engine.run(
            plan,
            base=base,
            state=folder,
            catalog=scribe,
            observer=observer,
            stop=stop,
            own=own,
            again=again,
            overwrite=overwrite,
            lists=lists,
            full=full,
            identities=identities,
            hang_seconds=hang_after,
            typed=_typed(path, state, catalog, defines),
        )
        code = exit_code(report)
        if report_path is not None:
            spare = folder / f"unwritten-report-{report.session}.json"
            if not write_report(to_json(report), report_path, spare=spare):
                code = code or EXIT_DEGRADED
    return code


def _typed(path: str, state: str | None, catalog: str | None, defines: Mapping[str, str]) -> list[str]:
    """The options that another command needs to find this run's plan and catalog, as its advice shows them."""
    words = ["--plan", path]
    for option, value in (("--state", state), ("--catalog", None if catalog is None else _without_password(catalog))):
        words += [option, value] if value is not None else []
    for name, value in defines.items():
        words += ["-D", f"{name}={value}"]
    return words


def _work(plan: CompiledPlan, base: Path, where: str, *, again: bool) -> Work | None:
    """What the plan's restore groups come to. Where there is no catalog yet the volumes tell it, and none is made."""
    if all(agent.role == "write" for agent in plan.agents):
        return None
    from ..runtime.catalog.store import memory_catalog, open_catalog
    from ..runtime.copying.work import work_of
    from ..runtime.preflight import refuse_unrunnable

    refuse_unrunnable(plan)
    there = "://" in where or Path(where).exists()
    with open_catalog(where, create=False) if there else memory_catalog() as catalog:
        return work_of(plan, base=base, catalog=catalog, again=again)


def _chains(
    plan: CompiledPlan, base: Path, where: str, identity: tuple[str, ...], *, again: bool
) -> dict[str, ChainWork]:
    """What the plan's chain sources come to."""
    from ..runtime.catalog.store import open_catalog
    from ..runtime.preflight import refuse_unrunnable
    from ..runtime.sources.chain import chain_work

    refuse_unrunnable(plan)
    identities = _identities(identity)
    with open_catalog(where, create=False) as catalog:
        return {
            source.name: chain_work(plan, source, base=base, catalog=catalog, identities=identities, again=again)
            for source in plan.sources
            if source.chain is not None
        }


def _identities(files: tuple[str, ...]) -> tuple[Any, ...]:
    """What opens encrypted objects for targets and chain sources."""
    from ..runtime.codec.identities import load

    return load([Path(file) for file in files])


def _allow_many_descriptors() -> None:
    """Each source and drive needs a few: take as many as the system lets us have."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            pass  # as many as there are, then


def _without_password(url: str) -> str:
    """A database URL as it may be shown."""
    scheme, separator, rest = url.partition("://")
    if not separator or "@" not in rest:
        return url
    credentials, _, place = rest.rpartition("@")
    return f"{scheme}://{credentials.partition(':')[0]}@{place}"


@contextmanager
def _signals(stop: Stop) -> Iterator[None]:
    """The first signal that asks to end asks for an orderly end, the second ends the process at once."""

    def handle(number: int, _: FrameType | None) -> None:
        if stop.request(number):
            return
        stop.end_at_once()
        cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # the live table hides it
        last_words(f"{cursor}\nstopped at once: volumes are readable up to their last whole record\n")
        os._exit(128 + number)

    before = {}
    for number in (signal.SIGINT, *ENDING):
        if number != signal.SIGINT and signal.getsignal(number) == signal.SIG_IGN:
            continue  # nohup means it
        before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
